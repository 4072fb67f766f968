"""The journal in one SQLite file."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Self

from wakeful.events import Cursor, Entry, Event, Observation, decode, encode, kind_of
from wakeful.journal.errors import JournalCorrupt, JournalError, translate
from wakeful.journal.lock import MindLock
from wakeful.journal.writer import Row, Writer

SCHEMA = 1
"""Version of the file that this program writes."""

FILE = "journal.db"
"""The journal's name within its folder."""

_POLL_S = 0.2
_POLL_AS_MIND_S = 5.0
_TAIL_BATCH = 1000
_MAX_SEQS = 500  # SQLite allows more variables; this keeps one statement short


@dataclass(frozen=True, slots=True)
class Stats:
    """Size of the journal: events, bytes on disk, and when the first and last event happened (0 for none)."""

    events: int
    bytes: int
    first_ns: int
    last_ns: int


class Journal:
    """An append-only, ordered log of events; see `docs` for what any store must hold.

    Every write is on the disk when its call returns. Reading runs in a thread of its own connection and never
    waits for writing.
    """

    def __init__(self, path: Path, *, read_only: bool, lock: MindLock | None) -> None:
        self.path = path
        self._read_only = read_only
        self._lock = lock
        self._reader = _connect(path, read_only=True)
        self._reading = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._writer = Writer(path, lambda: _connect(path, read_only=False), self._notify)

    @classmethod
    async def open(cls, path: Path, *, lock: bool = True, read_only: bool = False) -> Self:
        """Opens the journal's file, and makes it where it does not exist.

        lock: refuse when another process thinks on it; read_only: never write, needs no lock
        Raises JournalLocked, JournalCorrupt, JournalReadOnly, JournalFull or JournalError.
        """
        held: MindLock | None = None
        if not read_only:
            with contextlib.suppress(OSError):  # opening will say better what is wrong
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if lock:
                held = MindLock(path.with_suffix(".lock"))
                held.acquire()
        try:
            await asyncio.to_thread(_prepare, path, read_only=read_only)
            journal = cls(path, read_only=read_only, lock=held)
        except BaseException:
            if held is not None:
                held.release()
            raise
        if not read_only:
            journal._writer.start()
        return journal

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Writes what waits and closes the file."""
        if not self._read_only:
            await self._writer.close()
        async with self._reading:
            self._reader.close()
        if self._lock is not None:
            self._lock.release()

    # --- writing ---

    async def append(self, events: Sequence[Event]) -> list[Entry]:
        """Appends events, all or none, durable on return; gives them with their numbers.

        Raises JournalFull, JournalReadOnly or JournalError; then nothing of the batch was written.
        """
        if not events:
            return []
        first = await self._writer.write(_rows(events), resume=_resume(events))
        return _entries(first, events)

    async def commit(
        self, events: Sequence[Event], *, consumer: str, expected: Cursor, cursor: Cursor
    ) -> list[Entry]:
        """Appends events and moves a consumer's place, in one transaction.

        Raises CursorMoved when the consumer is not at `expected`; then nothing was written.
        """
        move = (consumer, _seq(expected), _seq(cursor))
        first = await self._writer.write(_rows(events), resume=_resume(events), move=move)
        return _entries(first, events)

    async def save_state(self, name: str, data: bytes) -> None:
        """Keeps a small state under a name, in place of the one before."""
        statement = "INSERT INTO state VALUES (?, ?) ON CONFLICT DO UPDATE SET data = excluded.data"
        await self._writer.write((), other=lambda connection: _run(connection, statement, (name, data)))

    async def change(self, other: Callable[[sqlite3.Connection], None]) -> None:
        """Runs a function inside a transaction of the writer; for this room's own upkeep."""
        await self._writer.write((), other=other)

    # --- reading ---

    async def read(
        self,
        after: Cursor = Cursor(""),  # noqa: B008 (a NewType call is a constant)
        *,
        limit: int = 1000,
        kinds: Collection[str] = (),
        source: str = "",
        since_ns: int | None = None,
        until_ns: int | None = None,
        newest_first: bool = False,
    ) -> list[Entry]:
        """Up to `limit` entries after a place, in order, or from the end backwards.

        kinds, source: only these; since_ns, until_ns: only what happened in [since, until)
        """
        where, values = ["seq > ?"], [_seq(after)]
        conditions: list[tuple[str, list[Any]]] = []
        if kinds:
            conditions.append((f"kind IN ({', '.join('?' * len(kinds))})", list(kinds)))
            if "observation" not in kinds:
                conditions.append(("kind <> 'observation'", []))  # lets SQLite use the index of kinds
        if source:
            conditions.append(("source = ?", [source]))
        if since_ns is not None:
            conditions.append(("at_ns >= ?", [since_ns]))
        if until_ns is not None:
            conditions.append(("at_ns < ?", [until_ns]))
        for text, more in conditions:
            where.append(text)
            values += more
        order = "DESC" if newest_first else "ASC"
        statement = f"SELECT seq, body FROM event WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?"  # noqa: S608
        return [_entry(seq, body) for seq, body in await self._query(statement, (*values, limit))]

    async def get(self, seqs: Collection[int]) -> list[Entry]:
        """The entries with these numbers, in order; numbers that don't exist are left out."""
        found: list[Entry] = []
        wanted = sorted(set(seqs))
        for begin in range(0, len(wanted), _MAX_SEQS):
            part = wanted[begin : begin + _MAX_SEQS]
            marks = ", ".join("?" * len(part))
            statement = f"SELECT seq, body FROM event WHERE seq IN ({marks}) ORDER BY seq"  # noqa: S608
            found += [_entry(seq, body) for seq, body in await self._query(statement, part)]
        return found

    async def cursor(self, consumer: str) -> Cursor:
        """How far a consumer has come; the beginning when it never moved."""
        rows = await self._query("SELECT seq FROM consumer WHERE name = ?", (consumer,))
        return _cursor(rows[0][0]) if rows else Cursor("")

    async def end(self) -> Cursor:
        """The place after the last entry."""
        return _cursor((await self._query("SELECT coalesce(max(seq), 0) FROM event"))[0][0])

    async def resume_points(self) -> dict[str, str]:
        """For each source, where its newest observation says that it would go on."""
        return dict(await self._query("SELECT source, place FROM resume"))

    async def load_state(self, name: str) -> bytes | None:
        """The state kept under a name, None where there is none."""
        rows = await self._query("SELECT data FROM state WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    async def tail(self, after: Cursor, *, kinds: Collection[str] = ()) -> AsyncIterator[list[Entry]]:
        """Entries after a place as they are written, by this or another process; never ends by itself."""
        version = await self._version()
        while True:
            changed = self._changed  # taken before reading: what is written meanwhile sets this one
            entries = await self.read(after, limit=_TAIL_BATCH, kinds=kinds)
            if entries:
                after = entries[-1].cursor
                yield entries
                continue
            version = await self._wait_for_change(changed, version)

    async def stats(self) -> Stats:
        """How large the journal is."""
        events = (await self._query("SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM event"))[0][0]
        first, last = (await self._query("SELECT coalesce(min(at_ns), 0), coalesce(max(at_ns), 0) FROM event"))[0]
        size = sum(file.stat().st_size for file in self.path.parent.glob(self.path.name + "*"))
        return Stats(events=events, bytes=size, first_ns=first, last_ns=last)

    async def check(self) -> list[str]:
        """What SQLite's integrity check finds wrong; empty when all is well. Reads the whole file."""
        rows = await self._query("PRAGMA integrity_check")
        return [text for (text,) in rows if text != "ok"]

    async def backup(self, target: Path) -> None:
        """Copies the journal as it is now, while it is written to."""

        def copy() -> None:
            source, copied = _connect(self.path, read_only=True), sqlite3.connect(target)
            try:
                source.backup(copied, pages=1024)
            except sqlite3.Error as error:
                raise translate(error, target) from error
            finally:
                copied.close()
                source.close()

        await asyncio.to_thread(copy)

    async def _query(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        async with self._reading:
            # Shielded: a thread can't be stopped, and the connection must not be used by two at once.
            return await asyncio.shield(asyncio.to_thread(self._fetch, statement, values))

    def _fetch(self, statement: str, values: Sequence[Any]) -> list[Any]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translate(error, self.path) from error

    async def _version(self) -> int:
        return (await self._query("PRAGMA data_version"))[0][0]

    async def _wait_for_change(self, changed: asyncio.Event, version: int) -> int:
        """Returns when this process wrote something, or another one did.

        A mind need not look for other writers often: what matters to it, it writes itself.
        """
        while True:
            try:
                async with asyncio.timeout(_POLL_S if self._lock is None else _POLL_AS_MIND_S):
                    await changed.wait()
            except TimeoutError:
                now = await self._version()
                if now == version:
                    continue
                return now
            return version

    def _notify(self) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is gone
            self._loop.call_soon_threadsafe(self._wake_tails)

    def _wake_tails(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    try:
        if read_only:
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
            )
        else:
            connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA busy_timeout = 10000")
        if not read_only:
            # Full synchronisation: an acknowledged event survives a power failure.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
    except sqlite3.Error as error:
        raise translate(error, path) from error
    return connection


def _prepare(path: Path, *, read_only: bool) -> None:
    """Makes the file where there is none, and refuses what is no journal of ours."""
    if read_only and not path.exists():
        raise JournalError(f"There is no journal at {path}.", path=path, hint="Start one with `wakeful run`.")
    connection = _connect(path, read_only=read_only)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            raise JournalCorrupt(
                f"{path} was written by a newer Wakeful (version {version} of the file, known is {SCHEMA}).",
                path=path,
                hint="Update Wakeful.",
            )
        if version == 0:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] or read_only:
                raise JournalCorrupt(f"{path} is no journal of Wakeful.", path=path, hint="Give another folder.")
            connection.execute("PRAGMA journal_mode = WAL")
            script = (resources.files("wakeful.journal") / "schema.sql").read_text(encoding="utf-8")
            connection.executescript(f"BEGIN; {script} PRAGMA user_version = {SCHEMA}; COMMIT;")
    except sqlite3.Error as error:
        raise translate(error, path) from error
    finally:
        connection.close()


def _rows(events: Sequence[Event]) -> list[Row]:
    return [(event.at_ns, kind_of(event), event.origin, encode(event)) for event in events]


def _resume(events: Sequence[Event]) -> dict[str, str]:
    return {event.source: event.resume for event in events if isinstance(event, Observation) and event.resume}


def _entries(first: int, events: Sequence[Event]) -> list[Entry]:
    return [Entry(first + at, _cursor(first + at), event) for at, event in enumerate(events)]


def _entry(seq: int, body: bytes) -> Entry:
    return Entry(seq, _cursor(seq), decode(body))


def _cursor(seq: int) -> Cursor:
    return Cursor(str(seq) if seq else "")


def _seq(cursor: Cursor) -> int:
    return int(cursor or 0)


def _run(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> None:
    connection.execute(statement, values)

