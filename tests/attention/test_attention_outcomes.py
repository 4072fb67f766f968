"""What came of waking moves how much a source is trusted: on a real journal, as the mind follows it."""

import asyncio
from pathlib import Path

import pytest

from wakeful.attention import AttentionSettings
from wakeful.events import Event, Observation, PredictionResolved, Thought
from wakeful.journal import Journal
from wakeful.mind.attend import Attending

START_NS = 1_800_000_000 * 10**9
WITHIN_S = 20.0


def grave(n: int) -> Observation:
    text = f"panic: {'ghjkmnpqrs'[n]}{'tuvwxyzabc'[n]} is corrupt"
    return Observation(at_ns=START_NS + n * 10**13, source="log:x", form="lines", text=text)


def thought(cycle: str, evidence: int) -> Thought:
    return Thought(
        at_ns=START_NS, cycle=cycle, reason="salience", focus="x", observed="x", assessment="x", severity="warning",
        evidence=(evidence,), expected="", prediction_error=0.0, confidence=0.9, next_prediction="x",
        attention_internal=0.1, attention_external=0.8, attention_memory=0.1, action_needed=False,
        action_type="observe", action_details="", self_assessment="", model="m", prompt_version="1",
    )  # fmt: skip


def resolved(cycle: str, outcome: str, probability: float, base: float) -> PredictionResolved:
    return PredictionResolved(
        at_ns=START_NS, prediction=1, cycle=cycle, claim="x", form="comes", outcome=outcome, why="seen",  # type: ignore[arg-type]
        probability=probability, base=base,
    )  # fmt: skip


async def trust(file: Path, *more: Event) -> tuple[float, float]:
    """Useful and useless outcomes of the source, after ten alarms with a thought about each, and more."""
    async with await Journal.open(file) as journal:
        attending = Attending(journal, AttentionSettings(), lambda seen, cursor: None)
        running = asyncio.create_task(attending.run())
        for n in range(10):
            [entry] = await journal.append([grave(n)])
            await journal.append([thought(f"c{n}", entry.seq)])
        last = await journal.append([*more, grave(0)])
        async with asyncio.timeout(WITHIN_S):
            while attending.latest.get("log:x", (None,))[0] != last[-1].event or attending.counts()[0] < 11:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        record = attending.attention.sources["log:x"]
        return record.useful, record.useless


async def test_predictions_that_were_better_or_worse_than_the_base_rate_move_precision(tmp_path: Path) -> None:
    useful, useless = await trust(tmp_path / "none.db")
    assert useless == 0.0
    right = await trust(tmp_path / "right.db", *(resolved(f"c{n}", "true", 0.9, 0.2) for n in range(5)))
    assert right[0] > useful
    assert right[1] == 0.0
    wrong = await trust(tmp_path / "wrong.db", *(resolved(f"c{n}", "false", 0.9, 0.2) for n in range(5)))
    assert wrong[0] < useful
    assert wrong[1] > 1.0
    nothing = await trust(
        tmp_path / "same.db", resolved("c1", "unverified", 0.9, 0.2), resolved("c99", "true", 0.9, 0.2)
    )
    assert nothing == pytest.approx((useful, useless))
