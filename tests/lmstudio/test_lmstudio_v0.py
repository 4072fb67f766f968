"""LM Studio's older interface: models with their state, and answers with statistics."""

from typing import Any

import pytest
from canned import AT_ONCE, at_second_try, routed, says
from raw_server import Exchange

from wakeful.lmstudio import (
    LMStudioError,
    MalformedAnswer,
    ModelNotFound,
    NoModelLoaded,
    NotLMStudio,
    RouteMissing,
    StreamBroken,
)
from wakeful.lmstudio.endpoints.v0 import ModelInfo, Runtime, V0Endpoints, V0Model

LOADED = {
    "id": "ibm/granite",
    "object": "model",
    "type": "llm",
    "publisher": "ibm",
    "arch": "granite",
    "compatibility_type": "gguf",
    "quantization": "Q4_K_M",
    "state": "loaded",
    "max_context_length": 131072,
    "loaded_context_length": 4096,
    "capabilities": ["tool_use"],
}
OTHER = {"id": "nomic", "object": "model", "type": "embeddings", "state": "not-loaded", "max_context_length": 2048}
AROUND: dict[str, Any] = {
    "usage": {"prompt_tokens": 24, "completion_tokens": 53, "total_tokens": 77},
    "stats": {
        "tokens_per_second": 51.4,
        "time_to_first_token": 0.111,
        "generation_time": 0.954,
        "stop_reason": "eosFound",
        "draft_model": "small",
        "total_draft_tokens_count": 9,
        "accepted_draft_tokens_count": 7,
        "rejected_draft_tokens_count": 1,
        "ignored_draft_tokens_count": 1,
        "new": 1,
    },
    "model_info": {"arch": "granite", "quant": "Q4_K_M", "format": "gguf", "context_length": 4096},
    "runtime": {"name": "llama.cpp-mac", "version": "1.3.0", "supported_formats": ["gguf"]},
}
MESSAGE = {"role": "assistant", "content": "Ahoy", "reasoning_content": "Hm."}
CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "ibm/granite",
    "choices": [{"index": 0, "logprobs": None, "finish_reason": "stop", "message": MESSAGE}],
    **AROUND,
}
TEXT: dict[str, Any] = {"model": "m", "choices": [{"index": 0, "text": "Ahoy", "finish_reason": "stop"}], **AROUND}
CALL = {"type": "function", "id": "5", "function": {"name": "look", "arguments": "{}"}}


async def models(exchange: Exchange) -> None:
    if exchange.path == "/api/v0/models":
        await exchange.answer(200, {"object": "list", "data": [LOADED, OTHER]})
    elif exchange.path == "/api/v0/models/nomic":
        await exchange.answer(200, OTHER)
    elif exchange.path == "/api/v0/models/gone":
        await exchange.answer(404, {"error": {"message": "Model not found", "code": "model_not_found"}})
    else:
        await exchange.answer(200, {"error": f"Unexpected endpoint or method. ({exchange.method} {exchange.path})"})


async def test_models() -> None:
    async with routed(at_second_try(models), retry=AT_ONCE) as route:
        loaded, other = await V0Endpoints(route.transport).models()
    assert (loaded.id, loaded.type, loaded.state, loaded.quantization) == ("ibm/granite", "llm", "loaded", "Q4_K_M")
    assert (loaded.max_context_length, loaded.loaded_context_length) == (131072, 4096)
    assert (loaded.arch, loaded.publisher, loaded.compatibility_type) == ("granite", "ibm", "gguf")
    assert (loaded.capabilities, other.capabilities, other.loaded_context_length) == (("tool_use",), (), None)
    assert loaded.extra == {"object": "model"}


async def test_one_model() -> None:
    async with routed(models) as route:
        v0 = V0Endpoints(route.transport)
        assert (await v0.model("nomic")).type == "embeddings"
        assert len(route.requests) == 1
        assert (await v0.model("ibm/granite")).state == "loaded"  # its id is no path here
        for name in ("gone", "wrong one"):
            with pytest.raises(ModelNotFound):
                await v0.model(name)


