"""Which error an answer is: by its text first, then its code, then its status.

The status alone can't tell: LM Studio answers 400 to a bad parameter and to a crashed model, and 200 to a
route that does not exist.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from wakeful.lmstudio.errors import (
    AuthError,
    BadRequest,
    ContextOverflow,
    LMStudioError,
    LoadFailed,
    MalformedAnswer,
    ModelCrashed,
    ModelNotFound,
    ModelUnloaded,
    NoModelLoaded,
    NotLMStudio,
    RouteMissing,
    ServerBusy,
    ServerError,
)
from wakeful.lmstudio.http.retry import parse_retry_after
from wakeful.lmstudio.http.wire import as_object

_OVERFLOW = (
    "does not fit in context length",
    "tokens to keep from the initial prompt is greater than the context length",
    "trying to keep the first",
    "context the overflows",
    "context size has been exceeded",
    "exceed_context_size_error",
    "exceeds the available context size",
    "exceeds the context window",
    "context length exceeded",
    "context_length_exceeded",
    "maximum context length is",
)
_N_PROMPT = (
    re.compile(r'n_prompt_tokens\\*"\s*:\s*(\d+)'),
    re.compile(r"request \((\d+) tokens\)"),
    re.compile(r"keep the first (\d+) tokens"),
    re.compile(r"n_keep:?\s*(\d+)"),
)
_N_CTX = (
    re.compile(r'n_ctx\\*"\s*:\s*(\d+)'),
    re.compile(r"context size \((\d+) tokens\)"),
    re.compile(r"context length of only (\d+)"),
    re.compile(r"n_ctx:?\s*(\d+)"),
    re.compile(r"maximum context length is (\d+)"),
)

_TEXTS: tuple[tuple[tuple[str, ...], type[LMStudioError], str], ...] = (
    (("unexpected endpoint",), RouteMissing, "The server has no such endpoint."),
    (("model has crashed", "model crashed"), ModelCrashed, "The model crashed."),
    (
        ("output that does not match the expected",),  # llama.cpp, when a model writes half a character
        MalformedAnswer,
        "The model wrote something that the server could not read.",
    ),
    (("failed to load model",), LoadFailed, "The server could not load the model."),
    (("no models loaded", "no model loaded", "no model is loaded"), NoModelLoaded, "No model is loaded."),
    (
        ("model is unloaded", "model unloaded", "model reloaded", "channel error"),
        ModelUnloaded,
        "The model was unloaded meanwhile.",
    ),
    (
        ("invalid model identifier", "model_not_found"),
        ModelNotFound,
        "The server does not have the model that was asked for.",
    ),
)
_MODEL_GONE = re.compile(r'model "?[^"]+"? not found', re.IGNORECASE)

_CODES: dict[str, tuple[type[LMStudioError], str]] = {
    "invalid_api_key": (AuthError, "The server wants a valid API token."),
    "authentication_error": (AuthError, "The server wants a valid API token."),
    "permission_error": (AuthError, "The API token does not allow this."),
    "rate_limit_exceeded": (ServerBusy, "The server has too many requests at once."),
}


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error body says, whichever of its shapes it had. raw: all of it as text, for searching."""

    message: str
    code: str
    kind: str
    raw: str


def read_error(body: bytes) -> ErrorBody | None:
    """The error in a JSON body, or None when there is none in it.

    Shapes: {"error": "text"}, {"error": {"message", "type", "param", "code"}}, {"error": {…}, "message": …}.
    """
    try:
        data: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    fields = as_object(data)
    if not fields.get("error"):
        return None
    return error_from(fields["error"], str(fields.get("message", "")), body.decode("utf-8", "replace"))


def error_from(error: Any, message: str, raw: str) -> ErrorBody:
    """The error that a decoded `error` field holds. message: one beside it, for when it has none itself."""
    if isinstance(error, dict):
        fields = as_object(error)
        text, code, kind = (str(fields.get(name) or "") for name in ("message", "code", "type"))
        return ErrorBody(text or message or raw, code, kind, raw)
    return ErrorBody(str(error), "", "", raw)


