"""No action runs twice, wherever the process dies; and what may have run is said to be unknown."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from acting_house import events
from outbox_child import main as outbox

from wakeful.events import ActionResult, Notification, Observation
from wakeful.journal import Journal

CHILD = Path(__file__).parent / "outbox_child.py"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and a shell")


def start(folder: Path, step: str = "", count: int = 1) -> "subprocess.Popen[bytes]":
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(CHILD.parent), *sys.path])}
    return subprocess.Popen([sys.executable, str(CHILD), str(folder), step, str(count)], env=env)


def ran(folder: Path) -> list[str]:
    trace = folder / "ran.txt"
    return trace.read_text().split() if trace.exists() else []


async def found(folder: Path) -> tuple[list[ActionResult], list[Observation]]:
    async with await Journal.open(folder / "journal.db", read_only=True) as journal:
        return await events(journal, ActionResult), await events(journal, Observation)


async def told(folder: Path) -> list[str]:
    async with await Journal.open(folder / "journal.db", read_only=True) as journal:
        return [each.key for each in await events(journal, Notification)]


STEPS = {
    "before ActionClaimed": ("done", 1),
    "after ActionClaimed": ("unknown", 0),
    "running": ("unknown", 1),
    "before ActionResult": ("unknown", 1),
    "after ActionResult": ("done", 1),
}
"""What is said after the process died there, and how often the command has run."""


async def test_killed_at_each_step(tmp_path: Path) -> None:
    async def killed_at(step: str) -> None:
        folder = tmp_path / step.replace(" ", "-")
        assert await asyncio.to_thread(start(folder, step).wait, 60) == -signal.SIGKILL
        for _ in range(2 if step == "running" else 1):  # whoever starts once more changes nothing
            await outbox(folder, "", 1)
        [result], observed = await found(folder)
        assert (result.outcome, len(ran(folder))) == STEPS[step], step
        if result.outcome == "unknown":
            assert "Wakeful ended before it was done" in result.text
            assert any("its own action" in each.text for each in observed)
            assert await told(folder) == ["unknown:k0"]

    async with asyncio.TaskGroup() as steps:
        for step in STEPS:
            steps.create_task(killed_at(step))


async def test_what_only_looks_runs_again_but_not_for_ever(tmp_path: Path) -> None:
    for _ in range(2):
        killed = await asyncio.to_thread(start(tmp_path, "running", 0).wait, 30)
        assert killed == -signal.SIGKILL
    await outbox(tmp_path, "", 0)
    [result], _ = await found(tmp_path)
    assert (result.outcome, len(ran(tmp_path))) == ("unknown", 2)


async def test_killed_at_random_moments_nothing_runs_twice(tmp_path: Path) -> None:
    count, rng = 40, random.Random(5)
    for _ in range(3):
        child = start(tmp_path, count=count)
        try:
            await asyncio.to_thread(child.wait, rng.uniform(0.4, 0.9))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            await asyncio.to_thread(child.wait, 10)
    await outbox(tmp_path, "", count)
    marks = Counter(ran(tmp_path))
    assert not [mark for mark, times in marks.items() if times > 1]
    outcomes, _ = await found(tmp_path)
    assert Counter(result.key for result in outcomes) == {f"k{n}": 1 for n in range(count)}
    done = {result.key.removeprefix("k") for result in outcomes if result.outcome == "done"}
    assert done <= marks.keys()
    assert {result.outcome for result in outcomes} <= {"done", "unknown"}
