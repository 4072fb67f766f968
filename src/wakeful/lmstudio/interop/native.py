"""What does LM Studio's own SDK add? Exact token counts, templates, loading with progress: what REST lacks."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import msgspec

from wakeful.lmstudio.chat.events import ChatResult, ContentDelta, Message, ReasoningDelta, Usage
from wakeful.lmstudio.errors import (
    LMStudioError,
    MalformedAnswer,
    MissingExtra,
    ModelNotFound,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)
from wakeful.lmstudio.http.classify import classify, error_from
from wakeful.lmstudio.models.lifecycle import LOAD_S

if TYPE_CHECKING:
    import lmstudio

    from wakeful.lmstudio.client import AsyncLMStudioClient

COUNT_S = 60.0
"""Seconds for counts and other short questions: the SDK itself waits for ever."""

_REASONS = {"eosFound": "stop", "stopStringFound": "stop", "toolCalls": "tool_calls", "userStopped": ""}
_TAGS = frozenset({"reasoningStartTag", "reasoningEndTag"})
"""What stands around the thinking belongs neither to it nor to the answer."""

_NOT_FOUND = frozenset({"generic.pathNotFound", "generic.noModelMatchingQuery", "generic.identifierNotFound"})
_LENGTHS = frozenset({"maxPredictedTokensReached", "contextLengthReached"})


@asynccontextmanager
async def native(client: "AsyncLMStudioClient") -> "AsyncGenerator[Native, None]":
    """A session of LM Studio's own protocol, with the server of `client`; use it with `async with`.

    One that has lost its connection, as after the machine slept, stays lost: open another.
    Raises MissingExtra when the package `lmstudio` is not installed, and ServerUnreachable.
    """
    try:
        import lmstudio
    except ImportError as error:
        raise MissingExtra.named("lmstudio", "native") from error
    host = urlsplit(client.base_url).netloc
    sdk = lmstudio.AsyncClient(host)
    with_errors = _errors(client.base_url)
    try:
        async with with_errors, asyncio.timeout(client.transport.timeouts.other_s):
            await sdk.__aenter__()
        yield Native(sdk, client.base_url)
    finally:
        await sdk.aclose()


class Native:
    """What the SDK offers, with our errors and a deadline on every wait. Models are named by key or instance.

    model: "" for any that is loaded; one that is named and is not loaded is loaded by the server
    Every method raises LMStudioError.
    """

    def __init__(self, sdk: "lmstudio.AsyncClient", base_url: str) -> None:
        self._sdk = sdk
        self._base_url = base_url

    async def count_tokens(self, text: str | Sequence[Message], model: str = "") -> int:
        """Tokens of a text by the model's own tokenizer, or of messages in its own template."""
        async with self._asking(COUNT_S):
            llm = await self._sdk.llm.model(model or None)
            if not isinstance(text, str):
                text = await llm.apply_prompt_template(_history(text))
            return await llm.count_tokens(text)

    async def tokenize(self, text: str, model: str = "") -> list[int]:
        """The tokens of a text."""
        async with self._asking(COUNT_S):
            llm = await self._sdk.llm.model(model or None)
            return cast("list[int]", list(await llm.tokenize(text)))  # a list of lists only for a list of texts

    async def apply_template(self, messages: Sequence[Message], model: str = "") -> str:
        """The messages as the text that the model gets to read."""
        async with self._asking(COUNT_S):
            return await (await self._sdk.llm.model(model or None)).apply_prompt_template(_history(messages))

    async def context_length(self, model: str = "") -> int:
        """Tokens that the loaded model can hold."""
        async with self._asking(COUNT_S):
            return await (await self._sdk.llm.model(model or None)).get_context_length()

    async def load_config(self, model: str = "") -> dict[str, Any]:
        """The settings with which the model was loaded, by the SDK's names."""
        async with self._asking(COUNT_S):
            config = await (await self._sdk.llm.model(model or None)).get_load_config()
            return dict(config.to_dict())

    async def load(
        self,
        model: str,
        *,
        config: Mapping[str, Any] | None = None,
        ttl_s: int | None = 3600,
        on_progress: Callable[[float], object] | None = None,
        limit_s: float = LOAD_S,
    ) -> str:
        """Load a further instance of a model; gives its id.

        config: settings by the SDK's names, such as {"contextLength": 8192}
        ttl_s: seconds without use after which it is unloaded, None for never
        on_progress: called with the share that is done, in [0, 1]
        """
        async with self._asking(limit_s):
            made = await self._sdk.llm.load_new_instance(
                model, ttl=ttl_s, config=_config(config), on_load_progress=_each(on_progress)
            )
            return made.identifier

    async def respond(
        self,
        messages: str | Sequence[Message],
        *,
        model: str = "",
        config: Mapping[str, Any] | None = None,
        on_prompt_processing_progress: Callable[[float], object] | None = None,
        on_first_token: Callable[[], object] | None = None,
        on_fragment: Callable[[ContentDelta | ReasoningDelta], object] | None = None,
        limit_s: float | None = None,
    ) -> ChatResult:
        """An answer, and what there is to tell while the prompt is read and the answer written.

        config: settings of the prediction by the SDK's names, such as {"maxTokens": 100, "temperature": 0}
        limit_s: seconds for all of it, None for no limit
        """
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        reasoning: list[str] = []
        text: list[str] = []
        first_s: float | None = None

        def fragment(piece: Any) -> None:
            nonlocal first_s
            first_s = loop.time() - started_s if first_s is None else first_s
            if piece.reasoning_type in _TAGS:
                return
            thought = piece.reasoning_type == "reasoning"
            (reasoning if thought else text).append(piece.content)
            if on_fragment is not None:
                on_fragment(ReasoningDelta(piece.content) if thought else ContentDelta(piece.content))

        async with self._asking(limit_s, text):
            llm = await self._sdk.llm.model(model or None)
            answer = await llm.respond(
                _history(messages),
                config=_config(config),
                on_first_token=None if on_first_token is None else lambda: _told(on_first_token()),
                on_prediction_fragment=fragment,
                on_prompt_processing_progress=_each(on_prompt_processing_progress),
            )
        spent_s = loop.time() - started_s
        stats = answer.stats
        reason = str(stats.stop_reason)
        return ChatResult(
            "".join(text),
            reasoning="".join(reasoning),
            finish_reason="length" if reason in _LENGTHS else _REASONS.get(reason, reason),
            usage=Usage(stats.prompt_tokens_count, stats.predicted_tokens_count),
            model=model or answer.model_info.model_key,  # the SDK keeps the identifier of the instance to itself
            duration_s=spent_s,
            first_token_s=spent_s if first_s is None else first_s,
            chunks=len(text) + len(reasoning),
            extra={"stats": dict(stats.to_dict())},
        )

    async def act(
        self,
        messages: str | Sequence[Message],
        tools: Iterable[Callable[..., Any]],
        *,
        model: str = "",
        max_rounds: int = 10,
        config: Mapping[str, Any] | None = None,
        on_message: Callable[[str], object] | None = None,
        limit_s: float | None = None,
    ) -> str:
        """Let the model call plain functions, by the SDK's own loop; gives its last words. Ours is `act`.

        on_message: called with the text of each message of the model and of each tool
        """
        said: list[str] = []

        def message(each: Any) -> None:
            words = "".join(part.text for part in each.content if getattr(part, "type", "") == "text")
            if each.role == "assistant":
                said.append(words)
            if on_message is not None:
                on_message(words)

        async with self._asking(limit_s, said):
            llm = await self._sdk.llm.model(model or None)
            await llm.act(
                _history(messages),
                list(tools),
                max_prediction_rounds=max_rounds,
                config=_config(config),
                on_message=message,
            )
        return said[-1] if said else ""

    @asynccontextmanager
    async def _asking(self, limit_s: float | None, partial: Sequence[str] = ()) -> AsyncGenerator[None, None]:
        async with _errors(self._base_url, partial), asyncio.timeout(limit_s):
            yield


