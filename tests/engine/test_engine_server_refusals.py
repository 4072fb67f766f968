"""What is said of each error, in each form."""

from typing import Any

import pytest

from wakeful.engine.errors import (
    DoesNotFit,
    EngineError,
    EngineMissing,
    EngineStartFailed,
    EngineStopped,
    GenerationFailed,
    ModelFileError,
    NoModelInMemory,
    NoSuchModel,
    NotEnoughMemory,
    NotPossible,
    ProcessDied,
    QueueFull,
    UnloadedMeanwhile,
)
from wakeful.engine.server.refusals import Dialect, Refused, UnknownResponse, body, dialect_of, event, refusal

NAMELESS = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
CRASHED = "The model has crashed without additional information. (Exit code: 6)"
UNKNOWN_CODE = "The model has crashed without additional information. (Exit code: null)"
OVERFLOW = (
    "Trying to keep the first 9 tokens when context the overflows. However, the model is loaded with context length of "
    "only 5 tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input"
)
INVALID = 'Invalid model identifier "x". Please specify a valid downloaded model (e.g. a, b).'


def openai(message: str, code: str | None = None, param: str | None = None, type_: str = "") -> dict[str, Any]:
    kind = type_ or "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def rest(type_: str, message: str, **more: str) -> dict[str, Any]:
    return {"error": {"type": type_, "message": message, **more}}


def anthropic(type_: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type_, "message": message}}


CASES: list[tuple[EngineError, Dialect, int, dict[str, Any]]] = [
    (NoSuchModel("m", name="x", known=("a", "b")), "openai", 400, openai(INVALID, "model_not_found", "model")),
    (NoSuchModel("m", name="x", known=("a", "b")), "responses", 400, openai(INVALID, "model_not_found", "model")),
    (
        NoSuchModel("m", name="x"),
        "rest",
        404,
        rest("model_not_found", 'Invalid model identifier "x".', code="model_not_found", param="model"),
    ),
    (NoSuchModel("m", name="x"), "anthropic", 404, anthropic("not_found_error", 'Invalid model identifier "x".')),
    (NoModelInMemory("m"), "openai", 400, openai(NAMELESS, None, "model")),
    (NoModelInMemory("m"), "rest", 400, rest("invalid_request", NAMELESS, param="model")),
    (ProcessDied("m", exit_code=6), "openai", 400, {"error": CRASHED}),
    (ProcessDied("m"), "openai", 400, {"error": UNKNOWN_CODE}),
    (ProcessDied("m", exit_code=6), "responses", 500, openai(CRASHED, "unknown", None, "internal_error")),
    (ProcessDied("m", exit_code=6), "rest", 500, rest("internal_error", CRASHED, code="unknown")),
    (ProcessDied("m", exit_code=6), "anthropic", 500, anthropic("api_error", CRASHED)),
    (UnloadedMeanwhile("m"), "openai", 400, {"error": "Model unloaded."}),
    (EngineStopped("m"), "openai", 400, {"error": "Model unloaded."}),
    (UnloadedMeanwhile("m"), "rest", 500, rest("internal_error", "Model unloaded.", code="unknown")),
    (DoesNotFit("m", prompt_tokens=9, context_tokens=5), "openai", 400, {"error": OVERFLOW}),
    (DoesNotFit("too long"), "openai", 400, {"error": "too long"}),
    (
        DoesNotFit("m", prompt_tokens=9, context_tokens=5),
        "rest",
        400,
        rest("internal_error", OVERFLOW, code="unknown"),
    ),
    (
        DoesNotFit("m", prompt_tokens=9, context_tokens=5),
        "anthropic",
        400,
        anthropic("invalid_request_error", OVERFLOW),
    ),
    (QueueFull("64 wait"), "openai", 429, openai("64 wait", "queue_full", None, "rate_limit_error")),
    (QueueFull("64 wait"), "anthropic", 429, anthropic("rate_limit_error", "64 wait")),
    (NotPossible("no images"), "openai", 400, {"error": "no images"}),
    (NotPossible("no images"), "rest", 400, rest("invalid_request", "no images")),
    (
        NotEnoughMemory("m needs 9 GB."),
        "openai",
        400,
        {"error": f"Failed to load model. m needs 9 GB. {NotEnoughMemory.default_hint}"},
    ),
    (
        ModelFileError("m is damaged."),
        "openai",
        400,
        {"error": f"Failed to load model. m is damaged. {ModelFileError.default_hint}"},
    ),
    (
        EngineStartFailed("It ended."),
        "rest",
        500,
        rest("internal_error", "Failed to load model. It ended.", code="unknown"),
    ),
    (
        EngineMissing("Not installed."),
        "openai",
        400,
        {"error": f"Failed to load model. Not installed. {EngineMissing.default_hint}"},
    ),
    (GenerationFailed("odd"), "openai", 400, {"error": "odd"}),
    (EngineError("odd"), "responses", 500, openai("odd", "unknown", None, "internal_error")),
    (
        UnknownResponse("resp_1"),
        "responses",
        400,
        openai("Previous response with id 'resp_1' not found.", "previous_response_not_found", "previous_response_id"),
    ),
    (
        UnknownResponse("resp_1"),
        "rest",
        400,
        rest(
            "invalid_request",
            "Previous response with id 'resp_1' not found.",
            code="invalid_value",
            param="previous_response_id",
        ),
    ),
    (Refused("no", kind="forbidden"), "plain", 403, {"error": "no"}),
    (Refused("no", kind="forbidden"), "anthropic", 403, anthropic("permission_error", "no")),
    (Refused("no", kind="unauthorized"), "anthropic", 401, anthropic("authentication_error", "no")),
    (Refused("no", kind="too_large"), "anthropic", 413, anthropic("request_too_large", "no")),
    (Refused("no", kind="job_not_found"), "rest", 404, rest("job_not_found", "no")),
    (Refused("no", kind="not_implemented", status=501), "rest", 501, rest("not_implemented", "no")),
]


@pytest.mark.parametrize(("error", "dialect", "status", "expected"), CASES)
def test_each_error_in_each_form(error: EngineError, dialect: Dialect, status: int, expected: dict[str, Any]) -> None:
    refused = refusal(error, dialect)
    assert (refused.status, body(refused, dialect)) == (status, expected)


def test_in_a_stream_openais_form_has_both_of_lm_studios() -> None:
    assert event(Refused("no"), "openai") == {"error": {"message": "no"}, "message": "no"}
    assert event(Refused("no"), "anthropic") == anthropic("invalid_request_error", "no")
    assert event(Refused("no"), "rest") == rest("invalid_request", "no")


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/messages", "anthropic"),
        ("/v1/responses", "responses"),
        ("/v1/chat/completions", "openai"),
        ("/api/v0/chat/completions", "openai"),
        ("/api/v1/chat", "rest"),
        ("/lmstudio-greeting", "plain"),
    ],
)
def test_the_form_follows_from_the_path(path: str, dialect: Dialect) -> None:
    assert dialect_of(path) == dialect
