"""What a journal can't do.

JournalError
├── JournalMissing    there is none to read
├── JournalLocked     another mind has it
├── JournalBusy       another process writes to it for too long
├── JournalFull       no space: nothing was written, and writing goes on when there is space again
├── JournalReadOnly   the file or its disk can't be written
├── JournalCorrupt    the file is damaged or no journal
├── JournalTooNew     a newer Wakeful wrote it
├── JournalClosed     it was closed (a mistake in the program)
└── CursorMoved       another reader of the same name was faster
"""

import errno
import os
import sqlite3
import time
from pathlib import Path

from wakeful.events import Cursor, WakefulError


class JournalError(WakefulError):
    """The journal can't do what was asked; `path` is its file."""

    def __init__(self, message: str, *, path: Path, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class JournalMissing(JournalError):
    """There is no journal at this place."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"There is no journal at {path}.", path=path, hint="`wakeful run` begins one.")


class JournalLocked(JournalError):
    """Another mind writes to this journal.

    pid: its process, 0 where it did not say; since_ns: when it took the journal, 0 where it did not say
    """

    def __init__(self, path: Path, *, pid: int = 0, since_ns: int = 0) -> None:
        who = f"process {pid}" if pid else "another process"
        since = time.strftime(" since %Y-%m-%d %H:%M:%S UTC", time.gmtime(since_ns // 10**9)) if since_ns else ""
        super().__init__(
            f"Another mind is awake on this journal: {who}{since} ({path}).",
            path=path,
            hint="Stop it first, or give this one another folder with WAKEFUL_HOME.",
        )
        self.pid = pid
        self.since_ns = since_ns


class JournalBusy(JournalError):
    """Another process was writing for longer than one waits; trying again may help."""


class JournalFull(JournalError):
    """There is no space for more; what was acknowledged is safe."""


class JournalReadOnly(JournalError):
    """The journal can be read but not written."""


class JournalCorrupt(JournalError):
    """The file can't be read as a journal."""


class JournalTooNew(JournalError):
    """A newer Wakeful wrote the file.

    version: of the file; known: the newest version that this program reads
    """

    def __init__(self, path: Path, *, version: int, known: int) -> None:
        super().__init__(
            f"{path} was written by a newer Wakeful (version {version}, {known} is known here).",
            path=path,
            hint="Update Wakeful, or give this one another folder with WAKEFUL_HOME.",
        )
        self.version = version
        self.known = known


class JournalClosed(JournalError):
    """The journal is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is closed.", path=path)


class CursorMoved(JournalError):
    """The consumer's place was not where it was expected; nothing was written.

    consumer: its name; expected: where the caller thought it was; actual: where it is
    """

    def __init__(self, path: Path, *, consumer: str, expected: Cursor, actual: Cursor) -> None:
        super().__init__(
            f"{consumer!r} was expected at {expected or 'the beginning'!s} of the journal and is at "
            f"{actual or 'the beginning'!s}.",
            path=path,
            hint="Something else consumes under the same name.",
        )
        self.consumer = consumer
        self.expected = expected
        self.actual = actual


# How SQLite says that the operating system took no more: a quota (EDQUOT) or a limit on the size of files
# (EFBIG) are reported as failed writes, and memory shared between readers needs a little space as well.
_NO_SPACE = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_IOERR_SHORT_READ")


def translate(error: sqlite3.Error, path: Path) -> JournalError:
    """SQLite's error as one of ours."""
    name: str = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(_NO_SPACE):
        return _read_only(path) if _on_read_only_disk(path) else _full(path)
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return _read_only(path)
    if name.startswith(_DAMAGED):
        return JournalCorrupt(
            f"{path} is damaged or no journal ({error}).",
            path=path,
            hint="Move it away, or restore a backup; `sqlite3 FILE .recover` may save what is left.",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JournalBusy(f"Another process keeps {path} busy.", path=path, hint="Try again.")
    if name.startswith("SQLITE_CANTOPEN"):
        return _read_only(path) if _on_read_only_disk(path) else _no_file(path)
    return JournalError(f"{path}: {error}.", path=path, hint="Trying again may help; see the disk's health.")


def translate_os(error: OSError, path: Path) -> JournalError:
    """The operating system's error as one of ours."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _full(path)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return _read_only(path)
    return JournalError(f"{path}: {error.strerror or error}.", path=path)


def _full(path: Path) -> JournalFull:
    return JournalFull(
        f"There is no space left for {path}.",
        path=path,
        hint="Free some space; what was written is safe, and writing goes on when there is space.",
    )


def _read_only(path: Path) -> JournalReadOnly:
    return JournalReadOnly(
        f"{path} can't be written.",
        path=path,
        hint="Check the rights of the file and its folder, and whether its disk is read-only.",
    )


def _no_file(path: Path) -> JournalError:
    return JournalError(f"{path} can't be opened.", path=path, hint="Check that its folder exists and may be entered.")


def _on_read_only_disk(path: Path) -> bool:
    if not hasattr(os, "statvfs"):  # Windows
        return False
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False
