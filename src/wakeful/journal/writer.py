"""The one writer: a thread that commits whatever waits at once, and wakes each caller when it is durable."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wakeful.journal.cursors import cursor_of
from wakeful.journal.errors import CursorMoved, JournalClosed, translate

Row = tuple[int, str, str, bytes]
"""at_ns, kind, source, body."""

MAX_WAITING_ROWS = 20_000
"""Events that may wait; then callers wait for room, which is how a slow disk slows the sources down."""

MAX_GROUP_ROWS = 10_000
"""Events committed in one transaction (a single larger batch has its own)."""

_INSERT = "INSERT INTO event (at_ns, kind, source, body) VALUES (?, ?, ?, ?)"
_RESUME = "INSERT INTO resume VALUES (?, ?) ON CONFLICT DO UPDATE SET place = excluded.place"
_MOVE = "INSERT INTO consumer VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq"


@dataclass(frozen=True, slots=True)
class Move:
    """A consumer's step: from the number where it is expected to the number where it goes."""

    consumer: str
    expected: int
    goal: int


@dataclass(slots=True)
class _Batch:
    rows: Sequence[Row]
    resume: Mapping[str, str]
    move: Move | None
    change: Callable[[sqlite3.Connection], None] | None
    done: asyncio.Future[int]

    @property
    def size(self) -> int:
        return len(self.rows) + 1


class Writer:
    """Owns the connection that writes, and closes it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, on_commit: Callable[[], None]) -> None:
        self._path = path
        self._connection = connection
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._waiting_rows = 0
        self._room = asyncio.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="wakeful-journal", daemon=True)
        self._thread.start()

    async def write(
        self,
        rows: Sequence[Row],
        *,
        resume: Mapping[str, str] | None = None,
        move: Move | None = None,
        change: Callable[[sqlite3.Connection], None] | None = None,
    ) -> int:
        """Writes a batch and returns the number of its first row once it is on the disk.

        change: anything else to be done in the same transaction (states, retention)
        Cancelling the caller leaves the batch whole: it is written or it is not. Raises a JournalError, or
        what SQLite's driver says of a value that it can't store.
        """
        while self._waiting_rows >= MAX_WAITING_ROWS and not self._closed:
            self._room.clear()
            await self._room.wait()
        if self._closed:
            raise JournalClosed(self._path)
        batch = _Batch(rows, resume or {}, move, change, self._loop.create_future())
        self._waiting_rows += batch.size
        self._queue.put(batch)
        return await batch.done

    async def close(self) -> None:
        """Writes what waits, then ends the thread and closes the connection."""
        if not self._closed:
            self._closed = True
            self._room.set()
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    # --- in the loop's thread ---

    def _settle(self, group: list[_Batch], outcomes: list[int | Exception]) -> None:
        if any(isinstance(outcome, int) for outcome in outcomes):
            self._on_commit()
        for batch, outcome in zip(group, outcomes, strict=True):
            self._waiting_rows -= batch.size
            if batch.done.done():  # its caller was cancelled
                continue
            if isinstance(outcome, Exception):
                batch.done.set_exception(outcome)
            else:
                batch.done.set_result(outcome)
        if self._waiting_rows < MAX_WAITING_ROWS:
            self._room.set()

    # --- in the writer's thread ---

    def _run(self) -> None:
        ended = False
        with contextlib.closing(self._connection):
            while not ended:
                group, ended = self._next_group()
                if group:
                    outcomes = self._commit(group)
                    with contextlib.suppress(RuntimeError):  # the event loop is gone, and with it the callers
                        self._loop.call_soon_threadsafe(self._settle, group, outcomes)

    def _next_group(self) -> tuple[list[_Batch], bool]:
        """Waits for a batch and takes those behind it too; True when the writer is to end after them."""
        group: list[_Batch] = []
        size = 0
        batch = self._queue.get()
        while batch is not None:
            group.append(batch)
            size += batch.size
            if size >= MAX_GROUP_ROWS:
                return group, False
            try:
                batch = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, group: list[_Batch]) -> list[int | Exception]:
        """All batches in one transaction; when that fails, each in its own: one can't spoil the others."""
        outcomes = self._attempt(group)
        if isinstance(outcomes, list):
            return outcomes
        if len(group) == 1:
            return [outcomes]
        each = [self._attempt([batch]) for batch in group]
        return [outcome[0] if isinstance(outcome, list) else outcome for outcome in each]

    def _attempt(self, group: list[_Batch]) -> list[int | Exception] | Exception:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._apply(connection, batch) for batch in group]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            return translate(error, self._path)
        except Exception as error:  # a fence: one caller's unusable value must not end the writer for all
            self._roll_back()
            return error
        return outcomes

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the first error tells more
                self._connection.execute("ROLLBACK")

    def _apply(self, connection: sqlite3.Connection, batch: _Batch) -> int | Exception:
        """Writes one batch; an exception that is returned, not raised, spoils nothing of the transaction."""
        if batch.move is not None:
            consumer, expected, goal = batch.move.consumer, batch.move.expected, batch.move.goal
            row = connection.execute("SELECT seq FROM consumer WHERE name = ?", (consumer,)).fetchone()
            actual: int = row[0] if row else 0
            if actual != expected:
                return CursorMoved(
                    self._path, consumer=consumer, expected=cursor_of(expected), actual=cursor_of(actual)
                )
            connection.execute(_MOVE, (consumer, goal))
        if batch.change is not None:
            batch.change(connection)
        if not batch.rows:
            return 0
        connection.executemany(_INSERT, batch.rows)
        last: int = connection.execute("SELECT last_insert_rowid()").fetchone()[0]
        if batch.resume:
            connection.executemany(_RESUME, batch.resume.items())
        return last - len(batch.rows) + 1
