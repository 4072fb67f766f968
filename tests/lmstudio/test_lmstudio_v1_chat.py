"""LM Studio's own chat: its answers and all events of its streams, as the documentation shows them."""

import asyncio
import json
from typing import Any

import pytest
from canned import AT_ONCE, TIMEOUTS, at_second_try, byte_by_byte, routed, says, sse, streams
from raw_server import Behaviour, Exchange, serving

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
from wakeful.lmstudio.endpoints import v1_chat as v1
from wakeful.lmstudio.endpoints.answers import Unknown
from wakeful.lmstudio.http.transport import Transport

PROVIDER = {"type": "ephemeral_mcp", "server_label": "hub"}
CALL = {"tool": "search", "arguments": {"query": "x"}, "provider_info": PROVIDER}
FAILURE = {"reason": "no such tool", "metadata": {"type": "invalid_name", "tool_name": "serach"}}
RESULT: dict[str, Any] = {
    "model_instance_id": "qwen",
    "output": [
        {"type": "reasoning", "content": "Hm."},
        {"type": "tool_call", **CALL, "output": "found"},
        {"type": "invalid_tool_call", **FAILURE},
        {"type": "message", "content": "Grüße, Welt"},
        {"type": "picture", "url": "x"},
    ],
    "stats": {
        "input_tokens": 9,
        "total_output_tokens": 5,
        "reasoning_output_tokens": 2,
        "tokens_per_second": 43.5,
        "time_to_first_token_seconds": 0.5,
        "model_load_time_seconds": 2.5,
        "draft_tokens": 3,
    },
    "response_id": "resp_1",
    "future": True,
}
EVENTS: list[dict[str, Any]] = [
    {"type": "chat.start", "model_instance_id": "qwen"},
    {"type": "model_load.start", "model_instance_id": "qwen"},
    {"type": "model_load.progress", "model_instance_id": "qwen", "progress": 0.5},
    {"type": "model_load.end", "model_instance_id": "qwen", "load_time_seconds": 2.5},
    {"type": "prompt_processing.start"},
    {"type": "prompt_processing.progress", "progress": 1},
    {"type": "prompt_processing.end"},
    {"type": "prompt_processing.end"},
    {"type": "reasoning.start"},
    {"type": "reasoning.delta", "content": "Hm."},
    {"type": "reasoning.end"},
    {"type": "tool_call.start", "tool": "search", "provider_info": PROVIDER},
    {"type": "tool_call.name", "tool_name": "search"},
    {"type": "tool_call.arguments", **CALL},
    {"type": "tool_call.success", **CALL, "output": "found"},
    {"type": "tool_call.failure", **FAILURE},
    {"type": "message.start"},
    {"type": "message.delta", "content": "Grüße, "},
    {"type": "message.delta", "content": "Welt"},
    {"type": "message.end"},
    {"type": "chat.end", "result": RESULT},
]


async def streamed(behaviour: Behaviour, **options: Any) -> tuple[list[v1.V1ChatEvent], v1.V1ChatStream]:
    async with routed(behaviour, **options) as route:
        async with v1.V1ChatEndpoint(route.transport).stream("hello", model="qwen") as stream:
            return [event async for event in stream], stream


async def fails(behaviour: Behaviour, **options: Any) -> LMStudioError:
    with pytest.raises(LMStudioError) as caught:
        await streamed(behaviour, **options)
    return caught.value


async def created(behaviour: Behaviour, **options: Any) -> v1.V1ChatResult:
    async with routed(behaviour) as route:
        return await v1.V1ChatEndpoint(route.transport).create("hello", model="qwen", **options)


def assert_whole(result: v1.V1ChatResult | None) -> None:
    assert result is not None
    assert (result.text, result.reasoning, result.response_id) == ("Grüße, Welt", "Hm.", "resp_1")
    [call] = result.tool_calls
    assert (call.tool, call.arguments, call.output, call.type) == ("search", {"query": "x"}, "found", "tool_call")
    assert (call.provider_info.type, call.provider_info.server_label) == ("ephemeral_mcp", "hub")
    invalid, unknown = result.output[2], result.output[4]
    assert isinstance(invalid, v1.InvalidToolCallItem)
    assert (invalid.reason, invalid.metadata.tool_name) == ("no such tool", "serach")
    assert unknown == Unknown(kind="picture", extra={"type": "picture", "url": "x"})
    assert (result.stats.time_to_first_token_s, result.stats.model_load_time_s) == (0.5, 2.5)
    assert (result.stats.tokens_per_second, result.stats.extra) == (43.5, {"draft_tokens": 3})
    assert result.extra == {"future": True}


