"""`/v1/completions`: a text carried on, with no template around it."""

import secrets
from typing import Any

import msgspec
from aiohttp import web

from wakeful.engine.errors import EngineError
from wakeful.engine.life.instance import Instance
from wakeful.engine.openai import answer
from wakeful.engine.openai.answer import Said
from wakeful.engine.openai.chat import StreamOptions, finish_reason, usage
from wakeful.engine.openai.options import SamplingFields, Whole, token_limit
from wakeful.engine.runner.pieces import Done, Piece, Text
from wakeful.engine.runner.request import Generation
from wakeful.engine.server import bodies, refusals
from wakeful.engine.server.keys import CLOCK, SETTINGS
from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import Limits
from wakeful.engine.server.sse import DONE, event

_encode = msgspec.json.Encoder().encode


class CompletionRequest(SamplingFields, kw_only=True):
    """What is read of a request; whatever else it holds is passed over."""

    model: str | None = None
    prompt: Any = None
    max_tokens: Whole | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def generation(self, limits: Limits) -> Generation:
        """What the model is asked. Raises Refused."""
        return Generation(
            prompt=_prompt(self.prompt),
            sampling=self.sampling(),
            max_tokens=token_limit(self.max_tokens),
            stop=self.stops(limits),
        )


async def create(request: web.Request) -> web.StreamResponse:
    """POST /v1/completions"""
    asked = bodies.convert(await bodies.read(request), CompletionRequest)
    generation = asked.generation(request.app[SETTINGS].limits)
    now_s = request.app[CLOCK]
    if asked.stream:
        with_usage = asked.stream_options is not None and bool(asked.stream_options.include_usage)
        return await answer.streamed(
            request,
            asked.model or "",
            generation,
            lambda instance: CompletionWriter(instance, now_s(), with_usage=with_usage),
            ttl_s=asked.ttl_s,
        )
    return await answer.whole(
        request,
        asked.model or "",
        generation,
        lambda instance, said: completion(instance, said, now_s()),
        ttl_s=asked.ttl_s,
    )


def completion(instance: Instance, said: Said, now_s: float) -> dict[str, Any]:
    """The answer in one piece. now_s: since the epoch"""
    finish = finish_reason(said.done, called=False)
    text = said.reasoning + said.text  # a bare text has no thinking apart from it
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(now_s),
        "model": instance.identifier,
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}],
        "usage": usage(said.done.stats),
        "stats": {},
        "system_fingerprint": instance.identifier,
    }


class CompletionWriter:
    """The chunks of one streamed text."""

    def __init__(self, instance: Instance, now_s: float, *, with_usage: bool) -> None:
        name = instance.identifier
        same = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(now_s),
            "model": name,
            "system_fingerprint": name,
        }
        self._with_usage = with_usage
        self._head = b"data: " + _encode(same)[:-1]
        self._text = self._head + b',"choices":[{"index":0,"text":'
        self._tail = b',"logprobs":null,"finish_reason":null}]}\n\n'

    def begin(self) -> bytes:
        """See `Writer`."""
        return b""

    def take(self, piece: Piece) -> bytes:
        """See `Writer`."""
        match piece:
            case Text():
                return self._text + _encode(piece.text) + self._tail
            case Done():
                return self._end(piece)
            case _:
                return b""

    def failed(self, error: EngineError) -> bytes:
        """See `Writer`."""
        return event(refusals.event(refusals.refusal(error), "openai"), "error")

    def _end(self, done: Done) -> bytes:
        reason = _encode(finish_reason(done, called=False))
        last = self._text + b'"","logprobs":null,"finish_reason":' + reason + b"}]}\n\n"
        if self._with_usage:
            last += self._head + b',"choices":[],"usage":' + _encode(usage(done.stats)) + b"}\n\n"
        return last + DONE


def _prompt(given: Any) -> str:
    """A text; the list of one text that some programs send is taken for it."""
    match given:
        case None:
            raise Refused("'prompt' field is required", code="missing_required_parameter", param="prompt", plain=True)
        case str() | [str()]:
            return given if isinstance(given, str) else given[0]
        case _:
            raise Refused("'prompt' field must be a string", code="invalid_type", param="prompt", plain=True)
