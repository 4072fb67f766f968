"""The same observations again: both sides see the same, the real journal is left alone."""

import asyncio
import math
from pathlib import Path

from scripted_model import Messages, ScriptedServer, thought
from test_mind_metacognition import thinks

from wakeful.attention import AttentionSettings
from wakeful.events import Cursor, Entry, Event, Notification, Observation
from wakeful.journal import Journal
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.mind import Audition, MindSettings, ModelFacts, Thinker, audition

S = 10**9
BEGIN_NS = 1_800_000_000 * S
SETTINGS = MindSettings(first_look=False, quiet_every_s=math.inf, reflect_every_s=0.0, stance="structured")


def quiet(at_s: int) -> Observation:
    return Observation(at_ns=BEGIN_NS + at_s * S, source="metrics", form="metrics", values={"cpu_percent": 5.0})


def panic(at_s: int, word: str) -> Observation:
    return Observation(at_ns=BEGIN_NS + at_s * S, source=f"log:{word}", form="lines", text=f"ERROR {word}: panic")


async def replayed(folder: Path, happened: list[Event], until_s: int) -> tuple[Audition, ScriptedServer]:
    def answer(messages: Messages, offered: list[str]) -> str:
        return thought(messages, offered, focus="now", next_prediction="no warning follows")

    (folder / "scratch").mkdir()
    async with (
        ScriptedServer(answer) as server,
        await Journal.open(folder / "journal.db") as journal,
        AsyncLMStudioClient(server.url) as client,
    ):
        await journal.append(happened)
        before = await journal.read(limit=100_000)
        thinker = Thinker(client, ModelFacts("scripted", 4096, "LM Studio", server.url), answer_tokens=500)
        async with asyncio.timeout(60):
            found = await audition(
                journal,
                folder / "scratch",
                thinker,
                since_ns=BEGIN_NS,
                until_ns=BEGIN_NS + until_s * S,
                attention=AttentionSettings(),
                settings=SETTINGS,
            )
        after: list[Entry] = await journal.read(limit=100_000)
        assert after == before
        assert await journal.cursor("mind") == Cursor("")
    return found, server


async def test_thoughts_about_the_same_stand_beside_each_other(tmp_path: Path) -> None:
    happened: list[Event] = [quiet(at_s) for at_s in range(-600, 0, 10)]  # 60 of the time before
    happened += [panic(100, "alpha"), quiet(110), quiet(3000), panic(4000, "bravo"), quiet(4010), panic(9000, "zulu")]
    then = thinks(0, at_ns=BEGIN_NS + 101 * S, evidence=(61,), focus="then")
    other = thinks(1, at_ns=BEGIN_NS + 2000 * S, evidence=(62,), focus="odd")
    told = Notification(at_ns=BEGIN_NS + 101 * S, key="c0", severity="warning", title="t", text="t")
    found, server = await replayed(tmp_path, [*happened, then, other, told], until_s=8000)
    assert found.observations == 5
    assert [(a.focus if a else "", b.focus if b else "") for a, b in found.pairs()] == [
        ("then", "now"),
        ("odd", ""),
        ("", "now"),
    ]
    assert (found.then.told, found.now.told) == (1, 2)
    assert (found.then.prompt, found.now.prompt) == ("base-2", "structured-1")
    assert found.now.vitals.thoughts == 2
    assert found.now.vitals.calibration.resolved == 1  # the first claim was checked by what came later
    assert "zulu" not in str(server.prompts)
    assert "02:41" not in server.prompts[0][-1]["content"]
    assert "Now: 2027-01-15 08:01 UTC" in server.prompts[0][-1]["content"]


async def test_a_period_in_which_nothing_was_observed_is_no_error(tmp_path: Path) -> None:
    found, _ = await replayed(tmp_path, [quiet(-10)], until_s=100)
    assert (found.observations, found.pairs()) == (0, [])
