"""The vectors of what can be remembered, in a file that can be rebuilt, and their codes in memory.

Not `sqlite-vec`, for two reasons. It compares every vector with the query, which for a million of 768 numbers takes
far longer than a recall may. And Python's own SQLite loads no extensions where it was built without that, as many are.
"""

import asyncio
import contextlib
import secrets
import sqlite3
from array import array
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, Self, TypeVar

from wakeful.events import Cursor
from wakeful.journal import JournalClosed, JournalCorrupt
from wakeful.journal.connection import make_private, statements
from wakeful.journal.errors import translate
from wakeful.journal.indexing import transaction
from wakeful.memory.codes import Codes, numpy

T = TypeVar("T")

VERSION = 1
"""Of the file; one of another version is built anew."""

_EXACT = 200
"""Vectors that are compared exactly, at least; more where more are asked for."""

_LOADED = 20_000  # codes read at a time


class Vectors:
    """Vectors by the numbers of their entries. One model's at a time; another one's take their place.

    Needs numpy (the extra `vectors`). Several processes may use one file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="wakeful-vectors")
        self._connection: sqlite3.Connection | None = None
        self._codes: Codes | None = None
        self._generation = -1
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the file; may be called twice."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown)
        self._drop()

    async def begin(self, model: str) -> Cursor:
        """How far the journal has been embedded by this model. Another model's vectors are dropped first."""
        return await self._in_thread(lambda db: self._begin(db, model))

    async def add(
        self, model: str, seqs: Sequence[int], vectors: "Sequence[array[float]]", begin: Cursor, place: Cursor
    ) -> None:
        """Keeps the vectors of these entries, and that the journal is embedded from `begin` up to `place`.

        Does nothing where another process was faster, or has changed the model. A model whose vectors have another
        length than before is another one: all are dropped, and embedding has to begin anew.
        """
        await self._in_thread(lambda db: _add(db, model, seqs, vectors, begin, place))

    async def search(
        self, model: str, query: "array[float]", limit: int, *, only: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """Numbers of the entries whose vectors are nearest, nearest first, with the cosine of the angle.

        only: among these entries; None for all. None are found where the vectors are another model's.
        """
        return await self._in_thread(lambda db: self._search(db, model, query, limit, only))

    async def model(self) -> str:
        """Whose vectors these are, "" where there are none yet."""
        return await self._in_thread(lambda db: str(db.execute("SELECT model FROM place").fetchone()[0]))

    async def count(self) -> int:
        """How many vectors there are."""
        return await self._in_thread(lambda db: int(db.execute("SELECT count(*) FROM code").fetchone()[0]))

    async def forget(self, seqs: Collection[int]) -> None:
        """Takes the vectors of these entries out, so that none of their bytes is left in the file."""
        await self._in_thread(lambda db: _forget(db, seqs))

    async def _in_thread(self, use: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise JournalClosed(self._path)
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._use, use)

    # --- in the vectors' thread ---

    def _use(self, use: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = _open(self._path)
            return use(self._connection)
        except sqlite3.Error as error:
            self._drop()
            problem = translate(error, self._path)
            if isinstance(problem, JournalCorrupt):  # it can be rebuilt; the next one finds an empty file
                _delete(self._path)
            raise problem from error

    def _drop(self) -> None:
        self._codes, self._generation = None, -1
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _begin(self, db: sqlite3.Connection, model: str) -> Cursor:
        known, cursor = db.execute("SELECT model, cursor FROM place").fetchone()
        if known == model:
            return Cursor(cursor)
        with transaction(db):
            _reset(db, model)
        return Cursor("")

    def _search(
        self, db: sqlite3.Connection, model: str, query: "array[float]", limit: int, only: Sequence[int] | None
    ) -> list[tuple[int, float]]:
        known, dims, generation = db.execute("SELECT model, dims, generation FROM place").fetchone()
        if known != model or not dims or len(query) != dims:
            return []
        codes = self._loaded(db, dims, generation)
        np = numpy()
        wanted = np.frombuffer(query, np.float32)
        wanted = wanted / (np.linalg.norm(wanted) or 1.0)
        candidates = max(_EXACT, 2 * limit)
        near = codes.nearest(wanted, candidates) if only is None else codes.nearest_of(wanted, only, candidates)
        marks = ", ".join(map(str, sorted(near)))
        rows = db.execute(f"SELECT id, vector FROM exact WHERE id IN ({marks})").fetchall()  # noqa: S608
        if not rows:  # all of them were forgotten meanwhile
            return []
        whole = np.frombuffer(b"".join(vector for _, vector in rows), np.uint8).reshape(len(rows), 4 + dims)
        scales = whole[:, :4].copy().view(np.float32)[:, 0]
        cosines = (whole[:, 4:].view(np.int8).astype(np.float32) @ wanted) * scales
        best = np.argsort(-cosines, kind="stable")[:limit]
        return [(near[rows[at][0]], float(cosines[at])) for at in best]

    def _loaded(self, db: sqlite3.Connection, dims: int, generation: int) -> Codes:
        """The codes as the file holds them now: another process may have added some."""
        if self._codes is None or self._generation != generation:
            self._codes, self._generation = Codes(dims), generation
        rows = db.execute("SELECT id, seq, code FROM code WHERE id > ? ORDER BY id", (self._codes.last_id,))
        while some := rows.fetchmany(_LOADED):
            ids, seqs, codes = zip(*some, strict=True)
            self._codes.add(ids, seqs, codes)
        return self._codes


def _open(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, VERSION):
            connection.close()
            _delete(path)
            connection = _connect(path)
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = NORMAL")  # nothing waits for the disk: it can be rebuilt
        with transaction(connection):
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                script = (resources.files("wakeful.memory") / f"vectors-{VERSION}.sql").read_text(encoding="utf-8")
                for statement in statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION:d}")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    make_private(path)
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute("PRAGMA cache_size = -8000")  # kilobytes: the inner nodes of a million vectors
    return connection


def _delete(path: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _add(
    db: sqlite3.Connection,
    model: str,
    seqs: Sequence[int],
    vectors: "Sequence[array[float]]",
    begin: Cursor,
    place: Cursor,
) -> None:
    dims = len(vectors[0]) if seqs else 0
    codes, exact = _packed(vectors) if seqs else ([], [])
    with transaction(db):
        known, known_dims, cursor = db.execute("SELECT model, dims, cursor FROM place").fetchone()
        if known != model or cursor != begin:
            return
        if dims and known_dims not in (0, dims):
            _reset(db, model)
            return
        for seq, code, vector in zip(seqs, codes, exact, strict=True):
            row = db.execute(
                "INSERT OR IGNORE INTO code (seq, code) VALUES (?, ?) RETURNING id", (seq, code)
            ).fetchall()
            if row:  # else it was embedded before, as what two events speak of
                db.execute("INSERT INTO exact VALUES (?, ?)", (row[0][0], vector))
        db.execute("UPDATE place SET dims = max(dims, ?), cursor = ?", (dims, place))


def _reset(db: sqlite3.Connection, model: str) -> None:
    db.execute("DELETE FROM code")
    db.execute("DELETE FROM exact")
    fresh = (model, secrets.randbelow(2**62))
    db.execute("UPDATE place SET model = ?, dims = 0, cursor = '', generation = ?", fresh)


def _packed(vectors: "Sequence[array[float]]") -> tuple[list[bytes], list[bytes]]:
    """Each vector's code, and the vector of length 1 in bytes."""
    np: Any = numpy()
    rows = np.stack([np.frombuffer(each, np.float32) for each in vectors])
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    scales = (np.abs(rows).max(axis=1, keepdims=True) / 127).clip(1e-12).astype(np.float32)
    signed = np.rint(rows / scales).astype(np.int8)
    codes = np.packbits(rows > 0, axis=1)
    return (
        [row.tobytes() for row in codes],
        [scale.tobytes() + row.tobytes() for scale, row in zip(scales, signed, strict=True)],
    )


def _forget(db: sqlite3.Connection, seqs: Collection[int]) -> None:
    db.execute("PRAGMA secure_delete = ON").fetchone()
    with transaction(db):
        for seq in seqs:
            for (row,) in db.execute("DELETE FROM code WHERE seq = ? RETURNING id", (seq,)).fetchall():
                db.execute("DELETE FROM exact WHERE id = ?", (row,))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