async def test_whole() -> None:
    assert_whole(await created(says(200, RESULT)))


async def test_every_event_is_typed() -> None:
    events, stream = await streamed(streams(sse(*EVENTS)))
    assert [event.type for event in events] == [each["type"] for each in EVENTS]
    assert [event.kind for event in events if isinstance(event, Unknown)] == ["tool_call.name"]
    by_type = {event.type: event for event in events}
    assert by_type["model_load.progress"] == v1.ModelLoadProgress(model_instance_id="qwen", progress=0.5)
    assert by_type["model_load.end"] == v1.ModelLoadEnd(model_instance_id="qwen", load_time_s=2.5)
    assert by_type["reasoning.delta"] == v1.ReasoningDelta(content="Hm.")
    success = by_type["tool_call.success"]
    assert isinstance(success, v1.ToolCallSuccess)
    assert (success.arguments, success.output) == ({"query": "x"}, "found")
    assert by_type["tool_call.failure"].extra == {}
    assert stream.text == "Grüße, Welt"
    assert_whole(stream.result)


async def test_cut_at_every_byte() -> None:
    assert (await streamed(byte_by_byte(sse(*EVENTS))))[0] == (await streamed(streams(sse(*EVENTS))))[0]


async def test_names_come_from_the_event_line_where_the_data_have_none() -> None:
    body = b'event: message.delta\ndata: {"content": "a"}\n\n' + sse(EVENTS[-1])
    events, _ = await streamed(streams(body))
    assert events[0] == v1.MessageDelta(content="a")


async def test_all_options_reach_the_server() -> None:
    async with serving(says(200, RESULT)) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        await v1.V1ChatEndpoint(transport).create(
            "go on",
            model="qwen",
            images=["data:image/png;base64,AAAA"],
            system_prompt="Be brief.",
            integrations=["mcp/a", {"type": "ephemeral_mcp", "server_label": "b", "server_url": "http://b"}],
            temperature=0,
            top_p=0.5,
            top_k=5,
            min_p=0.1,
            repeat_penalty=1.1,
            max_output_tokens=7,
            reasoning="low",
            context_length=4096,
            store=False,
            previous_response_id="resp_0",
            extra={"later": 1},
        )
        await v1.V1ChatEndpoint(transport).create([{"type": "message", "content": "a"}], model="qwen")
        await transport.close()
    assert json.loads(server.requests[0].body) == {
        "model": "qwen",
        "input": [
            {"type": "message", "content": "go on"},
            {"type": "image", "data_url": "data:image/png;base64,AAAA"},
        ],
        "stream": False,
        "system_prompt": "Be brief.",
        "integrations": ["mcp/a", {"type": "ephemeral_mcp", "server_label": "b", "server_url": "http://b"}],
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 5,
        "min_p": 0.1,
        "repeat_penalty": 1.1,
        "max_output_tokens": 7,
        "reasoning": "low",
        "context_length": 4096,
        "store": False,
        "previous_response_id": "resp_0",
        "later": 1,
    }
    second = json.loads(server.requests[1].body)
    assert second["input"] == [{"type": "message", "content": "a"}]
    assert second["max_output_tokens"] == 1024  # never without a limit


@pytest.mark.parametrize("stream", [True, False])
async def test_the_other_name_of_a_text_beside_an_image_is_tried(stream: bool) -> None:
    async def behaviour(exchange: Exchange) -> None:
        if b'"type":"message"' in exchange.body:
            await exchange.answer(400, {"error": {"message": "Invalid discriminator value in 'input': 0.type"}})
        elif exchange.streamed:
            await streams(sse(*EVENTS))(exchange)
        else:
            await exchange.answer(200, RESULT)

    async with serving(behaviour) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        endpoint = v1.V1ChatEndpoint(transport)
        for _ in range(2):
            if stream:
                assert_whole(await endpoint.stream("a", model="qwen", images=["data:image/png;base64,AAAA"]).collect())
            else:
                assert_whole(await endpoint.create("a", model="qwen", images=["data:image/png;base64,AAAA"]))
        await transport.close()
    assert len(server.requests) == 3  # it remembers


