"""The client: what a program asks of a model server."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from wakeful.lmstudio.chat.assembly import Assembly, ChatResult, Message, chat_body
from wakeful.lmstudio.chat.stream import ChatStream, feed_whole
from wakeful.lmstudio.errors import (
    LMStudioError,
    NotLMStudio,
    RouteMissing,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
)
from wakeful.lmstudio.http.transport import Transport
from wakeful.lmstudio.http.wire import as_list, as_object
from wakeful.lmstudio.models.listing import (
    Model,
    choose_model,
    models_from_openai,
    models_from_v0,
    models_from_v1,
    with_props,
)
from wakeful.lmstudio.settings import DEFAULT_BASE_URL, Timeouts, normalise_base_url

ServerKind = Literal["lmstudio", "llama.cpp", "other", "unknown"]

_LISTS = (
    ("/api/v1/models", models_from_v1),
    ("/api/v0/models", models_from_v0),
    ("/v1/models", models_from_openai),
)
_NOT_READY = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """What a look at the server found. error: None when it answers; latency_s: of its first answer."""

    base_url: str
    kind: ServerKind
    models: tuple[Model, ...]
    latency_s: float
    error: LMStudioError | None = None

    @property
    def ok(self) -> bool:
        """Whether a model server answers there."""
        return self.error is None


class AsyncLMStudioClient:
    """A client for LM Studio and for servers that speak its OpenAI-compatible API, such as llama.cpp's.

    base_url: `host:port` or a URL, with or without `/v1`; ValueError when it is neither
    api_token: sent as a bearer token
    Every method raises LMStudioError and nothing else for what the server or the network does. Nothing is
    sent before the first call. Use it as `async with`, or call `close`.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        *,
        api_token: str | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._transport = Transport(normalise_base_url(base_url), api_token=api_token, timeouts=timeouts or Timeouts())
        self._counts_tokens = True

    @property
    def base_url(self) -> str:
        """The server's root, without `/v1`; set it when the server has moved."""
        return self._transport.base_url

    @base_url.setter
    def base_url(self, base_url: str) -> None:
        self._transport.base_url = normalise_base_url(base_url)
        self._counts_tokens = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; answers that are still coming break off."""
        await self._transport.close()

    async def models(self) -> list[Model]:
        """What the server offers, from the list that tells most: LM Studio's own two, else OpenAI's."""
        refusal: LMStudioError | None = None
        for path, read in _LISTS:
            try:
                data = await self._transport.json("GET", path)
            except RouteMissing as error:
                refusal = error
                continue
            if (models := read(data)) is not None:
                return await self._with_context(models) if path == "/v1/models" else models
        raise NotLMStudio(f"What answers at {self.base_url} has no list of models.") from refusal

    async def loaded_model(self, wanted: str = "", *, may_load: bool = False) -> Model:
        """The model to think with, never one whose loading would evict another: see `choose_model`."""
        return choose_model(await self.models(), wanted, may_load=may_load)

    async def chat(
        self,
        messages: Sequence[Message],
        *,
        model: str = "",
        json_schema: Mapping[str, Any] | None = None,
        schema_name: str = "answer",
        max_tokens: int = 1024,
        temperature: float | None = None,
        cache_prompt: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> ChatResult:
        """The answer in one piece; parameters as for `stream`, which notices a hanging server much sooner."""
        body = chat_body(
            messages,
            model=model,
            stream=False,
            json_schema=json_schema,
            schema_name=schema_name,
            max_tokens=max_tokens,
            temperature=temperature,
            cache_prompt=cache_prompt,
            extra=extra,
        )
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        limit_s = self._transport.timeouts.whole_s
        assembly = Assembly(wants_json=json_schema is not None)
        async with self._transport.open("POST", "/v1/chat/completions", body, head_s=limit_s) as reply:
            answer = await reply.read_all(started_s + limit_s, "whole")
        feed_whole(assembly, reply, answer)
        duration_s = loop.time() - started_s
        return assembly.result(duration_s=duration_s, first_token_s=duration_s)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        model: str = "",
        json_schema: Mapping[str, Any] | None = None,
        schema_name: str = "answer",
        max_tokens: int = 1024,
        temperature: float | None = None,
        cache_prompt: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> ChatStream:
        """The answer as it is generated: `async for event in client.stream(…)`, `Finished` last.

        model: a model's `id`; "" for whichever is loaded
        json_schema: the answer is held to it; it may still be cut off, see `ChatResult.finish_reason`
        max_tokens: of the answer, reasoning included; never unlimited, since a model may loop
        temperature: None leaves it to the server
        cache_prompt: False forbids reuse of what was read before (llama.cpp only)
        extra: further fields of the request, which win over all others
        """
        body = chat_body(
            messages,
            model=model,
            stream=True,
            json_schema=json_schema,
            schema_name=schema_name,
            max_tokens=max_tokens,
            temperature=temperature,
            cache_prompt=cache_prompt,
            extra=extra,
        )
        return ChatStream(self._transport, body, wants_json=json_schema is not None)

    async def count_tokens(self, text: str | Sequence[Message]) -> int | None:
        """Tokens of a text, or of messages laid out in the model's own template.

        None where the server can't count (LM Studio over HTTP); it is not asked again until `wait_until_up`.
        """
        if not self._counts_tokens:
            return None
        try:
            adds_special = not isinstance(text, str)  # such as a token for the beginning, where the model wants one
            if not isinstance(text, str):
                laid_out = await self._transport.json("POST", "/apply-template", {"messages": list(text)})
                text = str(as_object(laid_out).get("prompt", ""))
            body = {"content": text, "parse_special": True, "add_special": adds_special}
            counted = as_object(await self._transport.json("POST", "/tokenize", body))
            if "tokens" in counted:
                return len(as_list(counted["tokens"]))
        except (RouteMissing, NotLMStudio):
            pass  # the answer to 'can it count?' is no
        self._counts_tokens = False
        return None

    async def health(self) -> ServerHealth:
        """Look at the server once: does it answer, what is it, what has it. Raises nothing of the server's.

        For a person who asks, not for polling: some servers leak memory with each call.
        """
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        models: list[Model] = []
        kind: ServerKind = "unknown"
        failure: LMStudioError | None = None
        try:
            kind = "lmstudio" if await self._greets() else "other"
            latency_s = loop.time() - started_s
            models = await self.models()
            if kind == "other" and any(model.format == "gguf" for model in models):
                kind = "llama.cpp"
        except LMStudioError as error:
            failure, latency_s = error, loop.time() - started_s
        return ServerHealth(self.base_url, kind, tuple(models), latency_s, failure)

    async def wait_until_up(
        self,
        *,
        limit_s: float | None = None,
        first_wait_s: float = 1.0,
        longest_wait_s: float = 30.0,
        on_wait: Callable[[LMStudioError, float], None] | None = None,
    ) -> None:
        """Return once the server answers, by trying a real connection again and again, ever less often.

        limit_s: give up after so long by raising the last error; None waits for ever
        on_wait: called with the error and the seconds until the next try
        """
        loop = asyncio.get_running_loop()
        give_up_s = None if limit_s is None else loop.time() + limit_s
        wait_s = first_wait_s
        while True:
            try:
                await self._greets()
            except (ServerUnreachable, ServerTooSlow, ServerError) as error:
                if isinstance(error, ServerError) and error.status_code not in _NOT_READY:
                    break
                pause_s = wait_s * random.uniform(0.8, 1.2)  # many clients must not come back in step
                if give_up_s is not None and loop.time() + pause_s > give_up_s:
                    raise
                if on_wait is not None:
                    on_wait(error, pause_s)
                await asyncio.sleep(pause_s)
                wait_s = min(longest_wait_s, wait_s * 2)
            else:
                break
        self._counts_tokens = True

    async def _greets(self) -> bool:
        """Whether it says that it is LM Studio. Raises only when no server in working order answers."""
        try:
            greeting = await self._transport.json("GET", "/lmstudio-greeting")
        except (ServerUnreachable, ServerTooSlow, ServerError):
            raise
        except LMStudioError:
            return False  # somebody answers; what else it is will show
        return as_object(greeting).get("lmstudio") is True

    async def _with_context(self, models: list[Model]) -> list[Model]:
        """The one model of an older llama.cpp, which tells its context length in `/props` only."""
        if len(models) != 1 or models[0].context_length is not None:
            return models
        try:
            props = await self._transport.json("GET", "/props")
        except LMStudioError:
            return models  # not llama.cpp: the length stays unknown
        return [with_props(models[0], props)]
