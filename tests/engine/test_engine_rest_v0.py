"""LM Studio's REST v0: the list with states, and OpenAI's routes with statistics."""

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from scripted_house import House, open_house

from wakeful.engine.runner.scripted import Reply
from wakeful.lmstudio import AsyncLMStudioClient


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with open_house() as opened:
        yield opened


async def ask(house: House, path: str, body: Any = None) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http:
        method = "GET" if body is None else "POST"
        async with http.request(method, f"{house.url}/api/v0/{path}", json=body) as answer:
            return answer.status, await answer.json()


async def test_the_list_tells_states(house: House) -> None:
    await house.models.load("chatty", identifier="mine")
    status, answer = await ask(house, "models")
    assert (status, answer["object"]) == (200, "list")
    assert answer["data"][0] == {
        "id": "chatty",
        "object": "model",
        "type": "llm",
        "publisher": "house",
        "arch": "llama",
        "compatibility_type": "gguf",
        "quantization": "Q4_K_M",
        "state": "loaded",
        "max_context_length": 32768,
        "loaded_context_length": 8192,
        "capabilities": ["tool_use"],
    }
    told = [(each["id"], each["type"], each["state"]) for each in answer["data"]]
    assert told == [
        ("chatty", "llm", "loaded"),
        ("mine", "llm", "loaded"),
        ("eyes", "vlm", "not-loaded"),
        ("vectors", "embeddings", "not-loaded"),
    ]
    assert "loaded_context_length" not in answer["data"][2]


async def test_one_model_by_its_name(house: House) -> None:
    status, answer = await ask(house, "models/Chatty")
    assert (status, answer["id"], answer["state"]) == (200, "chatty", "not-loaded")
    status, answer = await ask(house, "models/no%2Fsuch")
    assert (status, "not found" in str(answer["error"])) == (404, True)


async def test_chat_and_completions_have_statistics(house: House) -> None:
    house.script = lambda _: Reply(text="Hello there", token_s=0.001)
    chat = {"model": "chatty", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    status, answer = await ask(house, "chat/completions", chat)
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["stats"].keys() == {"tokens_per_second", "time_to_first_token", "generation_time", "stop_reason"}
    assert answer["stats"]["stop_reason"] == "maxPredictedTokensReached"
    assert answer["model_info"] == {"arch": "llama", "quant": "Q4_K_M", "format": "gguf", "context_length": 8192}
    assert answer["runtime"]["supported_formats"] == ["gguf"]
    status, answer = await ask(house, "completions", {"model": "chatty", "prompt": "Once"})
    assert (status, answer["choices"][0]["text"]) == (200, "Hello there")
    assert answer["stats"]["stop_reason"] == "eosFound"


async def test_streams_are_those_of_openais_routes(house: House) -> None:
    for path, body in (
        ("chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
        ("completions", {"prompt": "Once"}),
    ):
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{house.url}/api/v0/{path}", json={"model": "chatty", "stream": True, **body}) as answer,
        ):
            assert answer.content_type == "text/event-stream"
            assert (await answer.text()).endswith("data: [DONE]\n\n")


async def test_embeddings(house: House) -> None:
    status, answer = await ask(house, "embeddings", {"model": "vectors", "input": ["a", "b"]})
    assert status == 200
    assert [each["index"] for each in answer["data"]] == [0, 1]
    assert answer["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


async def test_refusals_are_those_of_openais_routes(house: House) -> None:
    status, answer = await ask(house, "chat/completions", {"model": "chatty"})
    assert (status, answer["error"]) == (400, "'messages' field is required")


async def test_our_own_client_reads_the_statistics(house: House) -> None:
    async with AsyncLMStudioClient(house.url) as client:
        result = await client.v0.chat("Hi", model="chatty")
        assert result.stats is not None
        assert result.stats.stop_reason == "eosFound"
        assert (await client.v0.model("eyes")).type == "vlm"