async def test_chat() -> None:
    async with routed(says(200, CHAT)) as route:
        answer = await V0Endpoints(route.transport).chat("Ahoy?", model="ibm/granite", ttl_s=60, extra={"x": 1})
    assert route.requests[0].path == "/api/v0/chat/completions"
    assert route.asked == [
        {
            "messages": [{"role": "user", "content": "Ahoy?"}],
            "max_tokens": 1024,
            "stream": False,
            "model": "ibm/granite",
            "ttl": 60,
            "x": 1,
        }
    ]
    assert (answer.id, answer.model, answer.text) == ("chatcmpl-1", "ibm/granite", "Ahoy")
    assert (answer.choices[0].message.reasoning_content, answer.choices[0].finish_reason) == ("Hm.", "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (24, 53)
    stats = answer.stats
    assert (stats.tokens_per_second, stats.time_to_first_token_s, stats.generation_time_s) == (51.4, 0.111, 0.954)
    assert (stats.stop_reason, stats.draft_model, stats.accepted_draft_tokens_count) == ("eosFound", "small", 7)
    assert stats.extra == {"new": 1}
    assert answer.model_info == ModelInfo(arch="granite", quant="Q4_K_M", format="gguf", context_length=4096)
    assert answer.runtime == Runtime(name="llama.cpp-mac", version="1.3.0", supported_formats=("gguf",))
    assert answer.extra == {"object": "chat.completion"}


async def test_tool_calls() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    body = {"choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]}
    async with routed(says(200, body)) as route:
        answer = await V0Endpoints(route.transport).chat("x")
    [call] = answer.choices[0].message.tool_calls
    assert (call.id, call.function.name, call.function.arguments, answer.text) == ("5", "look", "{}", "")


async def test_completions() -> None:
    async with routed(says(200, TEXT)) as route:
        answer = await V0Endpoints(route.transport).complete("Ah", model="m", max_tokens=5)
    assert route.requests[0].path == "/api/v0/completions"
    assert route.asked == [{"model": "m", "prompt": "Ah", "stream": False, "max_tokens": 5}]
    assert (answer.text, answer.finish_reason, answer.stats.stop_reason) == ("Ahoy", "stop", "eosFound")
    assert (answer.model_info.context_length, answer.runtime.version) == (4096, "1.3.0")


async def test_embeddings() -> None:
    body = {"object": "list", "data": [{"embedding": [1.0, 2.0], "index": 0}], "model": "nomic@q8_0", "usage": {}}
    async with routed(says(200, body)) as route:
        result = await V0Endpoints(route.transport).embeddings.create("a", model="nomic")
    assert route.requests[0].path == "/api/v0/embeddings"
    assert (list(result[0]), result.model) == ([1.0, 2.0], "nomic@q8_0")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"error": "Unexpected endpoint or method. (POST /api/v0/completions)"}, RouteMissing),
        (404, {"error": "No models loaded. Please load a model"}, NoModelLoaded),
        (200, {"choices": [{"text": "half", "message": {"content": "half"}}]}, StreamBroken),
        (200, {"choices": []}, MalformedAnswer),
        (200, {"choices": [], "stats": 5}, MalformedAnswer),
    ],
)
async def test_errors(status: int, body: dict[str, Any], error: type[LMStudioError]) -> None:
    async with routed(says(status, body)) as route:
        v0 = V0Endpoints(route.transport)
        with pytest.raises(error):
            await v0.chat("x")
        with pytest.raises(error):
            await v0.complete("x")


async def test_lists_that_are_none() -> None:
    for body, error in ((b"{}", RouteMissing), (b"[]", MalformedAnswer), (b'{"data": 5}', MalformedAnswer)):
        async with routed(says(200, body)) as route:
            with pytest.raises(error):
                await V0Endpoints(route.transport).models()
    async with routed(says(200, b"<html>", kind="text/html")) as route:
        with pytest.raises(NotLMStudio):
            await V0Endpoints(route.transport).models()


async def test_wrong_arguments() -> None:
    async with routed(models) as route:
        with pytest.raises(TypeError, match="limit_s"):
            await V0Endpoints(route.transport).chat("x", limit_s=5)
    assert V0Model().type == ""
