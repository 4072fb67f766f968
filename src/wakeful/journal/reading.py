"""How entries are found: the statement for what a reader asks, and the threads that carry it out."""

import asyncio
import contextlib
import queue
import sqlite3
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from wakeful.events import Entry, Event, UnknownEvent, decode
from wakeful.journal.connection import open_reader
from wakeful.journal.cursors import cursor_of
from wakeful.journal.errors import JournalClosed, translate

T = TypeVar("T")

_THREADS = 3  # a long read must not keep the live readers waiting
_COLUMNS = "seq, at_ns, kind, body"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a reader asks for; `after` is a number, the rest as in `Journal.read`."""

    after: int
    limit: int
    kinds: Collection[str] = ()
    source: str = ""
    since_ns: int | None = None
    until_ns: int | None = None
    newest_first: bool = False

    def statement(self) -> tuple[str, list[str | int]]:
        """SQL, and its values.

        Three ways to go: kinds that are few have an index of their own and are merged in order; a period has
        the index of times; everything else is found by walking in order until there is enough.
        """
        if self.kinds and "observation" not in self.kinds:
            return self._by_kind()
        if self.since_ns is not None and not self.after:
            return self._by_time()
        where, values = self._filter(self.kinds)
        return f"SELECT {_COLUMNS} FROM event WHERE {where} {self._order()}", [*values, self.limit]  # noqa: S608

    def _by_kind(self) -> tuple[str, list[str | int]]:
        parts: list[str] = []
        values: list[str | int] = []
        for kind in sorted(set(self.kinds)):
            where, more = self._filter((kind,))
            parts.append(
                f"SELECT {_COLUMNS} FROM event INDEXED BY event_by_kind "  # noqa: S608
                f"WHERE {where} AND kind <> 'observation'"
            )
            values += more
        return f"{' UNION ALL '.join(parts)} {self._order()}", [*values, self.limit]

    def _by_time(self) -> tuple[str, list[str | int]]:
        where, values = self._filter(self.kinds)
        direction = "DESC" if self.newest_first else "ASC"
        return (
            f"SELECT {_COLUMNS} FROM event WHERE seq IN (SELECT seq FROM event INDEXED BY event_by_time "  # noqa: S608
            f"WHERE {where} {self._order()}) ORDER BY seq {direction}",
            [*values, self.limit],
        )

    def _order(self) -> str:
        return f"ORDER BY seq {'DESC' if self.newest_first else 'ASC'} LIMIT ?"

    def _filter(self, kinds: Collection[str]) -> tuple[str, list[str | int]]:
        where = ["seq > ?"]
        values: list[str | int] = [self.after]
        if kinds:
            where.append(f"kind IN ({', '.join('?' * len(kinds))})" if len(kinds) > 1 else "kind = ?")
            values += kinds
        if self.source:
            where.append("source = ?")
            values.append(self.source)
        if self.since_ns is not None:
            where.append("at_ns >= ?")
            values.append(self.since_ns)
        if self.until_ns is not None:
            where.append("at_ns < ?")
            values.append(self.until_ns)
        return " AND ".join(where), values


def entries(connection: sqlite3.Connection, wanted: Wanted) -> list[Entry]:
    """The entries that are wanted, in the order that is wanted."""
    return [entry(*row) for row in connection.execute(*wanted.statement())]


def entry(seq: int, at_ns: int, kind: str, body: bytes) -> Entry:
    """A row as an entry.

    An event that can't be read (a damaged disk; SQLite checks no sums) is handed out as one of an unknown
    kind: every reader would otherwise fail at this place for ever. `Journal.check` reports it.
    """
    event = readable(body)
    if event is None:
        event = UnknownEvent(at_ns=at_ns, kind_name=kind, raw=body.decode("utf-8", "replace"))
    return Entry(seq, cursor_of(seq), event)


def readable(body: bytes) -> Event | None:
    """The event that `body` holds, None when it holds none."""
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class Readers:
    """A few threads that read, each with a connection while it reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="wakeful-journal-reader")
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._closed = False

    async def run(self, use: Callable[[sqlite3.Connection], T]) -> T:
        """What `use` makes of a connection, in a thread. Raises a JournalError."""
        if self._closed:
            raise JournalClosed(self._path)
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._use, use)

    async def close(self) -> None:
        """Waits for what is being read, and closes the connections."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown)
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _use(self, use: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = open_reader(self._path)
        try:
            result = use(connection)
        except sqlite3.Error as error:
            connection.close()  # the next one starts afresh
            raise translate(error, self._path) from error
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
        return result
