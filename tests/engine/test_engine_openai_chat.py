"""`/v1/chat/completions`: each field of a request, and each of an answer, as LM Studio has them."""

from typing import Any

import pytest
from served import CHAT, HI, PieceRunner, done, say, served, text

from wakeful.engine.errors import ProcessDied
from wakeful.engine.runner.pieces import CallArguments, CallStart
from wakeful.engine.runner.scripted import Call
from wakeful.engine.server.settings import ServerSettings

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
        "strict": True,
    },
}
OFFERED = {
    "type": "function",
    "function": {name: TOOL["function"][name] for name in ("name", "description", "parameters")},
}
PNG = "data:image/png;base64,iVBORw0KGgo="


async def test_a_whole_answer() -> None:
    async with served(say(reasoning="Hm.")) as server:
        answer = await server.chat()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert answer.text.startswith('{\n  "id": "chatcmpl-')
    body = answer.json
    assert body.pop("id").startswith("chatcmpl-")
    assert body.pop("created") > 1_700_000_000
    assert body == {
        "object": "chat.completion",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello, world!",
                    "reasoning_content": "Hm.",
                    "tool_calls": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 8,
            "completion_tokens": 6,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        "stats": {},
        "system_fingerprint": "m",
    }


async def test_a_stream() -> None:
    async with served(say("Hello, you", reasoning="Hm")) as server:
        answer = await server.chat(stream=True)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    chunks = answer.chunks
    assert len({(chunk.pop("id"), chunk.pop("created")) for chunk in chunks}) == 1
    same = {"object": "chat.completion.chunk", "model": "m", "system_fingerprint": "m"}
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "reasoning_content": "Hm"}, None),
        ({"role": "assistant", "content": "Hello"}, None),
        ({"role": "assistant", "content": ","}, None),
        ({"role": "assistant", "content": " you"}, None),
        ({}, "stop"),
    ]
    assert chunks == [
        {**same, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
        for delta, finish in deltas
    ]


async def test_usage_comes_in_a_last_chunk_when_it_is_asked_for() -> None:
    async with served(say("Hi")) as server:
        without = await server.chat(stream=True, stream_options={"include_usage": False})
        chunk = (await server.chat(stream=True, stream_options={"include_usage": True})).chunks[-1]
    assert not any("usage" in each for each in without.chunks)
    assert chunk["choices"] == []
    assert chunk["usage"]["total_tokens"] == chunk["usage"]["prompt_tokens"] + 1


async def test_tool_calls_whole() -> None:
    async with served(say("", calls=(Call("look", {"at": "sky"}), Call("look", {"at": "sea"})))) as server:
        choice = (await server.chat(tools=[TOOL])).json["choices"][0]
        assert server.last.tools == (OFFERED,)
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == ""
    first, second = choice["message"]["tool_calls"]
    assert first == {
        "type": "function",
        "id": "100000000",
        "function": {"name": "look", "arguments": '{"at": "sky"}'},
    }
    assert first["id"] != second["id"]
    assert first["id"].isdigit()


async def test_tool_calls_streamed_name_first() -> None:
    pieces = [CallStart(0, "7", "look"), CallArguments(0, '{"at":'), CallArguments(0, "1}"), CallStart(1, "8", "go")]
    async with served(runner=PieceRunner([*pieces, CallArguments(1, "{}"), done("toolCalls")])) as server:
        chunks = (await server.chat(stream=True, tools=[TOOL])).chunks
    calls = [chunk["choices"][0]["delta"].get("tool_calls") for chunk in chunks]
    assert calls == [
        [{"index": 0, "id": "7", "type": "function", "function": {"name": "look", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"at":'}}],
        [{"index": 0, "function": {"arguments": "1}"}}],
        [{"index": 1, "id": "8", "type": "function", "function": {"name": "go", "arguments": ""}}],
        [{"index": 1, "function": {"arguments": "{}"}}],
        None,
    ]
    assert {chunk["choices"][0]["delta"].get("role") for chunk in chunks[:-1]} == {"assistant"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"temperature": 0.5}, "temperature", 0.5),
        ({"temperature": 1}, "temperature", 1.0),
        ({"top_p": 0.9}, "top_p", 0.9),
        ({"top_k": 40}, "top_k", 40),
        ({"min_p": 0.1}, "min_p", 0.1),
        ({"repeat_penalty": 1.1}, "repeat_penalty", 1.1),
        ({"presence_penalty": 0.2}, "presence_penalty", 0.2),
        ({"frequency_penalty": 0.3}, "frequency_penalty", 0.3),
        ({"seed": 7}, "seed", 7),
        ({"logit_bias": {"15": -100}}, "logit_bias", {"15": -100.0}),
        ({"logit_bias": {}}, "logit_bias", None),
        ({"temperature": None}, "temperature", None),
    ],
)
async def test_sampling_is_honoured(given: dict[str, Any], field: str, expected: object) -> None:
    async with served() as server:
        assert (await server.chat(**given)).status == 200
        assert getattr(server.last.sampling, field) == expected


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"max_tokens": 3}, "max_tokens", 3),
        ({"max_tokens": -1}, "max_tokens", None),
        ({}, "max_tokens", None),
        ({"max_completion_tokens": 4}, "max_tokens", 4),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens", 3),
        ({"stop": "END"}, "stop", ("END",)),
        ({"stop": ["a", "", "b"]}, "stop", ("a", "b")),
        ({"stop": None}, "stop", ()),
        ({"reasoning_effort": "none"}, "effort", "off"),
        ({"reasoning_effort": "minimal"}, "effort", "low"),
        ({"reasoning_effort": "high"}, "effort", "high"),
        ({"tool_choice": "none"}, "tool_choice", "none"),
        ({"tool_choice": "required"}, "tool_choice", "required"),
        ({"tool_choice": "auto"}, "tool_choice", "auto"),
        ({"response_format": {"type": "text"}}, "schema", None),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}},
            "schema",
            {"type": "object"},
        ),
    ],
)
async def test_the_other_fields_are_honoured(given: dict[str, Any], field: str, expected: object) -> None:
    async with served() as server:
        assert (await server.chat(**given)).status == 200
        assert getattr(server.last, field) == expected


