"""What the index knows of entries: how they come into its tables, what can be looked up there, and how they leave."""

import contextlib
import sqlite3
from collections.abc import Collection, Generator
from dataclasses import dataclass

from wakeful.events import Cursor, Entry, Observation, Remembered, Salience, kind_of
from wakeful.journal import search
from wakeful.journal.within import Within, condition

_MAX_BODY_CHARS = 20_000  # of one event; a block of log lines is found by its beginning
_NEVER_FOUND = ("salience", "thought_started", "quiet")
_COUNT = """
INSERT INTO tally VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    events = events + excluded.events,
    first_ns = min(first_ns, excluded.first_ns),
    last_ns = max(last_ns, excluded.last_ns)
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """What else is known of an entry: its salience, 0 where it had none; the memory that superseded it, 0 for none."""

    salience: float = 0.0
    superseded_by: int = 0


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """All or nothing of what is done within."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def place(db: sqlite3.Connection) -> tuple[Cursor, int]:
    """How far the journal is indexed, and how many entries that were."""
    cursor, indexed = db.execute("SELECT cursor, indexed FROM place").fetchone()
    return Cursor(cursor), indexed


def add(db: sqlite3.Connection, begin: Cursor, entries: list[Entry]) -> None:
    """Takes in the entries after `begin`; does nothing where another process was faster."""
    found: list[tuple[int, int, str, str]] = []
    words: dict[str, list[tuple[int, str]]] = {search.SEEN: [], search.SAID: []}
    tallies: dict[tuple[str, str], tuple[int, int, int]] = {}
    for entry in entries:
        event = entry.event
        kind = kind_of(event)
        count, first_ns, last_ns = tallies.get((kind, event.origin), (0, event.at_ns, event.at_ns))
        tallies[kind, event.origin] = count + 1, min(first_ns, event.at_ns), max(last_ns, event.at_ns)
        if body := _words(entry):
            found.append((entry.seq, event.at_ns, kind, event.origin))
            words[_table(entry)].append((entry.seq, body))
    saliences = [(e.event.about, e.event.salience) for e in entries if isinstance(e.event, Salience)]
    superseded = [
        (e.event.supersedes, e.seq) for e in entries if isinstance(e.event, Remembered) and e.event.supersedes
    ]
    facts = [(e.event.about, e.seq) for e in entries if isinstance(e.event, Remembered) and e.event.form == "fact"]
    with transaction(db):
        if place(db)[0] != begin:
            return
        sources = _source_ids(db, {source for *_, source in found})
        db.executemany("INSERT INTO entry VALUES (?, ?, ?, ?)", [(*row, sources[source]) for *row, source in found])
        for table, rows in words.items():
            db.executemany(f"INSERT INTO {table} (rowid, body) VALUES (?, ?)", rows)  # noqa: S608
        db.executemany("INSERT OR REPLACE INTO salience VALUES (?, ?)", saliences)
        db.executemany("INSERT OR REPLACE INTO superseded VALUES (?, ?)", superseded)
        db.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", [each for each in facts if each[0]])
        db.executemany(_COUNT, [(*name, *counts) for name, counts in tallies.items()])
        db.execute("UPDATE place SET cursor = ?, indexed = indexed + ?", (entries[-1].cursor, len(entries)))


def drop(db: sqlite3.Connection, seqs: Collection[int]) -> None:
    """Entries that retention dropped are no longer found; their words stay until the index is built anew."""
    with transaction(db):
        db.executemany("DELETE FROM entry WHERE seq = ?", [(seq,) for seq in seqs])


def forget(db: sqlite3.Connection, entries: Collection[Entry]) -> None:
    """Takes entries out with every trace of their words."""
    db.execute("PRAGMA secure_delete = ON").fetchone()
    with transaction(db):
        for entry in entries:
            # Taking words out that are not in would damage the table.
            if db.execute("DELETE FROM entry WHERE seq = ? RETURNING seq", (entry.seq,)).fetchall():
                table = _table(entry)
                statement = f"INSERT INTO {table} ({table}, rowid, body) VALUES ('delete', ?, ?)"  # noqa: S608
                db.execute(statement, (entry.seq, _words(entry)))
            db.execute("DELETE FROM salience WHERE seq = ?", (entry.seq,))
            db.execute("DELETE FROM about WHERE seq = ?", (entry.seq,))
            db.execute("DELETE FROM superseded WHERE seq = ? OR by_seq = ?", (entry.seq, entry.seq))
    for table in (search.SEEN, search.SAID):  # only a full merge takes deleted words out of the segments
        db.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # noqa: S608
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def marks(db: sqlite3.Connection, seqs: Collection[int]) -> dict[int, Mark]:
    """What is known of these entries besides their words; entries of which nothing is known are left out."""
    wanted = ", ".join(map(str, map(int, seqs)))
    rows = db.execute(
        f"SELECT seq, max(salience), max(by_seq) FROM (SELECT seq, salience, 0 AS by_seq FROM salience "  # noqa: S608
        f"WHERE seq IN ({wanted}) UNION ALL SELECT seq, 0.0, by_seq FROM superseded WHERE seq IN ({wanted})) "
        "GROUP BY seq"
    )
    return {seq: Mark(salience, by_seq) for seq, salience, by_seq in rows}


def newest_about(db: sqlite3.Connection, about: str) -> int:
    """The newest fact about this, 0 for none."""
    row = db.execute("SELECT seq FROM about WHERE name = ?", (about,)).fetchone()
    return int(row[0]) if row else 0


def neighbours(db: sqlite3.Connection, seqs: Collection[int], count: int) -> dict[int, list[int]]:
    """For each entry the `count` entries of the same source just before it, and just after it, in order."""
    return {seq: _beside(db, seq, count) for seq in seqs}


def _beside(db: sqlite3.Connection, seq: int, count: int) -> list[int]:
    row = db.execute("SELECT source FROM entry WHERE seq = ?", (seq,)).fetchone()
    if row is None:
        return []
    statement = "SELECT seq FROM entry WHERE source = ? AND seq {} ? ORDER BY seq {} LIMIT ?"
    before = db.execute(statement.format("<", "DESC"), (*row, seq, count)).fetchall()
    after = db.execute(statement.format(">", "ASC"), (*row, seq, count)).fetchall()
    return [each for (each,) in (*reversed(before), *after)]


def most_salient(db: sqlite3.Connection, within: Within, limit: int) -> list[int]:
    """The observations that claimed most attention, strongest first."""
    where, values = condition(within)
    statement = (
        f"SELECT seq FROM salience JOIN entry USING (seq) WHERE {where} "  # noqa: S608
        "ORDER BY salience DESC, seq DESC LIMIT ?"
    )
    return [seq for (seq,) in db.execute(statement, (*values, limit))]


def _source_ids(db: sqlite3.Connection, names: Collection[str]) -> dict[str, int]:
    db.executemany("INSERT OR IGNORE INTO source (name) VALUES (?)", [(name,) for name in names])
    statement = f"SELECT name, id FROM source WHERE name IN ({', '.join('?' * len(names))})"  # noqa: S608
    return dict(db.execute(statement, list(names)).fetchall())


def _table(entry: Entry) -> str:
    return search.SEEN if isinstance(entry.event, Observation) else search.SAID


def _words(entry: Entry) -> str:
    """The text that an entry is found by, "" where it is not found by words: numbers are not looked for so."""
    event = entry.event
    if kind_of(event) in _NEVER_FOUND or (isinstance(event, Observation) and event.form == "metrics"):
        return ""
    return event.body[:_MAX_BODY_CHARS]