def classify(status: int, error: ErrorBody, *, partial: str = "") -> LMStudioError:
    """The error that a server's own words mean. status: of HTTP; partial: the text that came before."""
    detail = shorten(error.message)
    searched = error.raw.lower()
    if any(text in searched for text in _OVERFLOW):
        return _overflow(status, error, detail, partial)
    for texts, cls, message in _TEXTS:
        if any(text in searched for text in texts):
            return _make(cls, message, detail, status, partial)
    if _MODEL_GONE.search(error.message):
        return _make(ModelNotFound, "The server does not have the model.", detail, status, partial)
    for word in (error.code, error.kind):
        if word in _CODES:
            cls, message = _CODES[word]
            return _make(cls, message, detail, status, partial)
    return _by_status(status, detail, partial)


def classify_response(status: int, content_type: str, body: bytes, *, retry_after: str = "") -> LMStudioError | None:
    """The error that a whole HTTP response is, or None for a success.

    A success with an `error` in it is an error, and a page of HTML is no answer of a model server.
    retry_after: the header of that name
    """
    if 200 <= status < 300 and body[:1] == b"{" and b'"error"' not in body:
        return None  # as nearly always, and there is no need to decode it for that
    error = read_error(body)
    if error is not None:
        return _with_wait(classify(status, error), retry_after)
    text = shorten(body.decode("utf-8", "replace"))
    if "html" in content_type or text[:1] == "<":
        if status >= 500:
            failure = ServerError(f"The server answered {status} with a web page.", status_code=status, detail=text)
            return _with_wait(failure, retry_after)
        if status in (408, 429):  # of something in between
            return _with_wait(_by_status(status, text, ""), retry_after)
        return NotLMStudio(
            f"A web page came back (status {status}): this is no model server.",
            status_code=status,
            detail=text,
        )
    if 200 <= status < 300:
        return None
    return _with_wait(_by_status(status, text, ""), retry_after)


def shorten(text: str, limit: int = 300) -> str:
    """`text` on one line, at most `limit` characters."""
    text = " ".join(text[: limit * 4].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _make(cls: Callable[..., LMStudioError], message: str, detail: str, status: int, partial: str) -> LMStudioError:
    message = f"{message} It says: {detail}" if detail else message
    if cls is ServerBusy:
        return ServerBusy(message, status_code=status, detail=detail)
    return cls(message, status_code=status, detail=detail, partial=partial)


def _overflow(status: int, error: ErrorBody, detail: str, partial: str) -> ContextOverflow:
    n_prompt, n_ctx = _number(_N_PROMPT, error.raw), _number(_N_CTX, error.raw)
    sizes = f" ({n_prompt} tokens, {n_ctx} fit)" if n_prompt is not None and n_ctx is not None else ""
    return ContextOverflow(
        f"The prompt does not fit into the model's context{sizes}.",
        n_prompt=n_prompt,
        n_ctx=n_ctx,
        status_code=status,
        partial=partial,
        detail=detail,
    )


def _number(patterns: tuple[re.Pattern[str], ...], text: str) -> int | None:
    for pattern in patterns:
        if (found := pattern.search(text)) is not None and len(found[1]) < 19:
            return int(found[1])
    return None


def _by_status(status: int, detail: str, partial: str) -> LMStudioError:
    match status:
        case 401 | 403:
            cls, message = AuthError, f"The server refused us ({status})."
        case 404 | 405:
            cls, message = RouteMissing, f"The server has no such endpoint ({status})."
        case 429:
            cls, message = ServerBusy, "The server has too many requests at once (429)."
        case 502 | 503 | 504:
            cls, message = ServerError, f"The server is not ready ({status})."
        case _ if 300 <= status < 400:
            cls, message = NotLMStudio, f"The server sends us elsewhere ({status}): this is no model server."
        case _ if 400 <= status < 500 and status != 408:
            cls, message = BadRequest, f"The server refused the request ({status})."
        case _:
            cls, message = ServerError, f"The server failed ({status})."
    return _make(cls, message, detail, status, partial)


def _with_wait(failure: LMStudioError, retry_after: str) -> LMStudioError:
    if retry_after and isinstance(failure, ServerBusy | ServerError):
        failure.retry_after_s = parse_retry_after(retry_after, time.time())
    return failure
