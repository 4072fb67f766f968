"""Answers in the form of Anthropic's API: text, thinking and tool use, whole and event by event."""

import asyncio
from typing import Any

import pytest
from canned import AT_ONCE, TIMEOUTS, at_second_try, byte_by_byte, routed, says, sse, streams
from raw_server import Behaviour, Exchange, serving

from wakeful.lmstudio import (
    AuthError,
    ContextOverflow,
    LMStudioError,
    MalformedAnswer,
    ModelCrashed,
    ServerError,
    ServerTooSlow,
    StreamBroken,
    Timeouts,
)
from wakeful.lmstudio.endpoints import anthropic as api
from wakeful.lmstudio.endpoints.answers import Unknown
from wakeful.lmstudio.http.transport import Transport

THINKING = {"type": "thinking", "thinking": "Hm. Well.", "signature": "sig"}
TEXT = {"type": "text", "text": "Grüße, Welt", "citations": None}
TOOL = {"type": "tool_use", "id": "9125", "name": "look", "input": {"at": 1}}
STRANGE = {"type": "picture", "url": "x"}
WHOLE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "qwen",
    "content": [THINKING, TEXT, TOOL, STRANGE],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 5, "cache_read_input_tokens": 4, "speed": 1},
    "future": True,
}
EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            **WHOLE,
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": 4},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm. "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Well."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "", "citations": None}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Grüße, "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Welt"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {}}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": {**TOOL, "input": {}}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"at"'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ": 1}"}},
    {"type": "content_block_stop", "index": 2},
    {"type": "content_block_start", "index": 3, "content_block": STRANGE},
    {"type": "content_block_stop", "index": 3},
    {"type": "weather", "sun": True},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5, "speed": 1}},
    {"type": "message_stop"},
]
HALF = sse(*EVENTS[:9])


async def streamed(behaviour: Behaviour, **options: Any) -> tuple[list[api.MessageEvent], api.MessageStream]:
    async with routed(behaviour, **options) as route:
        async with api.MessagesEndpoint(route.transport).stream("hello") as stream:
            return [event async for event in stream], stream


async def fails(behaviour: Behaviour, **options: Any) -> LMStudioError:
    with pytest.raises(LMStudioError) as caught:
        await streamed(behaviour, **options)
    return caught.value


def assert_whole(answer: api.MessageAnswer | None) -> None:
    assert answer is not None
    assert (answer.id, answer.model, answer.role, answer.stop_reason) == ("msg_1", "qwen", "assistant", "tool_use")
    assert (answer.text, answer.thinking) == ("Grüße, Welt", "Hm. Well.")
    assert answer.content[0] == api.ThinkingBlock(thinking="Hm. Well.", signature="sig")
    assert answer.content[1].extra == {"citations": None}
    assert answer.tool_uses == (api.ToolUseBlock(id="9125", name="look", input={"at": 1}),)
    assert answer.content[3] == Unknown(kind="picture", extra=STRANGE)
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens) == (9, 5, 4)
    assert (usage.extra, answer.extra) == ({"speed": 1}, {"future": True})


