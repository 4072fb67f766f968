"""Which reason comes first, what gives way to what, and that nothing is lost by it."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_model import Messages, ScriptedServer, thought
from test_mind_loop import WITHIN_S, awake, events, line, until

from wakeful.events import (
    Answer,
    Claim,
    Intention,
    IntentionMet,
    Notification,
    Observation,
    Prediction,
    PredictionResolved,
    Question,
    Salience,
    Thought,
    ThoughtFailed,
    ThoughtStarted,
    ThoughtYielded,
)
from wakeful.journal import Journal
from wakeful.mind import MindSettings, UnusableAnswer, consequences, through_mind
from wakeful.mind.modes import LONGEST_IDLE, MAX_YIELDS, ORDER, Agenda, IdlePace, Wake, gives_way
from wakeful.mind.recover import waiting

SETTINGS = MindSettings(first_look=False)
REASONS = st.sampled_from(ORDER)


@settings(deadline=None)
@given(st.lists(REASONS))
async def test_the_most_important_comes_first_and_none_is_lost(reasons: list[str]) -> None:
    agenda = Agenda()
    for number, reason in enumerate(reasons):
        agenda.add(Wake(reason, due_ns=number))  # type: ignore[arg-type]
    taken = [await agenda.next() for _ in range(len(agenda))]
    ranks = [ORDER.index(wake.reason) for wake in taken]
    assert ranks == sorted(ranks)
    assert len([wake for wake in taken if wake.reason == "salience"]) == min(reasons.count("salience"), 1)
    others = [wake for wake in taken if wake.reason != "salience"]
    assert sorted(wake.due_ns for wake in others) == [n for n, reason in enumerate(reasons) if reason != "salience"]
    for reason in ORDER:
        numbers = [wake.due_ns for wake in taken if wake.reason == reason]
        assert numbers == sorted(numbers)


@settings(deadline=None)
@given(REASONS, REASONS, st.integers(0, MAX_YIELDS + 2))
def test_only_what_matters_more_breaks_off_and_not_for_ever(running: str, comes: str, yields: int) -> None:
    wake = Wake(running, yields=yields)  # type: ignore[arg-type]
    expected = ORDER.index(comes) < ORDER.index(running) and yields < MAX_YIELDS  # type: ignore[arg-type]
    assert gives_way(wake, comes) is expected  # type: ignore[arg-type]
    assert not gives_way(wake, wake.reason)


async def test_idleness_is_waited_for_and_only_when_it_is_wanted() -> None:
    agenda = Agenda()
    assert (await agenda.next(0.01)).reason == "idle"
    waiting = asyncio.create_task(agenda.next())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    agenda.add(Wake("due"))
    assert (await waiting).reason == "due"


def test_idle_thoughts_that_find_nothing_come_more_seldom() -> None:
    pace = IdlePace(10.0)
    waits: list[float] = []
    for _ in range(5):
        waits.append(pace.wait_s)
        pace.thought(Wake("idle"), led_to_something=False)
    assert waits == [10, 20, 40, 80, 80]
    assert pace.wait_s == 10 * LONGEST_IDLE
    pace.thought(Wake("salience"), led_to_something=False)
    assert pace.wait_s == 10


class Slow(ScriptedServer):
    """Holds each thought back until `go` is set; questions are answered at once."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.before = self._hold
        self.answer = self._say

    def _say(self, messages: Messages, offered: list[str]) -> str:
        self.asked = "Answer the question" in messages[0]["content"]
        if self.asked:
            return json.dumps({"answer": "It was the disk.", "evidence": offered[:1]})
        return thought(messages, offered)

    async def _hold(self) -> None:
        if not self.asked:
            self.begun.set()
            await self.go.wait()


async def test_a_question_does_not_wait_behind_a_slow_thought_and_the_thought_is_had_afterwards(
    tmp_path: Path,
) -> None:
    async with Slow() as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        [seen] = await journal.append([line("ERROR one: panic")])
        async with asyncio.timeout(WITHIN_S):
            await server.begun.wait()
            asked = await through_mind("what was it?", journal, lambda: True)
            assert asked is not None
            assert asked.answer.text == "It was the disk."
        [gave_way] = await events(journal, ThoughtYielded)
        assert (gave_way.reason, gave_way.to, gave_way.evidence) == ("salience", "asked", (seen.seq,))
        assert not await events(journal, Thought)
        server.go.set()
        [came] = await until(journal, Thought)
        assert came.evidence == (seen.seq,)
        assert not await events(journal, ThoughtFailed)


async def test_a_surprise_does_not_wait_behind_an_idle_thought(tmp_path: Path) -> None:
    settings = MindSettings(first_look=False, idle_every_s=0.05)
    async with Slow() as server, awake(tmp_path, server, settings) as (_, journal):
        async with asyncio.timeout(WITHIN_S):
            await server.begun.wait()
        [seen] = await journal.append([line("ERROR one: panic")])
        [gave_way] = await until(journal, ThoughtYielded)
        assert (gave_way.reason, gave_way.to) == ("idle", "salience")
        server.go.set()
        [came] = await until(journal, Thought)
        assert (came.reason, came.evidence) == ("salience", (seen.seq,))


async def test_a_thought_that_gave_way_often_comes_to_its_end(tmp_path: Path) -> None:
    async with Slow() as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        await journal.append([line("ERROR one: panic")])
        for _ in range(MAX_YIELDS):
            async with asyncio.timeout(WITHIN_S):
                await server.begun.wait()
                server.begun.clear()
                await through_mind("well?", journal, lambda: True)
        async with asyncio.timeout(WITHIN_S):
            await server.begun.wait()
        last = asyncio.create_task(through_mind("and now?", journal, lambda: True))
        async with asyncio.timeout(WITHIN_S):
            while len(await events(journal, Question)) <= MAX_YIELDS:
                await asyncio.sleep(0.01)
        server.go.set()
        await until(journal, Thought)
        assert len(await events(journal, ThoughtYielded)) == MAX_YIELDS
        assert await last is not None


