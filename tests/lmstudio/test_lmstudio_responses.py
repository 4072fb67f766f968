"""OpenAI's newer form: answers, function calls, and the named events of its streams."""

import asyncio
from typing import Any

import pytest
from canned import AT_ONCE, TIMEOUTS, at_second_try, byte_by_byte, routed, says, sse, streams
from raw_server import Behaviour, serving

from wakeful.lmstudio import (
    BadRequest,
    ContextOverflow,
    LMStudioError,
    MalformedAnswer,
    ModelCrashed,
    ServerError,
    ServerTooSlow,
    StreamBroken,
    Timeouts,
)
from wakeful.lmstudio.endpoints import response_events as ev
from wakeful.lmstudio.endpoints.answers import Unknown
from wakeful.lmstudio.endpoints.responses import ResponseAssembly, ResponsesEndpoint, ResponseStream
from wakeful.lmstudio.http.sse import ServerSentEvent
from wakeful.lmstudio.http.transport import Transport

TEXT = {"type": "output_text", "text": "Grüße, Welt", "annotations": [], "logprobs": []}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [TEXT]}
THOUGHT = {"type": "reasoning_text", "text": "Hm."}
REASONING = {"id": "rs_1", "type": "reasoning", "content": [THOUGHT], "summary": []}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": 1}'}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "incomplete_details": None,
    "error": None,
    "model": "qwen",
    "previous_response_id": "resp_0",
    "output": [REASONING, CALL, {"type": "web_search_call", "id": "ws"}, MESSAGE],
    "usage": {
        "input_tokens": 9,
        "output_tokens": 5,
        "total_tokens": 14,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 2},
    },
    "future": [1],
}
BEGUN = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
AT = {"item_id": "x", "output_index": 0, "content_index": 0}
EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "response": BEGUN, "sequence_number": 0},
    {"type": "response.in_progress", "response": BEGUN, "sequence_number": 1},
    {"type": "response.output_item.added", "output_index": 0, "item": {**REASONING, "content": []}},
    {"type": "response.content_part.added", **AT, "part": THOUGHT},
    {"type": "response.reasoning_text.delta", **AT, "delta": "Hm."},
    {"type": "response.reasoning_text.done", **AT, "text": "Hm."},
    {"type": "response.output_item.done", "output_index": 0, "item": REASONING},
    {"type": "response.function_call_arguments.delta", **AT, "delta": '{"at"'},
    {"type": "response.function_call_arguments.done", **AT, "arguments": '{"at": 1}'},
    {"type": "response.output_item.done", "output_index": 1, "item": CALL},
    {"type": "response.web_search_call.searching", "item_id": "ws"},
    {"type": "response.output_text.delta", **AT, "delta": "Grüße, ", "obfuscation": "xx"},
    {"type": "response.output_text.delta", **AT, "delta": "Welt"},
    {"type": "response.output_text.done", **AT, "text": "Grüße, Welt"},
    {"type": "response.content_part.done", **AT, "part": TEXT},
    {"type": "response.output_item.done", "output_index": 2, "item": MESSAGE},
    {"type": "response.completed", "response": RESPONSE, "sequence_number": 16},
]
HALF = sse(*EVENTS[:12])


async def streamed(behaviour: Behaviour, **options: Any) -> tuple[list[ev.ResponseEvent], ResponseStream]:
    async with routed(behaviour, **options) as route, ResponsesEndpoint(route.transport).stream("hello") as stream:
        return [event async for event in stream], stream


async def fails(behaviour: Behaviour, **options: Any) -> LMStudioError:
    with pytest.raises(LMStudioError) as caught:
        await streamed(behaviour, **options)
    return caught.value


