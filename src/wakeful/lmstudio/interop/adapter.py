"""How do other people's programs ask, that know errors by stable codes? Completions, counts and `AdapterError`."""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

from wakeful.lmstudio.chat.events import ChatResult, ContentDelta, Message
from wakeful.lmstudio.chat.request import ChatOptions
from wakeful.lmstudio.errors import (
    AnswerError,
    AuthError,
    ClientClosed,
    ContextOverflow,
    EmptyAnswer,
    InvalidStructure,
    LMStudioError,
    ModelNotFound,
    ModelStateError,
    NotLMStudio,
    RequestRefused,
    ServerBusy,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)

if TYPE_CHECKING:
    from wakeful.lmstudio.client import AsyncLMStudioClient

ERROR_CODES: tuple[tuple[type[LMStudioError], str], ...] = (
    (ServerBusy, "MODEL_RATE_LIMITED"),
    (ContextOverflow, "MODEL_CONTEXT_LENGTH"),
    (ModelNotFound, "MODEL_NOT_FOUND"),
    (ModelStateError, "MODEL_UNAVAILABLE"),
    (AuthError, "MODEL_AUTHENTICATION"),
    (RequestRefused, "MODEL_INVALID_REQUEST"),
    (ServerTooSlow, "MODEL_TIMEOUT"),
    (ServerUnreachable, "MODEL_UNREACHABLE"),
    (StreamBroken, "MODEL_INTERRUPTED"),
    (EmptyAnswer, "MODEL_EMPTY_ANSWER"),
    (InvalidStructure, "MODEL_INVALID_STRUCTURE"),
    (NotLMStudio, "MODEL_UNREACHABLE"),
    (AnswerError, "MODEL_INVALID_ANSWER"),
    (ServerError, "MODEL_SERVER_ERROR"),
    (ClientClosed, "MODEL_CLIENT_CLOSED"),
    (LMStudioError, "MODEL_ERROR"),
)
"""The code of each error, the first that fits; codes do not change between versions."""


class AdapterError(LMStudioError):
    """An error under a stable code.

    code: one of `ERROR_CODES`; retryable: whether the same request can succeed later
    The error itself is the `__cause__`.
    """

    def __init__(self, code: str, message: str, retryable: bool, *, cause: LMStudioError | None = None) -> None:
        super().__init__(
            message,
            status_code=None if cause is None else cause.status_code,
            waited_s=0.0 if cause is None else cause.waited_s,
            attempts=1 if cause is None else cause.attempts,
            partial="" if cause is None else cause.partial,
            detail="" if cause is None else cause.detail,
        )
        self.code = code
        self.retryable = retryable


def error_code(error: LMStudioError) -> str:
    """The stable code of an error."""
    return next(code for cls, code in ERROR_CODES if isinstance(error, cls))


@contextmanager
def coded_errors() -> Generator[None, None, None]:
    """Raises what an LMStudioError inside means as an AdapterError."""
    try:
        yield
    except AdapterError:
        raise
    except LMStudioError as error:
        raise AdapterError(error_code(error), str(error), error.retry_helps, cause=error) from error


class LMStudioAdapter:
    """One model behind the four calls that most programs need. All raise AdapterError for what goes wrong.

    model: "" for whichever is loaded
    tools: functions in OpenAI form that go with every request that brings none of its own
    """

    def __init__(
        self,
        client: "AsyncLMStudioClient",
        model: str = "",
        *,
        tools: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._client = client
        self._model = model
        self.tools = tuple(tools)

    async def generate_completion(self, prompt: str | Sequence[Message], **options: Unpack[ChatOptions]) -> ChatResult:
        """The whole answer; the model's calls of tools are in its `tool_calls`, for the caller to make."""
        with coded_errors():
            return await self._client.chat(prompt, **self._with_defaults(options))

    async def generate_completion_stream(
        self, prompt: str | Sequence[Message], **options: Unpack[ChatOptions]
    ) -> AsyncGenerator[str, None]:
        """The text of the answer piece by piece; leaving it early makes the server stop."""
        with coded_errors():
            async with self._client.stream(prompt, **self._with_defaults(options)) as stream:
                async for event in stream:
                    if isinstance(event, ContentDelta):
                        yield event.text

    async def count_tokens(self, text: str) -> int:
        """Tokens of a text: by the server where it can count, else an estimate on the safe side."""
        with coded_errors():
            counted = await self._client.count_tokens(text)
        if counted is not None:
            return counted
        return self._client.experience.tokens.estimate(text, self._model).tokens

    def _with_defaults(self, options: ChatOptions) -> ChatOptions:
        defaults: ChatOptions = {"model": self._model}
        if self.tools:
            defaults["tools"] = self.tools
        return {**defaults, **options}
