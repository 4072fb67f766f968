"""Connections to the journal's file, and its versions."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from wakeful.journal.errors import JournalCorrupt, JournalMissing, JournalTooNew, translate

SCHEMA = 1
"""Version of the file that this program writes; `schema-N.sql` leads from version N - 1 to N."""

APPLICATION_ID = int.from_bytes(b"WAKE", "big")
"""Marks the file as a journal, so that another program's file is not taken for one."""

_SMALLEST_BYTES = 512  # of a database: one page of the smallest size
_MOVE_AWAY = "Move it away, or give another folder with WAKEFUL_HOME."
_BUSY_MS = 10_000
_CHECKPOINT_PAGES = 4000  # 16 MB: seldom enough to be cheap, often enough to keep the log small
_MAX_LOG_BYTES = 64 * 2**20


def open_writer(path: Path) -> sqlite3.Connection:
    """The connection that writes; makes the file, and brings it to this program's version.

    Raises JournalCorrupt, JournalTooNew, JournalReadOnly, JournalFull, JournalBusy or JournalError.
    """
    _look_at(path)
    make_private(path)
    try:
        connection = _connect(path, "rwc")
        try:
            _migrate(connection, path)
            # An acknowledged event survives a power failure; macOS needs to be asked twice.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute("PRAGMA checkpoint_fullfsync = ON")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES:d}")
            connection.execute(f"PRAGMA journal_size_limit = {_MAX_LOG_BYTES:d}").fetchall()
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise translate(error, path) from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that reads, which any number of processes may have at any time.

    Raises JournalMissing, JournalCorrupt, JournalTooNew or JournalError.
    """
    if not path.exists():
        raise JournalMissing(path)
    _look_at(path)
    try:
        # Not `mode=ro`: such a connection can't read what a killed mind left in the write-ahead log.
        return _checked(_connect(path, "rw"), path)
    except sqlite3.Error as error:
        if not _is_alone(path):
            raise translate(error, path) from error
    try:
        # On a read-only disk SQLite can't share the log's index; where there is no log, none is needed.
        return _checked(_connect(path, "ro&immutable=1"), path)
    except sqlite3.Error as error:
        raise translate(error, path) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False, isolation_level=None
    )
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS:d}")
    return connection


def _look_at(path: Path) -> None:
    """Refuses what is no database: SQLite takes a file of a few bytes for an empty one, and overwrites it.

    By its size alone: opening and closing the file here would free every lock that SQLite holds on it for this
    process (POSIX), and another process would then take away the log that this one writes to.
    Source: sqlite.org/howtocorrupt.html, section 2.2.
    """
    with contextlib.suppress(OSError):  # opening will say what is to be said
        if path.is_file() and 0 < path.stat().st_size < _SMALLEST_BYTES:
            raise JournalCorrupt(f"{path} is no journal but something else.", path=path, hint=_MOVE_AWAY)


def _checked(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA query_only = ON")
        if _version(connection, path) == 0:
            raise JournalMissing(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_alone(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    with contextlib.suppress(FileNotFoundError):
        return log.stat().st_size == 0
    return True


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The file's version, 0 for an empty file. Raises JournalCorrupt when it is something else's file."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if application != APPLICATION_ID and (version or application or tables):
        raise JournalCorrupt(f"{path} is no journal of Wakeful.", path=path, hint=_MOVE_AWAY)
    if version > SCHEMA:
        raise JournalTooNew(path, version=version, known=SCHEMA)
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection, path) == 0:
        # Pages that retention frees go back to the file system; must be said before there is a table.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if _version(connection, path) == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    for version in range(_version(connection, path) + 1, SCHEMA + 1):
        script = (resources.files("wakeful.journal") / f"schema-{version}.sql").read_text(encoding="utf-8")
        for statement in statements(script):  # executescript would commit what it finds open
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version:d}")
    connection.execute("COMMIT")


def make_private(path: Path) -> None:
    """Makes an empty file that only its owner can read, where there is none: logs hold secrets."""
    with contextlib.suppress(OSError):  # SQLite, which opens it next, says what is wrong
        # Only a file that is new is opened: closing one frees the locks that this process has on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def statements(script: str) -> Iterator[str]:
    """The statements of an SQL file."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
