"""What the tests of sources share; what every source must hold is `wakeful.testing`."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing

from wakeful.events import Observation
from wakeful.sources import Source, resume_for
from wakeful.testing import Stir, check_source
from wakeful.testing.source import nothing, opened

__all__ = ["check_resume", "check_source", "collect", "first", "lines_of", "nothing", "opened"]

DEADLINE_S = 10.0


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