async def test_what_lm_studio_passes_over_is_passed_over() -> None:
    passed_over: dict[str, Any] = {
        "n": 3,
        "user": "me",
        "logprobs": True,
        "top_logprobs": 3,
        "parallel_tool_calls": False,
        "chat_template_kwargs": {"enable_thinking": False},
        "draft_model": "tiny",
        "preset": "mine",
        "ttl": "soon",
        "service_tier": "auto",
        "no_such_field": {"deep": [1]},
    }
    async with served() as server:
        plain = await server.chat()
        generation = server.last
        answer = await server.chat(**passed_over)
        assert server.last == generation
    assert answer.json["choices"] == plain.json["choices"]
    assert answer.json["choices"][0]["logprobs"] is None


async def test_ttl_is_how_long_a_model_stays_that_is_loaded_for_the_request() -> None:
    async with served() as server:
        await server.chat(ttl=30)
        [instance] = server.models.loaded()
        assert (instance.ttl_s, instance.jit) == (30.0, True)
        await server.post(CHAT, {"model": "other", "messages": HI, "ttl": -5})
        assert [each.ttl_s for each in server.models.loaded() if each.identifier == "other"] == [3600.0]


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ({"role": "developer", "content": "x"}, {"role": "system", "content": "x"}),
        ({"role": "system", "content": "x"}, {"role": "system", "content": "x"}),
        ({"role": "user", "content": "x", "name": "Ann"}, {"role": "user", "content": "x", "name": "Ann"}),
        ({"role": "user", "content": None}, {"role": "user", "content": ""}),
        (
            {"role": "user", "content": [{"type": "text", "text": "x"}]},
            {"role": "user", "content": [{"type": "text", "text": "x"}]},
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
        ),
        (
            {"role": "assistant", "content": "x", "reasoning_content": "y"},
            {"role": "assistant", "content": "x", "reasoning_content": "y"},
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
        ),
        (
            {"role": "tool", "tool_call_id": "1", "content": "4"},
            {"role": "tool", "tool_call_id": "1", "content": "4"},
        ),
    ],
)
async def test_turns(turn: dict[str, Any], expected: dict[str, Any]) -> None:
    async with served() as server:
        answer = await server.post(CHAT, {"model": "m", "messages": [turn]})
        assert answer.status == 200
        assert server.last.messages == (expected,)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"messages": None}, "'messages' field is required"),
        (
            {"messages": []},
            "Invalid 'messages' in payload. it must be an array of at least one message (at 'messages')",
        ),
        (
            {"messages": [{"role": "robot", "content": "x"}]},
            "Invalid 'messages' in payload. 'role' must be one of system, developer, user, assistant, tool "
            "(at 'messages.0.role')",
        ),
        ({"messages": [{"content": "x"}]}, "'messages.0.role' field is required"),
        ({"messages": ["x"]}, "Invalid 'messages.0': expected object, received string"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            "Invalid 'messages.0.content': expected string | array | null, received integer",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
            "Invalid 'messages' in payload. 'content' objects must have a 'type' field that is either 'text' or "
            "'image_url' (at 'messages.0.content.0.type')",
        ),
        ({"max_tokens": "3"}, "Invalid 'max_tokens': expected integer | null, received string"),
        ({"stream": "yes"}, "Invalid 'stream': expected boolean | null, received string"),
        ({"response_format": {"type": "json_object"}}, "'response_format.type' must be 'json_schema' or 'text'"),
        (
            {"response_format": {"type": "json_schema"}},
            "Invalid 'response_format.json_schema': expected object, received null",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "'response_format.json_schema.schema' field is required",
        ),
        (
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
            "Invalid tool_choice type: 'object'. Supported string values: none, auto, required",
        ),
        (
            {"tool_choice": "maybe"},
            "Invalid tool_choice value: 'maybe'. Supported string values: none, auto, required",
        ),
        (
            {"reasoning_effort": "huge"},
            "Invalid 'reasoning_effort': must be one of 'none', 'off', 'on', 'minimal', 'low', 'medium', 'high', "
            "'xhigh'",
        ),
        ({"tools": [{"type": "function"}]}, "'tools.0.function' field is required"),
        (
            {"tools": [TOOL, {"type": "function", "function": {"name": "g", "parameters": {}}}]},
            '[\n  {\n    "code": "invalid_union_discriminator",\n    "options": [\n      "object"\n    ],\n    "path": '
            '[\n      1,\n      "function",\n      "parameters",\n      "type"\n    ],\n    "message": "Invalid '
            "discriminator value. Expected 'object'\"\n  }\n]",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_wrong_requests_are_told_what_is_wrong(given: dict[str, Any], error: str, stream: bool) -> None:
    async with served() as server:
        answer = await server.chat(**{"stream": stream, **given})
    assert (answer.status, answer.json) == (400, {"error": error})


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:image/webp;base64,AAAA", "data:image/png;base64,!"])
async def test_images_come_as_base64_of_a_kind_that_is_known(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    async with served() as server:
        answer = await server.post(CHAT, {"model": "m", "messages": [{"role": "user", "content": [part]}]})
    assert (answer.status, answer.json) == (400, {"error": "'url' field must be a base64 encoded image."})


async def test_the_only_loaded_model_answers_for_any_name_and_says_who_it_is() -> None:
    async with served() as server:
        await server.chat()
        answer = await server.post(CHAT, {"model": "gpt-5", "messages": HI})
        unnamed = await server.post(CHAT, {"messages": HI})
    assert answer.json["model"] == unnamed.json["model"] == "m"


async def test_an_unknown_model_is_refused_when_none_or_several_are_loaded() -> None:
    async with served() as server:
        answer = await server.post(CHAT, {"model": "gpt-5", "messages": HI, "stream": True})
    assert answer.status == 400
    assert answer.json["error"] == {
        "message": 'Invalid model identifier "gpt-5". Please specify a valid downloaded model (e.g. m, other).',
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


@pytest.mark.parametrize(
    ("given", "finish"),
    [({"max_tokens": 2}, "length"), ({"stop": "world"}, "stop"), ({}, "stop")],
)
async def test_finish_reasons(given: dict[str, Any], finish: str) -> None:
    async with served() as server:
        assert (await server.chat(**given)).json["choices"][0]["finish_reason"] == finish
        assert (await server.chat(stream=True, **given)).chunks[-1]["choices"][0]["finish_reason"] == finish


async def test_a_prompt_that_does_not_fit_is_told_so_with_numbers() -> None:
    said = (
        "Trying to keep the first 8 tokens when context the overflows. However, the model is loaded with context "
        "length of only 5 tokens, which is not enough. Try to load the model with a larger context length, or provide "
        "a shorter input"
    )
    async with served(context_tokens=5) as server:
        whole = await server.chat()
        streamed = await server.chat(stream=True)
    assert (whole.status, whole.json) == (400, {"error": said})
    assert streamed.status == 200
    assert streamed.events == [("error", {"error": {"message": said}, "message": said})]


async def test_a_model_that_dies_in_the_middle_ends_the_stream_with_an_error_event() -> None:
    crash = "The model has crashed without additional information. (Exit code: 6)"
    pieces = [*text("Hel"), ProcessDied("died", exit_code=6)]
    async with served(runner=PieceRunner(pieces)) as server:
        streamed = await server.chat(stream=True)
        whole = await server.chat()
    assert [name for name, _ in streamed.events] == ["", "error"]
    assert streamed.events[-1][1] == {"error": {"message": crash}, "message": crash}
    assert (whole.status, whole.json) == (400, {"error": crash})


async def test_a_generation_without_an_end_is_an_error_and_no_answer() -> None:
    async with served(runner=PieceRunner(text("Hel"))) as server:
        streamed = await server.chat(stream=True)
        whole = await server.chat()
    assert streamed.events[-1][0] == "error"
    assert (whole.status, whole.json) == (400, {"error": "The model stopped without an end."})


async def test_the_thinking_of_gpt_oss_has_its_own_name() -> None:
    async with served(say("So.", reasoning="Hm"), architecture="gpt-oss") as server:
        message = (await server.chat()).json["choices"][0]["message"]
        chunks = (await server.chat(stream=True)).chunks
    assert message == {"role": "assistant", "content": "So.", "reasoning": "Hm", "tool_calls": []}
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "reasoning": "Hm"}


async def test_think_tags_stay_in_the_text_when_the_setting_says_so() -> None:
    settings = ServerSettings(port=0, think_tags=True)
    async with served(say("So.", reasoning="Hm"), settings=settings) as server:
        message = (await server.chat()).json["choices"][0]["message"]
        chunks = (await server.chat(stream=True)).chunks
    assert message == {"role": "assistant", "content": "<think>Hm</think>So.", "tool_calls": []}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content", "") for delta in deltas) == "<think>Hm</think>So."
    assert not any("reasoning_content" in delta for delta in deltas)


async def test_a_thought_that_nothing_is_said_after_is_closed() -> None:
    settings = ServerSettings(port=0, think_tags=True)
    async with served(say("", reasoning="Hm", calls=(Call("look"),)), settings=settings) as server:
        called = (await server.chat(stream=True)).chunks
    async with served(say("", reasoning="Hm"), settings=settings) as server:
        nothing = (await server.chat(stream=True)).chunks
    for chunks in (called, nothing):
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert "".join(delta.get("content", "") for delta in deltas) == "<think>Hm</think>"
