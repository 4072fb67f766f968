"""LM Studio's REST v1: lists, loads, strict bodies, and a chat that the server remembers, event by event."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_house import CHAT, House, open_house

from wakeful.engine.errors import ProcessDied
from wakeful.engine.life.settings import LifeSettings
from wakeful.engine.rest.chat_events import Growing
from wakeful.engine.runner.pieces import Done, Piece, PromptProgress, Stats, Text
from wakeful.engine.runner.scripted import Reply
from wakeful.lmstudio import AsyncLMStudioClient

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with open_house() as opened:
        yield opened


async def ask(house: House, path: str, body: Any = None) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http:
        method = "GET" if body is None else "POST"
        async with http.request(method, f"{house.url}/api/v1/{path}", json=body) as answer:
            return answer.status, await answer.json()


async def chat(house: House, **body: Any) -> Any:
    status, answer = await ask(house, "chat", {"model": "chatty", "input": "Hi", **body})
    assert status == 200, answer
    return answer


async def streamed(house: House, **body: Any) -> list[dict[str, Any]]:
    asked = {"model": "chatty", "input": "Hi", "stream": True, **body}
    async with aiohttp.ClientSession() as http, http.post(f"{house.url}/api/v1/chat", json=asked) as answer:
        assert answer.content_type == "text/event-stream", await answer.text()
        blocks = (await answer.text()).strip().split("\n\n")
    events: list[dict[str, Any]] = []
    for block in blocks:
        first, second = block.split("\n")
        events.append(json.loads(second.removeprefix("data: ")))
        assert first == f"event: {events[-1]['type']}"
    return events


async def test_the_list_has_every_documented_field(house: House) -> None:
    await house.models.load("chatty")
    status, answer = await ask(house, "models")
    assert status == 200
    chatty, eyes, vectors = answer["models"]
    assert chatty == {
        "type": "llm",
        "publisher": "house",
        "key": "chatty",
        "display_name": "Chatty",
        "architecture": "llama",
        "quantization": {"name": "Q4_K_M", "bits_per_weight": 4.8},
        "size_bytes": 1_000_000,
        "params_string": "1B",
        "loaded_instances": [
            {"id": "chatty", "config": {"context_length": 8192, "eval_batch_size": 512, "parallel": 4}}
        ],
        "max_context_length": 32768,
        "format": "gguf",
        "capabilities": {
            "vision": False,
            "trained_for_tool_use": True,
            "reasoning": {"allowed_options": ["off", "on"], "default": "on"},
        },
        "description": None,
    }
    assert eyes["capabilities"] == {"vision": True, "trained_for_tool_use": False}
    assert (eyes["quantization"], eyes["params_string"], eyes["architecture"]) == (None, None, None)
    assert not {"architecture", "capabilities", "description"} & vectors.keys()
    assert (vectors["type"], vectors["loaded_instances"]) == ("embedding", [])


async def test_a_load_is_told_and_is_not_idempotent(house: House) -> None:
    body = {"model": "chatty", "context_length": 2048, "flash_attention": True, "eval_batch_size": 64}
    status, answer = await ask(house, "models/load", {**body, "echo_load_config": True})
    assert status == 200
    assert (answer["type"], answer["instance_id"], answer["status"]) == ("llm", "chatty", "loaded")
    assert answer["load_time_seconds"] >= 0
    assert answer["load_config"] == {"context_length": 2048, "flash_attention": True, "eval_batch_size": 64}
    status, second = await ask(house, "models/load", {"model": "house/chatty"})
    assert (second["instance_id"], "load_config" in second) == ("chatty:2", False)
    status, embedding = await ask(house, "models/load", {"model": "vectors", "echo_load_config": True})
    assert (embedding["type"], embedding["load_config"]) == ("embedding", {"context_length": 2048})
    assert [each.ttl_s for each in house.models.loaded()] == [None] * 3
    body = {"model": "eyes", "parallel": 2, "num_experts": 3, "offload_kv_cache_to_gpu": False}
    status, more = await ask(house, "models/load", {**body, "echo_load_config": True})
    del body["model"]
    assert more["load_config"] == {"context_length": 4096, "eval_batch_size": 512, **body}
    assert await ask(house, "models/unload", {"instance_id": "chatty:2"}) == (200, {"instance_id": "chatty:2"})
    status, gone = await ask(house, "models/unload", {"instance_id": "chatty:2"})
    assert (status, gone["error"]["type"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("models/load", {}, 400, ("invalid_request", "missing_required_parameter", "model")),
        ("models/load", {"model": "none"}, 404, ("model_not_found", "model_not_found", "model")),
        ("models/load", {"model": "chatty", "ttl": 5}, 400, ("invalid_request", "unrecognized_keys", "ttl")),
        ("models/load", {"model": 5}, 400, ("invalid_request", "invalid_type", "model")),
        (
            "models/load",
            {"model": "chatty", "context_length": 0},
            400,
            ("invalid_request", "invalid_value", "context_length"),
        ),
        ("models/unload", {}, 400, ("invalid_request", "missing_required_parameter", "instance_id")),
        ("chat", {"model": "chatty"}, 400, ("invalid_request", "missing_required_parameter", "input")),
        ("chat", {"input": "Hi"}, 400, ("invalid_request", "missing_required_parameter", "model")),
        ("chat", {"model": "none", "input": "Hi"}, 404, ("model_not_found", "model_not_found", "model")),
        ("chat", {"messages": []}, 400, ("invalid_request", "unrecognized_keys", "messages")),
        ("chat", {"input": []}, 400, ("invalid_request", "invalid_value", "input")),
        ("chat", {"input": [{"type": "message"}]}, 400, ("invalid_request", "missing_required_parameter", None)),
        (
            "chat",
            {"input": [{"type": "message", "content": "a", "role": "user"}]},
            400,
            ("invalid_request", "unrecognized_keys", None),
        ),
        ("chat", {"input": [{"type": "video"}]}, 400, ("invalid_request", "invalid_value", None)),
        ("chat", {"max_output_tokens": 0}, 400, ("invalid_request", "invalid_value", "max_output_tokens")),
        ("chat", {"top_p": 1.5}, 400, ("invalid_request", "invalid_value", "top_p")),
        ("chat", {"reasoning": "maximal"}, 400, ("invalid_request", "invalid_value", "reasoning")),
        ("chat", {"reasoning": "high"}, 400, ("invalid_request", "invalid_value", "reasoning")),
        ("chat", {"model": "eyes", "reasoning": "off"}, 400, ("invalid_request", "invalid_value", "reasoning")),
        ("chat", {"previous_response_id": "x"}, 400, ("invalid_request", "invalid_value", "previous_response_id")),
        (
            "chat",
            {"previous_response_id": "resp_x"},
            400,
            ("invalid_request", "invalid_value", "previous_response_id"),
        ),
        ("chat", {"integrations": ["mcp/files"]}, 400, ("plugin_connection_error", None, "integrations")),
        (
            "chat",
            {"integrations": [{"type": "plugin", "id": "mcp/files", "allowed_tools": ["a"]}]},
            400,
            ("plugin_connection_error", None, "integrations"),
        ),
        (
            "chat",
            {"integrations": [{"type": "ephemeral_mcp", "server_label": "a", "server_url": "http://a"}]},
            400,
            ("mcp_connection_error", None, "integrations"),
        ),
        ("chat", {"input": [{"type": "image", "data_url": "x"}]}, 400, ("invalid_request", "invalid_value", None)),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_refused_is_refused_by_status_and_code(
    house: House, path: str, body: dict[str, Any], status: int, error: tuple[str, str | None, str | None], stream: bool
) -> None:
    if path == "chat" and body not in ({"model": "chatty"}, {"input": "Hi"}):
        body = {"model": "chatty", "input": "Hi", **body}
    if stream and path == "chat":
        body = {**body, "stream": True}
    got, answer = await ask(house, path, body)
    told = answer["error"]
    assert (got, told["type"], told.get("code")) == (status, error[0], error[1]), answer
    assert told["message"]
    if error[2] is not None:
        assert told["param"] == error[2]
    assert house.loads == []


async def test_several_unknown_keys_are_told_at_once(house: House) -> None:
    _, answer = await ask(house, "chat", {"model": "chatty", "input": "Hi", "ttl": 1, "tools": []})
    assert answer["error"]["message"] == "Unrecognized key(s) in object: 'ttl', 'tools'"


async def test_a_chat_answers_with_statistics_and_an_id(house: House) -> None:
    house.script = lambda _: Reply(text="Hello there", reasoning="hm")
    options = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "repeat_penalty": 1.2}
    answer = await chat(house, max_output_tokens=20, reasoning="on", context_length=1024, **options)
    assert answer["model_instance_id"] == "chatty"
    assert answer["output"] == [
        {"type": "reasoning", "content": "hm"},
        {"type": "message", "content": "Hello there"},
    ]
    assert answer["response_id"].startswith("resp_")
    stats = answer["stats"]
    assert (stats["input_tokens"], stats["total_output_tokens"], stats["reasoning_output_tokens"]) == (8, 3, 1)
    assert stats.keys() >= {"tokens_per_second", "time_to_first_token_seconds", "model_load_time_seconds"}
    (asked,) = house.asked
    sampling = asked.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.5, 0.9, 7)
    assert (sampling.min_p, sampling.repeat_penalty, asked.max_tokens, asked.effort) == (0.1, 1.2, 20, "on")
    assert house.loads[0].context_length == 1024
    again = await chat(house)
    assert "model_load_time_seconds" not in again["stats"]


async def test_a_conversation_is_remembered_and_branches(house: House) -> None:
    house.script = lambda generation: f"answer {len(generation.messages)}"
    first = await chat(house, system_prompt="Be brief.", input="one")
    second = await chat(house, input="two", previous_response_id=first["response_id"])
    await chat(house, input="three", previous_response_id=second["response_id"], system_prompt="Be long.")
    branch = await chat(house, input="other", previous_response_id=first["response_id"], store=False)
    assert "response_id" not in branch
    texts = [[(turn["role"], turn["content"]) for turn in asked.messages] for asked in house.asked]
    assert texts[1] == [("system", "Be brief."), ("user", "one"), ("assistant", "answer 2"), ("user", "two")]
    assert texts[2][0] == ("system", "Be long.")
    assert [role for role, _ in texts[2]].count("system") == 1
    assert texts[2][1:] == [*texts[1][1:], ("assistant", "answer 4"), ("user", "three")]
    assert texts[3] == [*texts[1][:3], ("user", "other")]


async def test_ids_are_shared_with_the_responses_of_openais_interface(house: House) -> None:
    first = await chat(house, input="one")
    body = {"model": "chatty", "input": "two", "previous_response_id": first["response_id"]}
    async with aiohttp.ClientSession() as http, http.post(f"{house.url}/v1/responses", json=body) as answer:
        second = await answer.json()
    await chat(house, input="three", previous_response_id=second["id"])
    assert [turn["content"] for turn in house.asked[-1].messages][::2] == ["one", "two", "three"]


@pytest.mark.parametrize("kind", ["message", "text"])
async def test_input_may_be_a_list_with_images(house: House, kind: str) -> None:
    items = [{"type": kind, "content": "What is it?"}, {"type": "image", "data_url": PIXEL}]
    await chat(house, model="eyes", input=items)
    assert house.asked[0].messages[0]["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    await chat(house, input=[{"type": kind, "content": "a"}, {"type": kind, "content": "b"}])
    assert house.asked[1].messages[0]["content"] == "a\nb"


async def test_a_stream_has_every_event_in_its_order(house: House) -> None:
    house.script = lambda _: Reply(text="Hello there", reasoning="hm well")
    house.load_s = 0.02
    events = await streamed(house)
    order = list(dict.fromkeys(event["type"] for event in events))
    assert order == [
        "chat.start",
        "model_load.start",
        "model_load.progress",
        "model_load.end",
        "prompt_processing.start",
        "prompt_processing.progress",
        "prompt_processing.end",
        "reasoning.start",
        "reasoning.delta",
        "reasoning.end",
        "message.start",
        "message.delta",
        "message.end",
        "chat.end",
    ]
    by_type = {event["type"]: event for event in events}
    assert by_type["chat.start"]["model_instance_id"] == "chatty"
    assert by_type["model_load.progress"] == {
        "type": "model_load.progress",
        "model_instance_id": "chatty",
        "progress": 1.0,
    }
    assert by_type["model_load.end"]["load_time_seconds"] > 0
    assert by_type["prompt_processing.progress"]["progress"] == 1.0
    said = "".join(event["content"] for event in events if event["type"] == "message.delta")
    result = by_type["chat.end"]["result"]
    assert said == result["output"][1]["content"] == "Hello there"
    assert result["response_id"].startswith("resp_")
    again = await streamed(house, previous_response_id=result["response_id"])
    assert [event["type"] for event in again][:2] == ["chat.start", "prompt_processing.start"]


async def test_what_fails_in_the_middle_is_told_and_the_rest_is_given(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.models.load("chatty")

    async def dies(_: Any) -> AsyncGenerator[Piece]:
        yield PromptProgress(5, 5)
        yield Text("Hel")
        raise ProcessDied("It died.", exit_code=6)

    monkeypatch.setattr(house.runners[0], "generate", dies)
    events = await streamed(house)
    assert [event["type"] for event in events][-4:] == ["message.delta", "message.end", "error", "chat.end"]
    assert events[-2]["error"]["type"] == "internal_error"
    assert "crashed" in events[-2]["error"]["message"]
    result = events[-1]["result"]
    assert result["output"] == [{"type": "message", "content": "Hel"}]
    assert (result["stats"]["input_tokens"], result["stats"]["total_output_tokens"]) == (5, 1)
    assert "response_id" not in result


async def test_a_load_that_fails_is_told_in_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_house() as house:

        async def fails(*_: Any) -> Any:
            raise ProcessDied("No.", exit_code=1)

        monkeypatch.setattr(house.models, "_load", fails)
        events = await streamed(house)
    assert [event["type"] for event in events] == ["chat.start", "model_load.start", "error", "chat.end"]


async def test_without_just_in_time_loading_the_model_has_to_be_there() -> None:
    async with open_house(LifeSettings(jit=False)) as house:
        status, answer = await ask(house, "chat", {"model": "chatty", "input": "Hi", "stream": True})
    assert status == 400
    assert "No models loaded" in answer["error"]["message"]


async def test_our_own_client_reads_all_of_it(house: House) -> None:
    house.script = lambda _: Reply(text="Hello there", reasoning="hm")
    async with AsyncLMStudioClient(house.url) as client:
        result = await client.v1.create("Hi", model="chatty")
        assert (result.text, result.reasoning) == ("Hello there", "hm")
        async with client.v1.stream("Hi", model="chatty") as stream:
            events = [event async for event in stream]
        assert stream.result is not None
        assert (stream.result.text, type(events[-1]).__name__) == ("Hello there", "ChatEnd")
        assert [each.key for each in await client.list_models()] == ["chatty", "eyes", "vectors"]


READ = st.lists(st.integers(0, 10).map(lambda read: PromptProgress(read, 10)), max_size=5)
SAID = st.lists(st.builds(Text, st.text(max_size=4), st.integers(1, 2), st.booleans()), max_size=12)


@given(READ, SAID)
def test_starts_and_ends_pair_up_whatever_is_said(read: list[Piece], said: list[Piece]) -> None:
    growing = Growing()
    pieces = read + said
    raw = growing.started(CHAT.key) + b"".join(growing.take(piece) for piece in [*pieces, Done("eosFound", Stats())])
    raw += growing.ended("resp_1")
    events = [json.loads(block.split(b"\n")[1][6:]) for block in raw.strip().split(b"\n\n")]
    inside: list[str] = []
    for event in events:
        name, _, what = event["type"].partition(".")
        if name == "chat":
            continue
        if what == "start":
            assert not inside
            inside.append(name)
        else:
            assert inside == [name]
            if what == "end":
                inside.pop()
    assert not inside
    texts = [(piece.reasoning, piece.text) for piece in pieces if isinstance(piece, Text)]
    output = events[-1]["result"]["output"]
    for reasoning, kind in ((True, "reasoning"), (False, "message")):
        wanted = "".join(text for thought, text in texts if thought is reasoning)
        assert "".join(item["content"] for item in output if item["type"] == kind) == wanted
        assert "".join(event["content"] for event in events if event["type"] == f"{kind}.delta") == wanted
