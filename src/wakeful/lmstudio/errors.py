"""What can go wrong between us and the model server, named by whose fault it is.

LMStudioError
├── ClientClosed            you: the client was used after `close`
├── InvalidAddress          you: what was given is no address of a server
├── MissingExtra            you: an optional package is not installed
├── ServerUnreachable       nobody answers: refused, unknown host, or cut off before the answer began
│   └── CircuitOpen         it failed again and again: for a while nothing is sent to it
├── ServerTooSlow           it answers, but not in time; `stage` says which wait ran out
├── StreamBroken            the answer began and did not end; `partial` holds what came
├── AnswerError             something came back that is no usable answer
│   ├── NotLMStudio         what listens there is no model server
│   ├── MalformedAnswer     it claims to be one, but what it sent can't be read
│   ├── AnswerTooLarge      longer than we are willing to hold in memory
│   ├── InvalidStructure    the answer does not have the shape that was asked for
│   └── EmptyAnswer         a successful answer with nothing in it
├── RequestRefused          the server understood and said no; the same request will fail again
│   ├── AuthError           the API token is missing, wrong, or not allowed to do this
│   ├── BadRequest          a parameter is wrong
│   ├── RouteMissing        this server has no such endpoint
│   ├── ModelNotFound       no such model
│   └── ContextOverflow     the prompt is longer than the loaded context
├── ModelStateError         the model is not in a state to answer
│   ├── NoModelLoaded       none is loaded and the server does not load by itself
│   ├── LoadFailed          it could not be loaded
│   ├── ModelCrashed        the process behind it died
│   └── ModelUnloaded       it was taken away meanwhile
├── ServerBusy              too many requests at once
└── ServerError             the server failed in a way that it does not explain
"""

from enum import StrEnum
from typing import ClassVar, Literal

Stage = Literal["connect", "first_token", "between_tokens", "whole"]
"""Which wait: for the connection, for the answer to begin, for its next piece, for all of it."""


class ErrorType(StrEnum):
    """The broad kind of an error, for callers that only sort."""

    NETWORK_ERROR = "network_error"
    API_ERROR = "api_error"
    TIMEOUT_ERROR = "timeout_error"
    AUTHENTICATION_ERROR = "authentication_error"
    RATE_LIMIT_ERROR = "rate_limit_error"
    SERVER_ERROR = "server_error"
    CLIENT_ERROR = "client_error"
    UNKNOWN_ERROR = "unknown_error"


class LMStudioError(Exception):
    """Something went wrong with the model server.

    message: what happened, in one sentence
    hint: what to do about it
    status_code: HTTP status, None where there was no answer
    stage: which wait it happened in, None where that says nothing
    waited_s: seconds from sending the request to the failure
    attempts: how often the request was sent
    partial: the text that had arrived, "" for none
    detail: the server's own words, cut to a readable length
    retry_helps: whether sending the same request again can succeed
    """

    error_type: ClassVar[ErrorType] = ErrorType.UNKNOWN_ERROR
    retry_helps: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status_code: int | None = None,
        stage: Stage | None = None,
        waited_s: float = 0.0,
        attempts: int = 1,
        partial: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        self.status_code = status_code
        self.stage = stage
        self.waited_s = waited_s
        self.attempts = attempts
        self.partial = partial
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class ClientClosed(LMStudioError):
    """The client was used after it was closed."""

    error_type = ErrorType.CLIENT_ERROR
    default_hint = "Make a new client, or keep the `async with` open for as long as it is used."


class InvalidAddress(LMStudioError, ValueError):
    """What was given is no address of a server."""

    error_type = ErrorType.CLIENT_ERROR
    default_hint = "It looks like http://localhost:1234."


class MissingExtra(LMStudioError, ImportError):
    """An optional package is not installed; the hint says how to get it."""

    error_type = ErrorType.CLIENT_ERROR

    @classmethod
    def named(cls, package: str, extra: str) -> "MissingExtra":
        """The error for a missing package, and the extra of ours that brings it."""
        return cls(f"The package {package!r} is not installed.", hint=f"Install it: pip install 'wakeful[{extra}]'.")


class ServerUnreachable(LMStudioError):
    """Nobody answers: connection refused, unknown host, or cut off before the answer began."""

    error_type = ErrorType.NETWORK_ERROR
    retry_helps = True
    default_hint = "Is the server running? In LM Studio: Developer, Start server; or run `lms server start`."


class CircuitOpen(ServerUnreachable):
    """The server failed again and again, so that nothing is sent to it for a while.

    retry_after_s: until the next request is let through
    """

    default_hint = "It is tried again by itself; see what is wrong with the server meanwhile."

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message, stage="connect", attempts=0)
        self.retry_after_s = retry_after_s


