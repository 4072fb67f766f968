"""An answer of REST v1's chat as it grows: pieces in, events and the result out. Without I/O."""

import time
from typing import Any, Literal

import msgspec

from wakeful.engine.errors import EngineError
from wakeful.engine.runner.pieces import Done, Piece, PromptProgress, Stats, Text
from wakeful.engine.server import refusals
from wakeful.engine.server.sse import event

_encode = msgspec.json.Encoder().encode
_MESSAGE = b'event: message.delta\ndata: {"type":"message.delta","content":'
_REASONING = b'event: reasoning.delta\ndata: {"type":"reasoning.delta","content":'
_END = b"}\n\n"
_PROGRESS_STEP = 0.01

Kind = Literal["message", "reasoning"]


class Growing:
    """One answer. instance_id: of the model that gives it, once that is known."""

    def __init__(self) -> None:
        self.instance_id = ""
        self.load_s: float | None = None
        self._output: list[tuple[Kind, list[str]]] = []
        self._open: Kind | None = None
        self._reading = False
        self._share = -1.0
        self._done: Done | None = None
        self._started_s = time.monotonic()
        self._first_s = 0.0
        self._prompt_tokens = 0
        self._tokens = 0
        self._thought_tokens = 0

    def started(self, instance_id: str) -> bytes:
        """The first event of all; b"" if it was told before."""
        if self.instance_id:
            self.instance_id = instance_id
            return b""
        self.instance_id = instance_id
        return named("chat.start", model_instance_id=instance_id)

    def take(self, piece: Piece) -> bytes:
        """The events of a piece, b"" for none."""
        match piece:
            case Text():
                return self._text(piece) if piece.text else b""
            case PromptProgress():
                return self._read(piece)
            case Done():
                self._done = piece
                return self._read_all() + self._close()
            case _:
                return b""  # calls of tools: there are none that it could call

    def ended(self, response_id: str, error: EngineError | None = None) -> bytes:
        """The last events: what went wrong, if anything did, and the whole of it."""
        told = b""
        if error is not None:
            told = self._read_all() + self._close() + named("error", **refusals.event(_refused(error), "rest"))
        return told + named("chat.end", result=self.result(response_id))

    @property
    def is_whole(self) -> bool:
        """Whether the model has come to its end."""
        return self._done is not None

    def text(self) -> str:
        """The message without the thinking."""
        return "".join("".join(pieces) for kind, pieces in self._output if kind == "message")

    def result(self, response_id: str) -> dict[str, Any]:
        """The answer in one piece. response_id: "" when it is not kept."""
        output = [{"type": kind, "content": "".join(pieces)} for kind, pieces in self._output]
        told: dict[str, Any] = {"model_instance_id": self.instance_id, "output": output, "stats": self._stats()}
        return told | {"response_id": response_id} if response_id else told

    def _stats(self) -> dict[str, Any]:
        stats = self._done.stats if self._done else self._so_far()
        told: dict[str, Any] = {
            "input_tokens": stats.prompt_tokens,
            "total_output_tokens": stats.completion_tokens,
            "reasoning_output_tokens": stats.reasoning_tokens,
            "tokens_per_second": stats.tokens_per_second,
            "time_to_first_token_seconds": round(stats.first_token_s, 3),
        }
        return told if self.load_s is None else told | {"model_load_time_seconds": round(self.load_s, 3)}

    def _so_far(self) -> Stats:
        spent_s = time.monotonic() - self._started_s - self._first_s
        return Stats(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._tokens,
            reasoning_tokens=self._thought_tokens,
            first_token_s=self._first_s,
            tokens_per_second=self._tokens / spent_s if self._tokens and spent_s > 0 else 0.0,
        )

    def _read(self, piece: PromptProgress) -> bytes:
        self._prompt_tokens = piece.total
        share = min(piece.read / piece.total, 1.0) if piece.total else 1.0
        before = b"" if self._reading else named("prompt_processing.start")
        self._reading = True
        if share < 1.0 and share - self._share < _PROGRESS_STEP:
            return before
        if share <= self._share:
            return before
        self._share = share
        return before + named("prompt_processing.progress", progress=share)

    def _read_all(self) -> bytes:
        """The prompt is read; told once."""
        if not self._reading:
            return b""
        self._reading = False
        return named("prompt_processing.end")

    def _text(self, piece: Text) -> bytes:
        if not self._tokens:
            self._first_s = time.monotonic() - self._started_s
        self._tokens += piece.tokens
        self._thought_tokens += piece.tokens if piece.reasoning else 0
        kind: Kind = "reasoning" if piece.reasoning else "message"
        before = b""
        if kind != self._open:
            before = self._read_all() + self._close() + named(f"{kind}.start")
            self._open = kind
            self._output.append((kind, []))
        self._output[-1][1].append(piece.text)
        return before + (_REASONING if piece.reasoning else _MESSAGE) + _encode(piece.text) + _END

    def _close(self) -> bytes:
        kind, self._open = self._open, None
        return b"" if kind is None else named(f"{kind}.end")


def named(name: str, **data: Any) -> bytes:
    """An event whose data says its name too."""
    return event({"type": name, **data}, name)


def _refused(error: EngineError) -> refusals.Refused:
    return refusals.refusal(error, "rest")
