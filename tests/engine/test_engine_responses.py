"""`/v1/responses`: requests, answers, events, and conversations that are gone on from."""

from typing import Any

import pytest
from served import PieceRunner, done, say, served, text

from wakeful.engine.errors import DoesNotFit, ProcessDied
from wakeful.engine.runner.pieces import CallArguments, CallStart, PromptProgress, Text, TokenChoice
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply

PATH = "/v1/responses"
ASKED: dict[str, Any] = {"model": "m", "input": "Hi"}
TOOL = {
    "type": "function",
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "object", "properties": {"at": {}}},
    "strict": True,
}
GO = {"type": "function", "name": "go"}
OFFERED = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {"at": {}}}},
}
USER = {"role": "user", "content": "Hi"}
SAID = {"role": "assistant", "content": "Hello, world!"}
PNG = "data:image/png;base64,iVBORw0KGgo="


async def test_a_whole_answer() -> None:
    async with served(say(reasoning="Hm.")) as server:
        answer = await server.post(PATH, {**ASKED, "metadata": {"a": "b"}, "instructions": "Be kind."})
    body = answer.json
    for item, prefix in zip(body["output"], ("rs_", "msg_"), strict=True):
        assert item.pop("id").startswith(prefix)
    assert len(body.pop("id")) == len("resp_") + 48
    assert body.pop("created_at") <= body.pop("completed_at")
    assert body == {
        "object": "response",
        "model": "m",
        "previous_response_id": None,
        "instructions": "Be kind.",
        "tools": [],
        "tool_choice": "auto",
        "truncation": "disabled",
        "parallel_tool_calls": True,
        "text": {"format": {"type": "text"}},
        "temperature": None,
        "top_p": None,
        "presence_penalty": None,
        "frequency_penalty": None,
        "top_logprobs": 0,
        "reasoning": {"effort": None, "summary": None},
        "max_output_tokens": None,
        "max_tool_calls": None,
        "store": True,
        "background": False,
        "service_tier": "default",
        "metadata": {"a": "b"},
        "safety_identifier": None,
        "prompt_cache_key": None,
        "status": "completed",
        "incomplete_details": None,
        "error": None,
        "output": [
            {
                "type": "reasoning",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "Hm."}],
                "status": "completed",
            },
            {
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hello, world!", "annotations": [], "logprobs": []}],
            },
        ],
        "usage": {
            "input_tokens": 14,
            "output_tokens": 6,
            "total_tokens": 20,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 2},
        },
    }


