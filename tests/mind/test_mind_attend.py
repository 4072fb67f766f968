"""Attending on a real journal: canaries, silence, and what came of wakings."""

import asyncio
import itertools
from pathlib import Path

import pytest

from wakeful.attention import CANARY, AttentionSettings
from wakeful.context import Seen
from wakeful.events import Cursor, Feedback, Health, Observation, Salience
from wakeful.journal import Journal
from wakeful.mind.attend import Attending

START_NS = 1_800_000_000 * 10**9
WITHIN_S = 20.0


def line(at_s: int, source: str, text: str) -> Observation:
    return Observation(at_ns=START_NS + at_s * 10**9, source=source, form="lines", text=text)


async def test_a_canary_is_journaled_scored_and_wakes_nobody(tmp_path: Path) -> None:
    salient: list[Seen] = []
    async with await Journal.open(tmp_path / "journal.db") as journal:
        attending = Attending(journal, AttentionSettings(), lambda seen, cursor: salient.append(seen))
        tasks = [
            asyncio.create_task(attending.run()),
            asyncio.create_task(attending.prove_awake(lambda: START_NS, every_s=0.02)),
        ]
        async with asyncio.timeout(WITHIN_S):
            while len(await journal.read(kinds=("observation",), source=CANARY)) < 3:
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert not [entry for entry in await journal.read() if isinstance(entry.event, Health)]
    assert not salient
    assert attending.counts() == (0, 0)


async def test_a_silence_becomes_an_observation_and_feedback_moves_precision(tmp_path: Path) -> None:
    salient: list[Seen] = []
    async with await Journal.open(tmp_path / "journal.db") as journal:
        attending = Attending(journal, AttentionSettings(), lambda seen, cursor: salient.append(seen))
        running = asyncio.create_task(attending.run())
        for second in range(0, 3600, 10):
            seen = [line(second, "log:clock", f"tick {second}")]
            if second % 60 == 0 and second < 1800:
                seen.append(line(second, "log:beat", f"heartbeat {second} ok"))
            await journal.append(seen)
            if second % 200 == 0:
                await asyncio.sleep(0)
        feedback = Feedback(at_ns=START_NS, about=1, useful=False, sources=("log:beat",))
        await journal.append([feedback] * 10)
        async with asyncio.timeout(WITHIN_S):
            while attending.attention.precision("log:beat") > 0.7:
                await asyncio.sleep(0.01)
        await journal.append([line(3700, "log:clock", "tick 3700")])
        async with asyncio.timeout(WITHIN_S):
            while not await journal.read(Cursor(""), kinds=("observation",), source="wakeful:silence"):
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
async def test_what_claims_attention_is_journaled_once_though_scoring_is_broken_off(tmp_path: Path, steps: int) -> None:
    alarms = [f"panic: {''.join(pair)} is corrupt" for pair in itertools.product("ghijklmnop", repeat=3)]
    async with await Journal.open(tmp_path / "journal.db") as journal:
        attending = Attending(journal, AttentionSettings(), lambda seen, cursor: None)
        await journal.append([line(n, f"log:{n}", alarm) for n, alarm in enumerate(alarms[:950])])
        running = asyncio.create_task(attending.run())
        async with asyncio.timeout(WITHIN_S):
            while not attending.counts()[0]:
                await asyncio.sleep(0)
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        broken_off = attending.counts()[0]
        await attending.save()
        again = Attending(journal, AttentionSettings(), lambda seen, cursor: None)
        await again.restore()
        running = asyncio.create_task(again.run())
        async with asyncio.timeout(WITHIN_S):
            while again.counts()[0] < 950 or len(await journal.read(kinds=("salience",))) < 950:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        scored = [
            entry.event.about for entry in await journal.read(kinds=("salience",)) if isinstance(entry.event, Salience)
        ]
    assert 100 <= broken_off < 950
    assert sorted(scored) == list(range(1, 951))
