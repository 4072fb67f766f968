"""What the table of failures can't hold: what had come before, what is sent again, and who is freed by leaving."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from raw_server import (
    DONE,
    Behaviour,
    Exchange,
    delta,
    good,
    serving,
)

from wakeful.lmstudio import (
    AsyncLMStudioClient,
    LMStudioClient,
    LMStudioError,
    RetryConfig,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
    Timeouts,
)
from wakeful.lmstudio.http import transport

MESSAGES = [{"role": "user", "content": "hello"}]
ONCE = RetryConfig(max_retries=0)
QUICK = Timeouts(connect_s=2, first_token_s=0.15, between_tokens_s=0.15, whole_s=0.15, other_s=0.15)
CALM = Timeouts(connect_s=5, first_token_s=10, between_tokens_s=10, whole_s=10, other_s=10)


Ask = Callable[[], Awaitable[str]]
pytestmark = pytest.mark.usefixtures("nothing_is_left")


@pytest.fixture(params=["whole", "stream", "blocking whole", "blocking stream"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@asynccontextmanager
async def asking(way: str, url: str, timeouts: Timeouts | None = None) -> AsyncGenerator[Ask]:
    """Asks one question after the other, in this way; nothing but a lost keep-alive race is repeated."""
    if way.startswith("blocking"):
        blocking = LMStudioClient(url, timeouts=timeouts, retry=ONCE)

        def read() -> str:
            return (blocking.chat(MESSAGES) if "whole" in way else blocking.stream(MESSAGES).collect()).text

        try:
            yield lambda: asyncio.to_thread(read)
        finally:
            await asyncio.to_thread(blocking.close)
        return
    async with AsyncLMStudioClient(url, timeouts=timeouts, retry=ONCE) as client:

        async def ask() -> str:
            return (await client.chat(MESSAGES) if way == "whole" else await client.stream(MESSAGES).collect()).text

        yield ask


async def failure(behaviour: Behaviour, way: str, timeouts: Timeouts = CALM) -> LMStudioError:
    async with serving(behaviour) as server, asking(way, server.url, timeouts) as ask:
        with pytest.raises(LMStudioError) as caught:
            await ask()
    assert str(caught.value)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("how", ["whole", "stream"])
@pytest.mark.parametrize("cut", ["reset", "close"])
async def test_cut_off_in_the_middle_of_the_answer(how: str, cut: str) -> None:
    read = asyncio.Event()

    async def behaviour(exchange: Exchange) -> None:
        await exchange.head("text/event-stream" if exchange.streamed else "application/json")
        await exchange.chunk(delta("half an ") if exchange.streamed else b'{"choices": [')
        if exchange.streamed:
            await read.wait()
        if cut == "reset":
            exchange.reset()
        else:
            exchange.writer.close()

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url, timeouts=CALM, retry=ONCE) as client:
        if how == "whole":
            with pytest.raises(StreamBroken):
                await client.chat(MESSAGES)
            return
        stream = client.stream(MESSAGES)
        await anext(stream)
        read.set()
        with pytest.raises(StreamBroken) as caught:
            await anext(stream)
    assert caught.value.partial == stream.text == "half an "
    assert caught.value.stage == "between_tokens"


async def test_a_done_without_a_finish_reason() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("half") + DONE)
        await exchange.end()

    assert isinstance(await failure(behaviour, "stream"), StreamBroken)


async def test_a_connection_that_ends_the_body_by_closing() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head(chunked=False)
        await exchange.send(delta("half"))
        exchange.writer.close()

    assert isinstance(await failure(behaviour, "stream"), StreamBroken)


@pytest.mark.parametrize("began", [False, True])
async def test_pings_are_no_progress(began: bool) -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        if began:
            await exchange.chunk(delta("one "))
        while not exchange.writer.transport.is_closing():
            await exchange.chunk(b": ping\n\n")
            await asyncio.sleep(0.02)

    error = await failure(behaviour, "stream", QUICK)
    assert isinstance(error, ServerTooSlow)
    assert error.stage == ("between_tokens" if began else "first_token")


async def test_slow_tokens_are_progress() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        for _ in range(6):
            await exchange.chunk(delta("x"))
            await asyncio.sleep(0.05)
        await exchange.chunk(delta(finish="stop") + DONE)
        await exchange.end()

    async with serving(behaviour) as server, asking("stream", server.url, QUICK) as ask:
        assert await ask() == "xxxxxx"


async def test_it_is_sent_again_only_once(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        if exchange.number == 1:
            await good(exchange)
        else:
            exchange.reset()

    async with serving(behaviour) as server, asking(way, server.url, CALM) as ask:
        await ask()
        with pytest.raises(ServerUnreachable) as caught:
            await ask()
    assert caught.value.attempts == 2
    assert len(server.requests) == 3


async def test_no_second_request_once_a_byte_came(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        if exchange.number == 1:
            await good(exchange)
        else:
            await exchange.head("text/event-stream" if exchange.streamed else "application/json")
            exchange.reset()

    async with serving(behaviour) as server, asking(way, server.url, CALM) as ask:
        await ask()
        with pytest.raises(LMStudioError):
            await ask()
    assert len(server.requests) == 2


@pytest.mark.parametrize("how", ["whole", "stream"])
@pytest.mark.parametrize("stage", ["before the head", "after the head", "between tokens"])
async def test_cancelling_frees_the_server(how: str, stage: str) -> None:
    reached = asyncio.Event()

    async def behaviour(exchange: Exchange) -> None:
        if stage != "before the head":
            await exchange.head("text/event-stream" if exchange.streamed else "application/json")
        if stage == "between tokens":
            await exchange.chunk(delta("x"))
        reached.set()
        await exchange.gone()

    async with serving(behaviour) as server, asking(how, server.url, CALM) as ask:
        task = asyncio.ensure_future(ask())
        await asyncio.wait_for(reached.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 5)


@pytest.mark.parametrize("how", ["aclose", "async with"])
async def test_leaving_a_stream_early_frees_the_server(how: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("x"))
        await exchange.gone()

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url, timeouts=CALM, retry=ONCE) as client:
        stream = client.stream(MESSAGES)
        if how == "aclose":
            await anext(stream)
            await stream.aclose()
        else:
            async with stream:
                await anext(stream)
        await asyncio.wait_for(server.gone.wait(), 5)
        assert stream.text == "x"
        assert stream.result is None


async def test_a_connection_that_lay_idle_is_not_used_again(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert transport.IDLE_EXPIRY_S < 5  # LM Studio closes it then
    monkeypatch.setattr(transport, "IDLE_EXPIRY_S", 0.05)
    async with serving(good) as server, asking(way, server.url, CALM) as ask:
        await ask()
        await asyncio.sleep(0.2)  # four times as long as it is kept
        await ask()
    assert (len(server.requests), server.connections) == (2, 2)
