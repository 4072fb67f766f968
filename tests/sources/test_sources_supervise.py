import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest

from wakeful.events import Observation
from wakeful.sources import (
    Backoff,
    SourceError,
    SourceForbidden,
    SourceHealth,
    resume_for,
    run_sources,
    supervise,
)
from wakeful.sources.report import failed, works_again

QUICK = Backoff(first_s=0.01, longest_s=0.02, settled_s=0.2)


def seen_by(name: str, text: str, *, resume: str = "") -> Observation:
    return Observation(at_ns=1, source=name, form="text", text=text, resume=resume)


class Scripted:
    """A source whose runs are given as functions."""

    def __init__(self, name: str, *runs: Callable[[str], AsyncGenerator[Observation, None]]) -> None:
        self.name = name
        self._runs = list(runs)
        self.resumes: list[str] = []

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        self.resumes.append(resume)
        run = self._runs.pop(0) if len(self._runs) > 1 else self._runs[0]
        async for observation in run(resume):
            yield observation


async def broken(resume: str) -> AsyncGenerator[Observation, None]:
    if resume != "never":
        raise SourceForbidden("permission denied", hint="Join the group adm.")
    yield seen_by("s", "never")


async def silent(resume: str) -> AsyncGenerator[Observation, None]:
    await asyncio.Event().wait()
    yield seen_by("s", "never")


class Journal:
    def __init__(self) -> None:
        self.batches: list[list[Observation]] = []
        self.changed = asyncio.Condition()

    async def emit(self, batch: Sequence[Observation]) -> None:
        self.batches.append(list(batch))
        async with self.changed:
            self.changed.notify_all()

    @property
    def texts(self) -> list[str]:
        return [observation.text for batch in self.batches for observation in batch]

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            async with self.changed:
                await self.changed.wait_for(enough)


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_a_failure_is_told_once_and_so_is_the_recovery():
    async def fine(resume: str) -> AsyncGenerator[Observation, None]:
        yield seen_by("s", "fine")
        await asyncio.Event().wait()

    source, journal, health = Scripted("s", broken, broken, broken, fine), Journal(), SourceHealth("s")
    task = asyncio.create_task(supervise(source, resume="", emit=journal.emit, health=health, backoff=QUICK))
    await journal.until(lambda: "source s failed: permission denied; next try in 1 s" in journal.texts)
    assert health.state == "down"
    assert health.last_error == "permission denied"
    await journal.until(lambda: "source s works again" in journal.texts)
    assert sum("failed" in text for text in journal.texts) == 1
    assert sum("works again" in text for text in journal.texts) == 1
    assert health.restarts == 3
    assert health.state == "up"
    assert journal.batches[0][0].attrs["hint"] == "Join the group adm."
    await stopped(task)


async def test_it_goes_on_after_the_last_observation():
    async def two_then_break(resume: str) -> AsyncGenerator[Observation, None]:
        start = int(resume or 0)
        yield seen_by("s", f"n{start}", resume=str(start + 1))
        yield seen_by("s", f"n{start + 1}", resume=str(start + 2))
        raise OSError(5, "Input/output error")

    source, journal = Scripted("s", two_then_break), Journal()
    task = asyncio.create_task(supervise(source, resume="5", emit=journal.emit, backoff=QUICK))
    await journal.until(lambda: "n12" in journal.texts)
    await stopped(task)
    told = [text for text in journal.texts if text.startswith("n")]
    assert told == [f"n{number}" for number in range(5, 5 + len(told))]
    assert source.resumes[:3] == ["5", "7", "9"]


async def test_batches_are_bounded_and_nothing_is_lost():
    async def many(resume: str) -> AsyncGenerator[Observation, None]:
        for number in range(5000):
            yield seen_by("s", str(number))

    journal, health = Journal(), SourceHealth("s")
    await supervise(Scripted("s", many), resume="", emit=journal.emit, health=health)
    assert journal.texts == [str(number) for number in range(5000)]
    assert max(len(batch) for batch in journal.batches) == 500
    assert health.observations == 5000
    assert health.ended
    assert health.state == "down"


async def test_a_lone_observation_does_not_wait():
    async def one(resume: str) -> AsyncGenerator[Observation, None]:
        yield seen_by("s", "one")
        await asyncio.Event().wait()

    journal = Journal()
    task = asyncio.create_task(supervise(Scripted("s", one), resume="", emit=journal.emit))
    await journal.until(lambda: journal.texts == ["one"])
    await stopped(task)


async def test_a_refused_batch_is_held_and_the_source_is_not_read_on():
    made = 0

    async def counting(resume: str) -> AsyncGenerator[Observation, None]:
        nonlocal made
        while True:
            made += 1
            yield seen_by("s", str(made))
            await asyncio.sleep(0.001)

    journal, health, attempts = Journal(), SourceHealth("s"), 0

    async def full_at_first(batch: Sequence[Observation]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:
            assert attempts == 1 or health.state == "degraded"
            raise OSError(28, "No space left on device")
        assert made <= 600
        await journal.emit(batch)

    task = asyncio.create_task(supervise(Scripted("s", counting), resume="", emit=full_at_first, health=health))
    await journal.until(lambda: len(journal.texts) > 300)
    await stopped(task)
    assert journal.texts == [str(number + 1) for number in range(len(journal.texts))]
    assert health.state == "up"


async def test_one_failing_source_leaves_the_others_alone():
    async def ticking(resume: str) -> AsyncGenerator[Observation, None]:
        for number in range(20):
            await asyncio.sleep(0.005)
            yield seen_by("good", str(number))
        await asyncio.Event().wait()

    async def bug(resume: str) -> AsyncGenerator[Observation, None]:
        yield seen_by("bad", str(1 // len(resume)))

    health: dict[str, SourceHealth] = {}
    journal = Journal()
    sources = [Scripted("bad", bug), Scripted("good", ticking), Scripted("mute", silent)]
    task = asyncio.create_task(run_sources(sources, {}, journal.emit, health=health, backoff=QUICK))
    await journal.until(lambda: "19" in journal.texts)
    await stopped(task)
    assert health["good"].observations == 20
    assert health["bad"].state == "down"
    assert any(text.startswith("source bad failed: ZeroDivisionError") for text in journal.texts)


async def test_two_sources_of_one_name_are_refused():
    with pytest.raises(SourceError, match="two sources are named s"):
        await run_sources([Scripted("s", silent), Scripted("s", silent)], {}, Journal().emit)


async def test_health_knows_that_a_part_fails():
    health = SourceHealth("logs")
    health.saw(failed("log:/x", SourceForbidden("permission denied"), next_try_s=5, at_ns=7))
    assert (health.state, health.last_error, health.last_seen_ns) == ("degraded", "permission denied", 7)
    health.saw(works_again("log:/x", at_ns=9))
    assert health.state == "up"


def test_backoff_grows_to_its_limit():
    backoff = Backoff()
    rests = [backoff.rest_s(attempt) for attempt in range(1, 60)]
    assert rests[0] == 1.0
    assert all(1.0 <= rest <= 300.0 for rest in rests)
    assert min(rests[10:]) >= 200.0


def test_a_compound_source_gets_the_places_of_all_its_names():
    class Many(Scripted):
        def speaks_as(self, origin: str) -> bool:
            return origin.startswith("c:")

    points = {"c:a": "1", "c:b": "2", "d": "3", "c:none": ""}
    assert resume_for(Many("c"), points) == '{"c:a":"1","c:b":"2"}'
    assert resume_for(Scripted("d"), points) == "3"
    assert resume_for(Many("c"), {}) == ""
