"""Predictions on a real journal: through the whole loop, over restarts, and through SIGKILL."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from scripted_model import Messages, ScriptedServer, thought
from test_mind_loop import WITHIN_S, awake, events, line, until

from wakeful.events import Claim, Event, Forgotten, Observation, Prediction, PredictionResolved, Thought
from wakeful.journal import Journal
from wakeful.memory import that_must_go
from wakeful.mind import MindSettings, forecasts

SETTINGS = MindSettings(first_look=False)
KILLS, PREDICTIONS = 6, 60


def claiming(**claim: Any) -> Any:
    def answer(messages: Messages, offered: list[str]) -> str:
        reply = json.loads(thought(messages, offered, confidence=0.8))
        told = {"about": "any source", "holds": "says", "value": 0, "text": "recovered", "within_minutes": 1} | claim
        return json.dumps(reply | {"claim": told})

    return answer


async def test_a_claim_is_checked_by_the_program_and_told_at_the_next_thought(tmp_path: Path) -> None:
    async with ScriptedServer(claiming()) as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        await journal.append([line("ERROR one: panic")])
        [made] = await until(journal, Prediction)
        assert made.condition == Claim(form="comes", text="recovered")
        assert made.due_ns - made.at_ns == 60 * 10**9
        [seen] = await journal.append([line("all has recovered")])
        [resolved] = await until(journal, PredictionResolved)
        assert (resolved.outcome, resolved.evidence) == ("true", (seen.seq,))
        assert resolved.brier == pytest.approx(0.04)
        await journal.append([line("FATAL two: corrupt", "log:/other")])
        await until(journal, Thought, 2)
        assert "Resolved: you said 80% that it goes on: it came true" in server.prompts[-1][-1]["content"]
        found = await forecasts(journal)
        assert [each.state for each in found.forecasts] == ["true", "open"]
        assert found.calibration.resolved == 1


async def test_a_claim_about_what_was_not_offered_is_kept_in_words_only(tmp_path: Path) -> None:
    answer = claiming(about="log:/invented")
    async with ScriptedServer(answer) as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        await journal.append([line("ERROR one: panic")])
        [made] = await until(journal, Prediction)
        assert made.condition is None
        assert (await forecasts(journal)).forecasts[0].state == "unverified"


async def test_a_deadline_that_passes_while_the_mind_sleeps_is_judged_when_it_wakes(tmp_path: Path) -> None:
    long_ago_ns = time.time_ns() - 3600 * 10**9
    prediction = Prediction(
        at_ns=long_ago_ns,
        cycle="c",
        claim="it comes",
        probability=0.9,
        due_ns=long_ago_ns + 60 * 10**9,
        condition=Claim(form="comes", text="never"),
    )
    seen = Observation(at_ns=long_ago_ns + 50 * 10**9, source="log:a", form="lines", text="all is well")
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await journal.append([prediction, seen])
    async with ScriptedServer() as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        [resolved] = await until(journal, PredictionResolved)
        assert resolved.outcome == "false"
        assert resolved.at_ns == prediction.due_ns
    async with ScriptedServer() as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        await journal.append([line("ERROR one: panic")])
        await until(journal, Thought)
        assert len(await events(journal, PredictionResolved)) == 1


async def test_what_is_forgotten_is_resolved_no_more_and_its_resolution_goes_with_it(tmp_path: Path) -> None:
    def made(number: int) -> Prediction:
        now_ns = time.time_ns()
        claim = Claim(form="comes", text=f"word{number}")
        return Prediction(
            at_ns=now_ns,
            cycle="c",
            claim="secret words",
            probability=0.6,
            due_ns=now_ns + 3600 * 10**9,
            condition=claim,
        )

    async with ScriptedServer() as server, awake(tmp_path, server, SETTINGS) as (mind, journal):
        first, second = await journal.append([made(1), made(2)])
        [seen] = await journal.append([line("word1 came")])
        [resolved] = await until(journal, PredictionResolved)
        going = [entry.event for entry in await that_must_go(journal, {seen.seq})]
        assert resolved in going
        [gone] = await journal.append([Forgotten(at_ns=time.time_ns(), seqs=(second.seq,))])
        await journal.append([line("word2 came")])
        async with asyncio.timeout(WITHIN_S):
            while not mind.at_rest(gone.seq + 1):
                await asyncio.sleep(0.02)
        assert [each.prediction for each in await events(journal, PredictionResolved)] == [first.seq]


def start(folder: Path) -> "subprocess.Popen[bytes]":
    source = Path(__file__).parents[2] / "src"
    env = os.environ | {"PYTHONPATH": str(source)}
    return subprocess.Popen([sys.executable, str(Path(__file__).with_name("checking_child.py")), str(folder)], env=env)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
async def test_killed_at_random_moments_each_prediction_is_scored_once(tmp_path: Path) -> None:
    rng = random.Random(5)
    now_ns = time.time_ns()
    async with await Journal.open(tmp_path / "journal.db", lock=False) as journal:
        coming: list[Event] = []
        for number in range(PREDICTIONS):
            claim = Claim(form="comes", text=f"word{number}.")
            coming.append(
                Prediction(
                    at_ns=now_ns,
                    cycle=f"c{number}",
                    claim="it comes",
                    probability=0.6,
                    due_ns=now_ns + 3600 * 10**9,
                    condition=claim,
                )
            )
            coming.append(Observation(at_ns=now_ns, source="log:a", form="lines", text=f"it says word{number}. now"))
        child = start(tmp_path)
        for kill in range(KILLS):
            async with asyncio.timeout(WITHIN_S):
                while not (tmp_path / "checks").exists():
                    await asyncio.sleep(0.01)
            for event in coming[kill * 20 : kill * 20 + 20]:
                await journal.append([event])
            await asyncio.sleep(rng.uniform(0.0, 0.15))
            (tmp_path / "checks").unlink()
            child.send_signal(signal.SIGKILL)
            await asyncio.to_thread(child.wait, 10)
            child = start(tmp_path)
        try:
            resolved = await until(journal, PredictionResolved, PREDICTIONS)
        finally:
            child.kill()
            await asyncio.to_thread(child.wait, 10)
        every = await events(journal, PredictionResolved)
    assert len(every) == len(resolved) == PREDICTIONS
    assert max(Counter(each.prediction for each in every).values()) == 1
    assert {each.outcome for each in every} == {"true"}
