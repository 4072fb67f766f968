"""Consolidation: episodes of hours, days, weeks; facts that recur; contradictions; what a model may add."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from memory_parts import opened
from test_memory_forget import thought

from wakeful.engine.testing import LMStudioServer
from wakeful.events import Entry, Health, Observation, Remembered, Salience, Thought
from wakeful.lmstudio import AsyncLMStudioClient, ServerError
from wakeful.memory import Claims, Consolidation, Memory, audit
from wakeful.memory.consolidate import weightiest

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)


def ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


async def noticed(memory: Memory, text: str, at: datetime, **more: str) -> Entry:
    seen = Observation(at_ns=ns(at), source="log:app", text=text, **({"form": "lines"} | more))  # type: ignore[arg-type]
    [entry] = await memory.journal.append([seen])
    scored = Salience(
        at_ns=ns(at), about=entry.seq, source="log:app", surprise_nats=9, precision=1, salience=0.9, threshold=0.5
    )
    await memory.journal.append([scored])
    return entry


async def thinks(memory: Memory, text: str, at: datetime, evidence: tuple[int, ...] = ()) -> Entry:
    made: Thought = msgspec.structs.replace(thought(text, evidence, cycle=f"{at}"), at_ns=ns(at))
    [entry] = await memory.journal.append([made])
    return entry


def episodes(made: list[Entry], span: str) -> list[Remembered]:
    return [e.event for e in made if isinstance(e.event, Remembered) and e.event.span == span]


def facts(made: list[Entry]) -> list[Remembered]:
    return [e.event for e in made if isinstance(e.event, Remembered) and e.event.form == "fact"]


async def test_hours_become_days_and_weeks_with_what_they_rest_on(tmp_path: Path) -> None:
    now = MONDAY + timedelta(days=8)
    async with opened(tmp_path) as memory:
        for day in range(7):
            for hour in (3, 15):
                at = MONDAY + timedelta(days=day, hours=hour, minutes=10)
                seen = await noticed(memory, f"backup {day} took 40 minutes", at)
                await thinks(memory, f"The backup of day {day} took 40 minutes.", at, (seen.seq,))
        consolidation = Consolidation(memory, now_ns=lambda: ns(now))
        made = await consolidation.step()
        assert [len(episodes(made, span)) for span in ("hour", "day", "week")] == [14, 7, 1]
        [week] = episodes(made, "week")
        assert (week.at_ns, week.until_ns) == (ns(MONDAY), ns(MONDAY + timedelta(days=7)))
        assert not week.by_model
        assert "day 0" in week.text
        assert len(await memory.journal.get(week.evidence)) == 7
        assert await consolidation.step() == []  # nothing is told twice


async def test_a_model_writes_episodes_and_lines_stand_in_while_it_fails(tmp_path: Path) -> None:
    asked: list[int] = []

    async def summarise(texts: object, max_tokens: int) -> tuple[str, bool]:
        asked.append(max_tokens)
        if len(asked) == 1:
            raise ServerError("it broke", status_code=500)
        return "In short.", True

    async with opened(tmp_path) as memory:
        for hour in (1, 2):
            await thinks(memory, "The disk is full.", MONDAY + timedelta(hours=hour), (1,))
        now = ns(MONDAY + timedelta(hours=5))
        made = await Consolidation(memory, summarise=summarise, now_ns=lambda: now).step()
        assert [(each.text, each.by_model) for each in episodes(made, "hour")] == [
            ("01:00 warning: a leak: The disk is full.", False),
            ("In short.", True),
        ]


async def test_the_hour_that_goes_on_waits(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        await thinks(memory, "The disk is full.", MONDAY)
        assert await Consolidation(memory, now_ns=lambda: ns(MONDAY + timedelta(minutes=59))).step() == []


async def test_hours_of_having_nothing_to_do_are_not_remembered(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        for hour in range(5):
            await thinks(memory, "Nothing was seen.", MONDAY + timedelta(hours=hour, minutes=5))
        down = Health(at_ns=ns(MONDAY + timedelta(hours=2)), part="model", state="down", text="connection refused")
        await memory.journal.append([down])
        made = await Consolidation(memory, now_ns=lambda: ns(MONDAY + timedelta(hours=9))).step()
        assert [each.text for each in episodes(made, "hour")] == ["02:00 model is down: connection refused"]
        assert (await audit(memory.journal)).junk == {}


async def test_what_keeps_coming_back_becomes_a_fact_that_grows(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:

        async def pass_days(first: int, last: int) -> list[Entry]:
            for day in range(first, last):
                at = MONDAY + timedelta(days=day, hours=3)
                seen = await noticed(memory, f"cron[{day}]: backup failed after {day} s", at)
                await thinks(memory, "The backup failed.", at, (seen.seq,))
            return await Consolidation(memory, now_ns=lambda: ns(MONDAY + timedelta(days=last))).step()

        assert facts(await pass_days(0, 1)) == []
        [fact] = facts(await pass_days(1, 4))
        assert "came 4 times on 4 days" in fact.text
        assert "between 03:00 and 04:00 UTC" in fact.text
        assert fact.confidence == 5 / 6
        assert len(fact.evidence) == 4
        assert facts(await pass_days(4, 5)) == []  # not worth telling again
        [newer] = facts(await pass_days(5, 8))
        assert newer.supersedes
        found = await memory.recall("how often did the backup fail?", 20, kinds=("memory",))
        assert [each.text for each in found if "superseded" in str(each.reasons)]
        assert (await audit(memory.journal)).junk == {}


async def test_a_state_that_changes_supersedes_and_what_the_user_said_is_contradicted_aloud(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        told = await memory.add("is meant to run", time=MONDAY, kind="fact", about="log:app web")
        at = MONDAY + timedelta(hours=3)
        seen = await noticed(memory, "web exited with code 137", at, form="state", subject="web")
        await thinks(memory, "web died.", at, (seen.seq,))
        made = await Consolidation(memory, now_ns=lambda: ns(MONDAY + timedelta(days=2))).step()
        [fact] = facts(made)
        assert (fact.supersedes, fact.text) == (told, '"web exited with code 137"')
        [aloud] = [entry.event for entry in made if isinstance(entry.event, Observation)]
        assert aloud.source == "wakeful:memory"
        assert aloud.provenance == "recalled"
        assert "is meant to run" in aloud.text
        assert await memory.journal.get([told])  # both stay


async def test_a_state_that_changes_back_and_forth_contradicts_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        made: list[Entry] = []
        states = ["is healthy", "is unhealthy", "is healthy", "exited with code 1", "is healthy"]
        for number, state in enumerate(states):
            at = MONDAY + timedelta(days=10 * number, hours=3)  # each lasts for longer than a week
            seen = await noticed(memory, f"container web {state}", at, form="state", subject="web")
            await thinks(memory, f"web {state}.", at, (seen.seq,))
            made += await Consolidation(memory, now_ns=lambda at=at: ns(at + timedelta(days=1))).step()
        told = [fact.text for fact in facts(made)]
        assert told == [f'"container web {state}"' for state in states]
        assert [entry for entry in made if isinstance(entry.event, Observation)] == []
        assert (await audit(memory.journal)).junk == {}


async def test_a_model_s_facts_are_believed_only_with_evidence(tmp_path: Path, lmstudio_server: LMStudioServer) -> None:
    async with opened(tmp_path) as memory:
        seqs: list[int] = []
        for hour in (3, 4):
            at = MONDAY + timedelta(hours=hour)
            seen = await noticed(memory, "user alex logged in from 10.0.0.7", at)
            await thinks(memory, "alex came.", at, (seen.seq,))
            seqs.append(seen.seq)
        answer = [
            {"about": "alex's address", "fact": "alex logs in from 10.0.0.7.", "evidence": seqs},
            {"about": "alex's host", "fact": "alex logs in from 10.0.0.8.", "evidence": seqs},
            {"about": "one entry", "fact": "alex was there.", "evidence": seqs[:1]},
            {"about": "none", "fact": "alex was there.", "evidence": [99999, 99998]},
        ]
        lmstudio_server.script(json.dumps({"facts": answer}))
        async with AsyncLMStudioClient(lmstudio_server.url) as client:
            consolidation = Consolidation(
                memory, claims=Claims(memory, client, "scripted"), now_ns=lambda: ns(MONDAY + timedelta(days=2))
            )
            made = [fact for fact in facts(await consolidation.step()) if fact.by_model]
        assert [(fact.about, fact.evidence) for fact in made] == [("alex's address", tuple(seqs))]
        assert "10.0.0.7" in lmstudio_server.wait_for_request(path="/v1/chat/*").text
        assert (await audit(memory.journal)).junk == {}


async def test_what_stands_in_keeps_to_its_budget() -> None:
    lines = [f"0{n}:00 info: thing {n}: it is well" for n in range(9)] + ["09:00 critical: disk: it is dead"]
    text, by_model = await weightiest(lines, 30)
    assert len(text) <= 90
    assert "critical" in text
    assert not by_model
    assert (await weightiest(["x" * 1000], 10))[0] == "x" * 30
