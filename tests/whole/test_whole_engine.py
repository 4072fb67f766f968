"""The server dies: the built-in engine is killed while the mind thinks, again and again, and the mind goes on."""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from wakeful.attention import AttentionSettings
from wakeful.engine import Engine
from wakeful.engine.llama import supervisor
from wakeful.events import Observation, Salience, Thought, ThoughtFailed, ThoughtStarted
from wakeful.journal import Journal, JournalIndex
from wakeful.memory import Memory, Recall
from wakeful.mind import Mind, MindSettings, ModelFacts, Thinker

KILLS = 20

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


async def burden(journal: Journal, number: int) -> None:
    word = "".join(random.Random(number).choices("abcdefgh", k=8))
    text = f"ERROR {word} failed: connection refused"
    await journal.append([Observation(at_ns=time.time_ns(), source=f"log:/{word}", form="lines", text=text)])


@pytest.mark.timeout(280)
async def test_killed_mid_thought_twenty_times_the_mind_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So many deaths in a row would make the engine try slowly, which is tested where the engine is.
    monkeypatch.setattr(supervisor, "_CRASH_WINDOW_S", 0.0)
    began = asyncio.Event()

    def on_partial(cycle: str, reason: str, text: str) -> None:
        began.set()

    async with (
        await Journal.open(tmp_path / "journal.db") as journal,
        JournalIndex(journal, tmp_path / "index.db") as index,
        Engine() as engine,
        engine.client() as client,
    ):
        facts = ModelFacts((await client.loaded_model()).id, engine.context_tokens, "built-in engine", engine.base_url)
        mind = Mind(
            journal,
            Thinker(client, facts, answer_tokens=500),
            Recall(Memory(journal, index)),
            attention=AttentionSettings(thoughts_per_hour=36_000),
            settings=MindSettings(first_look=False),
            on_partial=on_partial,
        )
        running = asyncio.create_task(mind.run())
        for number in range(KILLS):
            began.clear()
            await burden(journal, number)
            async with asyncio.timeout(60):
                await began.wait()
            pid = engine.health.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            mind._attempts._pause_s = 0.05  # what is tested is not how long it waits
            await engine.wait_ready(30)
            assert not running.done()
        async with asyncio.timeout(90):
            while await unthought(journal):
                await asyncio.sleep(0.2)
        running.cancel()
        await asyncio.wait([running])
        entries = [entry.event for entry in await journal.read(limit=100_000)]
        assert any(isinstance(event, ThoughtFailed) and event.interrupted for event in entries)
        shown = {seq for event in entries if isinstance(event, ThoughtStarted) for seq in event.evidence}
        observed = await journal.read(limit=100_000, kinds=("observation",))
        assert {entry.seq for entry in observed} == shown
        thoughts = [event for event in entries if isinstance(event, Thought)]
        assert len({thought.cycle for thought in thoughts}) == len(thoughts)


async def unthought(journal: Journal) -> list[int]:
    """Salient observations that the mind has not consumed yet."""
    left = await journal.read(await journal.cursor("mind"), limit=100_000, kinds=("salience",))
    return [entry.event.about for entry in left if isinstance(entry.event, Salience)]
