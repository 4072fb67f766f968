"""`/v1/chat/completions`, as LM Studio serves it."""

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from wakeful.engine.errors import EngineError
from wakeful.engine.life.instance import Instance
from wakeful.engine.openai import answer
from wakeful.engine.openai.answer import Said
from wakeful.engine.openai.options import (
    SamplingFields,
    Whole,
    effort,
    schema_of,
    token_limit,
    tool_choice_of,
    tools_of,
)
from wakeful.engine.openai.turns import turns_of
from wakeful.engine.runner.pieces import CallArguments, CallStart, Done, Piece, PromptProgress, Stats, Text
from wakeful.engine.runner.request import Generation
from wakeful.engine.server import bodies, refusals
from wakeful.engine.server.keys import CLOCK, SETTINGS
from wakeful.engine.server.settings import Limits
from wakeful.engine.server.sse import DONE, event

_encode = msgspec.json.Encoder().encode


class StreamOptions(msgspec.Struct, kw_only=True):
    """include_usage: whether a last chunk tells the tokens."""

    include_usage: bool | None = None


class ChatRequest(SamplingFields, kw_only=True):
    """What is read of a request; whatever else it holds is passed over, as LM Studio does."""

    model: str | None = None
    messages: Any = None
    max_tokens: Whole | None = None
    max_completion_tokens: Whole | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    response_format: Any = None
    reasoning_effort: str | None = None

    def generation(self, limits: Limits) -> Generation:
        """What the model is asked. Raises Refused."""
        return Generation(
            messages=turns_of(self.messages, limits),
            sampling=self.sampling(),
            max_tokens=token_limit(self.max_tokens, self.max_completion_tokens),
            stop=self.stops(limits),
            tools=tools_of(self.tools, limits),
            tool_choice=tool_choice_of(self.tool_choice),
            schema=schema_of(self.response_format),
            effort=effort(self.reasoning_effort, "reasoning_effort"),
        )


async def create(request: web.Request) -> web.StreamResponse:
    """POST /v1/chat/completions"""
    asked = bodies.convert(await bodies.read(request), ChatRequest)
    settings = request.app[SETTINGS]
    generation = asked.generation(settings.limits)
    tags, now_s = settings.think_tags, request.app[CLOCK]
    if asked.stream:
        with_usage = asked.stream_options is not None and bool(asked.stream_options.include_usage)
        return await answer.streamed(
            request,
            asked.model or "",
            generation,
            lambda instance: ChatWriter(instance, now_s(), with_usage=with_usage, think_tags=tags),
            ttl_s=asked.ttl_s,
        )
    return await answer.whole(
        request,
        asked.model or "",
        generation,
        lambda instance, said: completion(instance, said, now_s(), think_tags=tags),
        ttl_s=asked.ttl_s,
    )


def completion(instance: Instance, said: Said, now_s: float, *, think_tags: bool = False) -> dict[str, Any]:
    """The answer in one piece. now_s: since the epoch"""
    text, reasoning = said.text, said.reasoning
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if reasoning and think_tags:
        message["content"] = f"<think>{reasoning}</think>{text}"
    elif reasoning:
        message[_reasoning_field(instance)] = reasoning
    message["tool_calls"] = [
        {"type": "function", "id": each.id, "function": {"name": each.name, "arguments": each.arguments}}
        for each in said.calls
    ]
    finish = finish_reason(said.done, called=bool(said.calls))
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(now_s),
        "model": instance.identifier,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage(said.done.stats),
        "stats": {},
        "system_fingerprint": instance.identifier,
    }


def usage(stats: Stats) -> dict[str, Any]:
    """Token counts in OpenAI's form."""
    return {
        "prompt_tokens": stats.prompt_tokens,
        "completion_tokens": stats.completion_tokens,
        "total_tokens": stats.prompt_tokens + stats.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": stats.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": stats.reasoning_tokens},
    }


def finish_reason(done: Done, *, called: bool) -> str:
    """OpenAI's word for why it ended."""
    if done.stop_reason in ("maxPredictedTokensReached", "contextLengthReached"):
        return "length"
    return "tool_calls" if called else "stop"


class ChatWriter:
    """The chunks of one streamed answer; for each token only its text is encoded."""

    def __init__(self, instance: Instance, now_s: float, *, with_usage: bool = False, think_tags: bool = False) -> None:
        name = instance.identifier
        same = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion.chunk",
            "created": int(now_s),
            "model": name,
            "system_fingerprint": name,
        }
        self._with_usage = with_usage
        self._think_tags = think_tags
        self._thinking = False
        self._called = False
        self._head = b"data: " + _encode(same)[:-1]
        choice = self._head + b',"choices":[{"index":0,"delta":'
        self._choice = choice
        self._content = choice + b'{"role":"assistant","content":'
        self._reasoning = choice + b'{"role":"assistant","%b":' % _reasoning_field(instance).encode()
        self._tail = b'},"logprobs":null,"finish_reason":null}]}\n\n'

    def begin(self) -> bytes:
        """See `Writer`."""
        return b""

    def take(self, piece: Piece) -> bytes:
        """See `Writer`."""
        match piece:
            case Text(reasoning=reasoning):
                if self._think_tags:
                    return self._tagged(piece)
                return (self._reasoning if reasoning else self._content) + _encode(piece.text) + self._tail
            case CallArguments():
                return self._delta({"tool_calls": [{"index": piece.index, "function": {"arguments": piece.text}}]})
            case CallStart():
                self._called = True
                return self._closed() + self._delta(_call_start(piece))
            case Done():
                return self._closed() + self._end(piece)
            case PromptProgress():
                return b""

    def failed(self, error: EngineError) -> bytes:
        """See `Writer`: LM Studio's two forms of an error at once."""
        return event(refusals.event(refusals.refusal(error), "openai"), "error")

    def _tagged(self, piece: Text) -> bytes:
        text = piece.text
        if piece.reasoning and not self._thinking:
            text = "<think>" + text
        elif self._thinking and not piece.reasoning:
            text = "</think>" + text
        self._thinking = piece.reasoning
        return self._content + _encode(text) + self._tail

    def _closed(self) -> bytes:
        """The end of a thought that nothing was said after."""
        if not self._thinking:
            return b""
        self._thinking = False
        return self._content + b'"</think>"' + self._tail

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return self._choice + _encode({"role": "assistant", **delta}) + self._tail[1:]

    def _end(self, done: Done) -> bytes:
        reason = finish_reason(done, called=self._called)
        last = self._choice + b'{},"logprobs":null,"finish_reason":' + _encode(reason) + b"}]}\n\n"
        if self._with_usage:
            last += self._head + b',"choices":[],"usage":' + _encode(usage(done.stats)) + b"}\n\n"
        return last + DONE


def _reasoning_field(instance: Instance) -> str:
    """LM Studio has another name for the thinking of OpenAI's own model, since 0.3.23."""
    return "reasoning" if instance.model.architecture == "gpt-oss" else "reasoning_content"


def _call_start(piece: CallStart) -> dict[str, Any]:
    function = {"name": piece.name, "arguments": ""}
    return {"tool_calls": [{"index": piece.index, "id": piece.id, "type": "function", "function": function}]}