@asynccontextmanager
async def _errors(base_url: str, partial: Sequence[str] = ()) -> AsyncGenerator[None, None]:
    """The SDK's errors as ours."""
    import lmstudio

    try:
        yield
    except LMStudioError:
        raise
    except lmstudio.LMStudioModelNotFoundError as error:
        raise ModelNotFound(_words(error)) from error
    except TimeoutError as error:
        raise ServerTooSlow("LM Studio's own interface did not answer in time.", stage="whole") from error
    except lmstudio.LMStudioWebsocketError as error:
        text = "".join(partial)
        raise StreamBroken(f"The connection to LM Studio was lost ({_words(error)}).", partial=text) from error
    except lmstudio.LMStudioServerError as error:
        if _code(error) in _NOT_FOUND:  # which SDKs before 1.6 make no error of its own of
            raise ModelNotFound(_words(error)) from error
        raise classify(400, error_from(_words(error), "", _words(error)), partial="".join(partial)) from error
    except lmstudio.LMStudioError as error:
        raise ServerUnreachable(f"LM Studio's own interface at {base_url} can't be used: {_words(error)}") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise MalformedAnswer(f"LM Studio's answer can't be read by its SDK: {error}.") from error


def _code(error: "lmstudio.LMStudioServerError") -> str:
    """LM Studio's word for what is wrong, "" for none."""
    told: Any = error.server_error.display_data if error.server_error is not None else None
    return str(cast("dict[str, Any]", told).get("code", "")) if isinstance(told, dict) else ""


def _words(error: Exception) -> str:
    return " ".join(str(error).split())


def _history(messages: str | Sequence[Message]) -> Any:
    return messages if isinstance(messages, str) else {"messages": [dict(message) for message in messages]}


def _config(config: Mapping[str, Any] | None) -> Any:
    return None if config is None else dict(config)


def _each(callback: Callable[[float], object] | None) -> Callable[[float], None] | None:
    """The SDK wants callbacks that give nothing back."""
    return None if callback is None else lambda share: _told(callback(share))


def _told(value: object) -> None:
    del value
