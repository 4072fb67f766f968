"""A journal that an earlier version wrote is read by this one, and so is what a later one wrote."""

# ruff: noqa: ASYNC240  (files are looked at between the steps; nothing else runs in this loop)

import shutil
import sqlite3
from pathlib import Path

import pytest
from store_conformance import START, seen

from wakeful.events import Observation, Session, Thought, UnknownEvent
from wakeful.journal import Journal, JournalIndex, JournalTooNew

DATA = Path(__file__).parent / "data"


@pytest.fixture(params=sorted(file.name for file in DATA.glob("journal-*.db")))
def stored(request: pytest.FixtureRequest, path: Path) -> Path:
    shutil.copy(DATA / request.param, path)
    return path


async def test_a_stored_journal_is_read_and_continued(stored: Path) -> None:
    async with await Journal.open(stored) as journal:
        entries = await journal.read()
        assert len(entries) == 17
        assert not any(isinstance(entry.event, UnknownEvent) for entry in entries)
        assert isinstance(entries[0].event, Session)
        [thought] = await journal.read(kinds=("thought",))
        assert isinstance(thought.event, Thought)
        assert thought.event.evidence == (entries[1].seq,)
        assert thought.event.next_prediction == "it falls"
        observed = entries[1].event
        assert isinstance(observed, Observation)
        assert observed.values["cpu_percent"] == 97.4
        assert await journal.cursor("mind") == thought.cursor
        assert await journal.resume_points() == {"log:/var/log/mail.log": "4711"}
        assert await journal.load_state("attention") == b"\x01state"
        [more] = await journal.append([seen("more")])
        assert more.seq > entries[-1].seq
        assert await journal.check() == []


async def test_a_stored_journal_is_read_without_being_written(stored: Path) -> None:
    before = stored.read_bytes()
    async with await Journal.open(stored, read_only=True) as journal:
        assert len(await journal.read()) == 17
    assert stored.read_bytes() == before


async def test_an_index_is_made_for_a_stored_journal(stored: Path) -> None:
    async with (
        await Journal.open(stored) as journal,
        JournalIndex(journal, stored.with_name("index.db")) as index,
    ):
        found = await index.search("connection refused 10.0.0.9:25")
        assert found[0].event.origin == "log:/var/log/mail.log"


async def test_events_of_a_later_version_are_read(path: Path) -> None:
    async with await Journal.open(path) as journal:
        await journal.append([seen("now")])
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO event (at_ns, kind, source, body) VALUES (?, ?, ?, ?)",
            [
                (2, "dream", "mind", b'{"kind":"dream","at_ns":2,"about":[1]}'),
                (
                    3,
                    "observation",
                    "smell",
                    b'{"kind":"observation","at_ns":3,"schema":2,"source":"smell","form":"text","text":"smoke","ppm":7}',
                ),
            ],
        )
    connection.close()
    async with await Journal.open(path) as journal:
        _, dream, smell = await journal.read()
        assert isinstance(dream.event, UnknownEvent)
        assert dream.event.kind_name == "dream"
        assert isinstance(smell.event, Observation)
        assert (smell.event.text, smell.event.schema) == ("smoke", 2)
        assert await journal.check() == []


async def test_a_journal_of_a_later_version_is_refused_and_left_alone(path: Path) -> None:
    async with await Journal.open(path) as journal:
        await journal.append([seen("now")])
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(JournalTooNew) as caught:
            await Journal.open(path, read_only=read_only)
        assert caught.value.version == 99
        assert "newer Wakeful" in str(caught.value)
        assert "Update" in str(caught.value)
    assert path.read_bytes() == before


def garble(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE event SET body = x'7bff00' WHERE seq = 2")


async def test_an_event_that_a_bad_disk_garbled_does_not_stop_readers(path: Path) -> None:
    async with await Journal.open(path) as journal:
        await journal.append([seen("a"), seen("b", at_ns=5), seen("c")])
        await journal._write(change=garble)
        a, b, c = await journal.read(START)
        assert isinstance(b.event, UnknownEvent)
        assert (b.event.kind_name, b.event.at_ns) == ("observation", 5)
        assert (a.event.body, c.event.body) == ("a", "c")
        assert await journal.check() == ["event 2 can't be read"]
