"""What is kept in memory of words changes what a search costs, never what it finds; bounds narrow no period away."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wakeful.events import Entry, Observation, Remembered
from wakeful.journal import index, indexing, postings, search
from wakeful.journal.cursors import cursor_of
from wakeful.journal.postings import Postings
from wakeful.journal.within import Within, column, condition, numbers

WORDS = ("disk", "full", "nginx", "refused", "fan")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = index._open(tmp_path / "index.db")
    yield connection
    connection.close()


def add(db: sqlite3.Connection, texts: list[str], *, observed: bool = True) -> None:
    """Indexes texts that happened a nanosecond after each other, the first one at its own number."""
    begin, _ = indexing.place(db)
    first = 1 + db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0]
    entries: list[Entry] = []
    for seq, text in enumerate(texts, first):
        event = Observation(at_ns=seq, source="log:a", form="lines", text=text)
        entries.append(Entry(seq, cursor_of(seq), event if observed else Remembered(at_ns=seq, text=text)))
    indexing.add(db, begin, entries)


@given(
    batches=st.lists(st.lists(st.sets(st.sampled_from(WORDS), min_size=1), min_size=1, max_size=6), max_size=5),
    queries=st.lists(st.sets(st.sampled_from(WORDS), min_size=1).map(" ".join), min_size=1, max_size=3),
    within=st.sampled_from(
        [Within(), Within(since_ns=3), Within(since_ns=2, until_ns=9), Within(seen=True), Within(kinds=("memory",))]
    ),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_known_already_changes_nothing(
    batches: list[list[set[str]]], queries: list[str], within: Within, tmp_path_factory: pytest.TempPathFactory
) -> None:
    connection = index._open(tmp_path_factory.mktemp("corpus") / "index.db")
    patch = pytest.MonkeyPatch()
    try:
        patch.setattr(search, "_COMMON", 4)
        patch.setattr(postings, "MOST", 7)
        known = Postings()
        for number, batch in enumerate(batches):
            add(connection, [" ".join(sorted(words)) for words in batch], observed=number % 2 == 0)
            for query in queries:
                fresh = search.find(connection, query, 5, within)
                assert search.find(connection, query, 5, within, known) == fresh
                where, values = condition(within)
                fits = set(column(connection, f"SELECT seq FROM entry WHERE {where}", values))
                holding = set(column(connection, "SELECT rowid FROM seen WHERE seen MATCH ?", (query.split()[0],)))
                holding |= set(column(connection, "SELECT rowid FROM said WHERE said MATCH ?", (query.split()[0],)))
                assert set(fresh) <= fits
                if len(query.split()) == 1:
                    assert len(fresh) == min(5, len(fits & holding))
    finally:
        patch.undo()
        connection.close()


@pytest.mark.parametrize("few", [0, 100])
def test_a_common_word_is_found_in_a_period_long_ago(
    db: sqlite3.Connection, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", few)
    monkeypatch.setattr(search, "_COMMON", 5)
    monkeypatch.setattr(postings, "MOST", 10)
    add(db, [f"request {at}" for at in range(100)])
    assert search.find(db, "request", 3, Within(since_ns=20, until_ns=30)) == [29, 28, 27]
    assert search.find(db, "request 24", 1, Within(since_ns=20, until_ns=30)) == [25]
    assert search.find(db, "request", 3, Within(since_ns=200)) == []


def test_memory_is_bounded(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "_KEPT", 1000)
    monkeypatch.setattr(postings, "_ALSO", 10)
    add(db, [f"word{at % 30} common" for at in range(300)])
    known = Postings()
    for at in (*range(30), *range(30)):
        assert known.of(db, "seen", f'"word{at}"', 300).count == 10
        assert known.of(db, "seen", '"common"', 300).count == 300
        assert known._size <= 1000
        assert known._size == sum(each.count + 10 for each in known._known.values())
    assert ("seen", '"common"') in known._known  # what is asked for again and again stays


def test_what_was_dropped_leaves_its_place_to_others(db: sqlite3.Connection) -> None:
    add(db, [f"disk {at}" for at in range(20)])
    indexing.drop(db, [20, 19, 17])
    assert search.find(db, "disk", 4, Within()) == [18, 16, 15, 14]


def test_few_of_a_kind_are_found_without_reading_all(db: sqlite3.Connection) -> None:
    add(db, ["seen"] * 10)
    add(db, ["said"] * 3, observed=False)
    within = Within(kinds=("memory", "thought"), since_ns=12)
    assert numbers(db, within, 10) == [12, 13]
    where, values = condition(within)
    [plan] = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN SELECT seq FROM entry WHERE {where}", values)]
    assert "entry_by_kind (kind=? AND at_ns>?)" in plan
