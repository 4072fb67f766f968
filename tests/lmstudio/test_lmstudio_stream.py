"""How a stream is stopped, what it tells while it runs, and what its callbacks see."""

import asyncio

import pytest
from raw_server import DONE, Exchange, delta, good, serving

from wakeful.lmstudio import (
    AsyncLMStudioClient,
    ChatStream,
    ContentDelta,
    Finished,
    LMStudioError,
    PromptProgress,
    ReasoningDelta,
    ServerTooSlow,
    Timeouts,
    UsageEvent,
)

MESSAGES = [{"role": "user", "content": "hello"}]


async def half(exchange: Exchange) -> None:
    """Two words, then silence until the client goes away."""
    await exchange.head()
    await exchange.chunk(delta("one ") + delta("two "))
    await exchange.gone()


async def silent(exchange: Exchange) -> None:
    await exchange.gone()


async def finish(stream: ChatStream) -> Finished:
    async for event in stream:
        if isinstance(event, Finished):
            return event
    raise AssertionError


async def test_cancelled_while_another_task_waits_for_the_next_token() -> None:
    async with serving(half) as server, AsyncLMStudioClient(server.url) as client:
        stream = client.stream(MESSAGES)
        assert [(await anext(stream)), (await anext(stream))] == [ContentDelta("one "), ContentDelta("two ")]
        waiting = asyncio.create_task(finish(stream))
        await asyncio.sleep(0)
        assert stream.cancel().text == "one two "
        result = (await waiting).result
        assert (result.text, result.interrupted, result.finish_reason) == ("one two ", "cancelled", "")
        assert stream.result == result
        assert [event async for event in stream] == []
        await asyncio.wait_for(server.gone.wait(), 5)  # the server was told to stop


async def test_cancelled_before_anything_came() -> None:
    async with serving(silent) as server, AsyncLMStudioClient(server.url) as client:
        stream = client.stream(MESSAGES)
        waiting = asyncio.create_task(finish(stream))
        while not server.requests:
            await asyncio.sleep(0)
        stream.cancel()
        assert (await waiting).result.interrupted == "cancelled"
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_cancelled_between_two_events() -> None:
    async with serving(half) as server, AsyncLMStudioClient(server.url) as client:
        stream = client.stream(MESSAGES)
        await anext(stream)
        stream.cancel()
        events = [event async for event in stream]
        assert events[0] == ContentDelta("two ")  # what has come already is not thrown away
        assert isinstance(events[-1], Finished)
        assert events[-1].result.text == "one two "


async def test_cancelling_after_the_end_changes_nothing() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        stream = client.stream(MESSAGES)
        result = await stream.collect()
        assert stream.cancel() == result
        assert result.interrupted == ""


async def test_a_limit_gives_what_there_is() -> None:
    async with serving(half) as server, AsyncLMStudioClient(server.url) as client:
        result = await client.chat(MESSAGES, limit_s=0.2)
        assert (result.text, result.interrupted) == ("one two ", "deadline")
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_callbacks_see_the_prompt_read_the_first_token_and_each_piece() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        for read in (0, 5, 10):
            progress = b'data: {"choices":[],"prompt_progress":{"total":10,"cache":0,"processed":%d}}\n\n' % read
            await exchange.chunk(progress)
        await exchange.chunk(b'data: {"choices":[{"delta":{"reasoning_content":"hm "}}]}\n\n')
        await exchange.chunk(delta("yes") + delta(finish="stop") + DONE)
        await exchange.end()

    seen: list[object] = []
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        result = await client.respond(
            MESSAGES,
            on_prompt_processing_progress=seen.append,
            on_first_token=lambda: seen.append("first"),
            on_fragment=seen.append,
            on_message=seen.append,
        )
        assert b'"return_progress":true' in server.requests[0].body
    assert seen == [0.0, 0.5, 1.0, "first", ReasoningDelta("hm "), ContentDelta("yes"), result]
    assert (result.text, result.reasoning, result.chunks) == ("yes", "hm ", 2)


async def test_events_tell_the_prompt_and_the_usage_too() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(b'data: {"prompt_progress":{"total":9,"cache":3,"processed":6}}\n\n')
        await exchange.chunk(delta("x") + delta(finish="stop", stats={"speed": 7}, usage={"prompt_tokens": 9}) + DONE)
        await exchange.end()

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        stream = client.stream(MESSAGES)
        kinds = [type(event) async for event in stream]
    assert kinds == [PromptProgress, ContentDelta, UsageEvent, Finished]
    assert stream.result is not None
    assert stream.result.extra == {"stats": {"speed": 7}}  # what we do not know is kept


async def test_reading_on_moves_the_deadline_and_pings_do_not() -> None:
    async def reading(exchange: Exchange) -> None:
        await exchange.head()
        for read in range(6):
            await asyncio.sleep(0.1)
            await exchange.chunk(b'data: {"prompt_progress":{"total":6,"cache":0,"processed":%d}}\n\n' % read)
        await exchange.chunk(delta("done") + delta(finish="stop") + DONE)
        await exchange.end()

    async def pinging(exchange: Exchange) -> None:
        await exchange.head()
        while not exchange.reader.at_eof():
            await asyncio.sleep(0.05)
            await exchange.chunk(b": ping\n\n")

    short = Timeouts(first_token_s=0.3, between_tokens_s=0.3)
    async with serving(reading) as server, AsyncLMStudioClient(server.url, timeouts=short) as client:
        assert (await client.stream(MESSAGES).collect()).text == "done"
    async with serving(pinging) as server, AsyncLMStudioClient(server.url, timeouts=short) as client:
        with pytest.raises(ServerTooSlow) as caught:
            await client.stream(MESSAGES).collect()
        assert caught.value.stage == "first_token"


@pytest.mark.parametrize("frame", [b'{"error":{"message":"The model has crashed"}}', b'{"choices": [}'])
async def test_what_came_together_with_an_error_is_given_before_it(frame: bytes) -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("one ") + delta("two ") + b"data: %s\n\n" % frame)
        await exchange.end()

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        stream = client.stream("x")
        assert [await anext(stream), await anext(stream)] == [ContentDelta("one "), ContentDelta("two ")]
        with pytest.raises(LMStudioError) as caught:
            await anext(stream)
    assert caught.value.partial == "one two "
