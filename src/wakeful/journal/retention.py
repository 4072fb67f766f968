"""How long the journal keeps what it holds."""

import sqlite3
from collections.abc import Collection

from wakeful.events import Cursor
from wakeful.journal.store import Journal

_KEPT_KINDS = ("thought", "notification", "question", "answer", "summary", "session", "set_aside")
"""Small and few, and what memory is made of: kept whatever their age."""

_STEP = 5000


async def prune(
    journal: Journal, *, older_than_ns: int, max_bytes: int, consumers: Collection[str]
) -> int:
    """Drops old observations and scores; returns how many.

    older_than_ns: what happened before goes; max_bytes: of the file, the oldest goes until it is below
    consumers: what one of them has not consumed stays, as does what a thought or notification cites
    """
    safe = min([int(await journal.cursor(name) or 0) for name in consumers], default=0)
    cited = await _cited(journal)
    dropped = 0
    while True:
        stats = await journal.stats()
        by_age = stats.bytes <= max_bytes
        gone = await _drop(journal, safe, cited, older_than_ns if by_age else None)
        dropped += gone
        if not gone:
            return dropped


async def _cited(journal: Journal) -> set[int]:
    cited: set[int] = set()
    cursor = Cursor("")
    while entries := await journal.read(cursor, kinds=("thought", "notification", "answer")):
        for entry in entries:
            cited.update(getattr(entry.event, "evidence", ()))
        cursor = entries[-1].cursor
    return cited


async def _drop(journal: Journal, safe: int, cited: set[int], older_than_ns: int | None) -> int:
    """Drops one step of the oldest events that may go."""
    gone: list[int] = []

    def drop(db: sqlite3.Connection) -> None:
        kinds = ", ".join("?" * len(_KEPT_KINDS))
        age = "" if older_than_ns is None else f"AND at_ns < {older_than_ns:d}"
        rows = db.execute(
            f"SELECT seq FROM event WHERE seq <= ? AND kind NOT IN ({kinds}) {age} ORDER BY seq LIMIT ?",  # noqa: S608
            (safe, *_KEPT_KINDS, _STEP + len(cited)),
        )
        gone.extend([seq for (seq,) in rows if seq not in cited][:_STEP])
        db.executemany("DELETE FROM event WHERE seq = ?", [(seq,) for seq in gone])

    await journal.change(drop)
    return len(gone)
