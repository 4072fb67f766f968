"""What a journal can't do.

JournalError
├── JournalLocked     another mind has it
├── JournalFull       no space: nothing was written, and writing goes on when there is space again
├── JournalReadOnly   the file or its disk can't be written
├── JournalCorrupt    the file is damaged, no journal, or of a newer version
├── JournalClosed     it was closed (a mistake in the program)
└── CursorMoved       another reader of the same name was faster
"""

import sqlite3
from pathlib import Path

from wakeful.events import WakefulError


class JournalError(WakefulError):
    """The journal can't do what was asked; `path` is its file."""

    def __init__(self, message: str, *, path: Path, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class JournalLocked(JournalError):
    """Another mind writes to this journal."""


class JournalFull(JournalError):
    """There is no space for more; what was acknowledged is safe."""


class JournalReadOnly(JournalError):
    """The journal can be read but not written."""


class JournalCorrupt(JournalError):
    """The file can't be read as a journal."""


class JournalClosed(JournalError):
    """The journal is closed."""


class CursorMoved(JournalError):
    """The consumer's place was not where it was expected; nothing was written."""


def translate(error: sqlite3.Error, path: Path) -> JournalError:
    """SQLite's error as one of ours."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL") or "disk is full" in str(error):
        return JournalFull(
            f"There is no space left for {path}.",
            path=path,
            hint="Free some space; nothing is lost and writing goes on by itself.",
        )
    if name.startswith("SQLITE_READONLY") or name in ("SQLITE_PERM", "SQLITE_AUTH"):
        return JournalReadOnly(
            f"{path} can't be written.", path=path, hint="Check its rights, and whether its disk is read-only."
        )
    if name.startswith("SQLITE_CANTOPEN"):
        return JournalError(
            f"{path} can't be opened.", path=path, hint="Check that its folder exists and can be written."
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return JournalCorrupt(
            f"{path} is damaged or no journal ({error}).",
            path=path,
            hint="Move it away, or restore a backup; `sqlite3 FILE .recover` may save what is left.",
        )
    return JournalError(f"{path}: {error}.", path=path, hint="Trying again may help; see the disk's health.")
