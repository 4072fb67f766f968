"""Where to search: kinds, sources and a period, as the index's statements say it, and which entries that leaves."""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Within:
    """Where to search: kinds and sources (none: all), and the period [since_ns, until_ns).

    seen: only observations, or (False) all but those; None for both
    """

    kinds: Collection[str] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    sources: Collection[str] = ()
    seen: bool | None = None


def condition(within: Within) -> tuple[str, list[str | int]]:
    """What columns of `entry` have to be, as SQL text of constants, and its values."""
    where, values = ["1"], list[str | int]()
    if within.since_ns is not None:
        where.append("at_ns >= ?")
        values.append(within.since_ns)
    if within.until_ns is not None:
        where.append("at_ns < ?")
        values.append(within.until_ns)
    if within.kinds:
        where.append(f"kind IN ({', '.join('?' * len(within.kinds))})")
        values += within.kinds
        if "observation" not in within.kinds:
            where.append("kind <> 'observation'")  # says to SQLite that the index by kind will do
    if within.sources:
        where.append(f"source IN (SELECT id FROM source WHERE name IN ({', '.join('?' * len(within.sources))}))")  # noqa: S608
        values += within.sources
    if within.seen is not None:
        where.append("kind = 'observation'" if within.seen else "kind <> 'observation'")
    return " AND ".join(where), values


def numbers(db: sqlite3.Connection, within: Within, limit: int) -> list[int] | None:
    """The entries that are within, in order; None where they are more than `limit`."""
    where, values = condition(within)
    found = column(db, f"SELECT seq FROM entry WHERE {where} LIMIT ?", (*values, limit + 1))  # noqa: S608
    return sorted(found) if len(found) <= limit else None


def holds(db: sqlite3.Connection, within: Within, seqs: Collection[int]) -> set[int]:
    """Which of these entries are within."""
    where, values = condition(within)
    wanted = ", ".join(map(str, map(int, seqs)))
    # NOT INDEXED: else SQLite goes through all of a kind.
    return set(column(db, f"SELECT seq FROM entry NOT INDEXED WHERE seq IN ({wanted}) AND {where}", values))  # noqa: S608


def column(db: sqlite3.Connection, statement: str, values: Sequence[str | int]) -> list[int]:
    """The numbers that a statement gives, as its only column.

    They come as one row of text. Python's SQLite hands the interpreter's lock back and forth at each row, so that
    thousands of rows take five times as long, and far longer beside a thread that is busy too.
    """
    name = statement.split(" ", 2)[1]
    [told] = db.execute(f"SELECT group_concat({name}) FROM ({statement})", values).fetchone()  # noqa: S608
    return msgspec.json.decode(f"[{told or ''}]", type=list[int])
