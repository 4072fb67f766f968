"""`/v1/messages`: answers in Anthropic's form, whole and as a stream."""

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from wakeful.engine.errors import EngineError
from wakeful.engine.life.instance import Instance
from wakeful.engine.openai import answer
from wakeful.engine.openai.answer import Said
from wakeful.engine.openai.messages_input import MessagesRequest
from wakeful.engine.runner.pieces import CallArguments, CallStart, Done, Piece, PromptProgress, Stats, Text
from wakeful.engine.server import bodies, refusals
from wakeful.engine.server.keys import SETTINGS
from wakeful.engine.server.sse import event

_encode = msgspec.json.Encoder().encode
_STOP_REASONS = {
    "maxPredictedTokensReached": "max_tokens",
    "contextLengthReached": "max_tokens",
    "stopStringFound": "stop_sequence",
}


async def create(request: web.Request) -> web.StreamResponse:
    """POST /v1/messages"""
    asked = bodies.convert(await bodies.read(request), MessagesRequest)
    generation = asked.generation(request.app[SETTINGS].limits)
    if asked.stream:
        return await answer.streamed(request, asked.model or "", generation, MessageWriter)
    return await answer.whole(request, asked.model or "", generation, message)


def message(instance: Instance, said: Said) -> dict[str, Any]:
    """The answer in one piece."""
    content: list[dict[str, Any]] = []
    if said.reasoning:
        content.append({"type": "thinking", "thinking": said.reasoning, "signature": ""})
    if said.text or not (said.calls or said.reasoning):
        content.append({"type": "text", "text": said.text})
    content += [
        {"type": "tool_use", "id": each.id, "name": each.name, "input": _input(each.arguments)} for each in said.calls
    ]
    return _message(instance.identifier, content, _usage(said.done.stats)) | _stop(said.done, called=bool(said.calls))


class MessageWriter:
    """The events of one streamed answer: blocks one after the other, each opened, filled and closed."""

    def __init__(self, instance: Instance) -> None:
        self._name = instance.identifier
        self._kind = ""
        self._index = -1
        self._called = False
        self._begun = False
        self._delta = b""
        self._tail = b"}}\n\n"

    def begin(self) -> bytes:
        """See `Writer`."""
        return b""

    def take(self, piece: Piece) -> bytes:
        """See `Writer`."""
        match piece:
            case Text():
                kind = "thinking" if piece.reasoning else "text"
                opened = self._open(kind, {kind: ""}) if kind != self._kind else b""
                return opened + self._delta + _encode(piece.text) + self._tail
            case CallStart():
                self._called = True
                self._kind = ""  # each call is a block of its own
                return self._open("tool_use", {"id": piece.id, "name": piece.name, "input": {}})
            case CallArguments():
                return self._delta + _encode(piece.text) + self._tail
            case PromptProgress():
                return self._begin(piece.total, piece.cached)
            case Done():
                return self._end(piece)

    def failed(self, error: EngineError) -> bytes:
        """See `Writer`."""
        return event(refusals.event(refusals.refusal(error, "anthropic"), "anthropic"), "error")

    def _begin(self, prompt_tokens: int, cached_tokens: int) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        used = _usage(Stats(prompt_tokens=prompt_tokens, cached_tokens=cached_tokens))
        begun = _message(self._name, [], used) | {"stop_reason": None, "stop_sequence": None}
        return _event("message_start", message=begun)

    def _open(self, kind: str, block: Mapping[str, Any]) -> bytes:
        before = self._begin(0, 0) + self._close()
        self._kind = kind
        self._index += 1
        delta, field = {
            "text": ("text_delta", "text"),
            "thinking": ("thinking_delta", "thinking"),
            "tool_use": ("input_json_delta", "partial_json"),
        }[kind]
        head = {"type": "content_block_delta", "index": self._index}
        begun = b'event: content_block_delta\ndata: %b,"delta":{"type":"%b","%b":'
        self._delta = begun % (_encode(head)[:-1], delta.encode(), field.encode())
        more = {"signature": ""} if kind == "thinking" else {}
        return before + _event("content_block_start", index=self._index, content_block={"type": kind, **block, **more})

    def _close(self) -> bytes:
        return _event("content_block_stop", index=self._index) if self._index >= 0 else b""

    def _end(self, done: Done) -> bytes:
        stats = done.stats
        opened = self._open("text", {"text": ""}) if self._index < 0 else b""
        delta = _stop(done, called=self._called)
        return b"".join(
            (
                opened,
                self._close(),
                _event("message_delta", delta=delta, usage=_usage(stats)),
                _event("message_stop"),
            )
        )


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _message(name: str, content: list[dict[str, Any]], usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "content": content,
        "model": name,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _usage(stats: Stats) -> dict[str, int]:
    """Anthropic counts tokens that were cached apart from those that were read."""
    return {
        "input_tokens": stats.prompt_tokens - stats.cached_tokens,
        "output_tokens": stats.completion_tokens,
        "cache_read_input_tokens": stats.cached_tokens,
    }


def _stop(done: Done, *, called: bool) -> dict[str, Any]:
    reason = _STOP_REASONS.get(done.stop_reason, "tool_use" if called else "end_turn")
    return {"stop_reason": reason, "stop_sequence": done.stop_string if reason == "stop_sequence" else None}


def _input(arguments: str) -> dict[str, Any]:
    """{} for what is no JSON object: an answer that was cut off within a call."""
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
