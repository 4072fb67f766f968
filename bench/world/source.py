"""The world as a source of Wakeful's: what it says comes the real way, through `run_sources`, and goes on where it was.

Real sources of figures lose what they did not see while nobody listened; this one tells all of it later, like a log.
So whatever is not in the journal in the end was lost on the way.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator

import msgspec

from bench.world.moment import START_NS, STEP_S
from bench.world.plan import World
from wakeful.events import Observation
from wakeful.sources.source import places


def place_of(resume: str) -> tuple[int, int]:
    """The step and the number in it that an observation carries; before the first one where it carries none."""
    step, _, number = resume.partition(".")
    return (int(step), int(number)) if number else (-1, 0)


def marked(world: World, step: int) -> Iterator[Observation]:
    """A step's observations, each with its place."""
    for number, observation in enumerate(world.observations(step)):
        yield msgspec.structs.replace(observation, resume=f"{step}.{number}")


class WorldSource:
    """Tells each step when its time has come. set_by_s: how wrong the machine's clock goes at a time, seconds."""

    name = "world"

    def __init__(self, world: World, until_s: float, set_by_s: Callable[[float], float]) -> None:
        self._world = world
        self._until_s = until_s
        self._set_by_s = set_by_s

    def speaks_as(self, origin: str) -> bool:
        return not origin.startswith(("wakeful:", "action"))

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """From the last place on; ends with the world, or at its own end."""
        loop = asyncio.get_running_loop()
        last = max((place_of(each) for each in places(resume).values()), default=(-1, 0))
        for step in range(max(last[0], 0), self._world.steps):
            at_s = step * STEP_S
            if at_s >= self._until_s:
                return
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            wrong_ns = int(self._set_by_s(at_s) * 1e9)
            for observation in marked(self._world, step):
                if place_of(observation.resume) > last:
                    yield msgspec.structs.replace(observation, at_ns=observation.at_ns + wrong_ns)


def world_ns(at_s: float) -> int:
    """A time of the world as nanoseconds since the epoch, by a clock that is right."""
    return START_NS + int(at_s * 1e9)