def assert_whole(response: ev.Response | None) -> None:
    assert response is not None
    assert (response.id, response.status, response.model) == ("resp_1", "completed", "qwen")
    assert (response.text, response.reasoning) == ("Grüße, Welt", "Hm.")
    [call] = response.function_calls
    assert (call.call_id, call.name, call.arguments) == ("c1", "look", '{"at": 1}')
    assert response.output[2] == Unknown(kind="web_search_call", extra={"type": "web_search_call", "id": "ws"})
    assert response.usage.input_tokens_details.cached_tokens == 4
    assert response.usage.output_tokens_details.reasoning_tokens == 2
    assert response.extra == {"object": "response", "created_at": 1, "future": [1]}
    assert response.previous_response_id == "resp_0"


async def test_whole_with_every_option() -> None:
    async with routed(says(200, RESPONSE)) as route:
        result = await ResponsesEndpoint(route.transport).create(
            "hello",
            model="qwen",
            instructions="Be brief.",
            previous_response_id="resp_0",
            store=True,
            reasoning_effort="low",
            tools=[{"type": "function", "name": "look", "parameters": {}}],
            tool_choice="auto",
            temperature=0.5,
            top_p=0.9,
            max_output_tokens=7,
            include=["message.output_text.logprobs"],
            top_logprobs=2,
            extra={"later": 1},
        )
        items = [{"type": "function_call_output", "call_id": "c1", "output": "5"}]
        await ResponsesEndpoint(route.transport).create(items)
    assert_whole(result)
    assert route.asked == [
        {
            "model": "qwen",
            "input": "hello",
            "stream": False,
            "reasoning": {"effort": "low"},
            "instructions": "Be brief.",
            "previous_response_id": "resp_0",
            "store": True,
            "tools": [{"type": "function", "name": "look", "parameters": {}}],
            "tool_choice": "auto",
            "temperature": 0.5,
            "top_p": 0.9,
            "max_output_tokens": 7,
            "include": ["message.output_text.logprobs"],
            "top_logprobs": 2,
            "later": 1,
        },
        {"input": items, "stream": False, "max_output_tokens": 1024},
    ]


async def test_every_event_is_typed() -> None:
    events, stream = await streamed(streams(sse(*EVENTS)))
    assert [event.type for event in events] == [each["type"] for each in EVENTS]
    assert [event.kind for event in events if isinstance(event, Unknown)] == ["response.web_search_call.searching"]
    assert events[4] == ev.ReasoningTextDelta(item_id="x", delta="Hm.")
    assert events[11] == ev.OutputTextDelta(item_id="x", delta="Grüße, ", extra={"obfuscation": "xx"})
    [called] = [event.item for event in events if isinstance(event, ev.OutputItemDone) and event.output_index == 1]
    assert isinstance(called, ev.FunctionCall)
    assert called.arguments == '{"at": 1}'
    assert isinstance(events[0], ev.ResponseCreated)
    assert (events[0].response.id, events[0].sequence_number) == ("resp_1", 0)
    assert stream.text == "Grüße, Welt"
    assert_whole(stream.result)


async def test_cut_at_every_byte() -> None:
    assert (await streamed(byte_by_byte(sse(*EVENTS))))[0] == (await streamed(streams(sse(*EVENTS))))[0]


async def test_an_answer_cut_off_by_its_length_is_no_error() -> None:
    cut = {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    events, stream = await streamed(streams(HALF, sse({"type": "response.incomplete", "response": cut})))
    assert isinstance(events[-1], ev.ResponseIncomplete)
    assert stream.result is not None
    assert stream.result.incomplete_details == ev.Incomplete(reason="max_output_tokens")
    events, _ = await streamed(says(200, cut))
    assert isinstance(events[-1], ev.ResponseIncomplete)


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"type": "error", "code": "unknown", "message": "The model has crashed"}, ModelCrashed),
        ({"type": "error", "error": {"message": "Context size has been exceeded."}}, ContextOverflow),
        ({"type": "response.failed", "response": {**RESPONSE, "error": {"message": "model crashed"}}}, ModelCrashed),
        ({"type": "response.failed", "response": BEGUN}, ServerError),
    ],
)
async def test_failures_told_in_the_stream(told: dict[str, Any], error: type[LMStudioError]) -> None:
    failure = await fails(streams(HALF, sse(told)))
    assert isinstance(failure, error)
    assert failure.partial == "Grüße, "


