"""The named events of a streamed response: items opened, filled and closed, one after the other.

Source: the Open Responses specification, and OpenAI's reference of streaming events.
"""

from typing import Any, Literal

import msgspec

from wakeful.engine.errors import EngineError
from wakeful.engine.openai.responses_output import (
    Shape,
    Status,
    call_item,
    item_id,
    logprobs_of,
    message_item,
    reasoning_item,
    status_of,
    text_part,
)
from wakeful.engine.runner.pieces import CallArguments, CallStart, Done, Piece, PromptProgress, Text
from wakeful.engine.server import refusals
from wakeful.engine.server.sse import event

_encode = msgspec.json.Encoder().encode
_DELTAS = {
    "message": "response.output_text.delta",
    "reasoning": "response.reasoning_text.delta",
    "call": "response.function_call_arguments.delta",
}
Kind = Literal["", "message", "reasoning", "call"]


class ResponseWriter:
    """The events of one streamed response."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._number = 0
        self._output: list[dict[str, Any]] = []
        self._kind: Kind = ""
        self._id = ""
        self._call = CallStart(0, "", "")
        self._texts: list[str] = []
        self._logprobs: list[dict[str, Any]] = []
        self._delta = b""

    def begin(self) -> bytes:
        """See `Writer`."""
        begun = self._shape.begun()
        return self._event("response.created", response=begun) + self._event("response.in_progress", response=begun)

    def take(self, piece: Piece) -> bytes:
        """See `Writer`."""
        match piece:
            case Text():
                kind = "reasoning" if piece.reasoning else "message"
                opened = self._open(kind) if kind != self._kind else b""
                return opened + self._said(piece)
            case CallArguments():
                self._texts.append(piece.text)
                return self._next(self._delta + _encode(piece.text))
            case CallStart():
                return self._open("call", piece)
            case Done():
                return self._end(piece)
            case PromptProgress():
                return b""

    def failed(self, error: EngineError) -> bytes:
        """See `Writer`."""
        refused = refusals.refusal(error, "responses")
        code = "server_error" if refused.kind == "internal_error" else refused.code or "invalid_prompt"
        closed = self._close("incomplete")
        told = self._shape.failed(self._output, code, str(refused))
        return closed + self._event("response.failed", response=told)

    def _said(self, piece: Text) -> bytes:
        self._texts.append(piece.text)
        data = self._delta + _encode(piece.text)
        if self._kind == "message":
            logprobs = logprobs_of(piece.logprobs)
            self._logprobs += logprobs
            data += b',"logprobs":' + _encode(logprobs)
        return self._next(data)

    def _open(self, kind: Kind, call: CallStart | None = None) -> bytes:
        closed = self._close("completed")
        self._kind = kind
        self._texts, self._logprobs = [], []
        self._id = item_id({"message": "msg", "reasoning": "rs", "call": "fc"}[kind])
        self._call = call or self._call
        name = _DELTAS[kind]
        head = {"type": name, "item_id": self._id, "output_index": len(self._output)}
        if kind != "call":
            head["content_index"] = 0
        self._delta = b"event: %b\ndata: %b" % (name.encode(), _encode(head)[:-1]) + b',"delta":'
        added = self._event("response.output_item.added", output_index=len(self._output), item=self._item(None))
        return closed + added + self._part("added", "")

    def _close(self, status: Status) -> bytes:
        """The ends of whatever item is open."""
        if not self._kind:
            return b""
        text = "".join(self._texts)
        ended = b""
        if self._kind == "message":
            ended = self._in_item("response.output_text.done", text=text, logprobs=self._logprobs)
        elif self._kind == "reasoning":
            ended = self._in_item("response.reasoning_text.done", text=text)
        else:
            ended = self._event(
                "response.function_call_arguments.done",
                item_id=self._id,
                output_index=len(self._output),
                name=self._call.name,
                arguments=text,
            )
        item = self._item(text) | {"status": status}
        ended += self._part("done", text)
        ended += self._event("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)
        self._kind = ""
        return ended

    def _end(self, done: Done) -> bytes:
        status = status_of(done)
        opened = self._open("message") if not (self._kind or self._output) else b""
        closed = opened + self._close(status)
        told = self._shape.ended(self._output, done)
        return closed + self._event(f"response.{status}", response=told)

    def _item(self, text: str | None) -> dict[str, Any]:
        """The item that is open. text: None as long as it is empty."""
        if self._kind == "call":
            return call_item(self._id, self._call.id, self._call.name, text or "", status="in_progress")
        if self._kind == "reasoning":
            return reasoning_item(self._id, text, status="in_progress")
        return message_item(self._id, text, self._logprobs, status="in_progress")

    def _part(self, what: Literal["added", "done"], text: str) -> bytes:
        if self._kind == "call":
            return b""
        part = {"type": "reasoning_text", "text": text}
        if self._kind == "message":
            part = text_part(text, self._logprobs)
        return self._in_item(f"response.content_part.{what}", part=part)

    def _in_item(self, name: str, /, **fields: Any) -> bytes:
        return self._event(name, item_id=self._id, output_index=len(self._output), content_index=0, **fields)

    def _event(self, name: str, /, **fields: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        return event({"type": name, **fields, "sequence_number": number}, name)

    def _next(self, data: bytes) -> bytes:
        """The same for a delta, of which all but the number is encoded."""
        number, self._number = self._number, self._number + 1
        return b'%b,"sequence_number":%d}\n\n' % (data, number)
