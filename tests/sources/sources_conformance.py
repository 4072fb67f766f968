"""What every source must hold; each that we ship goes through `check_source`."""

import asyncio
import gc
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import cast

import psutil

from wakeful.events import Observation, decode, encode
from wakeful.sources import CompoundSource, Source, resume_for

Stir = Callable[[int], Awaitable[None]]
"""Makes the n-th thing happen that the source should see."""

DEADLINE_S = 10.0


async def nothing(_: int) -> None:
    """For sources that speak by themselves."""


def opened(source: Source, resume: str = "") -> AsyncGenerator[Observation, None]:
    return cast("AsyncGenerator[Observation, None]", source.observe(resume))


async def collect(
    source: Source,
    enough: Callable[[list[Observation]], bool],
    *,
    resume: str = "",
    deadline_s: float = DEADLINE_S,
) -> list[Observation]:
    """Observations until there are enough, or the source ends."""
    seen: list[Observation] = []
    async with asyncio.timeout(deadline_s):
        async with aclosing(opened(source, resume)) as stream:
            async for observation in stream:
                seen.append(observation)
                if enough(seen):
                    break
    return seen


async def first(source: Source, *, resume: str = "", match: str = "") -> Observation:
    """The first observation whose text contains `match`."""
    seen = await collect(source, lambda seen: match in seen[-1].text, resume=resume)
    return seen[-1]


def lines_of(observations: Sequence[Observation]) -> list[str]:
    """All lines, each checked to be counted."""
    lines: list[str] = []
    for observation in observations:
        if observation.form == "lines":
            lines += observation.text.split("\n")
            assert observation.count == len(observation.text.split("\n"))
    return lines


async def check_source(make: Callable[[], Source], stir: Stir = nothing) -> None:
    """Every source: valid observations under its own name, and nothing left behind however it is stopped."""
    await _check_observations(make, stir)
    await _check_cancellation(make, stir)


async def check_resume(make: Callable[[], Source], stir: Stir, told: Callable[[Observation], list[str]]) -> None:
    """A source that can resume: stopped after each observation and started anew, it tells all, once."""
    source, points, seen = make(), dict[str, str](), list[str]()
    # The first run begins now, so something is only made to happen once it surely listens.
    for round_ in range(4):
        seen_before = len(seen)
        async with aclosing(opened(source, resume_for(source, points))) as stream:
            if round_ == 0:
                feeding = asyncio.create_task(_stir_later(stir, round_))
            else:
                await stir(round_)
                feeding = asyncio.create_task(asyncio.sleep(0))
            async with asyncio.timeout(DEADLINE_S):
                async for observation in stream:
                    if observation.resume:
                        points[observation.source] = observation.resume
                    seen += told(observation)
                    if len(seen) > seen_before:
                        break
            await feeding
        source = make()
    assert len(seen) == len(set(seen)), seen
    assert [int(each.rsplit(" ", 1)[-1]) for each in seen] == list(range(len(seen))), seen


async def _stir_later(stir: Stir, number: int) -> None:
    await asyncio.sleep(0.3)  # a source listens a moment after it was opened
    await stir(number)


async def _check_observations(make: Callable[[], Source], stir: Stir) -> None:
    source = make()
    stirring = asyncio.create_task(_stir_for_ever(stir))
    try:
        seen = await collect(source, lambda seen: len(seen) >= 2)
    finally:
        stirring.cancel()
        await asyncio.wait([stirring])
    assert seen
    for observation in seen:
        assert decode(encode(observation)) == observation
        own = source.speaks_as(observation.source) if isinstance(source, CompoundSource) else False
        assert own or observation.source == source.name
        assert observation.text
        assert observation.at_ns > 0
        assert observation.count >= 1


async def _stir_for_ever(stir: Stir) -> None:
    number = 0
    while True:
        await asyncio.sleep(0.05)
        await stir(number)
        number += 1


async def _check_cancellation(make: Callable[[], Source], stir: Stir) -> None:
    await _run_and_cancel(make, 0.05)  # threads, caches and modules that come with the first use
    before = await _belongings()
    for pause_s in (None, 0.0, 0.001, 0.005, 0.02, 0.05, 0.1, 0.3):
        await _run_and_cancel(make, pause_s)
    stirring = asyncio.create_task(_stir_for_ever(stir))
    async with asyncio.timeout(DEADLINE_S):
        async with aclosing(opened(make())) as stream:
            await anext(stream)  # and closed while it is suspended at its yield
    stirring.cancel()
    await asyncio.wait([stirring])
    async with asyncio.timeout(DEADLINE_S):
        while not _no_more(after := await _belongings(), before):
            await asyncio.sleep(0.05)
    assert _no_more(after, before)


async def _run_and_cancel(make: Callable[[], Source], pause_s: float | None) -> None:
    async def run() -> None:
        async with aclosing(opened(make())) as stream:
            async for _ in stream:
                pass

    task = asyncio.create_task(run())
    if pause_s is not None:
        await asyncio.sleep(pause_s)
    task.cancel()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait([task])
    assert task.done()


async def _belongings() -> tuple[int, int, int]:
    """Tasks, open files and child processes."""
    gc.collect()
    await asyncio.sleep(0)
    me = psutil.Process()
    files = me.num_fds() if os.name == "posix" else len(me.open_files())
    return len(asyncio.all_tasks()), files, len(me.children(recursive=True))


def _no_more(after: tuple[int, int, int], before: tuple[int, int, int]) -> bool:
    return all(now <= then for now, then in zip(after, before, strict=True))
