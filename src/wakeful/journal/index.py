"""What can be rebuilt: a full-text index and counts, in a second file that may be deleted at any time."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self, TypeVar

from wakeful.events import Entry
from wakeful.journal import indexing, search
from wakeful.journal.connection import make_private, statements
from wakeful.journal.errors import JournalBusy, JournalClosed, JournalError, JournalLocked, translate, translate_os
from wakeful.journal.lock import FileLock
from wakeful.journal.postings import Postings
from wakeful.journal.store import Journal
from wakeful.journal.within import Within

T = TypeVar("T")

VERSION = 3
"""Of the index's file; one of another version is built anew."""

_BATCH = 2000
_FOLLOW_EVERY_S = 1.0  # larger batches are cheaper, and `search` does not wait for this
_LAST_RETRY_S = 60.0
_STALE_EVENTS = 100_000
_MAX_ROUNDS = 20
_LOCK_S = 30.0
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ", "SQLITE_READONLY_DBMOVED")


@dataclass(frozen=True, slots=True)
class Tally:
    """How many events of a kind a source gave since the journal began; when the first and last happened."""

    kind: str
    source: str
    events: int
    first_ns: int
    last_ns: int


class JournalIndex:
    """Full-text search over a journal, and counts by kind and source.

    `follow` keeps the file up to date; whoever asks brings it up to date first, so that what was appended is
    found. A file that is missing, damaged or of another version is built anew. Several processes may use it.
    """

    def __init__(self, journal: Journal, path: Path) -> None:
        self._journal = journal
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="wakeful-journal-index")
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._trouble: JournalError | None = None
        self._postings = Postings()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the index's file; may be called twice."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown)
        self._drop()

    @property
    def trouble(self) -> JournalError | None:
        """Why `follow` can't write the index at this moment, None when all is well."""
        return self._trouble

    async def follow(self) -> None:
        """Indexes what is appended, for ever; cancel to stop.

        An index that can't be written (a full disk) is tried again in growing intervals, see `trouble`: the
        journal and the mind do without it.
        """
        retry_s = _FOLLOW_EVERY_S
        while True:
            try:
                await self.catch_up()
                await self._renew()
                place, _ = await self._in_thread(indexing.place)
            except JournalError as error:
                self._trouble = error
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
                continue
            self._trouble, retry_s = None, _FOLLOW_EVERY_S
            async with aclosing(self._journal.tail(place)) as news:
                await anext(news)
            await asyncio.sleep(_FOLLOW_EVERY_S)

    async def catch_up(self, on_progress: Callable[[int], None] | None = None) -> None:
        """Indexes all that the journal holds by now; a missing index is built (a million a minute).

        on_progress: called with the number of events indexed so far
        """
        while True:
            place, indexed = await self._in_thread(indexing.place)
            if on_progress is not None:
                on_progress(indexed)
            entries = await self._journal.read(place, limit=_BATCH)
            if not entries:
                return
            await self._in_thread(lambda db, place=place, entries=entries: indexing.add(db, place, entries))

    async def search(
        self,
        query: str,
        *,
        limit: int = 20,
        kinds: Collection[str] = (),
        since_ns: int | None = None,
        until_ns: int | None = None,
        sources: Collection[str] = (),
        seen: bool | None = None,
    ) -> list[Entry]:
        """Entries that match any of the query's words, best match first.

        Any text is a query; what stands between spaces is searched as one phrase. kinds, sources: only these;
        since_ns, until_ns: only what happened in [since_ns, until_ns); seen: only observations, or (False) all but
            those
        Measurements (form `metrics`) are not found by words. Raises a JournalError.
        """
        if limit <= 0 or not search.phrases(query):
            return []
        await self.catch_up()
        within = Within(kinds, since_ns, until_ns, sources, seen)
        found: list[Entry] = []
        for _ in range(_MAX_ROUNDS):
            seqs = await self._in_thread(lambda db: search.find(db, query, limit, within, self._postings))
            order = {seq: at for at, seq in enumerate(seqs)}
            found = sorted(await self._journal.get(seqs), key=lambda entry: order[entry.seq])
            dropped = order.keys() - {entry.seq for entry in found}
            if not dropped:
                break
            await self._in_thread(lambda db, gone=dropped: indexing.drop(db, gone))  # by retention, since indexed
        return found

    async def _renew(self) -> None:
        """Builds the index anew when more than half of what it holds was dropped from the journal since."""
        _, indexed = await self._in_thread(indexing.place)
        if indexed > 2 * (await self._journal.stats()).events + _STALE_EVENTS:
            await self._in_thread(lambda _: self._rebuild())
            await self.catch_up()

    async def tallies(self) -> list[Tally]:
        """Counts by kind and source, largest first."""
        await self.catch_up()
        await self._renew()
        statement = "SELECT kind, source, events, first_ns, last_ns FROM tally ORDER BY events DESC, kind, source"
        return [Tally(*row) for row in await self._in_thread(lambda db: db.execute(statement).fetchall())]

    async def look_up(self, use: Callable[[sqlite3.Connection], T], *, fresh: bool = True) -> T:
        """What `use` makes of the index's tables (`indexing`), in the index's thread. Raises a JournalError.

        fresh: whether what was appended last has to be there; else it is as old as the last search
        """
        if fresh:
            await self.catch_up()
        return await self._in_thread(use)

    async def forget(self, entries: Collection[Entry]) -> None:
        """Takes entries out of the index, so that none of their words is left in its file.

        Merges all of the full text and rewrites the file: seconds for a million entries.
        """
        await self.catch_up()
        await self._in_thread(lambda db: indexing.forget(db, entries))

    async def _in_thread(self, use: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise JournalClosed(self._path)
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._use, use)

    # --- in the index's thread ---

    def _use(self, use: Callable[[sqlite3.Connection], T]) -> T:
        try:
            try:
                return use(self._opened())
            except sqlite3.DatabaseError as error:
                if _identity(self._path) == self._identity:  # not built anew by another process meanwhile
                    if not _is_damage(error):
                        raise
                    self._rebuild()
                self._drop()
                return use(self._opened())
        except sqlite3.Error as error:
            self._drop()
            raise translate(error, self._path) from error
        except OSError as error:
            self._drop()
            raise translate_os(error, self._path) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and _identity(self._path) != self._identity:
            self._drop()  # it was deleted, or built anew by another process
        if self._connection is None:
            with _alone(self._path):
                self._identity = _identity(self._path)
                self._connection = _open(self._path)
                self._identity = _identity(self._path)
        return self._connection

    def _rebuild(self) -> None:
        self._drop()
        with _alone(self._path):
            if _identity(self._path) == self._identity:
                _delete(self._path)

    def _drop(self) -> None:
        self._postings.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def _alone(path: Path) -> Generator[None]:
    """While one process makes or deletes the index's file, no other does."""
    lock = FileLock(path.with_name(path.name + ".lock"))
    deadline_s = time.monotonic() + _LOCK_S
    while True:
        try:
            lock.acquire()
        except JournalLocked as error:
            if time.monotonic() > deadline_s:
                raise JournalBusy(f"Another process keeps {path} busy.", path=path) from error
            time.sleep(0.01)
        else:
            break
    try:
        yield
    finally:
        lock.release()


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        _delete(path)  # a log that outlived its file would be taken for the new file's
    connection = _connect(path)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, VERSION):
            connection.close()
            _delete(path)
            connection = _connect(path)
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        # It can be rebuilt, so nothing waits for the disk; but a power failure leaves it consistent.
        connection.execute("PRAGMA synchronous = NORMAL")
        _lay_out(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    make_private(path)
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute("PRAGMA cache_size = -16000")  # kilobytes: what common words are in is read again and again
    return connection


def _lay_out(connection: sqlite3.Connection) -> None:
    with indexing.transaction(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return
        script = (resources.files("wakeful.journal") / f"index-{VERSION}.sql").read_text(encoding="utf-8")
        for statement in statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION:d}")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    name: str = getattr(error, "sqlite_errorname", None) or ""
    return name.startswith(_DAMAGE) or "no such table" in str(error)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _delete(path: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