async def test_having_given_way_does_not_count_towards_setting_evidence_aside(tmp_path: Path) -> None:
    async with await Journal.open(tmp_path / "journal.db") as journal:
        [seen] = await journal.append([line("ERROR one: panic")])
        evidence = (seen.seq,)
        for number in range(MAX_YIELDS):
            begun = ThoughtStarted(at_ns=1, cycle=f"c{number}", attempt=1, reason="salience", evidence=evidence)
            gave_way = ThoughtYielded(at_ns=1, cycle=f"c{number}", reason="salience", to="asked", evidence=evidence)
            await journal.append([begun, gave_way])
        assert (await waiting(journal)).attempts == {}
        await journal.append([ThoughtStarted(at_ns=1, cycle="c9", attempt=1, reason="salience", evidence=evidence)])
        assert (await waiting(journal)).attempts == {seen.seq: 1}


async def test_a_question_is_answered_once_also_by_a_mind_that_starts_again(tmp_path: Path) -> None:
    async with Slow() as server:
        async with awake(tmp_path, server, SETTINGS) as (_, journal):
            await through_mind("one?", journal, lambda: True)
        async with await Journal.open(tmp_path / "journal.db", lock=False) as journal:
            old = Question(at_ns=time.time_ns() - 3600 * 10**9, text="of yesterday?", awaited=True)
            await journal.append([old, Question(at_ns=time.time_ns(), text="by itself?")])
            [asked] = await journal.append([Question(at_ns=time.time_ns(), text="two?", awaited=True)])
        async with awake(tmp_path, server, SETTINGS) as (_, journal):
            answers = await until(journal, Answer, 2)
            assert [each.question for each in answers][-1] == asked.seq
            await through_mind("three?", journal, lambda: True)
            assert len(await events(journal, Answer)) == 3


async def test_a_mind_that_ends_leaves_the_question_to_the_asker(tmp_path: Path) -> None:
    async with await Journal.open(tmp_path / "journal.db") as journal:
        assert await through_mind("anybody?", journal, lambda: False) is None


async def test_while_the_model_is_away_a_question_is_told_so_at_once(tmp_path: Path) -> None:
    server = ScriptedServer()
    async with server:
        pass  # it was there, and is no more
    async with awake(tmp_path, server, SETTINGS) as (mind, journal):
        await journal.append([line("ERROR one: panic")])
        await until(journal, ThoughtFailed)
        mind._attempts._pause_s = 3600.0
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(UnusableAnswer):
                await through_mind("well?", journal, lambda: True)


async def test_what_can_not_be_answered_is_said(tmp_path: Path) -> None:
    def answer(messages: Messages, offered: list[str]) -> str:
        return "no"

    async with ScriptedServer(answer) as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        with pytest.raises(UnusableAnswer):
            await through_mind("well?", journal, lambda: True)
        [failed] = await events(journal, ThoughtFailed)
        assert failed.reason == "asked"


async def test_what_is_to_be_thought_over_later_is_thought_over_with_the_same_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consequences, "THINK_AGAIN_S", 0.2)
    wants = iter([True, False])

    def answer(messages: Messages, offered: list[str]) -> str:
        changes = {"action_type": "reflect", "action_details": "is it the disk?"}
        return thought(messages, offered, action_needed=next(wants), **changes)

    async with ScriptedServer(answer) as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        [seen] = await journal.append([line("ERROR one: panic")])
        first, second = await until(journal, Thought, 2)
        assert (second.reason, second.evidence) == ("due", (seen.seq,)) == ("due", first.evidence)
        assert "You wanted to think again about this: is it the disk?" in server.prompts[-1][-1]["content"]
        [intention] = await events(journal, Intention)
        assert intention.provenance == "model"
        assert [met.key for met in await events(journal, IntentionMet)] == [intention.key]
        assert not [told for told in await events(journal, Notification) if told.intention]


async def test_what_surprised_and_belied_a_prediction_too_is_thought_about_once(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server, SETTINGS) as (mind, journal):

        async def both() -> None:
            while not (await events(journal, Salience) and await events(journal, PredictionResolved)):
                await asyncio.sleep(0.01)

        server.before = both
        now_ns = time.time_ns()
        claim = Claim(form="stays_away", gravity="warning")
        made = Prediction(
            at_ns=now_ns, cycle="c", claim="quiet", probability=0.95, due_ns=now_ns + 10**12, condition=claim
        )
        await journal.append([made])
        [seen] = await journal.append([line("ERROR one: panic")])
        await until(journal, Thought)
        async with asyncio.timeout(WITHIN_S):
            while mind.busy:
                await asyncio.sleep(0.01)
        assert [each.reason for each in await events(journal, Thought) if seen.seq in each.evidence] == ["salience"]


async def test_a_sure_prediction_that_fails_wakes_the_mind(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        now_ns = time.time_ns()
        made = Prediction(
            at_ns=now_ns,
            cycle="c",
            claim="cpu stays low",
            probability=0.95,
            due_ns=now_ns + 3600 * 10**9,
            condition=Claim(form="stays", source="metrics", metric="cpu_percent", comparison="<", value=50),
        )
        await journal.append([made])
        [seen] = await journal.append(
            [Observation(at_ns=time.time_ns(), source="metrics", form="metrics", values={"cpu_percent": 60.0})]
        )
        [came] = await until(journal, Thought)
        assert (came.reason, came.evidence) == ("due", (seen.seq,))
        assert "Resolved: you said 95% that cpu stays low" in server.prompts[-1][-1]["content"]
