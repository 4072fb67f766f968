"""`/v1/messages`: requests, answers, events and errors in Anthropic's form."""

from typing import Any

import pytest
from served import HI, PieceRunner, done, say, served, text

from wakeful.engine.errors import ProcessDied, QueueFull
from wakeful.engine.runner.pieces import CallArguments, CallStart, PromptProgress
from wakeful.engine.runner.scripted import Call

PATH = "/v1/messages"
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 50, "messages": HI}
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {"at": {}}}}
GO = {"name": "go"}
OFFERED = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {"at": {}}}},
}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


async def test_a_whole_answer() -> None:
    async with served(say(reasoning="Hm.")) as server:
        answer = await server.post(PATH, ASKED)
    body = answer.json
    assert body.pop("id").startswith("msg_")
    assert body == {
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": ""},
            {"type": "text", "text": "Hello, world!"},
        ],
        "model": "m",
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 8, "output_tokens": 6, "cache_read_input_tokens": 0},
    }


async def test_what_was_cached_is_counted_apart() -> None:
    pieces = [PromptProgress(7, 10, 7), *text("a"), done(prompt_tokens=10, cached_tokens=7, completion_tokens=1)]
    async with served(runner=PieceRunner(pieces)) as server:
        whole = await server.post(PATH, ASKED)
        streamed = await server.post(PATH, {**ASKED, "stream": True})
    used = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 7}
    assert whole.json["usage"] == used
    events = dict(streamed.events)
    assert events["message_start"]["message"]["usage"] == {**used, "output_tokens": 0}
    assert events["message_delta"]["usage"] == used


async def test_a_stream_with_every_kind_of_block() -> None:
    pieces = [
        PromptProgress(4, 4),
        *text("Hm", reasoning=True),
        *text("So", ","),
        CallStart(0, "7", "look"),
        CallArguments(0, '{"at":'),
        CallArguments(0, '"sky"}'),
        CallStart(1, "8", "go"),
        done("toolCalls", prompt_tokens=4, completion_tokens=5),
    ]
    async with served(runner=PieceRunner(pieces)) as server:
        answer = await server.post(PATH, {**ASKED, "stream": True})
    events = answer.events
    assert all(name == data["type"] for name, data in events)
    assert events[0][1]["message"].pop("id").startswith("msg_")
    assert [data for _, data in events] == [
        {
            "type": "message_start",
            "message": {
                "type": "message",
                "role": "assistant",
                "content": [],
                "model": "m",
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 4, "output_tokens": 0, "cache_read_input_tokens": 0},
            },
        },
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "So"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": ","}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "7", "name": "look", "input": {}},
        },
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"at":'}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '"sky"}'}},
        {"type": "content_block_stop", "index": 2},
        {
            "type": "content_block_start",
            "index": 3,
            "content_block": {"type": "tool_use", "id": "8", "name": "go", "input": {}},
        },
        {"type": "content_block_stop", "index": 3},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"input_tokens": 4, "output_tokens": 5, "cache_read_input_tokens": 0},
        },
        {"type": "message_stop"},
    ]


async def test_an_answer_of_nothing_is_an_empty_text() -> None:
    async with served(say("")) as server:
        whole = await server.post(PATH, ASKED)
        streamed = await server.post(PATH, {**ASKED, "stream": True})
    assert whole.json["content"] == [{"type": "text", "text": ""}]
    assert [name for name, _ in streamed.events] == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


async def test_tool_use_whole() -> None:
    async with served(say("", calls=(Call("look", {"at": "sky"}), Call("look", "no JSON")))) as server:
        answer = await server.post(PATH, {**ASKED, "tools": [TOOL]})
        assert server.last.tools == (OFFERED,)
    assert answer.json["stop_reason"] == "tool_use"
    assert answer.json["content"] == [
        {"type": "tool_use", "id": "100000000", "name": "look", "input": {"at": "sky"}},
        {"type": "tool_use", "id": "100000001", "name": "look", "input": {}},
    ]


@pytest.mark.parametrize(
    ("given", "reason", "sequence"),
    [
        ({}, "end_turn", None),
        ({"max_tokens": 2}, "max_tokens", None),
        ({"stop_sequences": ["world"]}, "stop_sequence", "world"),
    ],
)
async def test_stop_reasons(given: dict[str, Any], reason: str, sequence: str | None) -> None:
    async with served() as server:
        whole = (await server.post(PATH, {**ASKED, **given})).json
        streamed = dict((await server.post(PATH, {**ASKED, **given, "stream": True})).events)
    assert (whole["stop_reason"], whole["stop_sequence"]) == (reason, sequence)
    assert streamed["message_delta"]["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"max_tokens": 3}, "max_tokens", 3),
        ({"stop_sequences": ["a", "b"]}, "stop", ("a", "b")),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "effort", "on"),
        ({"thinking": {"type": "adaptive"}}, "effort", "on"),
        ({"thinking": {"type": "disabled"}}, "effort", "off"),
        ({}, "effort", None),
        ({"tools": [TOOL, GO], "tool_choice": {"type": "any"}}, "tool_choice", "required"),
        ({"tools": [TOOL, GO], "tool_choice": {"type": "auto"}}, "tool_choice", "auto"),
        ({"tools": [TOOL, GO], "tool_choice": {"type": "none"}}, "tool_choice", "none"),
        ({"tools": [TOOL, GO], "tool_choice": {"type": "tool", "name": "look"}}, "tool_choice", "required"),
        ({"tools": [TOOL, GO], "tool_choice": {"type": "tool", "name": "look"}}, "tools", (OFFERED,)),
        (
            {"tools": [GO]},
            "tools",
            ({"type": "function", "function": {"name": "go", "parameters": {"type": "object", "properties": {}}}},),
        ),
        ({"metadata": {"user_id": "x"}, "service_tier": "auto", "betas": []}, "tools", ()),
    ],
)
async def test_fields(given: dict[str, Any], field: str, expected: object) -> None:
    async with served() as server:
        assert (await server.post(PATH, {**ASKED, **given})).status == 200
        assert getattr(server.last, field) == expected


