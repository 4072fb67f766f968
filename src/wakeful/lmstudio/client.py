"""The client: what a program asks of a model server."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from wakeful.lmstudio.chat.act import act
from wakeful.lmstudio.chat.batch import chat_all
from wakeful.lmstudio.chat.constrain import Manners, think_then_constrain
from wakeful.lmstudio.chat.events import ChatResult, ContentDelta, Finished, Message, PromptProgress, ReasoningDelta
from wakeful.lmstudio.chat.experience import Experience
from wakeful.lmstudio.chat.request import AskOptions, ChatOptions
from wakeful.lmstudio.chat.stream import ChatStream
from wakeful.lmstudio.chat.structured import structured
from wakeful.lmstudio.chat.whole import whole_chat
from wakeful.lmstudio.errors import (
    LMStudioError,
    NotLMStudio,
    RouteMissing,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
)
from wakeful.lmstudio.hosts.neighbour import Neighbour
from wakeful.lmstudio.http.breaker import CircuitBreaker
from wakeful.lmstudio.http.retry import RetryConfig
from wakeful.lmstudio.http.transport import OnRetry, Transport
from wakeful.lmstudio.http.wire import as_list, as_object
from wakeful.lmstudio.interop import described
from wakeful.lmstudio.interop.native import native
from wakeful.lmstudio.interop.openai import openai_client
from wakeful.lmstudio.models.download import download_model, download_status, start_download
from wakeful.lmstudio.models.ensure import ensure_loaded, wait_for_model
from wakeful.lmstudio.models.lifecycle import load_model, unload_model
from wakeful.lmstudio.models.listing import (
    Model,
    choose_model,
    models_from_openai,
    models_from_v0,
    models_from_v1,
    with_props,
)
from wakeful.lmstudio.settings import Timeouts, connection, normalise_base_url
from wakeful.lmstudio.statistics import Observer, Statistics

if TYPE_CHECKING:
    from wakeful.lmstudio.endpoints.anthropic import MessagesEndpoint
    from wakeful.lmstudio.endpoints.completions import CompletionsEndpoint
    from wakeful.lmstudio.endpoints.embeddings import EmbeddingsEndpoint
    from wakeful.lmstudio.endpoints.responses import ResponsesEndpoint
    from wakeful.lmstudio.endpoints.v0 import V0Endpoints
    from wakeful.lmstudio.endpoints.v1_chat import V1ChatEndpoint

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

    base_url: `host:port` or a URL, with or without `/v1`; None asks the environment and `wakeful.toml`
    api_token: sent as a bearer token; None asks them too, "" is none
    retry: what is sent again by itself, see `RetryConfig`; on_retry: is told, with the seconds until then
    breaker: leaves a server alone for a while that fails again and again; None never does
    observers: are told of each chat that has ended, see `CallRecord`; `statistics` are kept in any case
    neighbour: says when chats may go to the server, and lets the urgent ones go first; None: always
    timeouts: the longest deadlines; where neither this nor the environment sets any, they are learnt for each model
        from how long its answers take. None asks the environment
    Every method raises LMStudioError and nothing else for what the server or the network does. Nothing is
    sent before the first call. Use it as `async with`, or call `close`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_token: str | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryConfig | None = None,
        on_retry: OnRetry | None = None,
        breaker: CircuitBreaker | None = None,
        observers: Sequence[Observer] = (),
        neighbour: Neighbour | None = None,
    ) -> None:
        where = connection(base_url, api_token=api_token, timeouts=timeouts)
        self.transport = Transport(
            where.base_url,
            api_token=where.api_token,
            timeouts=where.timeouts,
            retry=retry or RetryConfig(),
            on_retry=on_retry,
            breaker=breaker,
        )
        self.experience = Experience(
            where.timeouts, fixed=where.timeouts != Timeouts(), observers=observers, neighbour=neighbour
        )
        self.manners = Manners()
        self.loading = asyncio.Lock()
        self.ensuring = asyncio.Lock()
        self._counts_tokens = True

    # The further endpoints are imported when they are used first: most programs use none of them.

    @cached_property
    def embeddings(self) -> "EmbeddingsEndpoint":
        """`/v1/embeddings`: texts to vectors."""
        from wakeful.lmstudio.endpoints.embeddings import EmbeddingsEndpoint

        return EmbeddingsEndpoint(self.transport)

    @cached_property
    def completions(self) -> "CompletionsEndpoint":
        """`/v1/completions`: text that goes on from a prompt."""
        from wakeful.lmstudio.endpoints.completions import CompletionsEndpoint

        return CompletionsEndpoint(self.transport)

    @cached_property
    def responses(self) -> "ResponsesEndpoint":
        """`/v1/responses`: conversations that the server keeps, in OpenAI's form."""
        from wakeful.lmstudio.endpoints.responses import ResponsesEndpoint

        return ResponsesEndpoint(self.transport)

    @cached_property
    def messages(self) -> "MessagesEndpoint":
        """`/v1/messages`: chats in Anthropic's form."""
        from wakeful.lmstudio.endpoints.anthropic import MessagesEndpoint

        return MessagesEndpoint(self.transport)

    @cached_property
    def v0(self) -> "V0Endpoints":
        """LM Studio's REST API v0, whose answers carry statistics."""
        from wakeful.lmstudio.endpoints.v0 import V0Endpoints

        return V0Endpoints(self.transport)

    @cached_property
    def v1(self) -> "V1ChatEndpoint":
        """LM Studio's `/api/v1/chat`: stateful, and its stream tells of loading and reading too."""
        from wakeful.lmstudio.endpoints.v1_chat import V1ChatEndpoint

        return V1ChatEndpoint(self.transport)

    @property
    def statistics(self) -> Statistics:
        """Tokens, times and errors of the chats so far, per model."""
        return self.experience.statistics

    @property
    def base_url(self) -> str:
        """The server's root, without `/v1`; set it when the server has moved."""
        return self.transport.base_url

    @base_url.setter
    def base_url(self, base_url: str) -> None:
        self.transport.base_url = normalise_base_url(base_url)
        self._counts_tokens = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; answers that are still coming break off."""
        await self.transport.close()

    async def list_models(self) -> list[Model]:
        """What the server offers, from the list that tells most: LM Studio's own two, else OpenAI's."""
        refusal: LMStudioError | None = None
        for path, read in _LISTS:
            try:
                data = await self.transport.json("GET", path)
            except RouteMissing as error:
                refusal = error
                continue
            if (models := read(data)) is not None:
                return await self._with_context(models) if path == "/v1/models" else models
        raise NotLMStudio(f"What answers at {self.base_url} has no list of models.") from refusal

    async def loaded_model(self, wanted: str = "", *, may_load: bool = False) -> Model:
        """The model to think with, never one whose loading would evict another: see `choose_model`."""
        return choose_model(await self.list_models(), wanted, may_load=may_load)

    async def chat(self, messages: str | Sequence[Message], **options: Unpack[ChatOptions]) -> ChatResult:
        """The answer in one piece. `stream` notices a hanging server much sooner, and so is used with `limit_s`."""
        if options.get("limit_s") is not None:
            return await self.stream(messages, **options).collect()
        return await whole_chat(self.transport, self.experience, messages, options)

    def stream(self, messages: str | Sequence[Message], **options: Unpack[ChatOptions]) -> ChatStream:
        """The answer as it is generated: `async for event in client.stream(…)`, `Finished` last."""
        return ChatStream(self.transport, self.experience, messages, options)

    async def respond(
        self,
        messages: str | Sequence[Message],
        *,
        on_prompt_processing_progress: Callable[[float], object] | None = None,
        on_first_token: Callable[[], object] | None = None,
        on_fragment: Callable[[ContentDelta | ReasoningDelta], object] | None = None,
        on_message: Callable[[ChatResult], object] | None = None,
        **options: Unpack[ChatOptions],
    ) -> ChatResult:
        """The answer, streamed to callbacks while it is generated.

        on_prompt_processing_progress: called with the share of the prompt that is read, in [0, 1], where the
            server tells (llama.cpp)
        """
        if on_prompt_processing_progress is not None:
            options["extra"] = {"return_progress": True, **(options.get("extra") or {})}
        async with self.stream(messages, **options) as stream:
            async for event in stream:
                match event:
                    case PromptProgress():
                        if on_prompt_processing_progress is not None and event.total > 0:
                            on_prompt_processing_progress(min(1.0, event.processed / event.total))
                    case ContentDelta() | ReasoningDelta():
                        if on_first_token is not None:
                            on_first_token()
                            on_first_token = None
                        if on_fragment is not None:
                            on_fragment(event)
                    case Finished():
                        if on_message is not None:
                            on_message(event.result)
                        return event.result
                    case _:
                        pass
        raise AssertionError("a stream ends with Finished or an error: please report this")

    async def think_then_constrain(
        self, messages: str | Sequence[Message], schema: Mapping[str, Any], **options: Unpack[AskOptions]
    ) -> ChatResult:
        """An answer that keeps to the schema and the thinking before it, also where a schema would suppress that.

        Tries each model once, by two short requests, and remembers it in `manners`.
        """
        return await think_then_constrain(self, messages, schema, manners=self.manners, **options)

    structured = structured
    act = act
    chat_all = chat_all

    load_model = load_model
    unload_model = unload_model
    ensure_loaded = ensure_loaded
    wait_for_model = wait_for_model
    start_download = start_download
    download_status = download_status
    download_model = download_model

    create_completion = described.create_completion
    create_completion_simple = described.create_completion_simple
    health_check = described.health_check
    wait_for_connection = described.wait_for_connection
    openai_client = openai_client
    native = native

    async def count_tokens(self, text: str | Sequence[Message]) -> int | None:
        """Tokens of a text, or of messages laid out in the model's own template.

        None where the server can't count (LM Studio over HTTP); it is not asked again until `wait_until_up`.
        """
        if not self._counts_tokens:
            return None
        try:
            adds_special = not isinstance(text, str)  # such as a token for the beginning, where the model wants one
            if not isinstance(text, str):
                laid_out = await self.transport.json("POST", "/apply-template", {"messages": list(text)})
                text = str(as_object(laid_out).get("prompt", ""))
            body = {"content": text, "parse_special": True, "add_special": adds_special}
            counted = as_object(await self.transport.json("POST", "/tokenize", body))
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
            models = await self.list_models()
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
        if self.transport.breaker is not None:
            self.transport.breaker.reset()
        self._counts_tokens = True

    async def _greets(self) -> bool:
        """Whether it says that it is LM Studio. Raises only when no server in working order answers."""
        try:
            greeting = await self.transport.json("GET", "/lmstudio-greeting", guarded=False)
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
            props = await self.transport.json("GET", "/props")
        except LMStudioError:
            return models  # not llama.cpp: the length stays unknown
        return [with_props(models[0], props)]
