"""Every way in which a server fails, for whole and for streamed answers: the error, and no leaks."""

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from raw_server import (
    DONE,
    GOOD_STREAM,
    Behaviour,
    Exchange,
    delta,
    good,
    serving,
)

from wakeful.lmstudio import (
    AsyncLMStudioClient,
    AuthError,
    ContextOverflow,
    EmptyAnswer,
    LMStudioClient,
    LMStudioError,
    MalformedAnswer,
    ModelCrashed,
    NoModelLoaded,
    NotLMStudio,
    RetryConfig,
    RouteMissing,
    ServerBusy,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
    Timeouts,
)

MESSAGES = [{"role": "user", "content": "hello"}]
ONCE = RetryConfig(max_retries=0)
QUICK = Timeouts(connect_s=2, first_token_s=0.15, between_tokens_s=0.15, whole_s=0.15, other_s=0.15)
CALM = Timeouts(connect_s=5, first_token_s=10, between_tokens_s=10, whole_s=10, other_s=10)


Ask = Callable[[], Awaitable[str]]


@pytest.fixture(params=["whole", "stream", "blocking whole", "blocking stream"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No task of ours survives a test; sockets show as ResourceWarnings, which are errors."""
    yield
    gc.collect()
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


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


def answering(status: int, body: bytes | dict[str, Any], kind: str = "application/json", **headers: str) -> Behaviour:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.answer(status, body, kind=kind, **headers)

    return behaviour


async def test_refused(way: str, free_port: int) -> None:
    async with asking(way, f"127.0.0.1:{free_port}") as ask:
        with pytest.raises(ServerUnreachable, match="No connection") as caught:
            await ask()
    assert caught.value.stage == "connect"
    assert caught.value.retry_helps


async def test_unknown_host(way: str) -> None:
    async with asking(way, "http://no-such-host.invalid:1234") as ask:
        with pytest.raises(ServerUnreachable) as caught:
            await ask()
    assert caught.value.attempts == 1


async def test_reset_before_the_answer(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        exchange.reset()

    error = await failure(behaviour, way)
    assert isinstance(error, ServerUnreachable)
    assert error.attempts == 1  # on a fresh connection the request may have been acted on


async def test_closed_in_the_middle_of_the_head(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
        exchange.writer.close()

    assert isinstance(await failure(behaviour, way), ServerUnreachable)


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


async def test_a_clean_end_without_a_finish_reason(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        if not exchange.streamed:
            await exchange.answer(200, {"choices": [{"message": {"content": "half"}, "finish_reason": None}]})
            return
        await exchange.head()
        await exchange.chunk(delta("ha") + delta("lf"))
        await exchange.end()

    error = await failure(behaviour, way)
    assert isinstance(error, StreamBroken)
    assert error.partial == "half"
    assert error.retry_helps


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


async def test_silence_before_the_first_byte(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.gone()

    error = await failure(behaviour, way, QUICK)
    assert isinstance(error, ServerTooSlow)
    assert error.stage == "first_token"
    assert error.waited_s >= 0.15


async def test_silence_after_the_head(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head("text/event-stream" if exchange.streamed else "application/json")
        await exchange.gone()

    error = await failure(behaviour, way, QUICK)
    assert isinstance(error, ServerTooSlow)
    assert error.stage == ("first_token" if "stream" in way else "whole")


async def test_silence_after_the_first_token() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("one "))
        await exchange.gone()

    error = await failure(behaviour, "stream", QUICK)
    assert isinstance(error, ServerTooSlow)
    assert (error.stage, error.partial) == ("between_tokens", "one ")


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


async def test_a_web_page(way: str) -> None:
    error = await failure(answering(200, b"<html><title>Router login</title></html>", "text/html"), way)
    assert isinstance(error, NotLMStudio)
    assert "Router login" in error.detail


async def test_text_of_some_kind(way: str) -> None:
    assert isinstance(await failure(answering(200, b"it works!", "text/plain"), way), NotLMStudio)


async def test_something_that_is_no_http(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        await exchange.gone()

    assert isinstance(await failure(behaviour, way), NotLMStudio)


async def test_json_that_is_no_answer(way: str) -> None:
    assert isinstance(await failure(answering(200, {"hello": "world"}), way), MalformedAnswer)


async def test_json_cut_short(way: str) -> None:
    assert isinstance(await failure(answering(200, b'{"choices": ['), way), MalformedAnswer)


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (400, "Trying to keep the first 9 tokens when context the overflows.", ContextOverflow),
        (401, "Invalid API Key", AuthError),
        (200, "Unexpected endpoint or method. (POST /v1/chat/completions)", RouteMissing),
        (400, "No models loaded. Please load a model in the developer page.", NoModelLoaded),
        (400, "The model has crashed without additional information. (Exit code: 6)", ModelCrashed),
        (429, "Too many requests", ServerBusy),
        (500, "Internal error", ServerError),
        (503, "Loading model", ServerError),
    ],
)
async def test_refusals(way: str, status: int, said: str, expected: type[LMStudioError]) -> None:
    error = await failure(answering(status, {"error": {"message": said}}), way)
    assert type(error) is expected
    assert said in error.detail


@pytest.mark.parametrize(
    "frame",
    [
        b'event: error\ndata: {"error":{"message":"The model has crashed"},"message":"crashed"}\n\n',
        b'data: {"error":{"message":"The model has crashed"}}\n\n',
        b'data: {"error":"The model has crashed"}\n\n',
        b'event: error\ndata: {"message":"The model has crashed"}\n\n',
    ],
)
async def test_an_error_inside_the_stream(frame: bytes) -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("some ") + frame)
        await exchange.end()

    error = await failure(behaviour, "stream")
    assert isinstance(error, ModelCrashed)
    assert error.partial == "some "


async def test_a_chunk_that_is_no_json() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("some ") + b'data: {"choices": [}\n\n')
        await exchange.end()

    error = await failure(behaviour, "stream")
    assert isinstance(error, MalformedAnswer)
    assert error.partial == "some "


async def test_success_with_nothing_in_it(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        if not exchange.streamed:
            await exchange.answer(200, {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]})
            return
        await exchange.head()
        await exchange.chunk(delta(finish="stop") + DONE)
        await exchange.end()

    assert isinstance(await failure(behaviour, way), EmptyAnswer)


async def test_reasoning_without_an_answer(way: str) -> None:
    async def behaviour(exchange: Exchange) -> None:
        if not exchange.streamed:
            choice = {"message": {"content": "", "reasoning_content": "hm"}, "finish_reason": "length"}
            await exchange.answer(200, {"choices": [choice]})
            return
        await exchange.head()
        await exchange.chunk(b'data: {"choices":[{"delta":{"reasoning":"hm"},"finish_reason":"length"}]}\n\n')
        await exchange.end()

    error = await failure(behaviour, way)
    assert isinstance(error, EmptyAnswer)
    assert error.reasoning == "hm"
    assert "max_tokens" in error.hint


def close(exchange: Exchange) -> None:
    exchange.writer.close()


def once_then(first: Callable[[Exchange], None]) -> Behaviour:
    """Answer well, then meet the second request, on the kept connection, with `first`, then answer well."""

    async def behaviour(exchange: Exchange) -> None:
        if exchange.number == 2:
            first(exchange)
        else:
            await good(exchange)

    return behaviour


@pytest.mark.parametrize("end", [Exchange.reset, close], ids=["reset", "close"])
async def test_a_kept_connection_that_closes_under_the_next_request(way: str, end: Callable[[Exchange], None]) -> None:
    async with serving(once_then(end)) as server, asking(way, server.url, CALM) as ask:
        assert await ask() == "Grüße, Welt"
        assert await ask() == "Grüße, Welt"
    assert (len(server.requests), server.connections) == (3, 2)


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


async def test_a_server_restarted_between_two_calls(way: str) -> None:
    async with AsyncExitStack() as stack:
        async with serving(good) as server:
            port = int(server.url.rsplit(":", 1)[1])
            ask = await stack.enter_async_context(asking(way, server.url, CALM))
            await ask()
        listener = await asyncio.start_server(_good_once, "127.0.0.1", port)
        try:
            assert await ask() == "Grüße, Welt"
        finally:
            listener.close()


async def _good_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: "))
    streamed = b'"stream":true' in await reader.readexactly(length)
    whole = b'{"choices":[{"message":{"content":"Gr\xc3\xbc\xc3\x9fe, Welt"},"finish_reason":"stop"}]}'
    kind = b"text/event-stream" if streamed else b"application/json"
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + kind + b"\r\n\r\n")
    writer.write(GOOD_STREAM if streamed else whole)
    await writer.drain()
    writer.close()


async def test_an_answer_without_end_is_refused(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeful.lmstudio.http.transport.MAX_BODY_BYTES", 100_000)

    async def behaviour(exchange: Exchange) -> None:
        await exchange.head("application/json")
        while not exchange.writer.transport.is_closing():
            await exchange.chunk(b"x" * 10_000)

    assert "longer than" in (await failure(behaviour, way)).message


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not let a full queue of connections hang")
async def test_no_connection_comes_about(way: str) -> None:
    with socket.socket() as full, ExitStack() as callers:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            with suppress(BlockingIOError):
                caller.connect(full.getsockname())
        url = f"127.0.0.1:{full.getsockname()[1]}"
        async with asking(way, url, Timeouts(connect_s=0.2)) as ask:
            with pytest.raises(ServerTooSlow) as caught:
                await ask()
    assert caught.value.stage == "connect"
