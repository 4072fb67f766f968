"""Why: every notification leads back to raw lines."""

import time
from pathlib import Path
from typing import Any

import msgspec
from scripted_model import Messages, ScriptedServer, thought
from test_mind_loop import awake, line, until

from wakeful.events import (
    ActionRequest,
    ActionResult,
    Claim,
    Entry,
    Event,
    Notification,
    Observation,
    Prediction,
    PredictionResolved,
    Salience,
    Summary,
    Thought,
)
from wakeful.journal import Journal
from wakeful.mind import MindSettings, Reason, why
from wakeful.mind.intentions.plain import understood
from wakeful.mind.why import _behind_thought


def links(reason: Reason | None) -> dict[str, Any]:
    """The tree as nested names."""
    assert reason is not None
    return {f"{each.link} #{each.seq}": links(each) for each in reason.because}


async def the(journal: Journal, kind: type[Event]) -> Entry:
    [entry] = [each for each in await journal.read(limit=10_000) if isinstance(each.event, kind)]
    return entry


async def test_a_notification_leads_to_its_thought_its_lines_and_why_they_stood_out(tmp_path: Path) -> None:
    def answer(messages: Messages, offered: list[str]) -> str:
        return thought(messages, offered, action_needed=True, focus="zeppelin")

    async with ScriptedServer(answer) as server, awake(tmp_path, server) as (_, journal):
        [seen] = await journal.append([line("ERROR zeppelin: panic")])
        await until(journal, Notification)
        told, came = await the(journal, Notification), await the(journal, Thought)
        salience = await the(journal, Salience)
        lines = {f"evidence #{seen.seq}": {f"stood out because #{salience.seq}": {}}}
        assert links(await why(journal, told.seq)) == {f"thought #{came.seq}": lines}
        request = await the(journal, ActionRequest)
        assert isinstance(request.event, ActionRequest)
        result = ActionResult(at_ns=time.time_ns(), key=request.event.key, outcome="done", text="looked")
        [done] = await journal.append([result])
        assert links(await why(journal, done.seq)) == {f"request #{request.seq}": {f"thought #{came.seq}": lines}}
        await journal.append([line("FATAL zeppelin: corrupt", "log:/other")])
        await until(journal, Thought, 2)
        second = (await journal.read(kinds=("thought",), newest_first=True))[0]
        assert f"remembered #{came.seq}" not in links(await why(journal, second.seq))  # it stands in the prompt whole


async def test_what_memory_brought_along_is_named_and_may_be_cited(tmp_path: Path) -> None:
    def answer(messages: Messages, offered: list[str]) -> str:
        return thought(messages, offered, focus="zeppelin")

    async with ScriptedServer(answer) as server:
        async with awake(tmp_path, server) as (_, journal):
            await journal.append([line("ERROR zeppelin: panic")])
            await until(journal, Thought)
            first = await the(journal, Thought)
            left = Summary(at_ns=time.time_ns(), text="x", from_seq=first.seq, to_seq=first.seq)
            await journal.append([left])
        async with awake(tmp_path, server) as (_, journal):
            await journal.append([line("FATAL zeppelin: corrupt", "log:/other")])
            await until(journal, Thought, 2)
            second = (await journal.read(kinds=("thought",), newest_first=True))[0]
        assert isinstance(second.event, Thought)
        assert first.seq in second.event.evidence  # the scripted model cites all that is offered
        async with await Journal.open(tmp_path / "journal.db", read_only=True) as journal:
            assert f"evidence #{first.seq}" in links(await why(journal, second.seq))
            uncited = msgspec.structs.replace(second.event, evidence=second.event.evidence[:1])
            named = await _behind_thought(journal, uncited)
        assert ("remembered", first.seq) in [(link, seq) for link, seq, _ in named]


async def test_a_resolved_prediction_leads_to_what_decided_it_and_to_its_thought(tmp_path: Path) -> None:
    async with await Journal.open(tmp_path / "journal.db") as journal:
        claim = Claim(form="comes", text="x")
        made = Prediction(at_ns=1, cycle="c", claim="x comes", probability=0.5, due_ns=9, condition=claim)
        prediction, seen = await journal.append([made, Observation(at_ns=2, source="log:a", form="lines", text="x")])
        resolved = PredictionResolved(
            at_ns=2,
            prediction=prediction.seq,
            cycle="c",
            claim="x comes",
            form="comes",
            outcome="true",
            why="it came",
            probability=0.5,
            base=0.5,
            evidence=(seen.seq, 999),
        )
        [entry] = await journal.append([resolved])
        reason = await why(journal, entry.seq)
        assert links(reason) == {
            f"decided by #{seen.seq}": {},
            "decided by #999": {},
            f"prediction #{prediction.seq}": {},
        }
        assert reason is not None
        assert reason.because[1].entry is None
        assert await why(journal, 5000) is None


async def test_what_an_intention_told_leads_to_what_the_user_said(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server, MindSettings(first_look=False)) as (_, journal):
        intention = understood("watch for zeppelins", "i1", now_ns=time.time_ns(), known=[])
        [said] = await journal.append([intention])
        [seen] = await journal.append([line("the zeppelin has landed")])
        await until(journal, Notification)
        told = await the(journal, Notification)
        found = links(await why(journal, told.seq))
        assert list(found) == [f"intention #{said.seq}", f"evidence #{seen.seq}"]
