"""Nothing is lost: the real command, killed with SIGKILL at random moments under load; the model always answers."""

import asyncio
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from scripted_model import ScriptedServer

from wakeful.cli import runtime
from wakeful.events import ActionRequest, Cursor, Event, Observation, Thought
from wakeful.journal import Journal, JournalMissing

KILLS = 50
LINES_PER_S = 500
_LINE = re.compile(r"line (\d+) ")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

CONFIG = """
default_sources = false
[model]
use = "lmstudio"
[page]
enabled = false
[attention]
thoughts_per_hour = 36000
[[source]]
kind = "metrics"
[[source]]
kind = "log"
paths = ["{log}"]
from_start = true
"""


class Firehose:
    """Writes numbered lines to a log file, 500 a second; every fiftieth reports an error never seen before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        path.touch()

    async def run(self) -> None:
        rng = random.Random(7)
        began_s = time.monotonic()
        with self.path.open("a", buffering=1) as log:
            while True:
                due = int((time.monotonic() - began_s) * LINES_PER_S)
                while self.written < due:
                    number = self.written
                    word = "".join(rng.choices("abcdefgh", k=6))
                    wrong = f"ERROR {word} failed: connection refused" if number % 50 == 0 else "all is well"
                    log.write(f"line {number} {wrong}\n")
                    self.written += 1
                await asyncio.sleep(0.02)


def start(home: Path, model_url: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"WAKEFUL_HOME": str(home), "LMSTUDIO_URL": model_url}
    config = home / "wakeful.toml"
    command = [sys.executable, "-m", "wakeful.cli", "run", "--config", str(config)]
    with (home / "output.txt").open("ab") as output:
        return subprocess.Popen(command, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL)


def awake(home: Path) -> bool:
    running = runtime.find(home)
    return running is not None and bool(running.model)


async def observed(home: Path) -> list[int]:
    numbers: list[int] = []
    async with await Journal.open(home / "journal.db", read_only=True) as journal:
        async for observation in all_of(journal, "observation"):
            assert isinstance(observation, Observation)
            if observation.source.startswith("log:"):
                numbers += [int(number) for number in _LINE.findall(observation.text)]
    return numbers


async def all_of(journal: Journal, kind: str) -> AsyncGenerator[Event]:
    cursor = Cursor("")
    while entries := await journal.read(cursor, kinds=(kind,)):
        for entry in entries:
            yield entry.event
        cursor = entries[-1].cursor


async def until_it_thought(folder: Path) -> float:
    """Seconds until the journal holds a thought."""
    begun_s = time.monotonic()
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.1)
            with contextlib.suppress(JournalMissing):  # not made yet, or not whole
                async with await Journal.open(folder / "journal.db", read_only=True) as journal:
                    if await journal.read(kinds=("thought",), limit=1):
                        return time.monotonic() - begun_s


@pytest.mark.timeout(300)
async def test_killed_at_fifty_random_moments_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    rng = random.Random(11)
    firehose = Firehose(tmp_path / "app.log")
    (tmp_path / "wakeful.toml").write_text(CONFIG.format(log=firehose.path))
    async with ScriptedServer() as server:
        pouring = asyncio.create_task(firehose.run())
        life_s = 0.0  # what the first life took to its first thought, so that on any machine some lives come that far
        for _ in range(KILLS):
            child = start(tmp_path, server.url)
            if life_s:
                await asyncio.sleep(rng.uniform(0.2, 1.5) * life_s)
            else:
                life_s = await until_it_thought(tmp_path)
            child.send_signal(signal.SIGKILL)
            await asyncio.to_thread(child.wait, 10)
        pouring.cancel()
        await asyncio.wait([pouring])
        child = start(tmp_path, server.url)
        try:
            async with asyncio.timeout(60):
                while not awake(tmp_path) or len(set(await observed(tmp_path))) < firehose.written:
                    assert child.poll() is None, (tmp_path / "output.txt").read_text()
                    await asyncio.sleep(0.2)
        finally:
            child.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(child.wait, 10) == 0
    numbers = await observed(tmp_path)
    assert sorted(numbers) == list(range(firehose.written))
    async with await Journal.open(tmp_path / "journal.db", read_only=True) as journal:
        assert await journal.check() == []
        thoughts = [event async for event in all_of(journal, "thought") if isinstance(event, Thought)]
        requests = [event async for event in all_of(journal, "action_request") if isinstance(event, ActionRequest)]
    assert thoughts
    assert max(Counter(thought.cycle for thought in thoughts).values()) == 1
    assert max(Counter(request.key for request in requests).values(), default=1) == 1
    rested_on = Counter(seq for thought in thoughts if thought.reason == "salience" for seq in thought.evidence)
    assert max(rested_on.values(), default=1) == 1, "an observation was thought about twice"