async def test_an_error_is_raised_after_what_follows_it() -> None:
    told = {"type": "error", "error": {"type": "internal_error", "message": "The model has crashed"}}
    async with serving(streams(sse(*EVENTS[:18], told, EVENTS[-1]))) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        stream = v1.V1ChatEndpoint(transport).stream("hello", model="qwen")
        with pytest.raises(ModelCrashed) as caught:
            await stream.collect()
        assert caught.value.partial == "Grüße, "
        assert_whole(stream.result)
        await transport.close()


@pytest.mark.parametrize("then", ["end", "reset", "silence"])
async def test_an_error_is_raised_though_nothing_follows_it(then: str) -> None:
    told = {"type": "error", "error": {"message": "Context size has been exceeded."}}
    timeouts = Timeouts(first_token_s=0.3, between_tokens_s=0.3)
    error = await fails(streams(sse(*EVENTS[:18], told), then=then), timeouts=timeouts)
    assert isinstance(error, ContextOverflow)
    assert error.partial == "Grüße, "


@pytest.mark.parametrize("upto", [1, 6, 11, 18, 20])
@pytest.mark.parametrize("then", ["end", "reset"])
async def test_a_stream_that_ends_early_is_broken(upto: int, then: str) -> None:
    error = await fails(streams(sse(*EVENTS[:upto]), then=then))
    assert isinstance(error, StreamBroken)
    assert error.partial == {18: "Grüße, ", 20: "Grüße, Welt"}.get(upto, "")


async def test_an_empty_stream_is_broken() -> None:
    assert isinstance(await fails(streams()), StreamBroken)


async def test_the_end_needs_no_close() -> None:
    timeouts = Timeouts(first_token_s=5, between_tokens_s=5)
    _, stream = await streamed(streams(sse(*EVENTS), then="silence"), timeouts=timeouts)
    assert_whole(stream.result)


async def test_progress_of_reading_holds_the_deadline_off() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        for _ in range(8):
            await exchange.chunk(sse(EVENTS[5]))
            await asyncio.sleep(0.05)
        await exchange.chunk(sse(*EVENTS[16:]))
        await exchange.end()

    timeouts = Timeouts(first_token_s=0.25, between_tokens_s=0.25)
    events, _ = await streamed(behaviour, timeouts=timeouts)
    assert len(events) == 13


@pytest.mark.parametrize("upto", [0, 5, 18])
async def test_silence_runs_out(upto: int) -> None:
    timeouts = Timeouts(first_token_s=0.2, between_tokens_s=0.1)
    error = await fails(streams(sse(*EVENTS[:upto]) or b": ping\n\n", then="silence"), timeouts=timeouts)
    assert isinstance(error, ServerTooSlow)
    assert error.stage == ("between_tokens" if upto == 18 else "first_token")


@pytest.mark.parametrize(
    "body", [b"data: {\n\n", b"data: 5\n\n", b'data: {"type": "message.delta", "content": 5}\n\n', b"data: \xff\n\n"]
)
async def test_an_event_that_cannot_be_read(body: bytes) -> None:
    error = await fails(streams(sse(*EVENTS[:18]) + body))
    assert isinstance(error, MalformedAnswer)


async def test_nulls_are_as_good_as_nothing() -> None:
    events, _ = await streamed(streams(b'data: {"type": "message.delta", "content": null}\n\n' + sse(EVENTS[-1])))
    assert events[0] == v1.MessageDelta()


async def test_a_server_that_does_not_stream() -> None:
    events, stream = await streamed(says(200, RESULT))
    assert [event.type for event in events] == ["message.delta", "chat.end"]
    assert_whole(stream.result)


@pytest.mark.parametrize("stream", [True, False])
async def test_refusals(stream: bool) -> None:
    body = {"error": {"message": "Unrecognized key(s) in object: 'ttl'", "type": "invalid_request"}}
    if stream:
        assert isinstance(await fails(says(400, body)), BadRequest)
    else:
        with pytest.raises(BadRequest):
            await created(says(400, body))
        with pytest.raises(MalformedAnswer):
            await created(says(200, {"output": 5}))