async def test_every_event_of_a_stream() -> None:
    pieces = [
        PromptProgress(4, 4),
        *text("Hm", reasoning=True),
        *text("So", "."),
        CallStart(0, "7", "look"),
        CallArguments(0, '{"at":'),
        CallArguments(0, "1}"),
        done("toolCalls", prompt_tokens=4, completion_tokens=5),
    ]
    async with served(runner=PieceRunner(pieces)) as server:
        events = (await server.post(PATH, {**ASKED, "stream": True})).events
    assert all(name == data["type"] for name, data in events)
    assert [data.pop("sequence_number") for _, data in events] == list(range(len(events)))
    begun, under_way, *middle, (_, ended) = events
    assert begun[1]["response"] == under_way[1]["response"]
    assert (begun[1]["response"]["status"], begun[1]["response"]["output"]) == ("in_progress", [])
    thought = {"type": "reasoning", "summary": [], "content": [], "status": "in_progress"}
    message = {"type": "message", "role": "assistant", "status": "in_progress", "content": []}
    call = {"type": "function_call", "call_id": "7", "name": "look", "arguments": "", "status": "in_progress"}
    hm = {"type": "reasoning_text", "text": "Hm"}
    so = {"type": "output_text", "text": "So.", "annotations": [], "logprobs": []}
    whole = [
        {**thought, "content": [hm], "status": "completed"},
        {**message, "content": [so], "status": "completed"},
        {**call, "arguments": '{"at":1}', "status": "completed"},
    ]
    ids = [item.pop("id") for item in ended["response"]["output"]]
    assert [each.partition("_")[0] for each in ids] == ["rs", "msg", "fc"]
    assert ended["response"]["output"] == whole
    for _, data in middle:
        at = data["output_index"]
        assert data.pop("item_id", None) in (ids[at], None)
        assert data.get("item", {}).pop("id", ids[at]) == ids[at]
        data.pop("content_index", None)
    assert [data for _, data in middle] == [
        {"type": "response.output_item.added", "output_index": 0, "item": thought},
        {"type": "response.content_part.added", "output_index": 0, "part": {**hm, "text": ""}},
        {"type": "response.reasoning_text.delta", "output_index": 0, "delta": "Hm"},
        {"type": "response.reasoning_text.done", "output_index": 0, "text": "Hm"},
        {"type": "response.content_part.done", "output_index": 0, "part": hm},
        {"type": "response.output_item.done", "output_index": 0, "item": whole[0]},
        {"type": "response.output_item.added", "output_index": 1, "item": message},
        {"type": "response.content_part.added", "output_index": 1, "part": {**so, "text": ""}},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "So", "logprobs": []},
        {"type": "response.output_text.delta", "output_index": 1, "delta": ".", "logprobs": []},
        {"type": "response.output_text.done", "output_index": 1, "text": "So.", "logprobs": []},
        {"type": "response.content_part.done", "output_index": 1, "part": so},
        {"type": "response.output_item.done", "output_index": 1, "item": whole[1]},
        {"type": "response.output_item.added", "output_index": 2, "item": call},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"at":'},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "1}"},
        {
            "type": "response.function_call_arguments.done",
            "output_index": 2,
            "name": "look",
            "arguments": '{"at":1}',
        },
        {"type": "response.output_item.done", "output_index": 2, "item": whole[2]},
    ]
    assert ended["type"] == "response.completed"
    assert ended["response"]["usage"]["total_tokens"] == 9


async def test_an_answer_that_is_cut_off_is_incomplete() -> None:
    async with served() as server:
        whole = (await server.post(PATH, {**ASKED, "max_output_tokens": 2})).json
        name, streamed = (await server.post(PATH, {**ASKED, "max_output_tokens": 2, "stream": True})).events[-1]
    assert name == "response.incomplete"
    for body in (whole, streamed["response"]):
        assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
        assert body["output"][-1]["status"] == "incomplete"
        assert body["completed_at"] is None


async def test_an_answer_of_nothing_is_an_empty_message() -> None:
    async with served(say("")) as server:
        whole = (await server.post(PATH, ASKED)).json
        streamed = (await server.post(PATH, {**ASKED, "stream": True})).events[-1][1]["response"]
    for body in (whole, streamed):
        [item] = body["output"]
        assert item["content"][0]["text"] == ""


async def test_a_failure_in_the_middle_ends_the_stream_with_response_failed() -> None:
    async with served(runner=PieceRunner([*text("So"), ProcessDied("x", exit_code=6)])) as server:
        whole = await server.post(PATH, ASKED)
        events = (await server.post(PATH, {**ASKED, "stream": True})).events
        again = await server.post(PATH, {**ASKED, "previous_response_id": events[0][1]["response"]["id"]})
    crash = "The model has crashed without additional information. (Exit code: 6)"
    assert (whole.status, whole.json["error"]["message"]) == (500, crash)
    assert (whole.json["error"]["type"], whole.json["error"]["code"]) == ("internal_error", "unknown")
    name, data = events[-1]
    assert (name, data["response"]["status"]) == ("response.failed", "failed")
    assert data["response"]["error"] == {"code": "server_error", "message": crash}
    assert data["response"]["output"][0]["status"] == "incomplete"
    assert again.json["error"]["code"] == "previous_response_not_found"