async def test_sampling() -> None:
    async with served() as server:
        await server.post(PATH, {**ASKED, "temperature": 0.5, "top_p": 0.9, "top_k": 20})
        sampling = server.last.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.5, 0.9, 20)


async def test_a_conversation_with_tools_becomes_turns() -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "there?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "s"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "7", "name": "look", "input": {"at": "sky"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "7", "content": "Stars.", "is_error": False},
                {"type": "tool_result", "tool_use_id": "8", "content": [{"type": "text", "text": "Moon"}, IMAGE]},
                {"type": "text", "text": "And?", "cache_control": {"type": "ephemeral"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "9"}]},
        {"role": "user", "content": [IMAGE]},
        {"role": "assistant", "content": "Fine."},
        {"role": "user", "content": []},
    ]
    system = [{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}]
    async with served() as server:
        answer = await server.post(PATH, {**ASKED, "system": system, "messages": messages})
        assert answer.status == 200
        turns = server.last.messages
    called = {"id": "7", "type": "function", "function": {"name": "look", "arguments": '{"at":"sky"}'}}
    assert list(turns) == [
        {"role": "system", "content": "Be kind.\n\nBe brief."},
        {"role": "user", "content": "What is \n\nthere?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "7", "content": "Stars."},
        {"role": "tool", "tool_call_id": "8", "content": "Moon"},
        {"role": "user", "content": [SHOWN, {"type": "text", "text": "And?"}]},
        {"role": "tool", "tool_call_id": "9", "content": ""},
        {"role": "user", "content": [SHOWN]},
        {"role": "assistant", "content": "Fine."},
        {"role": "user", "content": ""},
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"messages": None}, "messages: at least one message is required"),
        (
            {"messages": [{"role": "tool", "content": "x"}]},
            "Invalid 'messages.0.role': 'tool' is not one of the values",
        ),
        ({"max_tokens": 0}, "max_tokens: must be at least 1"),
        ({"max_tokens": "many"}, "Invalid 'max_tokens': expected integer | null, received string"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type: tools of type"),
        ({"tools": [{}]}, "'tools.0.name' field is required"),
        ({"tool_choice": {"type": "tool", "name": "fly"}}, "tool_choice: there is no tool 'fly'"),
        ({"tool_choice": {"type": "all"}}, "tool_choice.type: 'all' is none of auto, any, tool, none"),
        (
            {"messages": [{"role": "user", "content": [{"type": "document"}]}]},
            "messages.0.content.0.type: 'document' is not supported here",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}]},
            "messages.0.content.0.source.type: only 'base64' is supported",
        ),
        ({"system": [IMAGE]}, "system: only blocks of type 'text' may be here, not 'image'"),
    ],
)
async def test_wrong_requests(given: dict[str, Any], message: str) -> None:
    async with served() as server:
        answer = await server.post(PATH, {**ASKED, **given})
    body = answer.json
    assert (answer.status, body["type"], body["error"]["type"]) == (400, "error", "invalid_request_error")
    assert body["error"]["message"].startswith(message)


async def test_an_unknown_model() -> None:
    async with served() as server:
        answer = await server.post(PATH, {**ASKED, "model": "claude"})
    assert (answer.status, answer.json["error"]["type"]) == (404, "not_found_error")


async def test_failures_in_the_middle() -> None:
    async with served(runner=PieceRunner([*text("a"), ProcessDied("x", exit_code=9)])) as server:
        whole = await server.post(PATH, ASKED)
        streamed = await server.post(PATH, {**ASKED, "stream": True})
    said = {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "The model has crashed without additional information. (Exit code: 9)",
        },
    }
    assert (whole.status, whole.json) == (500, said)
    assert streamed.events[-1] == ("error", said)


async def test_a_full_queue() -> None:
    async with served(runner=PieceRunner([QueueFull("64 requests wait for m already.")])) as server:
        answer = await server.post(PATH, ASKED)
    assert (answer.status, answer.json["error"]["type"]) == (429, "rate_limit_error")


async def test_there_is_no_counting_of_tokens() -> None:
    async with served() as server:
        answer = await server.post(f"{PATH}/count_tokens", ASKED)
    assert answer.json == {"error": "Unexpected endpoint or method. (POST /v1/messages/count_tokens)"}
