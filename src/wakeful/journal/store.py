"""The journal in one SQLite file."""

import asyncio
import math
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Self

from wakeful.events import Cursor, Entry, Event, Observation, encode, kind_of
from wakeful.journal import forgetting, retention, upkeep
from wakeful.journal.connection import open_reader, open_writer
from wakeful.journal.cursors import cursor_of, seq_of
from wakeful.journal.errors import JournalClosed, JournalError, JournalFull, JournalReadOnly, translate_os
from wakeful.journal.lock import FileLock
from wakeful.journal.reading import Readers, Wanted, entries, entry
from wakeful.journal.tail import Watch
from wakeful.journal.upkeep import Stats
from wakeful.journal.writer import Move, Row, Writer

_TAIL_LIMIT = 1000
_SEQS_LIMIT = 500  # SQLite allows more variables; this keeps one statement short
_FIRST_RETRY_S = 0.5
_LAST_RETRY_S = 10.0
_END = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'event'"
_SAVE = "INSERT INTO state VALUES (?, ?) ON CONFLICT DO UPDATE SET data = excluded.data"


class Journal:
    """An append-only, ordered log of events in one file, which any number of processes may read.

    What is written is on the disk when its call returns. Writing happens in one thread, reading in others,
    and neither waits for the other. Use `Journal.open`.
    """

    def __init__(self, path: Path, *, lock: FileLock | None, patience_s: float) -> None:
        self.path = path
        self._lock = lock
        self._patience_s = patience_s
        self._trouble: JournalError | None = None
        self._loop = asyncio.get_running_loop()
        self._readers = Readers(path)
        self._watch: Watch | None = None
        self._writer: Writer | None = None
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: Path, *, lock: bool = True, read_only: bool = False, patience_s: float = 0.0) -> Self:
        """Opens the journal's file, and makes it where it does not exist.

        lock: refuse when another mind has it (held until `close`, or until the process ends, however it ends)
        read_only: never write; needs no lock
        patience_s: how long a write waits for space on a full disk before it raises JournalFull; a caller
            that waits holds back its source, and `trouble` says why. math.inf waits for ever.
        Raises JournalLocked, JournalMissing (read_only), JournalCorrupt, JournalTooNew, JournalReadOnly,
        JournalFull, JournalBusy or JournalError.
        """
        opening = asyncio.ensure_future(asyncio.to_thread(_open, path, lock=lock, read_only=read_only))
        try:
            held, writing, watching = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_undo)
            raise
        journal = cls(path, lock=held, patience_s=patience_s)
        journal._watch = Watch(watching)
        if writing is not None:
            journal._writer = Writer(path, writing, journal._watch.wake)
        return journal

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Writes what waits, ends what reads, and frees the lock; may be called twice."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)  # a half closed journal would keep its lock

    @property
    def trouble(self) -> JournalError | None:
        """Why writes wait at this moment (`patience_s`), None when all is well."""
        return self._trouble

    # --- writing ---

    async def append(self, events: Sequence[Event]) -> list[Entry]:
        """Appends events, all or none; they are durable when this returns them with their numbers.

        Cancelled, the events are either all written or none. Raises JournalFull, JournalReadOnly, JournalBusy
        or JournalError; then nothing of the batch was written.
        """
        if not events:
            return []
        return await self._append(events, None)

    async def commit(self, events: Sequence[Event], *, consumer: str, expected: Cursor, cursor: Cursor) -> list[Entry]:
        """Appends events (or none) and moves a consumer from `expected` to `cursor`, in one transaction.

        Raises CursorMoved when the consumer is not at `expected`, and otherwise as `append`; then nothing was
        written. Raises ValueError for a cursor that is not of this journal.
        """
        return await self._append(events, Move(consumer, seq_of(expected), seq_of(cursor)))

    async def save_state(self, name: str, data: bytes) -> None:
        """Keeps a small state under a name, in place of the one before."""
        await self._write(change=lambda connection: _run(connection, _SAVE, (name, data)))

    async def prune(
        self,
        *,
        max_age_s: float = math.inf,
        max_bytes: float = math.inf,
        consumers: Collection[str],
        thin: Sequence[retention.Thin] = (),
        now_ns: Callable[[], int] = time.time_ns,
    ) -> int:
        """Drops what is older than `max_age_s`, and then the oldest until the file holds at most `max_bytes`.

        thin: what goes before its time, since something shorter stands for it

        Only observations and scores are ever dropped, and of them neither what one of `consumers` has not
        consumed yet nor what a thought, notification or answer cites. Returns how many events went; none
        where a consumer never moved, or none is named.
        """
        limits = retention.Limits(now_ns() - max_age_s * 1e9, max_bytes, tuple(thin))
        consumed = min([seq_of(await self.cursor(name)) for name in consumers], default=0)
        cited = await self._readers.run(retention.cited)
        sweep = retention.Sweep(limits, consumed, cited)
        while not sweep.done:
            await self._write(change=sweep.step)  # in steps, so that appends go on in between
            sweep.advance()
        return sweep.dropped

    async def forget(self, seqs: Collection[int]) -> int:
        """Deletes entries so that none of their bytes is left in the file or its log; returns how many went.

        What the gate has learnt goes too where it holds words of theirs. Others wait while the file is rewritten.
        Raises JournalBusy when a reader holds the log for too long; the entries are deleted then, and forgetting
        them again cleans up. Otherwise raises as `append`.
        """
        gone = await self.get(seqs)
        await self._write(change=lambda connection: forgetting.delete(connection, gone))
        await asyncio.to_thread(forgetting.clean, self.path, gone)
        return len(gone)

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
        """Up to `limit` entries after a place, in order; or the newest ones, newest first.

        kinds, source: only these; since_ns, until_ns: only what happened in [since_ns, until_ns)
        Raises JournalCorrupt or JournalError, ValueError for a cursor that is not of this journal.
        """
        if limit <= 0:
            return []
        wanted = Wanted(seq_of(after), limit, kinds, source, since_ns, until_ns, newest_first)
        return await self._readers.run(lambda connection: entries(connection, wanted))

    async def get(self, seqs: Collection[int]) -> list[Entry]:
        """The entries with these numbers, in order; numbers that don't exist are left out."""
        wanted = sorted(set(seqs))

        def fetch(connection: sqlite3.Connection) -> list[Entry]:
            found: list[Entry] = []
            for begin in range(0, len(wanted), _SEQS_LIMIT):
                part = wanted[begin : begin + _SEQS_LIMIT]
                marks = ", ".join("?" * len(part))
                statement = f"SELECT seq, at_ns, kind, body FROM event WHERE seq IN ({marks}) ORDER BY seq"  # noqa: S608
                found += [entry(*row) for row in connection.execute(statement, part)]
            return found

        return await self._readers.run(fetch) if wanted else []

    async def containing(self, text: str) -> list[int]:
        """Numbers of the entries that contain a text, letter for letter. Reads all of the journal."""
        return await self._readers.run(lambda connection: forgetting.containing(connection, text))

    def tail(self, after: Cursor, *, kinds: Collection[str] = ()) -> AsyncGenerator[list[Entry], None]:
        """Entries after a place, those that are there and then new ones as they are written, by any process.

        Never ends by itself; holds at most a thousand entries at a time. Raises as `read`.
        """
        return self._tail(seq_of(after), kinds)

    async def cursor(self, consumer: str) -> Cursor:
        """How far a consumer has come; the beginning when it never moved."""
        rows = await self._rows("SELECT seq FROM consumer WHERE name = ?", consumer)
        return cursor_of(rows[0][0] if rows else 0)

    async def end(self) -> Cursor:
        """The place after the last entry."""
        return cursor_of((await self._rows(_END))[0][0])

    async def resume_points(self) -> dict[str, str]:
        """For each source, where its newest observation says that it would go on."""
        return dict(await self._rows("SELECT source, place FROM resume"))

    async def load_state(self, name: str) -> bytes | None:
        """The state kept under a name, None where there is none."""
        rows = await self._rows("SELECT data FROM state WHERE name = ?", name)
        return rows[0][0] if rows else None

    async def stats(self) -> Stats:
        """How large the journal is; costs next to nothing."""
        return await self._readers.run(lambda connection: upkeep.measure(connection, self.path))

    async def check(self) -> list[str]:
        """What is wrong with the file, in words; empty when all is well. Reads all of it."""
        return await asyncio.to_thread(upkeep.check, self.path)

    async def backup(self, target: Path) -> None:
        """Copies the journal as it is now into one file, while it is written to.

        The file is there when it is complete, in place of one that was there. Raises ValueError when `target`
        is the journal itself, JournalFull, JournalReadOnly or JournalError when it can't be written.
        """
        await asyncio.to_thread(upkeep.backup, self.path, target)

    # --- within ---

    async def _append(self, events: Sequence[Event], move: Move | None) -> list[Entry]:
        rows: list[Row] = [(event.at_ns, kind_of(event), event.origin, encode(event)) for event in events]
        resume = {event.source: event.resume for event in events if type(event) is Observation and event.resume}
        first = await self._write(rows, resume=resume, move=move)
        return [Entry(seq, cursor_of(seq), event) for seq, event in enumerate(events, first)]

    async def _write(
        self,
        rows: Sequence[Row] = (),
        *,
        resume: dict[str, str] | None = None,
        move: Move | None = None,
        change: Callable[[sqlite3.Connection], None] | None = None,
    ) -> int:
        if self._closing is not None:
            raise JournalClosed(self.path)
        if self._writer is None:
            raise JournalReadOnly(f"{self.path} was opened to be read only.", path=self.path)
        began_s, retry_s = self._loop.time(), _FIRST_RETRY_S
        while True:
            try:
                first = await self._writer.write(rows, resume=resume, move=move, change=change)
            except JournalFull as error:
                left_s = began_s + self._patience_s - self._loop.time()
                if left_s <= 0:
                    raise
                self._trouble = error
                await asyncio.sleep(min(retry_s, left_s))
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
            else:
                self._trouble = None
                return first

    async def _tail(self, after: int, kinds: Collection[str]) -> AsyncGenerator[list[Entry], None]:
        assert self._watch is not None
        while True:
            news = self._watch.news()
            found, after = await self._readers.run(lambda connection, at=after: _page(connection, at, kinds))
            if found:
                yield found
            if len(found) < _TAIL_LIMIT:
                await self._watch.wait(news)

    async def _rows(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        return await self._readers.run(lambda connection: connection.execute(statement, values).fetchall())

    async def _close(self) -> None:
        try:
            if self._writer is not None:
                await self._writer.close()
            await self._readers.close()
        finally:
            if self._watch is not None:
                self._watch.close()
            if self._lock is not None:
                self._lock.release()


def _page(connection: sqlite3.Connection, after: int, kinds: Collection[str]) -> tuple[list[Entry], int]:
    """The next entries, and the number after which to look for more.

    That number passes over entries of other kinds, so that none is looked at twice.
    """
    end: int = connection.execute(_END).fetchone()[0]  # first: what comes after it is for the next page
    found = entries(connection, Wanted(after, _TAIL_LIMIT, kinds))
    if len(found) == _TAIL_LIMIT:
        return found, found[-1].seq
    return found, max(after, end, found[-1].seq if found else 0)


_Opened = tuple[FileLock | None, sqlite3.Connection | None, sqlite3.Connection]


def _open(path: Path, *, lock: bool, read_only: bool) -> _Opened:
    if read_only:
        return None, None, open_reader(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise translate_os(error, path) from error
    held = FileLock(path.with_name(path.name + ".lock")) if lock else None
    if held is not None:
        held.acquire()
    writing: sqlite3.Connection | None = None
    try:
        writing = open_writer(path)
        return held, writing, open_reader(path)
    except BaseException:
        if writing is not None:
            writing.close()
        if held is not None:
            held.release()
        raise


def _undo(opening: "asyncio.Future[_Opened]") -> None:
    """Frees what was opened for a caller who no longer wants it."""
    if opening.cancelled() or opening.exception() is not None:
        return
    held, *connections = opening.result()
    for connection in connections:
        if connection is not None:
            connection.close()
    if held is not None:
        held.release()


def _run(connection: sqlite3.Connection, statement: str, values: Sequence[str | bytes]) -> None:
    connection.execute(statement, values)
