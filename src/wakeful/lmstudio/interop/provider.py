"""How does an agent framework use us that takes an OpenAI-style object, without the `openai` package?"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import msgspec

from wakeful.lmstudio.chat.events import Message
from wakeful.lmstudio.errors import LMStudioError, MalformedAnswer
from wakeful.lmstudio.http.attempts import Attempts
from wakeful.lmstudio.http.classify import classify, error_from, shorten
from wakeful.lmstudio.http.events import EventSource, open_events
from wakeful.lmstudio.http.sse import ServerSentEvent
from wakeful.lmstudio.http.wire import as_list, as_object
from wakeful.lmstudio.interop.adapter import coded_errors
from wakeful.lmstudio.models.listing import Model

if TYPE_CHECKING:
    from wakeful.lmstudio.client import AsyncLMStudioClient

_PATH = "/v1/chat/completions"

_MESSAGE = {"role": "assistant", "content": None, "tool_calls": None, "refusal": None}
_DELTA = {"role": None, "content": None, "tool_calls": None, "refusal": None}
_CHOICE = {"index": 0, "finish_reason": None, "logprobs": None}
_ANSWER = {"id": "", "object": "chat.completion", "created": 0, "model": "", "usage": None}
"""What OpenAI's objects always have, so that programs read it without asking."""


_CALLERS_SIDE = frozenset({"timeout", "extra_body"})
_NOT_SENT = frozenset({"extra_headers", "extra_query"})
"""Parameters of OpenAI's `create` that are no fields of the request."""


class Fields(dict[str, Any]):
    """A JSON object whose fields are attributes as well; what the server sent beyond the usual is there too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def model_dump(self, *, exclude_none: bool = False) -> dict[str, Any]:
        """All of it as plain objects and arrays. exclude_none: without the fields that are None."""
        return cast("dict[str, Any]", msgspec.to_builtins(_without_none(self) if exclude_none else self))

    def model_dump_json(self, *, exclude_none: bool = False) -> str:
        """All of it as JSON."""
        return msgspec.json.encode(self.model_dump(exclude_none=exclude_none)).decode()


def with_attributes(value: Any) -> Any:
    """Decoded JSON with all its objects as `Fields`."""
    if isinstance(value, dict):
        return Fields({name: with_attributes(item) for name, item in as_object(value).items()})
    if isinstance(value, list):
        return [with_attributes(item) for item in as_list(value)]
    return value


def as_completion(data: Any, part: Literal["message", "delta"]) -> Fields:
    """An answer, or a chunk of one, with everything that OpenAI's has."""
    usual = _MESSAGE if part == "message" else _DELTA
    choices = [
        {**_CHOICE, **choice, part: {**usual, **as_object(choice.get(part))}}
        for choice in map(as_object, as_list(as_object(data).get("choices")))
    ]
    kind = "chat.completion" if part == "message" else "chat.completion.chunk"
    answer = {**_ANSWER, "object": kind, **as_object(data), "choices": choices}
    return cast("Fields", with_attributes(answer))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can do, as far as the server tells. context_length: tokens, None where not said."""

    model: str
    chat: bool
    embeddings: bool
    vision: bool
    tools: bool
    reasoning: bool
    loaded: bool
    context_length: int | None


def capabilities_of(model: Model) -> Capabilities:
    """What the server's list says of a model."""
    return Capabilities(
        model=model.id,
        chat=model.thinks,
        embeddings=model.kind == "embedding",
        vision=model.vision or model.kind == "vlm",
        tools=model.tool_use,
        reasoning=bool(model.reasoning_options),
        loaded=model.state == "loaded",
        context_length=model.context_length or model.max_context_length,
    )