async def test_overflow() -> None:
    error = DoesNotFit("x", prompt_tokens=9000, context_tokens=4096)
    async with served(runner=PieceRunner([error])) as server:
        whole = await server.post(PATH, ASKED)
        name, data = (await server.post(PATH, {**ASKED, "stream": True})).events[-1]
    assert whole.status == 400
    assert whole.json["error"]["type"] == "internal_error"
    assert "Trying to keep the first 9000 tokens" in whole.json["error"]["message"]
    assert (name, data["response"]["error"]["message"]) == ("response.failed", whole.json["error"]["message"])


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"max_output_tokens": 3}, "max_tokens", 3),
        ({"reasoning": {"effort": "none"}}, "effort", "off"),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, "effort", "low"),
        ({"tools": [TOOL, GO], "tool_choice": "required"}, "tool_choice", "required"),
        ({"tools": [TOOL, GO], "tool_choice": {"type": "function", "name": "look"}}, "tools", (OFFERED,)),
        ({"tools": [TOOL, GO], "tool_choice": {"type": "function", "name": "look"}}, "tool_choice", "required"),
        (
            {
                "tools": [TOOL, GO],
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "auto",
                    "tools": [{"type": "function", "name": "look"}],
                },
            },
            "tools",
            (OFFERED,),
        ),
        ({"text": {"format": {"type": "text"}}}, "schema", None),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}}},
            "schema",
            {"type": "object"},
        ),
        ({"truncation": "auto"}, "overflow", "truncateMiddle"),
        ({}, "overflow", "stopAtLimit"),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 2}, "logprobs", 2),
        ({"include": ["message.output_text.logprobs"]}, "logprobs", 0),
        ({"top_logprobs": 2}, "logprobs", None),
        ({"ttl": 5, "user": "me", "max_tool_calls": 3, "background": True, "no_such_field": 1}, "tools", ()),
    ],
)
async def test_fields(given: dict[str, Any], field: str, expected: object) -> None:
    async with served() as server:
        assert (await server.post(PATH, {**ASKED, **given})).status == 200
        assert getattr(server.last, field) == expected


async def test_sampling() -> None:
    given = {"temperature": 0.5, "top_p": 0.9, "presence_penalty": 0.1, "frequency_penalty": 0.2}
    async with served() as server:
        body = (await server.post(PATH, {**ASKED, **given})).json
        sampling = server.last.sampling
    assert {name: getattr(sampling, name) for name in given} == given
    assert {name: body[name] for name in given} == given


async def test_items_become_turns() -> None:
    items = [
        {"type": "message", "role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "Look"}, {"type": "input_image", "image_url": PNG}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": []},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
        },
        {"type": "function_call", "call_id": "7", "name": "look", "arguments": "{}"},
        {"type": "function_call", "id": "fc_1", "call_id": "8", "name": "go", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "7", "output": "Stars."},
        {"type": "function_call_output", "call_id": "8", "output": [{"type": "input_text", "text": "Gone."}]},
        {"type": "function_call", "call_id": "9", "name": "go", "arguments": "{}"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ]
    async with served() as server:
        answer = await server.post(PATH, {**ASKED, "input": items})
        assert answer.status == 200
        turns = server.last.messages

    def called(call_id: str, name: str) -> dict[str, Any]:
        return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}

    assert list(turns) == [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": PNG}}],
        },
        {"role": "assistant", "content": "I look.", "tool_calls": [called("7", "look"), called("8", "go")]},
        {"role": "tool", "tool_call_id": "7", "content": "Stars."},
        {"role": "tool", "tool_call_id": "8", "content": "Gone."},
        {"role": "assistant", "content": "", "tool_calls": [called("9", "go")]},
        {"role": "assistant", "content": "No."},
    ]


