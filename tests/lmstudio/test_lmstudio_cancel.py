"""Cancelled at each await in turn: the cancellation gets through, nothing is left, and the client still works."""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import pytest
from raw_server import Exchange, delta, good, serving

from wakeful.lmstudio import AsyncLMStudioClient, ChatResult, RetryConfig

MESSAGES = [{"role": "user", "content": "hello"}]
MOST = 500
AT_ONCE = RetryConfig(backoff_factor=0)

pytestmark = pytest.mark.usefixtures("nothing_is_left")


@types.coroutine
def cancelled_at(work: Coroutine[Any, Any, ChatResult], last: int) -> Generator[Any, Any, ChatResult]:
    """What `work` gives, unless it waits for the `last` time before it is done: then it is cancelled in that wait."""
    waits = 0
    sent: Any = None
    error: BaseException | None = None
    while True:
        try:
            waited = work.send(sent) if error is None else work.throw(error)
        except StopIteration as end:
            return end.value
        waits += 1
        if waits == last:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            sent, error = (yield waited), None
        except BaseException as raised:  # goes to where it waited
            error = raised


async def at_every_await(ask: Callable[[], Coroutine[Any, Any, ChatResult]]) -> int:
    """Asks again and again, cancelled a wait later each time, until it comes through; gives how often that was."""
    for last in range(1, MOST):

        async def work(last: int = last) -> ChatResult:
            return await cancelled_at(ask(), last)

        task = asyncio.create_task(work())
        try:
            result = await task
        except asyncio.CancelledError:
            continue
        assert result.text == "Grüße, Welt"
        return last
    raise AssertionError("it never came through")


async def piece_by_piece(exchange: Exchange) -> None:
    await exchange.head()
    for piece in (delta("Grüße, "), delta("Welt"), delta(finish="stop"), b"data: [DONE]\n\n"):
        await exchange.chunk(piece)
        await asyncio.sleep(0)
    await exchange.end()


async def once_not_ready(exchange: Exchange) -> None:
    """Two sendings to each answer."""
    if exchange.number % 2:
        await exchange.answer(503, {"error": "loading"})
    else:
        await good(exchange)


@pytest.mark.parametrize("fresh", [True, False], ids=["a new client each time", "one client for all"])
@pytest.mark.parametrize(
    ("how", "behaviour"),
    [("whole", good), ("stream", good), ("stream", piece_by_piece), ("whole", once_not_ready)],
    ids=["whole", "stream", "stream in pieces", "retried"],
)
async def test_cancelled_at_every_await(
    how: str, behaviour: Callable[[Exchange], Awaitable[None]], fresh: bool
) -> None:
    async def ask(client: AsyncLMStudioClient) -> ChatResult:
        return await (client.chat(MESSAGES) if how == "whole" else client.stream(MESSAGES).collect())

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url, retry=AT_ONCE) as kept:

        async def anew() -> ChatResult:
            async with AsyncLMStudioClient(server.url, retry=AT_ONCE) as client:
                return await ask(client)

        async with asyncio.timeout(60):
            waits = await at_every_await(anew if fresh else lambda: ask(kept))
        assert waits > 1
        assert (await ask(kept)).text == "Grüße, Welt"
