"""The checks themselves are checked: each fault is found and named."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator

import pytest

from wakeful.events import Observation
from wakeful.testing import check_source


class Clockwork:
    """A source that holds everything; faults are added by subclasses."""

    def __init__(self, name: str = "clockwork") -> None:
        self.name = name

    def seen(self) -> Observation:
        return Observation(at_ns=time.time_ns(), source=self.name, form="metrics", text="tick 1", values={"tick": 1.0})

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        while True:
            yield self.seen()
            await asyncio.sleep(0.01)


class Impostor(Clockwork):
    def seen(self) -> Observation:
        return Observation(at_ns=1, source="metrics", form="text", text="hello")


class Numberless(Clockwork):
    def seen(self) -> Observation:
        return Observation(at_ns=1, source=self.name, form="metrics", text="nan", values={"load": math.nan})


class Wordless(Clockwork):
    def seen(self) -> Observation:
        return Observation(at_ns=1, source=self.name, form="metrics", values={"load": 1.0})


class Timeless(Clockwork):
    def seen(self) -> Observation:
        return Observation(at_ns=0, source=self.name, form="text", text="when?")


class Littering(Clockwork):
    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        self.left = asyncio.create_task(asyncio.sleep(60))
        while True:
            yield self.seen()
            await asyncio.sleep(0.01)


class Clinging(Clockwork):
    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        while True:
            yield self.seen()
            try:
                await asyncio.sleep(0.5)
            except asyncio.CancelledError:
                await asyncio.sleep(2)


class Silent(Clockwork):
    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        await asyncio.Event().wait()
        yield self.seen()


async def test_a_good_source_passes() -> None:
    await check_source(Clockwork)


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        (Impostor, "'metrics' is not the source's name"),
        (Numberless, "the value of load is no number"),
        (Wordless, "needs a text"),
        (Timeless, "needs its time"),
        (Littering, "leaves behind: .* tasks"),
        (Clinging, "still runs after"),
        (Silent, "nothing was observed within"),
    ],
)
async def test_a_fault_is_named(faulty: type[Clockwork], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        await check_source(faulty, deadline_s=0.4)
    left = asyncio.all_tasks() - {asyncio.current_task()}  # those of the faulty source
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
