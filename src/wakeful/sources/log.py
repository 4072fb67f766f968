"""Log files: a path, or a pattern whose files come and go."""

import asyncio
import fnmatch
import glob
import os
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from wakeful.events import Observation
from wakeful.sources.errors import SourceMissing
from wakeful.sources.logfile import LogFile
from wakeful.sources.place import PACKED, is_rotation
from wakeful.sources.report import failed, works_again
from wakeful.sources.source import Clock, places

POLL_S = 0.5
"""How often files are looked at: a `stat` costs microseconds and works everywhere, network disks included."""

GLOB_S = 3.0
"""How often a pattern is matched anew."""

MAX_FILES = 500
"""Files of one pattern."""

_WILD = frozenset("*?[")


class LogSource:
    """The lines that are written to log files.

    path: a file, which may come later, or a pattern (`/var/log/*.log`, `**` for folders below)
    from_start: whether lines that are there already are told on the very first start
    name: of the observations of a single file; a pattern's files are always named `log:PATH`

    One observation is a line, or in a burst a block of up to 1000 lines. A line is told within a second of
    its end; one of more than 64 KiB is cut, visibly. After a restart it goes on at the line where it was,
    also when the file was rotated meanwhile (unless the rotated file was packed or deleted).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        from_start: bool = False,
        name: str = "",
        poll_s: float = POLL_S,
        now_ns: Clock = time.time_ns,
    ) -> None:
        self._path = os.path.abspath(os.path.expanduser(path))
        self._pattern = any(mark in _WILD for mark in self._path) and not os.path.exists(self._path)
        self.name = name or f"log:{self._path}"
        self._from_start = from_start
        self._poll_s = poll_s
        self._now_ns = now_ns

    def speaks_as(self, origin: str) -> bool:
        """Whether the name is this source's, or that of a file which the pattern matches."""
        if not self._pattern:
            return origin == self.name
        return fnmatch.fnmatch(origin, "log:" + self._path.replace("/**/", "/*"))

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """Lines from `resume` on, or from the end of the files; never ends."""
        follower = _Follower(self._path, self._pattern, self.name, self._from_start, places(resume), self._now_ns)
        try:
            while True:
                told, more = await asyncio.to_thread(follower.step)
                for observation in told:
                    yield observation
                if not more:
                    await asyncio.sleep(self._poll_s)
        finally:
            follower.close()


class _Follower:
    """All files of one source. `step` blocks and runs in a thread; `close` may be called beside it."""

    def __init__(
        self, path: str, pattern: bool, name: str, from_start: bool, points: dict[str, str], now_ns: Clock
    ) -> None:
        self._path, self._pattern, self._name = path, pattern, name
        self._from_start = from_start
        self._points = points
        self._now_ns = now_ns
        self._files: dict[str, LogFile] = {}
        self._match_at = 0.0
        self._lacking = False
        self._lock = threading.Lock()
        self._closed = False

    def step(self) -> tuple[list[Observation], bool]:
        with self._lock:
            try:
                return self._step()
            finally:
                if self._closed:
                    self._close_files()

    def close(self) -> None:
        """Closes all files, at once or when the step under way has ended."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._close_files()
            finally:
                self._lock.release()

    def _step(self) -> tuple[list[Observation], bool]:
        self._match()
        told = self._tell_matches()
        more = False
        for path, file in list(self._files.items()):
            new, again = file.step()
            told += new
            more |= again
            if self._pattern and file.gone:
                file.close()
                del self._files[path]
        return told, more

    def _tell_matches(self) -> list[Observation]:
        """Says it once when a pattern matches no file, and once when it does again."""
        if not self._pattern or bool(self._files) != self._lacking:
            return []
        self._lacking = not self._files
        if not self._lacking:
            return [works_again(self._name, at_ns=self._now_ns())]
        error = SourceMissing("no file matches", hint="Files are watched as soon as they match the pattern.")
        return [failed(self._name, error, next_try_s=GLOB_S, at_ns=self._now_ns())]

    def _match(self) -> None:
        if not self._pattern:
            if not self._files:
                self._add(self._path, self._name, self._from_start)
            return
        now = time.monotonic()
        if now < self._match_at:
            return
        first, self._match_at = self._match_at == 0.0, now + GLOB_S
        found = sorted(path for path in glob.iglob(self._path, recursive=True) if _is_log(path))
        names = set(found) | set(self._files)
        for path in found[:MAX_FILES]:
            if path not in self._files and not self._is_former(path, names):
                self._add(path, f"log:{path}", self._from_start or not first)

    def _is_former(self, path: str, names: set[str]) -> bool:
        """Whether it is a rotated version of another file that is followed: its lines were told already."""
        folder, name = os.path.split(path)
        if any(os.path.dirname(other) == folder and is_rotation(name, os.path.basename(other)) for other in names):
            return True
        try:
            inode = os.stat(path).st_ino
        except OSError:  # gone again
            return True
        return any(file.knows(inode) for file in self._files.values())

    def _add(self, path: str, name: str, from_start: bool) -> None:
        self._files[path] = LogFile(
            Path(path),
            source=name,
            from_start=from_start,
            expected=not self._pattern,
            resume=self._points.pop(name, ""),
            now_ns=self._now_ns,
        )

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()


def _is_log(path: str) -> bool:
    return os.path.isfile(path) and not path.endswith(PACKED)
