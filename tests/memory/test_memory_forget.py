"""Forgotten means forgotten: the bytes are in no file, the words in no index, and nothing tells of them."""

import random
import sqlite3
import time
from pathlib import Path

import pytest
from memory_parts import WordEmbedder, opened

from wakeful.events import Compaction, Notification, Observation, Prediction, Salience, Summary, Thought
from wakeful.journal import Journal, forgetting
from wakeful.memory import Note, forget, that_must_go

SECRET = "zebrafish-hunter2-password"


def line(text: str) -> Observation:
    return Observation(at_ns=time.time_ns(), source="log:/x", form="lines", text=text)


def thought(text: str, evidence: tuple[int, ...], cycle: str = "c1", shown: str = "") -> Thought:
    return Thought(
        at_ns=time.time_ns(), cycle=cycle, reason="salience", focus="a leak", observed="", assessment=text,
        severity="warning", evidence=evidence, expected="", prediction_error=0, confidence=0.5, next_prediction="",
        attention_internal=0, attention_external=1, attention_memory=0, action_needed=False, action_type="observe",
        action_details="", self_assessment="", model="m", prompt_version="base-1", shown=shown,
    )  # fmt: skip


def files_with(folder: Path, needle: str) -> list[str]:
    return [file.name for file in sorted(folder.iterdir()) if needle.encode() in file.read_bytes().lower()]


async def fill(folder: Path, count: int) -> None:
    """Lines around the secret, in an order in which pages of the file split and rows move."""
    chance = random.Random(7)
    async with opened(folder, WordEmbedder()) as memory:
        for start in range(0, count, 50):
            lines = [line(" ".join(chance.choices(("alpha", "beta", "gamma", "delta"), k=9))) for _ in range(50)]
            await memory.journal.append(lines)
            if start == count // 100 * 50:
                [seen] = await memory.journal.append([line(f"login failed: {SECRET} for root")])
                reasons = (f"new: {SECRET}",)
                await memory.journal.append(
                    [
                        Salience(at_ns=1, about=seen.seq, source="log:/x", surprise_nats=9, precision=1, salience=0.9,
                                 threshold=0.5, reasons=reasons),
                        thought(f"somebody typed {SECRET}", (seen.seq,), shown=f"#{seen.seq} {SECRET}"),
                        Notification(at_ns=1, key="c1", severity="warning", title="leak", text="see it", evidence=()),
                        Prediction(at_ns=1, cycle="c1", claim="it is tried again", probability=0.5, due_ns=2),
                    ]
                )  # fmt: skip
        await memory.add_all([Note(f"{SECRET} is alex's"), Note("the door is green")])
        await memory.journal.save_state("attention", b"templates " + SECRET.encode())
        await memory.journal.save_state("other", b"untouched")
        await memory.caught_up()
        await memory.recall("door")


@pytest.mark.parametrize("vacuum_bytes", [10**9, 0])
async def test_the_bytes_are_in_no_file(tmp_path: Path, vacuum_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_VACUUM_BYTES", vacuum_bytes)
    await fill(tmp_path, 1000)
    words = SECRET.split("-")
    assert files_with(tmp_path, words[0])
    async with opened(tmp_path, WordEmbedder()) as memory:
        vectors = await memory.vectors.count() if memory.vectors else 0
        going = await that_must_go(memory.journal, await memory.journal.containing(SECRET))
        assert {type(entry.event).__name__ for entry in going} == {
            "Observation", "Salience", "Thought", "Notification", "Prediction", "Remembered",
        }  # fmt: skip
        assert await forget(memory, going, now_ns=5) == len(going)
        for word in words:
            assert not [each for each in await memory.recall(word) if "green" not in each.text]
        assert [each.text for each in await memory.recall("door", 1)] == ["the door is green"]
        assert memory.vectors
        assert await memory.vectors.count() == vectors - 3  # the line, the thought and the note
        assert await memory.journal.check() == []
        assert await memory.journal.load_state("attention") is None
        assert await memory.journal.load_state("other") == b"untouched"
        for word in words:  # also while it is open
            assert files_with(tmp_path, word) == []
    for word in words:
        assert files_with(tmp_path, word) == []
    index = sqlite3.connect(tmp_path / "index.db")
    for table in ("seen", "said"):
        index.execute(f"CREATE VIRTUAL TABLE temp.v_{table} USING fts5vocab(main, {table}, row)")
        terms = {term for (term,) in index.execute(f"SELECT term FROM temp.v_{table}")}
        assert not terms & {"zebrafish", "hunter2", "password"}
        index.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
    index.close()


async def test_what_has_nothing_to_do_with_it_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        one, other = await memory.journal.append([line("disk sda is failing badly"), line("fan is loud today")])
        kept = await memory.journal.append([thought("The fan is loud.", (other.seq,), cycle="c2")])
        gists = Summary(at_ns=1, text="04:00 a leak", from_seq=1, to_seq=9)
        before, after = (Compaction(at_ns=1, through=through, gists=("04:00 a leak",)) for through in (3, 9))
        await memory.journal.append([before, thought("The disk is dying.", (one.seq,)), gists, after])
        going = await that_must_go(memory.journal, [one.seq])
        assert [type(entry.event).__name__ for entry in going] == ["Observation", "Thought", "Summary", "Compaction"]
        await forget(memory, going, now_ns=5)
        assert await memory.journal.get([other.seq, kept[0].seq]) == [other, *kept]
        [told] = await memory.journal.read(kinds=("forgotten",))
        assert told.event.seqs == tuple(entry.seq for entry in going)  # type: ignore[attr-defined]
        assert (await memory.journal.stats()).events == 4


async def test_forgetting_what_is_gone_does_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        assert await that_must_go(memory.journal, [12, 13]) == []
        assert await forget(memory, [], now_ns=1) == 0


async def test_a_mind_that_is_awake_goes_on_writing(tmp_path: Path) -> None:
    async with await Journal.open(tmp_path / "journal.db") as awake, opened(tmp_path) as memory:
        [entry] = await awake.append([line(f"login {SECRET}")])
        await forget(memory, await that_must_go(memory.journal, [entry.seq]), now_ns=1)
        await awake.append([line("it goes on")])
        assert await awake.check() == []
        assert len(await awake.read(kinds=("observation",))) == 1