class ChunkStream:
    """The chunks of an answer, in OpenAI's shape: `async for chunk in stream`, once.

    Raises AdapterError, also when the answer breaks off before its finish reason.
    """

    def __init__(self, client: "AsyncLMStudioClient", body: bytes) -> None:
        self._client = client
        self._body = body
        self._chunks = self._run()
        self._began = False
        self._finished = False

    def __aiter__(self) -> "ChunkStream":
        return self

    async def __anext__(self) -> Fields:
        return await anext(self._chunks)

    async def __aenter__(self) -> "ChunkStream":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop; the server stops too. Does nothing after the end."""
        await self._chunks.aclose()

    async def _run(self) -> AsyncGenerator[Fields, None]:
        with coded_errors():
            attempts = Attempts(self._client.transport)
            while True:
                try:
                    async with aclosing(self._once()) as chunks:
                        async for chunk in chunks:
                            yield chunk
                    return
                except LMStudioError as error:
                    if not await attempts.again(error, began=self._began):
                        raise

    async def _once(self) -> AsyncGenerator[Fields, None]:
        async with open_events(self._client.transport, _PATH, self._body, began=lambda: self._began) as source:
            if source.whole is not None:
                raise MalformedAnswer("The server did not stream.", detail=shorten(repr(source.whole)))
            while (events := await source.next()) is not None:
                for event in events:
                    if event.data == b"[DONE]":
                        await source.reply.drain()
                        self._check_end(source)
                        return
                    chunk = self._chunk(event)
                    self._began = True
                    yield chunk
                source.progressed()
            self._check_end(source)

    def _check_end(self, source: EventSource) -> None:
        if not self._finished:
            raise source.broken()

    def _chunk(self, event: ServerSentEvent) -> Fields:
        try:
            data = as_object(msgspec.json.decode(event.data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedAnswer("A piece of the answer is no JSON.", detail=shorten(repr(event.data))) from error
        if data.get("error"):
            raise classify(200, error_from(data["error"], "", event.data.decode("utf-8", "replace")))
        chunk = as_completion(data, "delta")
        self._finished = self._finished or any(choice.finish_reason for choice in chunk.choices)
        return chunk


class Completions:
    """What OpenAI's object has as `chat.completions`."""

    def __init__(self, client: "AsyncLMStudioClient", model: str) -> None:
        self._client = client
        self._model = model

    @overload
    async def create(
        self, *, messages: Sequence[Message], model: str = "", stream: Literal[False] = False, **parameters: Any
    ) -> Fields: ...
    @overload
    async def create(
        self, *, messages: Sequence[Message], model: str = "", stream: Literal[True], **parameters: Any
    ) -> ChunkStream: ...
    async def create(
        self, *, messages: Sequence[Message], model: str = "", stream: bool = False, **parameters: Any
    ) -> Fields | ChunkStream:
        """The answer, or with `stream` its chunks. parameters: as the server knows them; None is left out.

        `extra_body` holds further ones, which win. Raises AdapterError, and TypeError for `extra_headers` and
        `extra_query`, which do not travel with a request here.
        """
        body = request_body(messages, model or self._model, parameters, stream=stream)
        if stream:
            return ChunkStream(self._client, msgspec.json.encode(body))
        transport = self._client.transport
        with coded_errors():
            attempts = Attempts(transport)
            while True:
                try:
                    data = await transport.json("POST", _PATH, body, limit_s=transport.timeouts.whole_s)
                    if not as_list(as_object(data).get("choices")):
                        raise MalformedAnswer("The answer has no choices.", detail=shorten(str(data)))
                    return as_completion(data, "message")
                except LMStudioError as error:
                    if not await attempts.again(error):
                        raise


def request_body(
    messages: Sequence[Message], model: str, parameters: Mapping[str, Any], *, stream: bool
) -> dict[str, Any]:
    """The request's fields; `timeout` is for the caller's side of other clients, and not for a server.

    Raises TypeError for what can't be sent along.
    """
    known = {name: value for name, value in parameters.items() if value is not None and name not in _CALLERS_SIDE}
    if refused := known.keys() & _NOT_SENT:
        raise TypeError(f"not sent along by LMStudioProvider: {', '.join(sorted(refused))}")
    body: dict[str, Any] = {**known, "messages": [_as_sent(message) for message in messages], "stream": stream}
    if model:
        body["model"] = model
    return body | as_object(parameters.get("extra_body"))


def _as_sent(message: Message) -> Message:
    """A message without the empty fields that `as_completion` gave it, where it was one of our answers."""
    if not isinstance(message, Fields):
        return message
    return {name: value for name, value in message.items() if value is not None or name == "content"}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in as_object(value).items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in as_list(value)]
    return value


class Chat:
    """What OpenAI's object has as `chat`."""

    def __init__(self, completions: Completions) -> None:
        self.completions = completions


class LMStudioProvider:
    """An OpenAI-style object over a client: `await provider.chat.completions.create(model=…, messages=…)`.

    model: for requests that name none; "" for whichever is loaded
    """

    name = "lmstudio"

    def __init__(self, client: "AsyncLMStudioClient", model: str = "") -> None:
        self._client = client
        self.chat = Chat(Completions(client, model))

    async def models(self) -> list[Model]:
        """What the server offers. Raises AdapterError."""
        with coded_errors():
            return await self._client.list_models()

    async def capabilities(self, model: str = "") -> Capabilities:
        """What a model can do, "" for the one that would answer. Raises AdapterError."""
        with coded_errors():
            return capabilities_of(await self._client.loaded_model(model, may_load=True))