async def test_what_never_began_is_sent_again() -> None:
    _, stream = await streamed(at_second_try(streams(sse(*EVENTS))), retry=AT_ONCE)
    assert_whole(stream.result)
    error = await fails(says(503, {"error": "loading"}), retry=AT_ONCE)
    assert isinstance(error, ServerError)
    assert error.attempts == 2


async def test_leaving_early_stops_the_server() -> None:
    async with serving(streams(sse(*EVENTS[:18]), then="silence")) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        async with v1.V1ChatEndpoint(transport).stream("hello", model="qwen") as stream:
            async for event in stream:
                if isinstance(event, v1.MessageDelta):
                    break
        await asyncio.wait_for(server.gone.wait(), 5)
        assert (stream.text, stream.result) == ("Grüße, ", None)
        assert [event async for event in stream] == []
        with pytest.raises(RuntimeError):
            await stream.collect()
        await transport.close()


@pytest.mark.parametrize("pieces", [(), (sse(*EVENTS[:6]),), (sse(*EVENTS[:18]),)])
async def test_a_cancelled_task_stops_the_server(pieces: tuple[bytes, ...]) -> None:
    async with serving(streams(*pieces, then="silence")) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        stream = v1.V1ChatEndpoint(transport).stream("hello", model="qwen")
        task = asyncio.create_task(stream.collect())
        async with asyncio.timeout(5):
            while not server.requests or stream.text != ("Grüße, " if len(b"".join(pieces)) > 1000 else ""):
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 5)
        assert stream.result is None
        await transport.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_unknown_option() -> None:
    with pytest.raises(TypeError, match="ttl"):
        await created(says(200, RESULT), ttl=5)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("body", [{}, {"object": "list", "data": []}])
async def test_what_is_no_chat_is_an_error(body: dict[str, Any], stream: bool) -> None:
    async with routed(says(200, body)) as route:
        endpoint = v1.V1ChatEndpoint(route.transport)
        with pytest.raises(MalformedAnswer):
            await (endpoint.stream("a", model="qwen").collect() if stream else endpoint.create("a", model="qwen"))


@pytest.mark.parametrize("end", [{}, {"result": None}, {"result": {"model_instance_id": "qwen", "output": []}}])
async def test_an_end_that_does_not_repeat_the_answer_loses_nothing(end: dict[str, Any]) -> None:
    delta = {"type": "message.delta", "content": "Grüße"}
    events, stream = await streamed(streams(sse(delta, {"type": "chat.end", **end})))
    assert stream.result is not None
    assert stream.result.text == "Grüße"
    assert events[-1] == v1.ChatEnd(result=stream.result)


@pytest.mark.parametrize("stream", [True, False])
async def test_two_at_once_both_learn_the_other_name(stream: bool) -> None:
    both = asyncio.Event()

    async def behaviour(exchange: Exchange) -> None:
        if b'"type":"message"' in exchange.body:
            if exchange.number == 2:
                both.set()
            await both.wait()
            await exchange.answer(400, {"error": {"message": "Invalid discriminator value in 'input': 0.type"}})
        elif exchange.streamed:
            await streams(sse(*EVENTS))(exchange)
        else:
            await exchange.answer(200, RESULT)

    async with routed(behaviour) as route:
        endpoint = v1.V1ChatEndpoint(route.transport)

        async def one() -> v1.V1ChatResult:
            if stream:
                return await endpoint.stream("a", model="qwen", images=["data:,"]).collect()
            return await endpoint.create("a", model="qwen", images=["data:,"])

        for result in await asyncio.gather(one(), one()):
            assert_whole(result)
        assert len(route.requests) == 4


async def test_the_same_request_is_not_sent_twice() -> None:
    items = [{"type": "message", "content": "a"}]
    async with routed(says(400, {"error": {"message": "Invalid 'input'"}})) as route:
        with pytest.raises(BadRequest):
            await v1.V1ChatEndpoint(route.transport).create(items, model="qwen", images=["data:,"])
        assert len(route.requests) == 1
