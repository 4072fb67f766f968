"""What can be rebuilt: a full-text index of the journal, in a second file that may be deleted at any time."""

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any, Self

from wakeful.events import Cursor, Entry, Observation
from wakeful.journal.errors import translate
from wakeful.journal.store import Journal

VERSION = 1
FILE = "index.db"
"""The index's name within the journal's folder."""

_BATCH = 2000
_MAX_BODY_CHARS = 20_000  # of one event; a block of log lines is found by its beginning
_WORD = re.compile(r"\w+", re.UNICODE)
_NEVER_INDEXED = ("salience", "thought_started", "quiet", "state")

_SCHEMA = f"""
CREATE TABLE place (seq INTEGER NOT NULL) STRICT;
INSERT INTO place VALUES (0);
CREATE TABLE meta (seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL) STRICT;
CREATE VIRTUAL TABLE words USING fts5(body, content='', detail='column', tokenize="unicode61 remove_diacritics 2");
PRAGMA user_version = {VERSION};
"""


class JournalIndex:
    """Full-text search over a journal.

    `follow` keeps it up to date; `search` brings it up to date first, so that what was appended is found. A file
    that is missing, damaged or of another version is made anew.
    """

    def __init__(self, journal: Journal, path: Path) -> None:
        self._journal = journal
        self._path = path
        self._using = asyncio.Lock()
        self._connection: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the index's file."""
        async with self._using:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    async def follow(self) -> None:
        """Indexes what is appended, for ever; cancel to stop."""
        end = await self._journal.cursor("")
        async for _ in self._journal.tail(end):
            await self.catch_up()

    async def catch_up(self) -> None:
        """Indexes all that the journal holds by now."""
        async with self._using:
            while await self._index_more():
                pass

    async def search(
        self,
        query: str,
        *,
        limit: int = 20,
        kinds: Collection[str] = (),
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> list[Entry]:
        """Entries that hold any of the query's words, best match (BM25) first.

        Any text is a valid query; one without words finds nothing.
        """
        words = list(dict.fromkeys(_WORD.findall(query)))[:32]
        if not words or limit <= 0:
            return []
        match = " OR ".join(f'"{word}"' for word in words)
        where, values = ["words MATCH ?"], [match]
        if kinds:
            where.append(f"kind IN ({', '.join('?' * len(kinds))})")
            values += kinds
        parts: list[Any] = list(values)
        for column, bound in (("at_ns >= ?", since_ns), ("at_ns < ?", until_ns)):
            if bound is not None:
                where.append(column)
                parts.append(bound)
        statement = (
            f"SELECT meta.seq FROM words JOIN meta ON meta.seq = words.rowid WHERE {' AND '.join(where)} "  # noqa: S608
            "ORDER BY words.rank LIMIT ?"
        )
        async with self._using:
            while await self._index_more():
                pass
            rows = await self._in_thread(lambda db: db.execute(statement, (*parts, limit)).fetchall())
        order = {seq: at for at, (seq,) in enumerate(rows)}
        return sorted(await self._journal.get(order), key=lambda entry: order[entry.seq])

    async def _index_more(self) -> bool:
        """Indexes one batch; False when there was nothing to do."""
        place = await self._in_thread(lambda db: int(db.execute("SELECT seq FROM place").fetchone()[0]))
        entries = await self._journal.read(Cursor(str(place) if place else ""), limit=_BATCH)
        if not entries:
            return False
        await self._in_thread(lambda db: _add(db, entries))
        return True

    async def _in_thread(self, use: Any) -> Any:
        return await asyncio.shield(asyncio.to_thread(self._use, use))

    def _use(self, use: Any) -> Any:
        for last in (False, True):
            try:
                if self._connection is not None and not self._path.exists():
                    self._drop()  # it was deleted under us
                if self._connection is None:
                    self._connection = _open(self._path)
                return use(self._connection)
            except sqlite3.DatabaseError as error:
                self._drop()
                if last or not _is_damage(error):
                    raise translate(error, self._path) from error
                _delete(self._path)
        raise AssertionError("the second round returns or raises")

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            connection.close()
            _delete(path)
            connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
        # It can be rebuilt, so it need not survive a power failure; damage is found and mended.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA busy_timeout = 10000")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_IOERR"))


def _delete(path: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).unlink()


def _add(db: sqlite3.Connection, entries: list[Entry]) -> None:
    metas: list[tuple[int, int, str]] = []
    bodies: list[tuple[int, str]] = []
    for entry in entries:
        kind = entry.event.__struct_config__.tag
        routine = isinstance(entry.event, Observation) and entry.event.form == "metrics"
        if kind in _NEVER_INDEXED or routine or not entry.event.body:
            continue  # numbers are not looked for by words
        metas.append((entry.seq, entry.event.at_ns, str(kind)))
        bodies.append((entry.seq, entry.event.body[:_MAX_BODY_CHARS]))
    db.execute("BEGIN IMMEDIATE")
    try:
        db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", metas)
        db.executemany("INSERT INTO words (rowid, body) VALUES (?, ?)", bodies)
        db.execute("UPDATE place SET seq = ?", (entries[-1].seq,))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