class ServerTooSlow(LMStudioError):
    """The server did not answer in time; `stage` says which wait ran out."""

    error_type = ErrorType.TIMEOUT_ERROR
    retry_helps = True
    default_hint = "The machine may be overloaded or the prompt too long for it; the request was cancelled."


class StreamBroken(LMStudioError):
    """The answer began and did not come to its end; `partial` holds what arrived."""

    error_type = ErrorType.NETWORK_ERROR
    retry_helps = True
    default_hint = "The server or the model behind it probably died; try again once it is back."


class AnswerError(LMStudioError):
    """Something came back that is no usable answer."""

    error_type = ErrorType.API_ERROR


class NotLMStudio(AnswerError):
    """What listens at this address is no model server."""

    default_hint = "Check host and port: LM Studio listens on http://localhost:1234 unless told otherwise."


class MalformedAnswer(AnswerError):
    """The server sent something that can't be read as an answer."""

    retry_helps = True
    default_hint = "If it happens again, update the server; something between us and it may alter answers."


class AnswerTooLarge(AnswerError):
    """The answer is longer than we are willing to hold in memory."""

    default_hint = "Set a lower `max_tokens`."


class InvalidStructure(AnswerError):
    """The answer does not have the shape that was asked for, after all repairs; `partial` holds its text."""

    retry_helps = True
    default_hint = "Ask for a simpler shape, or use a more capable model."


class EmptyAnswer(AnswerError):
    """A successful answer with nothing in it; `reasoning` holds what was thought, if anything.

    Servers answer so when the prompt overflows the context, or when all of `max_tokens` went into reasoning.
    """

    default_hint = "Shorten the prompt, or raise the model's context length or `max_tokens`."

    def __init__(self, message: str, *, reasoning: str = "", waited_s: float = 0.0, hint: str = "") -> None:
        super().__init__(message, waited_s=waited_s, hint=hint)
        self.reasoning = reasoning


class RequestRefused(LMStudioError):
    """The server understood the request and said no; the same request will fail again."""

    error_type = ErrorType.CLIENT_ERROR


class AuthError(RequestRefused):
    """The API token is missing, wrong, or not allowed to do this."""

    error_type = ErrorType.AUTHENTICATION_ERROR
    default_hint = "Set LM_API_TOKEN to a token from LM Studio: Developer, Server settings, Manage tokens."


class BadRequest(RequestRefused):
    """A parameter of the request is wrong."""

    default_hint = "The server names the parameter; servers differ in what they accept."


class RouteMissing(RequestRefused):
    """This server has no such endpoint."""

    default_hint = "A newer version of the server may have it."


class ModelNotFound(RequestRefused):
    """The server has no such model."""

    default_hint = "See what it has with `wakeful doctor` or `lms ls`, or leave the model out."


class ContextOverflow(RequestRefused):
    """The prompt is longer than the context that the model was loaded with.

    n_prompt: tokens of the prompt, n_ctx: tokens of the context; None where the server does not say
    """

    default_hint = "Shorten the prompt, or load the model with a larger context length."

    def __init__(
        self,
        message: str,
        *,
        n_prompt: int | None = None,
        n_ctx: int | None = None,
        status_code: int | None = None,
        partial: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(message, status_code=status_code, partial=partial, detail=detail)
        self.n_prompt = n_prompt
        self.n_ctx = n_ctx


class ModelStateError(LMStudioError):
    """The model is not in a state to answer."""

    error_type = ErrorType.API_ERROR
    retry_helps = True


class NoModelLoaded(ModelStateError):
    """No model is loaded, and the server does not load one by itself."""

    retry_helps = False
    default_hint = "Load one in LM Studio, or run `lms load`."


class LoadFailed(ModelStateError):
    """The model could not be loaded."""

    retry_helps = False
    default_hint = "Most often memory is short: load a smaller model, or with a smaller context length."


class ModelCrashed(ModelStateError):
    """The process behind the model died; every request to it failed."""

    default_hint = "It often works again at the next request; if not, load it with a smaller context length."


class ModelUnloaded(ModelStateError):
    """The model was taken away while it was wanted."""

    default_hint = "Someone loaded another model, or its time to live ran out; load it without one."


class ServerBusy(LMStudioError):
    """Too many requests at once.

    retry_after_s: how long the server asks us to wait, None where it does not say
    """

    error_type = ErrorType.RATE_LIMIT_ERROR
    retry_helps = True
    default_hint = "Wait a little and try again."

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        status_code: int | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message, status_code=status_code, detail=detail)
        self.retry_after_s = retry_after_s


class ServerError(LMStudioError):
    """The server failed in a way that it does not explain.

    retry_after_s: how long it asks us to wait, None where it does not say
    """

    error_type = ErrorType.SERVER_ERROR
    retry_helps = True
    retry_after_s: float | None = None
    default_hint = "Its own log says more: Developer, Logs in LM Studio, or `lms log stream`."
