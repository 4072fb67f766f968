"""One mind per journal: a lock that the operating system frees however the process ends."""

import os
import sys
import time
from pathlib import Path
from typing import IO

from wakeful.journal.errors import JournalLocked, JournalReadOnly


class MindLock:
    """Held by the process that thinks on a journal; a reader needs none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Takes the lock; raises JournalLocked when another process has it, saying which and since when."""
        try:
            file = open(self._path, "a+", encoding="utf-8")  # noqa: SIM115 (held as long as the journal is)
        except OSError as error:
            raise JournalReadOnly(
                f"{self._path} can't be written: {error.strerror}.", path=self._path, hint="Check its folder."
            ) from error
        try:
            _lock(file)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise JournalLocked(
                f"Another mind is awake on this journal: {holder}.",
                path=self._path,
                hint="Stop it first, or give this one another folder with WAKEFUL_HOME.",
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Gives the lock back; does nothing where it isn't held."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        # One byte far beyond the text, so that others can still read who holds it.
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