async def test_log_probabilities_are_told_when_they_are_asked_for() -> None:
    others = (TokenChoice("Sö", 1, -0.5), TokenChoice("No", 2, -1.5))
    pieces = [Text("Sö", 1, logprobs=(TokenChoice("Sö", 1, -0.5, others),)), done()]
    told = {
        "token": "Sö",
        "logprob": -0.5,
        "bytes": [83, 195, 182],
        "top_logprobs": [
            {"token": "Sö", "logprob": -0.5, "bytes": [83, 195, 182]},
            {"token": "No", "logprob": -1.5, "bytes": [78, 111]},
        ],
    }
    async with served(runner=PieceRunner(pieces)) as server:
        whole = (await server.post(PATH, ASKED)).json
        events = (await server.post(PATH, {**ASKED, "stream": True})).events
    assert whole["output"][0]["content"][0]["logprobs"] == [told]
    by_name = dict(events)
    assert by_name["response.output_text.delta"]["logprobs"] == [told]
    assert by_name["response.output_text.done"]["logprobs"] == [told]
    assert by_name["response.completed"]["response"]["output"][0]["content"][0]["logprobs"] == [told]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_gone_on_from_more_than_once(stream: bool) -> None:
    async with served() as server:

        async def say_on(**more: Any) -> str:
            answer = await server.post(PATH, {**ASKED, "stream": stream, **more})
            body = answer.events[-1][1]["response"] if stream else answer.json
            assert body["previous_response_id"] == more.get("previous_response_id")
            return body["id"]

        first = await say_on(instructions="Be kind.")
        second = await say_on(input="And?", previous_response_id=first)
        assert server.last.messages == (USER, SAID, {"role": "user", "content": "And?"})
        await say_on(input="Else?", previous_response_id=first, instructions="Be brief.")
        assert server.last.messages == (
            {"role": "system", "content": "Be brief."},
            USER,
            SAID,
            {"role": "user", "content": "Else?"},
        )
        await say_on(input="More?", previous_response_id=second)
        assert [turn["content"] for turn in server.last.messages] == [
            "Hi",
            "Hello, world!",
            "And?",
            "Hello, world!",
            "More?",
        ]


async def test_a_call_is_kept_so_that_its_output_finds_it() -> None:
    def script(generation: Generation) -> Reply | str:
        return "Clear." if generation.messages[-1]["role"] == "tool" else Reply(calls=(Call("look", {"at": "sky"}),))

    async with served(script) as server:
        first = (await server.post(PATH, {**ASKED, "tools": [TOOL]})).json
        [call] = first["output"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "no clouds"}
        second = await server.post(PATH, {**ASKED, "input": [output], "previous_response_id": first["id"]})
        turns = server.last.messages
    assert second.json["output"][0]["content"][0]["text"] == "Clear."
    assert turns[1]["tool_calls"][0]["id"] == turns[2]["tool_call_id"] == call["call_id"]


async def test_what_is_not_to_be_stored_is_not_gone_on_from() -> None:
    async with served() as server:
        first = (await server.post(PATH, {**ASKED, "store": False})).json
        answer = await server.post(PATH, {**ASKED, "previous_response_id": first["id"]})
    assert first["store"] is False
    assert (answer.status, answer.json["error"]) == (
        400,
        {
            "message": f"Previous response with id '{first['id']}' not found.",
            "type": "invalid_request_error",
            "param": "previous_response_id",
            "code": "previous_response_not_found",
        },
    )


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"input": None}, "missing_required_parameter", "input"),
        ({"input": 5}, "invalid_type", "input"),
        ({"input": []}, "invalid_value", "input"),
        ({"input": [{"role": "robot", "content": "x"}]}, "invalid_value", "input.0.role"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "invalid_value", "input.0.type"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "invalid_value", "input.0.content.0.type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x/a.png"}]}]},
            "invalid_value",
            "input.0.content.0.image_url",
        ),
        ({"max_output_tokens": "x"}, "invalid_type", "max_output_tokens"),
        ({"top_logprobs": 21}, "invalid_type", "top_logprobs"),
        ({"truncation": "some"}, "invalid_value", "truncation"),
        ({"tools": [{"type": "web_search"}]}, "invalid_union_discriminator", "tools.0.type"),
        ({"tools": [{"type": "mcp", "server_label": "x", "server_url": "y"}]}, "mcp_not_allowed", "tools.0.type"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools.0.name"),
        ({"tool_choice": "maybe"}, "invalid_value", "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "fly"}}, "invalid_value", "tool_choice.name"),
        ({"text": {"format": {"type": "json_object"}}}, None, "text.format.type"),
        ({"reasoning": {"effort": "huge"}}, "invalid_value", "reasoning.effort"),
        ({"model": "gpt-5"}, "model_not_found", "model"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_wrong_requests(given: dict[str, Any], code: str | None, param: str, stream: bool) -> None:
    async with served() as server:
        answer = await server.post(PATH, {**ASKED, "stream": stream, **given})
    error = answer.json["error"]
    assert (answer.status, error["type"]) == (400, "invalid_request_error")
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"]
