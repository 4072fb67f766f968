"""Copies, sizes, retention by size, back-pressure, and how the store finds things."""

# ruff: noqa: ASYNC240  (files are looked at between the steps; nothing else runs in this loop)

import asyncio
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from store_conformance import START, scored, seen, thought

from wakeful.events import Cursor, Entry, Event, kind_of
from wakeful.journal import CursorMoved, Journal, reading, tail, writer

DEADLINE_S = 20.0


async def test_a_backup_is_whole_while_writing_goes_on(journal: Journal, tmp_path: Path) -> None:
    before = await journal.append([seen(f"{at} {'x' * 300}", resume=f"{at}") for at in range(3000)])
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await journal.append([seen("meanwhile"), seen("meanwhile")])

    writing = asyncio.create_task(write())
    target = tmp_path / "copy.db"
    for _ in range(3):
        await journal.backup(target)
    stop.set()
    await writing
    assert not list(tmp_path.glob("copy.db?*"))
    async with await Journal.open(target) as copy:
        assert await copy.check() == []
        entries = await copy.read(limit=10**6)
        assert entries[:3000] == before
        assert len(entries) % 2 == 0
        assert await copy.resume_points() == {"log:/a": "2999"}
        await copy.append([seen("the copy goes its own way")])


async def test_a_backup_onto_itself_is_refused(journal: Journal) -> None:
    with pytest.raises(ValueError, match="itself"):
        await journal.backup(journal.path)
    assert await journal.check() == []


async def test_a_journal_over_its_size_drops_the_oldest_and_gives_space_back(journal: Journal) -> None:
    entries = await journal.append([seen(f"{at} {'x' * 1000}") for at in range(10_000)])
    kept = await journal.append([thought("t", (entries[0].seq,))])
    await journal.commit([], consumer="mind", expected=START, cursor=kept[0].cursor)
    meanwhile = asyncio.create_task(journal.append([seen("meanwhile")]))
    dropped = await journal.prune(max_bytes=4_000_000, consumers=("mind",))
    await meanwhile
    assert 5000 < dropped < 10_000
    left = await journal.read(limit=10**6)
    assert left[0] == entries[0]  # cited
    assert left[-3:-1] == [entries[-1], *kept]
    assert left[1:-2] == entries[-(len(left) - 3) :]  # otherwise the newest
    assert (await journal.stats()).events == len(left)
    pages = await journal._readers.run(
        lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")]
    )
    assert pages[0] * 4096 < 4_500_000
    assert pages[1] < 1000
    assert await journal.prune(max_bytes=4_000_000, consumers=("mind",)) == 0
    assert await journal.check() == []


async def test_a_size_that_cannot_be_reached_ends_the_round(journal: Journal) -> None:
    await journal.append([seen("x" * 1000) for _ in range(1000)])
    assert await journal.prune(max_bytes=0, consumers=("mind",)) == 0  # the mind has not been there
    assert await journal.prune(max_bytes=0, consumers=()) == 0
    await journal.commit([], consumer="mind", expected=START, cursor=await journal.end())
    assert await journal.prune(max_bytes=0, consumers=("mind",)) == 1000
    assert await journal.prune(max_bytes=0, consumers=("mind",)) == 0


async def test_what_is_acknowledged_is_synchronised_to_the_disk(journal: Journal) -> None:
    found: dict[str, object] = {}

    def look(db: sqlite3.Connection) -> None:
        for name in ("synchronous", "journal_mode", "fullfsync", "checkpoint_fullfsync"):
            found[name] = db.execute(f"PRAGMA {name}").fetchone()[0]

    await journal._write(change=look)
    assert found == {"synchronous": 2, "journal_mode": "wal", "fullfsync": 1, "checkpoint_fullfsync": 1}


async def test_stats_tell_the_size(journal: Journal) -> None:
    await journal.append([seen("a", at_ns=7), seen("b", at_ns=3)])
    stats = await journal.stats()
    assert (stats.events, stats.dropped, stats.first_ns, stats.last_ns) == (2, 0, 3, 7)
    assert stats.bytes > 10_000


