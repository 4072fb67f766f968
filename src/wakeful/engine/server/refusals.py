"""What is said when a request can't be answered: LM Studio's words, status and body, in the form of each interface."""

from typing import Any, Literal

from wakeful.engine.errors import (
    DoesNotFit,
    EngineError,
    EngineMissing,
    EngineStartFailed,
    EngineStopped,
    ModelFileError,
    NoModelInMemory,
    NoSuchModel,
    NotEnoughMemory,
    NotPossible,
    ProcessDied,
    QueueFull,
    UnloadedMeanwhile,
)

Dialect = Literal["openai", "responses", "plain", "rest", "anthropic"]
"""The form of an error's body; `plain` is `{"error": "text"}`, and what `openai` says of some errors too."""

Kind = Literal[
    "invalid_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "model_not_found",
    "job_not_found",
    "mcp_connection_error",
    "plugin_connection_error",
    "too_large",
    "rate_limit",
    "not_implemented",
    "internal_error",
]

_STATUS: dict[Kind, int] = {
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "job_not_found": 404,
    "too_large": 413,
    "rate_limit": 429,
    "internal_error": 500,
}
_OPENAI_TYPE: dict[Kind, str] = {
    "unauthorized": "invalid_request",
    "rate_limit": "rate_limit_error",
    "internal_error": "internal_error",
}
_REST_TYPE: dict[Kind, str] = {
    "model_not_found": "model_not_found",
    "job_not_found": "job_not_found",
    "mcp_connection_error": "mcp_connection_error",
    "plugin_connection_error": "plugin_connection_error",
    "not_implemented": "not_implemented",
    "internal_error": "internal_error",
}
_ANTHROPIC_TYPE: dict[Kind, str] = {
    "unauthorized": "authentication_error",
    "forbidden": "permission_error",
    "not_found": "not_found_error",
    "model_not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "internal_error": "api_error",
}


class Refused(EngineError):
    """A request that is not answered.

    status: 0 for the kind's own
    code, param: for programs; what is wrong, and with which field of the request
    plain: LM Studio's OpenAI-compatible routes tell it as a string, without type and code
    """

    def __init__(
        self,
        message: str,
        *,
        kind: Kind = "invalid_request",
        status: int = 0,
        code: str | None = None,
        param: str | None = None,
        plain: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.status = status or _STATUS.get(kind, 400)
        self.code = code
        self.param = param
        self.plain = plain


class UnknownResponse(EngineError):
    """No conversation is kept under this id. response_id: as it was asked for."""

    def __init__(self, response_id: str) -> None:
        super().__init__(f"Previous response with id '{response_id}' not found.")
        self.response_id = response_id


def refusal(error: EngineError, dialect: Dialect = "openai") -> Refused:
    """What LM Studio would say where our engine says `error`."""
    match error:
        case Refused():
            return error
        case UnknownResponse():
            code = "invalid_value" if dialect == "rest" else "previous_response_not_found"
            return Refused(str(error), code=code, param="previous_response_id")
        case NoSuchModel():
            return _no_such_model(error, dialect)
        case NoModelInMemory():
            return Refused(
                "No models loaded. Please load a model in the developer page or use the 'lms load' command.",
                param="model",
            )
        case ProcessDied():
            code = "null" if error.exit_code is None else error.exit_code
            text = f"The model has crashed without additional information. (Exit code: {code})"
            return Refused(text, plain=True, **_internal(dialect))
        case UnloadedMeanwhile() | EngineStopped():
            return Refused("Model unloaded.", plain=True, **_internal(dialect))
        case DoesNotFit():
            return _does_not_fit(error, dialect)
        case QueueFull():
            return Refused(str(error), kind="rate_limit", code="queue_full")
        case NotEnoughMemory() | ModelFileError() | EngineStartFailed() | EngineMissing():
            return Refused(f"Failed to load model. {error}", plain=True, **_internal(dialect))
        case NotPossible():
            return Refused(str(error), plain=True)
        case _:
            return Refused(str(error), plain=True, **_internal(dialect))


def body(refused: Refused, dialect: Dialect) -> dict[str, Any]:
    """The body of the answer."""
    message = str(refused)
    if dialect == "plain" or (dialect == "openai" and refused.plain):
        return {"error": message}
    if dialect == "anthropic":
        kind = _ANTHROPIC_TYPE.get(refused.kind, "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    if dialect == "rest":
        told = {"type": _REST_TYPE.get(refused.kind, "invalid_request"), "message": message}
        more = {"code": refused.code, "param": refused.param}
        return {"error": told | {name: value for name, value in more.items() if value is not None}}
    kind = _OPENAI_TYPE.get(refused.kind, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": refused.param, "code": refused.code}}


def event(refused: Refused, dialect: Dialect) -> dict[str, Any]:
    """The data of the error event in a stream that has begun."""
    if dialect in ("openai", "plain"):
        return {"error": {"message": str(refused)}, "message": str(refused)}
    return body(refused, dialect)


def dialect_of(path: str) -> Dialect:
    """The form in which the routes below this path tell errors."""
    if path.startswith("/v1/messages"):
        return "anthropic"
    if path.startswith("/v1/responses"):
        return "responses"
    if path.startswith("/api/v1/"):
        return "rest"
    return "openai" if path.startswith(("/v1/", "/api/v0/")) else "plain"


def _internal(dialect: Dialect) -> dict[str, Any]:
    """What the stateful routes say of failures; LM Studio's older ones say 400 and the text alone."""
    if dialect in ("rest", "responses"):
        return {"kind": "internal_error", "code": "unknown"}
    return {"kind": "internal_error"} if dialect == "anthropic" else {}


def _no_such_model(error: NoSuchModel, dialect: Dialect) -> Refused:
    some = ", ".join(error.known[:4])
    example = f" Please specify a valid downloaded model (e.g. {some})." if some else ""
    return Refused(
        f'Invalid model identifier "{error.name}".{example}',
        kind="model_not_found",
        status=404 if dialect in ("rest", "anthropic") else 400,
        code="model_not_found",
        param="model",
    )


def _does_not_fit(error: DoesNotFit, dialect: Dialect) -> Refused:
    """LM Studio's own text, with its slip, because programs look for it."""
    text = (
        f"Trying to keep the first {error.prompt_tokens} tokens when context the overflows. However, the model is "
        f"loaded with context length of only {error.context_tokens} tokens, which is not enough. Try to load the model "
        "with a larger context length, or provide a shorter input"
    )
    told = {} if dialect == "anthropic" else _internal(dialect)
    return Refused(text if error.context_tokens else str(error), plain=True, status=400, **told)