async def test_whole_with_every_option() -> None:
    async with routed(says(200, WHOLE)) as route:
        endpoint = api.MessagesEndpoint(route.transport)
        answer = await endpoint.create(
            [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
            model="qwen",
            system="Be brief.",
            tools=[{"name": "look", "input_schema": {}}],
            tool_choice={"type": "any"},
            max_tokens=7,
            temperature=0.5,
            top_p=0.9,
            top_k=4,
            stop_sequences=["\n"],
            thinking={"type": "enabled", "budget_tokens": 5},
            metadata={"user_id": "a"},
            extra={"later": 1},
        )
        await endpoint.create("hello")
    assert_whole(answer)
    assert route.asked == [
        {
            "model": "qwen",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
            "stream": False,
            "system": "Be brief.",
            "tools": [{"name": "look", "input_schema": {}}],
            "tool_choice": {"type": "any"},
            "max_tokens": 7,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 4,
            "stop_sequences": ["\n"],
            "thinking": {"type": "enabled", "budget_tokens": 5},
            "metadata": {"user_id": "a"},
            "later": 1,
        },
        {"messages": [{"role": "user", "content": "hello"}], "stream": False, "max_tokens": 1024},
    ]


async def test_every_event_is_typed() -> None:
    events, stream = await streamed(streams(sse(*EVENTS)))
    assert [event.type for event in events] == [each["type"] for each in EVENTS]
    assert [event for event in events if isinstance(event, Unknown)] == [Unknown(kind="weather", extra=EVENTS[18])]
    assert events[8] == api.ContentBlockDelta(index=1, delta=api.TextDelta(text="Grüße, "))
    assert isinstance(events[10], api.ContentBlockDelta)
    assert isinstance(events[10].delta, Unknown)
    assert stream.text == "Grüße, Welt"
    assert_whole(stream.result)


async def test_cut_at_every_byte() -> None:
    assert (await streamed(byte_by_byte(sse(*EVENTS))))[0] == (await streamed(streams(sse(*EVENTS))))[0]


async def test_blocks_that_nobody_opens_or_closes() -> None:
    bare = [each for each in EVENTS if each["type"] not in ("content_block_start", "content_block_stop")]
    _, stream = await streamed(streams(sse(*bare)))
    assert stream.result is not None
    assert (stream.result.text, stream.result.thinking) == ("Grüße, Welt", "Hm. Well.")
    assert stream.result.tool_uses[0].input == {"at": 1}


@pytest.mark.parametrize("written", ["{", "[1]", "5", "[" * 100_000])
async def test_tool_input_that_is_no_object(written: str) -> None:
    told = {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": written}}
    _, stream = await streamed(streams(sse(*EVENTS[:13], told, *EVENTS[15:])))
    assert stream.result is not None
    [call] = stream.result.tool_uses
    assert (call.input, call.written) == ({}, written)
    assert "no JSON object" in call.error


async def test_a_server_that_does_not_stream() -> None:
    events, stream = await streamed(says(200, WHOLE))
    assert_whole(stream.result)
    assert stream.text == "Grüße, Welt"
    deltas = [event.delta for event in events if isinstance(event, api.ContentBlockDelta)]
    assert deltas == [
        api.ThinkingDelta(thinking="Hm. Well."),
        api.TextDelta(text="Grüße, Welt"),
        api.InputJSONDelta(partial_json='{"at":1}'),
    ]
    assert events[-1] == api.MessageStop()


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ServerError),
        ({"type": "error", "error": {"type": "api_error", "message": "The model has crashed"}}, ModelCrashed),
        ({"type": "error", "error": {"message": "Context size has been exceeded."}}, ContextOverflow),
    ],
)
async def test_errors_told_in_the_stream(told: dict[str, Any], error: type[LMStudioError]) -> None:
    failure = await fails(streams(HALF, sse(told)))
    assert isinstance(failure, error)
    assert failure.partial == "Grüße, "


@pytest.mark.parametrize("then", ["end", "reset"])
@pytest.mark.parametrize("upto", [0, 1, 9, 18])
async def test_a_stream_that_ends_early_is_broken(upto: int, then: str) -> None:
    failure = await fails(streams(sse(*EVENTS[:upto]) or b": ping\n\n", then=then))
    assert isinstance(failure, StreamBroken)
    assert failure.partial == {9: "Grüße, ", 18: "Grüße, Welt"}.get(upto, "")


@pytest.mark.parametrize("then", ["end", "reset", "silence"])
async def test_after_the_stop_reason_only_formalities_are_missing(then: str) -> None:
    timeouts = Timeouts(first_token_s=5, between_tokens_s=0.2)
    _, stream = await streamed(streams(sse(*EVENTS[:20]), then=then), timeouts=timeouts)
    assert_whole(stream.result)


async def test_pings_are_no_progress() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(HALF)
        while True:
            await exchange.chunk(sse({"type": "ping"}))
            await asyncio.sleep(0.02)

    failure = await asyncio.wait_for(
        fails(behaviour, timeouts=Timeouts(first_token_s=5, between_tokens_s=0.2)), timeout=3
    )
    assert isinstance(failure, ServerTooSlow)
    assert (failure.stage, failure.partial) == ("between_tokens", "Grüße, ")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"type": "error", "error": {"type": "authentication_error", "message": "no"}}, AuthError),
        (200, {"content": [TEXT], "stop_reason": None}, StreamBroken),
        (200, {"content": []}, MalformedAnswer),
        (200, {"content": [{"type": "text", "text": 5}], "stop_reason": "end_turn"}, MalformedAnswer),
        (200, {"content": [5], "stop_reason": "end_turn"}, MalformedAnswer),
        (200, b"null", MalformedAnswer),
    ],
)
async def test_errors(status: int, body: Any, error: type[LMStudioError]) -> None:
    assert isinstance(await fails(says(status, body)), error)
    async with routed(says(status, body)) as route:
        with pytest.raises(error):
            await api.MessagesEndpoint(route.transport).create("x")


async def test_what_never_began_is_sent_again() -> None:
    _, stream = await streamed(at_second_try(streams(sse(*EVENTS))), retry=AT_ONCE)
    assert_whole(stream.result)


async def test_leaving_early_stops_the_server() -> None:
    async with serving(streams(HALF, then="silence")) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        async with api.MessagesEndpoint(transport).stream("hello") as stream:
            await anext(stream)
        await asyncio.wait_for(server.gone.wait(), 5)
        await transport.close()
