"""A lock between processes, which the operating system frees however its holder ends: one mind per journal."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from wakeful.journal.errors import JournalLocked, translate_os


class FileLock:
    """A file that one process at a time can hold."""

    def __init__(self, path: Path, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._now_ns = now_ns
        self._file: int | None = None

    def acquire(self) -> None:
        """Takes the lock.

        Does not wait. Raises JournalLocked when another has it, saying which process and since when;
        JournalReadOnly, JournalFull or JournalError when the lock's file can't be made.
        """
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise translate_os(error, self._path) from error
        try:
            _lock(file)
        except OSError as error:
            pid, since_ns = _holder(file)
            os.close(file)
            raise JournalLocked(self._path, pid=pid, since_ns=since_ns) from error
        self._file = file
        self._say(f"{os.getpid()} {self._now_ns()}\n")

    def release(self) -> None:
        """Gives the lock back; does nothing where it isn't held."""
        file = self._file
        if file is not None:
            self._say("")
            self._file = None
            os.close(file)

    def _say(self, text: str) -> None:
        """Writes who holds the lock. On a full disk nobody can say so, and the lock holds all the same."""
        assert self._file is not None
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, text.encode("ascii"))


def _holder(file: int) -> tuple[int, int]:
    try:
        pid, since_ns = os.read(file, 100).split()
        return int(pid), int(since_ns)
    except (OSError, ValueError):  # written by a mind that had no space for it, or just being written
        return 0, 0


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        # One byte far beyond the text, so that others can still read who holds it.
        os.lseek(file, 1 << 30, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
