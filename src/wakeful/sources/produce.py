"""Observations of several tasks as one stream.

An async generator must not yield inside a TaskGroup or a timeout: their cancellation would reach whoever
reads the generator. So the tasks live in one task of their own, and the generator only empties their queue.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, cast

from wakeful.events import Observation

Put = Callable[[Observation], Awaitable[None]]
"""Hands an observation over; waits while the reader is behind."""


async def produced_by(
    work: Callable[[Put], Coroutine[Any, Any, None]], *, bound: int = 64
) -> AsyncGenerator[Observation, None]:
    """What `work` puts, until it ends; raises what it raises (the first error of a group, not the group).

    bound: observations that may wait for the reader
    """
    waiting: deque[Observation] = deque()
    arrived, room = asyncio.Event(), asyncio.Event()

    async def put(observation: Observation) -> None:
        while len(waiting) >= bound:
            room.clear()
            await room.wait()
        waiting.append(observation)
        arrived.set()

    worker = asyncio.create_task(work(put))
    worker.add_done_callback(lambda _: arrived.set())
    try:
        while waiting or not worker.done():
            if not waiting:
                arrived.clear()
                await arrived.wait()
                continue
            room.set()
            yield waiting.popleft()
        if error := worker.exception():
            raise first_error(error)
    finally:
        worker.cancel()
        await asyncio.wait([worker])


def first_error(error: BaseException) -> BaseException:
    """The first single error inside nested groups, or `error` itself."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
