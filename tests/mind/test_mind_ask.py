import json
import time
from datetime import datetime
from pathlib import Path

import pytest
from scripted_model import Messages, ScriptedServer, thought

from wakeful.events import Answer, Event, Observation, Question, Thought
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Recall
from wakeful.mind import Asked, ModelFacts, Thinker, ask
from wakeful.mind.ask import since

HOUR_NS = 3600 * 10**9


async def asked(
    folder: Path, text: str, lines: list[str], *, context_tokens: int = 4096
) -> tuple[Asked, list[Messages], Journal]:
    def answer(messages: Messages, offered: list[str]) -> str:
        return json.dumps({"answer": "It was the disk.", "evidence": offered[:2]})

    async with (
        ScriptedServer(answer, context_tokens=context_tokens) as server,
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        AsyncLMStudioClient(server.url) as client,
    ):
        now_ns = time.time_ns()
        await journal.append(
            [
                Observation(at_ns=now_ns - (len(lines) - n) * 10**9, source="log:/x", form="lines", text=line)
                for n, line in enumerate(lines)
            ]
        )
        thinker = Thinker(client, ModelFacts("m", context_tokens, "LM Studio", server.url), answer_tokens=300)
        result = await ask(text, journal, Recall(Memory(journal, index)), thinker)
        stored = [entry.event for entry in await journal.read()]
        assert isinstance(stored[-2], Question)
        assert isinstance(stored[-1], Answer)
        assert stored[-1] == result.answer
        return result, server.prompts, journal


async def test_an_answer_cites_what_it_used(tmp_path: Path) -> None:
    result, prompts, _ = await asked(tmp_path, "what about postfix?", ["postfix: connection refused", "cron: all well"])
    assert result.answer.text == "It was the disk."
    assert [entry.seq for entry in result.used] == list(result.answer.evidence) == [1, 2]
    assert "postfix: connection refused" in prompts[0][-1]["content"]


async def test_what_matches_is_found_among_much_that_does_not(tmp_path: Path) -> None:
    lines = ["zeppelin: landed hard"] + [f"job {n}: all is well" for n in range(500)]
    _, prompts, _ = await asked(tmp_path, "what happened to the zeppelin?", lines)
    assert "zeppelin: landed hard" in prompts[0][-1]["content"]


async def test_the_prompt_fits_a_small_context(tmp_path: Path) -> None:
    lines = [f"zeppelin {n} " + "lost its mooring mast " * 22 for n in range(200)]
    _, prompts, _ = await asked(tmp_path, "zeppelin?", lines, context_tokens=2048)
    assert len(json.dumps(prompts[0])) // 3 < 2048 - 300


async def test_an_empty_journal_is_said_to_be_empty(tmp_path: Path) -> None:
    result, prompts, _ = await asked(tmp_path, "anything?", [])
    assert "Journal: no entries" in prompts[0][-1]["content"]
    assert result.used == ()


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("what happened in the last hour?", 1),
        ("the past 3 hours", 3),
        ("last 2 days", 48),
        ("LAST WEEK", 168),
        ("well?", 24),
    ],
)
def test_spans_are_understood(text: str, hours: int) -> None:
    now_ns = time.time_ns()
    assert since(text, now_ns) == now_ns - hours * HOUR_NS


def test_days_and_nights_are_those_of_the_person() -> None:
    now = datetime(2026, 3, 10, 14, 30).astimezone()
    now_ns = int(now.timestamp() * 1e9)

    def at(text: str) -> str:
        return datetime.fromtimestamp(since(text, now_ns) / 1e9).isoformat(" ", "minutes")

    assert at("today") == "2026-03-10 00:00"
    assert at("since yesterday") == "2026-03-09 00:00"
    assert at("last night") == "2026-03-09 20:00"
    assert at("since 03:15") == "2026-03-10 03:15"
    assert at("since 15:00") == "2026-03-09 15:00"
    assert at("since 99:99") == "2026-03-09 14:30"


async def asked_of_the_pilot(folder: Path, text: str, events: list[Event]) -> tuple[Asked, list[Messages]]:
    def answer(messages: Messages, offered: list[str]) -> str:
        line = messages[-1]["content"].splitlines()[1].partition(": ")[2]
        severity = "critical" if "died" in line else "warning" if "slow" in line else "info"
        return thought(messages, offered, severity=severity, focus=line[:3], assessment=f"It says: {line}.")

    async with (
        ScriptedServer(answer) as server,
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        AsyncLMStudioClient(server.url) as client,
    ):
        await journal.append(events)
        thinker = Thinker(client, ModelFacts("m", 2048, "engine", server.url, pilot=True), answer_tokens=300)
        return await ask(text, journal, Recall(Memory(journal, index)), thinker), server.prompts


def lines_of(*texts: str) -> list[Event]:
    begin_ns = time.time_ns() - 600 * 10**9
    return [
        Observation(at_ns=begin_ns + n * 10**9, source="log:/x", form="lines", text=text)
        for n, text in enumerate(texts)
    ]


async def test_the_pilot_reads_one_entry_at_a_time_and_the_gravest_are_told_in_their_order(tmp_path: Path) -> None:
    events = lines_of("db: died", "web: slow", "cron: done", "dns: died", "web: slow again")
    told, prompts = await asked_of_the_pilot(tmp_path, "what happened today?", events)
    assert [said.partition(" ")[2] for said in told.answer.text.split(". ")] == [
        "It says: db: died",
        "It says: dns: died",
        "It says: web: slow again.",
    ]
    assert told.answer.evidence == (1, 4, 5)
    assert told.answer.pilot
    assert all(prompt[-1]["content"].count("\n#") == 1 for prompt in prompts)


async def test_what_a_question_names_is_told_by_the_pilot_however_harmless(tmp_path: Path) -> None:
    told, _ = await asked_of_the_pilot(tmp_path, "what about postfix?", lines_of("db: died", "postfix: sent"))
    assert told.answer.evidence == (2,)
    assert told.answer.text.endswith("It says: postfix: sent.")


async def test_the_pilot_does_not_read_what_a_thought_tells(tmp_path: Path) -> None:
    died = Thought(
        at_ns=time.time_ns(),
        cycle="c",
        reason="salience",
        focus="db",
        observed="db: died",
        assessment="The database died.",
        severity="critical",
        evidence=(1,),
        expected="",
        prediction_error=0.9,
        confidence=0.7,
        next_prediction="",
        attention_internal=0.1,
        attention_external=0.8,
        attention_memory=0.1,
        action_needed=False,
        action_type="observe",
        action_details="",
        self_assessment="",
        model="m",
        prompt_version="pilot-1",
    )
    told, prompts = await asked_of_the_pilot(tmp_path, "anything wrong?", [*lines_of("db: died"), died])
    assert prompts == []
    assert told.answer.evidence == (2,)
    assert told.answer.text.endswith("The database died.")


@pytest.mark.parametrize(
    ("lines", "said"),
    [(["cron: done"], "Nothing out of the ordinary."), ([], "The journal has nothing on that.")],
)
async def test_the_pilot_says_that_there_is_nothing(tmp_path: Path, lines: list[str], said: str) -> None:
    told, _ = await asked_of_the_pilot(tmp_path, "is all well?", lines_of(*lines))
    assert (told.answer.text, told.answer.evidence) == (said, ())