async def test_writers_wait_when_too_much_waits(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING_ROWS", 50)
    assert journal._writer is not None
    most = 0
    tasks = [asyncio.create_task(journal.append([seen(f"{at}")] * 9)) for at in range(100)]
    for task in tasks[::7]:
        task.cancel()
    while not all(task.done() for task in tasks):
        most = max(most, journal._writer._waiting_rows)
        await asyncio.sleep(0)
    assert most <= 50 + 10
    assert journal._writer._waiting_rows == 0
    assert len(await journal.read(limit=10**6)) % 9 == 0
    assert all(task.cancelled() or not task.exception() for task in tasks)


async def test_one_look_for_other_processes_serves_all_tails(journal: Journal, path: Path) -> None:
    tails = [journal.tail(START) for _ in range(20)]
    waiting = [asyncio.ensure_future(anext(each)) for each in tails]
    looks = 0
    assert journal._watch is not None
    look = journal._watch._look

    def counting() -> int:
        nonlocal looks
        looks += 1
        return look()

    journal._watch._look = counting  # type: ignore[method-assign]
    await asyncio.sleep(5.5 * tail.POLL_S)
    assert looks <= 6
    with sqlite3.connect(path) as other:
        other.execute("INSERT INTO event (at_ns, kind, source, body) VALUES (1, 'x', 'y', x'7b7d')")
    other.close()
    async with asyncio.timeout(DEADLINE_S):
        found = await asyncio.gather(*waiting)
    assert all(len(entries) == 1 for entries in found)
    for each in tails:
        await each.aclose()


@pytest.mark.parametrize(
    ("wanted", "way"),
    [
        (reading.Wanted(5, 10), "SEARCH event USING INTEGER PRIMARY KEY (rowid>?)"),
        (reading.Wanted(5, 10, newest_first=True), "SEARCH event USING INTEGER PRIMARY KEY (rowid>?)"),
        (reading.Wanted(5, 10, ("thought",)), "USING INDEX event_by_kind (kind=? AND seq>?)"),
        (
            reading.Wanted(5, 10, ("thought", "quiet", "salience")),
            "USING INDEX event_by_kind (kind=? AND seq>?)",
        ),
        (reading.Wanted(0, 10, since_ns=5, until_ns=9), "INDEX event_by_time (at_ns>? AND at_ns<?)"),
    ],
)
async def test_nothing_is_found_by_sorting_the_whole_journal(
    journal: Journal, wanted: reading.Wanted, way: str
) -> None:
    statement, values = wanted.statement()
    plan = await journal._readers.run(lambda db: db.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall())
    steps = [step for *_, step in plan]
    assert any(way in step for step in steps), steps
    assert not any(step.startswith("SCAN") for step in steps), steps
    if wanted.since_ns is None:
        assert not any("TEMP B-TREE" in step for step in steps), steps


class JournalMachine(RuleBasedStateMachine):
    """Whatever is done, the journal answers as a plain list would."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.entries: list[Entry] = []
        self.places: dict[str, Cursor] = {}
        self.resume: dict[str, str] = {}

    @initialize(folder=st.builds(lambda: None))
    def open(self, folder: None) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"
        self.journal = self.runner.run(Journal.open(self.path))

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.runner.run(self.journal.close())
            self.folder.cleanup()
        self.runner.close()

    def remember(self, entries: list[Entry]) -> None:
        self.entries += entries
        for entry in entries:
            resume: str = getattr(entry.event, "resume", "")
            if resume:
                self.resume[entry.event.origin] = resume

    events = st.lists(
        st.builds(
            seen,
            st.text(max_size=20),
            at_ns=st.integers(0, 20),
            source=st.sampled_from(["log:/a", "metrics"]),
            resume=st.sampled_from(["", "1", "2"]),
        )
        | st.builds(thought, st.text(max_size=5), at_ns=st.integers(0, 20))
        | st.builds(scored, st.integers(1, 9), at_ns=st.integers(0, 20)),
        max_size=5,
    )

    @rule(batches=st.lists(events, max_size=4))
    def append(self, batches: list[list[Event]]) -> None:
        async def together() -> list[list[Entry]]:
            return await asyncio.gather(*(self.journal.append(batch) for batch in batches))

        answers = self.runner.run(together())
        assert [[entry.event for entry in answer] for answer in answers] == batches
        self.remember(sorted((entry for answer in answers for entry in answer), key=lambda entry: entry.seq))

    @rule(batch=events, consumer=st.sampled_from(["mind", "attention"]), right=st.booleans(), data=st.data())
    def commit(self, batch: list[Event], consumer: str, right: bool, data: st.DataObject) -> None:
        cursors = [START, *(entry.cursor for entry in self.entries)]
        place = self.places.get(consumer, START)
        others = [cursor for cursor in cursors if cursor != place]
        expected = place if right or not others else data.draw(st.sampled_from(others))
        goal = data.draw(st.sampled_from(cursors))
        try:
            written = self.runner.run(self.journal.commit(batch, consumer=consumer, expected=expected, cursor=goal))
        except CursorMoved:
            assert expected != place
        else:
            assert expected == place
            self.remember(written)
            self.places[consumer] = goal

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.journal.close())
        self.journal = self.runner.run(Journal.open(self.path))

    @rule(
        kinds=st.sets(st.sampled_from(["observation", "thought", "salience", "never"])),
        source=st.sampled_from(["", "log:/a", "metrics", "mind"]),
        since_ns=st.none() | st.integers(0, 20),
        until_ns=st.none() | st.integers(0, 20),
        newest_first=st.booleans(),
        limit=st.integers(0, 6) | st.just(1000),
        seed=st.integers(0, 99),
    )
    def read(
        self,
        kinds: set[str],
        source: str,
        since_ns: int | None,
        until_ns: int | None,
        newest_first: bool,
        limit: int,
        seed: int,
    ) -> None:
        begin = random.Random(seed).randrange(len(self.entries) + 1)
        wanted = [
            entry
            for entry in self.entries[begin:]
            if (not kinds or kind_of(entry.event) in kinds)
            and (not source or entry.event.origin == source)
            and (since_ns is None or entry.event.at_ns >= since_ns)
            and (until_ns is None or entry.event.at_ns < until_ns)
        ]
        if newest_first:
            wanted.reverse()
        found = self.runner.run(
            self.journal.read(
                self.entries[begin - 1].cursor if begin else START,
                limit=limit,
                kinds=kinds,
                source=source,
                since_ns=since_ns,
                until_ns=until_ns,
                newest_first=newest_first,
            )
        )
        assert found == wanted[:limit]

    @invariant()
    def places_and_end_are_as_remembered(self) -> None:
        if not hasattr(self, "journal"):
            return
        assert self.runner.run(self.journal.end()) == (self.entries[-1].cursor if self.entries else START)
        assert self.runner.run(self.journal.resume_points()) == self.resume
        for consumer in ("mind", "attention"):
            assert self.runner.run(self.journal.cursor(consumer)) == self.places.get(consumer, START)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
