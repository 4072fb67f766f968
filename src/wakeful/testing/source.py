"""What every source must hold, however it is read and stopped."""

import asyncio
import contextlib
import gc
import math
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import cast

import psutil

from wakeful.events import Observation, decode, encode
from wakeful.sources import CompoundSource, Source

Stir = Callable[[int], Awaitable[None]]
"""Makes the n-th thing happen that the source should see."""

DEADLINE_S = 10.0
STIR_S = 0.05
"""How long after each other things are made to happen."""

CANCEL_AFTER_S = (None, 0.0, 0.001, 0.005, 0.02, 0.05, 0.1, 0.3)
"""When a run is broken off: before it began, and later and later."""


async def nothing(_: int) -> None:
    """For sources that speak by themselves."""


async def check_source(make: Callable[[], Source], stir: Stir = nothing, *, deadline_s: float = DEADLINE_S) -> None:
    """Runs a source as Wakeful does, and breaks it off at many moments.

    make: gives a new source each time, set to speak often (some milliseconds between its observations)
    stir: is awaited again and again, where something has to happen for the source to see
    deadline_s: how long the source may take to speak twice, or to let go of what it holds
    Raises AssertionError, which says what does not hold: observations are valid, under the source's own name, and
    with numbers that are numbers; however it is stopped, no task, open file or child process is left behind.
    """
    source = make()
    assert source.name, "a source needs a name"
    assert isinstance(source, Source), "a source is a `name` and an async generator `observe(resume)`"
    await _check_observations(source, stir, deadline_s)
    await _check_cancellation(make, stir, deadline_s)


def opened(source: Source, resume: str = "") -> AsyncGenerator[Observation, None]:
    """The source's stream, which can be closed."""
    return cast("AsyncGenerator[Observation, None]", source.observe(resume))


async def _check_observations(source: Source, stir: Stir, deadline_s: float) -> None:
    seen: list[Observation] = []
    async with _stirred(stir), aclosing(opened(source)) as stream:
        try:
            async with asyncio.timeout(deadline_s):
                async for observation in stream:
                    seen.append(observation)
                    if len(seen) >= 2:
                        break
        except TimeoutError:
            assert seen, f"nothing was observed within {deadline_s:g} s"
    assert seen, "it ended without an observation"
    for observation in seen:
        _check_observation(source, observation)


def _check_observation(source: Source, observation: Observation) -> None:
    own = source.speaks_as(observation.source) if isinstance(source, CompoundSource) else False
    assert own or observation.source == source.name, f"{observation.source!r} is not the source's name"
    bad = [name for name, value in observation.values.items() if not math.isfinite(value)]
    assert not bad, f"the value of {bad[0]} is no number: leave it out"
    assert decode(encode(observation)) == observation, f"it does not come back from the journal: {observation}"
    assert observation.text, "an observation needs a text: it is what the model reads"
    assert observation.at_ns > 0, "an observation needs its time"
    assert observation.count >= 1, "an observation stands for at least one thing"


async def _check_cancellation(make: Callable[[], Source], stir: Stir, deadline_s: float) -> None:
    await _run_and_cancel(make, 0.05, deadline_s)  # threads, caches and modules that come with the first use
    before = await _belongings()
    for pause_s in CANCEL_AFTER_S:
        await _run_and_cancel(make, pause_s, deadline_s)
    async with _stirred(stir), asyncio.timeout(deadline_s):
        async with aclosing(opened(make())) as stream:
            await anext(stream)  # and closed while it is suspended at its yield
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            while _more(await _belongings(), before):
                await asyncio.sleep(0.05)
    left = _more(await _belongings(), before)
    assert not left, f"stopped, it leaves behind: {', '.join(left)}"


async def _run_and_cancel(make: Callable[[], Source], pause_s: float | None, deadline_s: float) -> None:
    async def run() -> None:
        async with aclosing(opened(make())) as stream:
            async for _ in stream:
                pass

    task = asyncio.create_task(run())
    if pause_s is not None:
        await asyncio.sleep(pause_s)
    task.cancel()
    await asyncio.wait([task], timeout=deadline_s)
    assert task.done(), f"cancelled, it still runs after {deadline_s:g} s"


@contextlib.asynccontextmanager
async def _stirred(stir: Stir) -> AsyncGenerator[None]:
    """Makes things happen while the block runs."""

    async def for_ever() -> None:
        number = 0
        while True:
            await asyncio.sleep(STIR_S)
            await stir(number)
            number += 1

    stirring = asyncio.create_task(for_ever())
    try:
        yield
    finally:
        stirring.cancel()
        await asyncio.wait([stirring])


async def _belongings() -> dict[str, int]:
    gc.collect()
    await asyncio.sleep(0)
    me = psutil.Process()
    return {
        "tasks": len(asyncio.all_tasks()),
        "open files": me.num_fds() if os.name == "posix" else len(me.open_files()),
        "child processes": len(me.children(recursive=True)),
    }


def _more(after: dict[str, int], before: dict[str, int]) -> list[str]:
    return [f"{after[what] - count} {what}" for what, count in before.items() if after[what] > count]
