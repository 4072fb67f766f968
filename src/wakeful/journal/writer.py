"""The one writer: a thread that commits whatever waits in one transaction, and wakes each caller when it is durable."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wakeful.journal.errors import CursorMoved, JournalClosed, JournalError, translate

Row = tuple[int, str, str, bytes]
"""at_ns, kind, source, body."""

MAX_WAITING = 512
"""Batches that may wait; then callers wait for room, which is how a slow disk slows the sources down."""

MAX_GROUP = 64
"""Batches committed in one transaction."""

_INSERT = "INSERT INTO event (at_ns, kind, source, body) VALUES (?, ?, ?, ?)"
_RESUME = "INSERT INTO resume VALUES (?, ?) ON CONFLICT DO UPDATE SET place = excluded.place"
_MOVE = "INSERT INTO consumer VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq"


@dataclass(slots=True)
class Batch:
    """What one caller wants written, all of it or nothing.

    move: consumer, the place it is expected at, the place it goes to
    other: any other statement on the file (retention, states), instead of rows
    """

    rows: Sequence[Row]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[int]
    resume: dict[str, str] = field(default_factory=dict[str, str])
    move: tuple[str, int, int] | None = None
    other: Callable[[sqlite3.Connection], None] | None = None


class Writer:
    """Owns the connection that writes."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection], on_commit: Callable[[], None]) -> None:
        self._path = path
        self._connect = connect
        self._on_commit = on_commit
        self._waiting: queue.Queue[Batch | None] = queue.Queue()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="wakeful-journal", daemon=True)
        self._closed = False

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    async def write(
        self,
        rows: Sequence[Row],
        *,
        resume: dict[str, str] | None = None,
        move: tuple[str, int, int] | None = None,
        other: Callable[[sqlite3.Connection], None] | None = None,
    ) -> int:
        """Writes a batch and returns the number of its first row once it is on the disk.

        Cancelling the caller leaves the batch whole: it is written or it is not. Raises a JournalError.
        """
        if self._closed:
            raise JournalClosed(f"{self._path} is closed.", path=self._path)
        async with self._room:
            loop = asyncio.get_running_loop()
            batch = Batch(rows, loop, loop.create_future(), resume or {}, move, other)
            self._waiting.put(batch)
            return await batch.done

    async def close(self) -> None:
        """Writes what waits, then ends the thread."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        connection = self._connect()
        try:
            ended = False
            while not ended:
                first = self._waiting.get()
                group = [] if first is None else [first]
                ended = first is None
                while len(group) < MAX_GROUP and not ended:
                    try:
                        more = self._waiting.get_nowait()
                    except queue.Empty:
                        break
                    if more is None:
                        ended = True
                    else:
                        group.append(more)
                if group:
                    self._commit(connection, group)
        finally:
            connection.close()

    def _commit(self, connection: sqlite3.Connection, group: list[Batch]) -> None:
        """All batches in one transaction; when that fails, each in its own, so that one can't spoil the others."""
        results = self._attempt(connection, group)
        if isinstance(results, JournalError) and len(group) > 1:
            each = [self._attempt(connection, [batch]) for batch in group]
            outcomes = [outcome if isinstance(outcome, JournalError) else outcome[0] for outcome in each]
        else:
            outcomes = [results] * len(group) if isinstance(results, JournalError) else results
        if any(isinstance(outcome, int) for outcome in outcomes):
            self._on_commit()
        for batch, outcome in zip(group, outcomes, strict=True):
            with contextlib.suppress(RuntimeError):  # the caller's event loop is gone
                batch.loop.call_soon_threadsafe(_settle, batch.done, outcome)

    def _attempt(
        self, connection: sqlite3.Connection, group: list[Batch]
    ) -> list[int | CursorMoved] | JournalError:
        try:
            connection.execute("BEGIN IMMEDIATE")
            firsts = [self._apply(connection, batch) for batch in group]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):  # the first error tells more
                    connection.execute("ROLLBACK")
            return translate(error, self._path)
        return firsts

    def _apply(self, connection: sqlite3.Connection, batch: Batch) -> int | CursorMoved:
        if batch.move is not None:
            consumer, expected, goal = batch.move
            row = connection.execute("SELECT seq FROM consumer WHERE name = ?", (consumer,)).fetchone()
            if (row[0] if row else 0) != expected:
                return CursorMoved(
                    f"{consumer} stands at {row[0] if row else 0}, not at {expected}.", path=self._path
                )
            connection.execute(_MOVE, (consumer, goal))
        if batch.other is not None:
            batch.other(connection)
        if not batch.rows:
            return 0
        connection.executemany(_INSERT, batch.rows)
        if batch.resume:
            connection.executemany(_RESUME, batch.resume.items())
        last: int = connection.execute("SELECT last_insert_rowid()").fetchone()[0]
        return last - len(batch.rows) + 1


def _settle(done: asyncio.Future[int], outcome: int | JournalError) -> None:
    if done.done():
        return
    if isinstance(outcome, JournalError):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
