"""The whole mind in a world in a box: some hours of faults and kills here, months with `make soak`."""

import asyncio
import os
import shutil
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from bench.world.clock import JumpingLoop
from bench.world.faults import faults
from bench.world.host import DAY_S
from bench.world.house import live
from bench.world.incident import HOUR_S
from bench.world.judge import figures, names
from bench.world.month import SEEN, Lives, lives
from bench.world.names import draw
from bench.world.plan import KINDS, QUIET_S, World, world
from bench.world.sound import unsound

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and limits on files")

SEED, DISTURBED = 1, 62
TIMES = 4
"""As many incidents as in other worlds, where faults are to meet thoughts."""


def test_a_month_of_sleep_takes_no_time_and_threads_take_theirs() -> None:
    async def month() -> list[str]:
        order: list[str] = []

        async def after(s: float, word: str) -> None:
            await asyncio.sleep(s)
            order.append(word)

        async def in_a_thread() -> None:
            await asyncio.to_thread(time.sleep, 0.05)
            order.append("thread")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(after(30 * DAY_S, "month"))
            tasks.create_task(after(0.5, "half a second"))
            tasks.create_task(after(DAY_S, "day"))
            tasks.create_task(in_a_thread())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HOUR_S):
                await asyncio.Event().wait()
        assert asyncio.get_running_loop().time() == pytest.approx(30 * DAY_S + HOUR_S, abs=1)
        return order

    began_s = time.monotonic()
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        assert runner.run(month()) == ["thread", "half a second", "day", "month"]
    assert time.monotonic() - began_s < 5


def test_a_world_follows_from_its_seed_and_each_kind_of_incident_shows_in_it() -> None:
    made, again = world(SEED), world(SEED)
    assert [each.kind for each in made.incidents] == [each.kind for each in again.incidents]
    assert made.observations(4321) == again.observations(4321)
    assert made.observations(4321) != world(SEED + 1).observations(4321)
    cast = draw(SEED)
    for maker in KINDS:
        incident = maker(cast, 5 * DAY_S, made.host.moment(0).rng)
        assert incident.begins_s <= incident.visible_s < incident.ends_s
        with_it = World(SEED, 15, cast, (incident,), ())
        without = World(SEED, 15, cast, (), ())
        steps = range(incident.begins_s // 60, min(incident.visible_s + HOUR_S, incident.ends_s) // 60)
        assert any(with_it.observations(step) != without.observations(step) for step in steps), incident.kind
        assert names(incident, f"it was {incident.names[0]}, surely")
        assert not names(incident, f"it was x{incident.names[0]}x")


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hours of a world with an incident or two, lived through in this process, without faults."""
    folder = tmp_path_factory.mktemp("hours")
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(live(world(SEED, 0.5, quiet_s=HOUR_S), folder, until_s=6 * HOUR_S))
    return folder


def check(folder: Path) -> list[str]:
    return asyncio.run(unsound(world(SEED, 0.5, quiet_s=HOUR_S), folder, until_s=6 * HOUR_S))


def test_an_undisturbed_life_is_sound_and_is_judged(hours: Path) -> None:
    assert check(hours) == []
    found = asyncio.run(figures(world(SEED, 0.5, quiet_s=HOUR_S), hours))
    assert found.thoughts >= 1  # the first look
    assert found.tokens > 100


ONE = "SELECT at_ns, kind, source, body FROM event WHERE kind = 'thought' LIMIT 1"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM event WHERE seq = (SELECT seq FROM event WHERE kind = 'observation' LIMIT 1 OFFSET 500)", "is"),
        ("DELETE FROM event WHERE kind = 'observation' AND seq > 900", "are lost"),
        ("UPDATE event SET body = CAST(replace(body, 'GET', 'PUT') AS BLOB) WHERE kind = 'observation'", "expected"),
        (f"INSERT INTO event (at_ns, kind, source, body) {ONE}", "is there 2 times"),
    ],
    ids=["one is lost", "the end is lost", "one is another", "a thought is double"],
)
def test_what_is_lost_or_double_is_found(hours: Path, tmp_path: Path, damage: str, said: str) -> None:
    shutil.copy(hours / "journal.db", tmp_path / "journal.db")
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute(damage)
    database.close()
    assert any(said in wrong for wrong in check(tmp_path))


def lived(seed: int, days: float, folder: Path, *, kills_per_day: float) -> Lives:
    """The lives of a disturbed mind, after which nothing may be lost or double."""
    quiet_s = min(QUIET_S, days * DAY_S / 8)
    seen = lives(seed, days, folder, quiet_s=quiet_s, kills_per_day=kills_per_day, times=TIMES)
    assert seen.errors == []
    there = world(seed, days, quiet_s=quiet_s, times=TIMES)
    assert asyncio.run(unsound(there, folder, until_s=days * DAY_S)) == []
    assert seen.more_files <= 2  # beside what happens to be open just then
    return seen


@pytest.mark.timeout(180)
def test_six_hours_of_faults_and_two_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    kinds = {each.kind for each in faults(DISTURBED, 0.25).faults}
    assert kinds == {"crash", "loading", "swap", "disk full"}  # of this seed, which is why it is taken
    assert lived(DISTURBED, 0.25, tmp_path, kills_per_day=12.0).kills == 2


@pytest.mark.timeout(180)
def test_lives_that_were_cut_off_are_taken_up_again(tmp_path: Path) -> None:
    there = world(SEED, 0.25, quiet_s=HOUR_S)
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(live(there, tmp_path, until_s=3 * HOUR_S))
    Lives(kills=1, number=2, at_s=3 * HOUR_S).keep(str(tmp_path))
    seen = lives(SEED, 0.25, tmp_path, quiet_s=HOUR_S, disturbed=False, kills_per_day=0.0)
    assert (seen.kills, seen.errors) == (1, [])
    assert min(at_s for at_s, _, _ in seen.flat[0]) >= 3 * HOUR_S
    assert not (tmp_path / SEEN).exists()
    assert asyncio.run(unsound(there, tmp_path, until_s=6 * HOUR_S)) == []


def soaked(folder: Path, name: str) -> Path:
    """Where a month is lived: in `WAKEFUL_SOAK`, where that is set, so that one that was cut off is taken up again."""
    if not (kept := os.environ.get("WAKEFUL_SOAK")):
        return folder
    place = Path(kept) / name.replace(" ", "-")
    if not (place / SEEN).exists():
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kills_per_day", [1.0, 0.0], ids=["killed every day", "never killed"])
def test_a_month_of_faults_loses_nothing_and_doubles_nothing(tmp_path: Path, kills_per_day: float) -> None:
    seen = lived(11, 30.0, soaked(tmp_path, f"{kills_per_day:g} kills"), kills_per_day=kills_per_day)
    assert seen.kills == (29 if kills_per_day else 0)
    if not kills_per_day:  # a life of a day says nothing about growth
        assert seen.growth_bytes < 10e6
