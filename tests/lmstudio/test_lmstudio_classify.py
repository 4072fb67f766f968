"""Which error a server's words mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.lmstudio import (
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
from wakeful.lmstudio import errors as error_module
from wakeful.lmstudio.http.classify import classify_response, shorten

NO_MODELS = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
UNKNOWN_MODEL = {
    "error": {
        "message": 'Invalid model identifier "x".',
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"error": "Unexpected endpoint or method. (GET /foo)"}, RouteMissing),
        (400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}, BadRequest),
        (400, UNKNOWN_MODEL, ModelNotFound),
        (404, {"error": {"message": 'Model "x" not found'}}, ModelNotFound),
        (400, {"error": {"message": NO_MODELS, "code": None}}, NoModelLoaded),
        (404, {"error": NO_MODELS}, NoModelLoaded),
        (500, {"error": "Failed to load model. Error: insufficient memory"}, LoadFailed),
        (
            400,
            {"error": "The model has crashed without additional information. (Exit code: 6)"},
            ModelCrashed,
        ),
        (400, {"error": "Model is unloaded."}, ModelUnloaded),
        (400, {"error": {"message": "Model unloaded"}, "message": "Model unloaded"}, ModelUnloaded),
        (400, {"error": "Channel Error"}, ModelUnloaded),
        (401, {"error": {"message": "no", "code": "invalid_api_key", "type": "invalid_request"}}, AuthError),
        (
            401,
            {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}},
            AuthError,
        ),
        (403, {"error": "forbidden"}, AuthError),
        (404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}, RouteMissing),
        (400, {"error": "'messages' field is required"}, BadRequest),
        (413, {"error": "request entity too large"}, BadRequest),
        (408, {"error": "timeout"}, ServerError),
        (429, {"error": "slow down"}, ServerBusy),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, ServerError),
        (500, {"error": "boom"}, ServerError),
        (
            500,
            {"error": {"message": "The model produced output that does not match the expected peg-native format"}},
            MalformedAnswer,
        ),
        (200, {"error": {"message": "something else"}}, ServerError),
    ],
)
def test_bodies_of_lm_studio_and_llama_cpp(status: int, body: dict[str, Any], expected: type[LMStudioError]) -> None:
    error = classify_response(status, "application/json", json.dumps(body, indent=2).encode())
    assert error is not None
    assert type(error) is expected
    assert error.status_code == status
    assert error.hint


INNER = json.dumps({"error": {"type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096}})


@pytest.mark.parametrize(
    ("text", "n_prompt", "n_ctx"),
    [
        (
            "The number of tokens to keep from the initial prompt is greater than the context length",
            None,
            None,
        ),
        (
            "The number of tokens to keep from the initial prompt is greater than the context length "
            "(n_keep: 9000>= n_ctx: 4096). Try to load the model with a larger context length.",
            9000,
            4096,
        ),
        (
            "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded "
            "with context length of only 4096 tokens, which is not enough.",
            9000,
            4096,
        ),
        ("Context size has been exceeded.", None, None),
        ("The prompt does not fit in context length", None, None),
        (f"Engine protocol predict request returned 400: {INNER}. Error Data: n/a", 9000, 4096),
        (
            "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
            9000,
            4096,
        ),
        ("This model's maximum context length is 4096 tokens.", None, 4096),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_overflow_in_every_wording(text: str, n_prompt: int | None, n_ctx: int | None, status: int) -> None:
    for body in ({"error": text}, {"error": {"message": text, "type": "internal_error", "code": "unknown"}}):
        error = classify_response(status, "application/json", json.dumps(body).encode())
        assert isinstance(error, ContextOverflow)
        assert (error.n_prompt, error.n_ctx) == (n_prompt, n_ctx)
        assert not error.retry_helps


def test_llama_cpp_says_the_numbers_beside_the_text() -> None:
    body = b'{"error":{"message":"m","type":"exceed_context_size_error","n_prompt_tokens":7,"n_ctx":5}}'
    error = classify_response(400, "application/json", body)
    assert isinstance(error, ContextOverflow)
    assert (error.n_prompt, error.n_ctx) == (7, 5)


@pytest.mark.parametrize(("status", "expected"), [(200, NotLMStudio), (404, NotLMStudio), (502, ServerError)])
def test_a_web_page(status: int, expected: type[LMStudioError]) -> None:
    error = classify_response(status, "text/html", b"<!doctype html><title>Router</title>")
    assert error is not None
    assert type(error) is expected
    assert "Router" in error.detail


def test_a_redirect_is_no_model_server() -> None:
    assert type(classify_response(302, "text/plain", b"")) is NotLMStudio


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0)]
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(status: int, header: str, seconds: float | None) -> None:
    for body in (b'{"error":"slow down"}', b"slow down", b"<html>slow down</html>"):
        error = classify_response(status, "application/json", body, retry_after=header)
        assert isinstance(error, ServerBusy | ServerError)
        assert error.retry_after_s == seconds


def test_a_null_error_is_no_error() -> None:
    assert classify_response(200, "application/json", b'{"error": null, "choices": []}') is None


@given(st.integers(100, 599), st.text(max_size=20), st.binary(max_size=300))
def test_any_response_is_a_success_or_our_error(status: int, kind: str, body: bytes) -> None:
    error = classify_response(status, kind, body)
    assert error is None or isinstance(error, LMStudioError)


@given(st.text())
def test_shortened_text_is_one_short_line(text: str) -> None:
    short = shorten(text, 50)
    assert len(short) <= 50
    assert "\n" not in short


def test_the_tree_in_the_docstring_is_complete() -> None:
    classes = [cls for cls in vars(error_module).values() if isinstance(cls, type) and issubclass(cls, LMStudioError)]
    assert len(classes) > 15
    for cls in classes:
        assert f"{cls.__name__} " in (error_module.__doc__ or "") or cls is LMStudioError
        assert cls.__doc__