@pytest.mark.parametrize("then", ["end", "reset"])
@pytest.mark.parametrize("upto", [0, 2, 12, 16])
async def test_a_stream_that_ends_early_is_broken(upto: int, then: str) -> None:
    failure = await fails(streams(sse(*EVENTS[:upto]) or b": ping\n\n", then=then))
    assert isinstance(failure, StreamBroken)
    assert failure.partial == {12: "Grüße, ", 16: "Grüße, Welt"}.get(upto, "")


@pytest.mark.parametrize(("upto", "stage"), [(2, "first_token"), (12, "between_tokens")])
async def test_silence_runs_out(upto: int, stage: str) -> None:
    timeouts = Timeouts(first_token_s=0.2, between_tokens_s=0.1)
    failure = await fails(streams(sse(*EVENTS[:upto]), then="silence"), timeouts=timeouts)
    assert isinstance(failure, ServerTooSlow)
    assert failure.stage == stage


async def test_a_server_that_does_not_stream() -> None:
    events, stream = await streamed(says(200, RESPONSE))
    assert [event.type for event in events] == ["response.output_text.delta", "response.completed"]
    assert_whole(stream.result)


async def test_refusals_and_what_cannot_be_read() -> None:
    refusal = {"error": {"message": "No such response", "code": "previous_response_not_found"}}
    assert isinstance(await fails(says(400, refusal)), BadRequest)
    assert isinstance(await fails(streams(HALF, b"data: {]\n\n")), MalformedAnswer)
    async with routed(says(200, {"output": [{"type": "message", "content": 5}]})) as route:
        with pytest.raises(MalformedAnswer):
            await ResponsesEndpoint(route.transport).create("hello")
        with pytest.raises(TypeError, match="max_tokens"):
            await ResponsesEndpoint(route.transport).create("hello", max_tokens=5)  # pyright: ignore[reportCallIssue]


async def test_what_never_began_is_sent_again() -> None:
    _, stream = await streamed(at_second_try(streams(sse(*EVENTS))), retry=AT_ONCE)
    assert_whole(stream.result)


async def test_leaving_early_stops_the_server() -> None:
    async with serving(streams(HALF, then="silence")) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        async with ResponsesEndpoint(transport).stream("hello") as stream:
            await anext(stream)
        await asyncio.wait_for(server.gone.wait(), 5)
        await transport.close()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, MalformedAnswer),
        ({"object": "list", "data": []}, MalformedAnswer),
        ({"status": "failed", "error": None}, LMStudioError),
        ({"status": "in_progress", "output": []}, StreamBroken),
        ({"status": "cancelled", "output": [MESSAGE]}, StreamBroken),
    ],
)
async def test_what_is_no_whole_answer_is_an_error(
    body: dict[str, Any], error: type[LMStudioError], stream: bool
) -> None:
    async with routed(says(200, body)) as route:
        endpoint = ResponsesEndpoint(route.transport)
        with pytest.raises(error) as caught:
            await (endpoint.stream("hello").collect() if stream else endpoint.create("hello"))
    assert caught.value.partial == ("Grüße, Welt" if "cancelled" in body.values() else "")


@pytest.mark.parametrize("response", [{}, {"status": "completed", "output": []}])
async def test_an_end_that_does_not_repeat_the_answer_loses_nothing(response: dict[str, Any]) -> None:
    delta = {"type": "response.output_text.delta", "delta": "Grüße"}
    _, stream = await streamed(streams(sse(delta, {"type": "response.completed", "response": response})))
    assert stream.result is not None
    assert stream.result.text == "Grüße"


@pytest.mark.parametrize(("kind", "began"), [("response.keepalive", False), ("response.output_text.delta", True)])
def test_an_unknown_event_does_not_start_the_clock_between_tokens(kind: str, began: bool) -> None:
    assembly = ResponseAssembly()
    assembly.feed(ServerSentEvent(data=b'{"type": "%s"}' % kind.encode(), name=""))
    assert assembly.began is began
