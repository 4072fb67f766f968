"""How the pieces of tool calls become whole calls. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from wakeful.lmstudio.chat.events import ToolCall, ToolCallDelta
from wakeful.lmstudio.chat.wire import WireToolCall
from wakeful.lmstudio.errors import AnswerTooLarge

MAX_CALLS = 256
MAX_ARGUMENT_CHARACTERS = 16 * 1024 * 1024
"""Of all calls of an answer together."""


@dataclass(slots=True)
class _Call:
    index: int
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])


class ToolCallAssembler:
    """Gathers the calls of one answer.

    Servers disagree on how pieces belong together, so the strongest sign wins: an id that was seen before; an
    index, unless the piece begins another call there (a new id, or a name once arguments have come: duplicated
    indices are common); else the call before it.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}
        self._named: dict[str, _Call] = {}
        self._characters = 0

    def feed(self, pieces: Sequence[WireToolCall]) -> list[ToolCallDelta]:
        """What the next pieces add. Raises AnswerTooLarge, so that memory stays bounded."""
        return [self._add(piece) for piece in pieces]

    def finish(self) -> list[ToolCall]:
        """All calls, in the order in which they began."""
        taken = {call.id for call in self._calls}
        calls: list[ToolCall] = []
        for call in self._calls:
            if not call.id:
                call.id = next(name for at in range(call.index, MAX_CALLS * 2) if (name := f"call_{at}") not in taken)
                taken.add(call.id)
            arguments = "".join(call.arguments).strip() or "{}"
            calls.append(ToolCall(call.id, call.name, arguments, _fault(call.name, arguments)))
        return calls

    def _add(self, piece: WireToolCall) -> ToolCallDelta:
        function = piece.function
        name = (function.name if function is not None else None) or ""
        arguments = function.arguments if function is not None else None
        if arguments is not None and not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()  # some servers send the object itself
        call = self._belongs(piece, name)
        if piece.id:
            self._named[piece.id] = call
        new_id = "" if call.id else piece.id or ""
        call.id = call.id or new_id
        # a name is repeated by some servers in every piece, and cut into pieces by others
        new_name = "" if name == call.name else name
        call.name += new_name
        if arguments:
            self._characters += len(arguments)
            if self._characters > MAX_ARGUMENT_CHARACTERS:
                raise AnswerTooLarge(f"The arguments of tool calls are longer than {MAX_ARGUMENT_CHARACTERS:,}.")
            call.arguments.append(arguments)
        return ToolCallDelta(call.index, new_id, new_name, arguments or "")

    def _belongs(self, piece: WireToolCall, name: str) -> _Call:
        if piece.id and (known := self._named.get(piece.id)) is not None:
            return known
        call = self._at.get(piece.index) if piece.index is not None else self._last
        if call is None or self._begins(call, piece, name):
            if len(self._calls) >= MAX_CALLS:
                raise AnswerTooLarge(f"The answer calls more than {MAX_CALLS} tools.")
            call = _Call(len(self._calls))
            self._calls.append(call)
        if piece.index is not None:
            self._at[piece.index] = call
        return call

    @property
    def _last(self) -> _Call | None:
        return self._calls[-1] if self._calls else None

    @staticmethod
    def _begins(call: _Call, piece: WireToolCall, name: str) -> bool:
        if piece.id and call.id:
            return True
        return bool(name and call.arguments and (name != call.name or piece.index is None))


def _fault(name: str, arguments: str) -> str:
    """Why a call can't be made, "" when it can."""
    if not name:
        return "The call names no tool."
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError) as error:
        return f"The arguments are no JSON: {error}."
    return "" if isinstance(value, dict) else "The arguments are no JSON object."
