"""One log file, followed through rotation and truncation. All of it blocks; `log` runs it in threads."""

import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from wakeful.events import Observation
from wakeful.sources.errors import SourceError, SourceForbidden, SourceMissing, translate
from wakeful.sources.lines import Line, LineReader, bundles, encoding_of
from wakeful.sources.place import Place, Trail, decode_places, encode_places, peek, rotated
from wakeful.sources.report import failed, works_again
from wakeful.sources.source import Clock

READ_BYTES = 256 * 1024
STEP_BYTES = 1024 * 1024
"""Read at most so much in one step, so that a backlog of gigabytes stays in bounded memory."""

PARTIAL_S = 5.0
"""A line without an end is told as it is when it has waited so long."""

LINGER_S = 10.0
"""A rotated file is read on for so long: its writer may not have noticed the rotation yet."""

MISSING_S = 5.0
"""A file that was there may be missing for so long before it is said: a rotation takes a moment."""

RETRY_S = 5.0
"""A file that can't be opened is tried again after so long."""

MAX_OPEN = 16
"""Files of one log that are open at a time."""

MAX_SEEN = 200
"""Former files of one log that are remembered as told."""


@dataclass(slots=True)
class _Open:
    """An open file.

    trail: what was read of it; place: the end of the last line told
    mtime_ns: when it had last changed when its truncation was checked
    partial_since, rotated_at: when (monotonic) an incomplete line, and its rotation, were seen; 0: not
    """

    file: FileIO
    inode: int
    trail: Trail
    lines: LineReader | None = None
    mtime_ns: int = 0
    partial_since: float = 0.0
    rotated_at: float = 0.0
    place: Place = field(default_factory=lambda: Place(0, 0))


class LogFile:
    """Follows the log at `path`, whichever files bear that name one after the other.

    source: the name of its observations
    from_start: whether lines that are already there are told, when there is no `resume`
    expected: whether it is a failure that the file is missing
    """

    def __init__(
        self,
        path: Path,
        *,
        source: str,
        from_start: bool = False,
        expected: bool = True,
        resume: str = "",
        now_ns: Clock = time.time_ns,
    ) -> None:
        self.path = path
        self._source = source
        self._from_start = from_start
        self._expected = expected
        self._places = decode_places(resume)
        self._now_ns = now_ns
        self._old: list[_Open] = []
        self._current: _Open | None = None
        self._seen: dict[int, Place | None] = {}
        self._begun = False
        self._trouble = ""
        self._missing_since = 0.0
        self._retry_at = 0.0

    @property
    def gone(self) -> bool:
        """Whether the file is missing for a while and nothing of it is left to read."""
        missing = self._missing_since and time.monotonic() - self._missing_since >= MISSING_S
        return bool(missing) and not self._old

    def knows(self, inode: int) -> bool:
        """Whether the file of that number is, or was, read under this log's name."""
        return inode in self._seen or any(each.inode == inode for each in self._all())

    def step(self) -> tuple[list[Observation], bool]:
        """What is new, some megabytes at most, and whether there is more at once."""
        told: list[Observation] = []
        now = time.monotonic()
        try:
            told += self._look(now)
            more = self._read_all(told, now)
        except OSError as error:
            self._places = [each.place for each in self._all()] or self._places
            self.close()
            self._retry_at = now + RETRY_S
            told += self._fails(translate(error, what=str(self.path)))
            more = False
        return told, more

    def close(self) -> None:
        """Closes every file; the next step would begin anew from where this one ended."""
        for each in self._all():
            each.file.close()
        self._old, self._current, self._begun = [], None, False

    def _all(self) -> list[_Open]:
        return [*self._old, self._current] if self._current else self._old

    # Finding the files

    def _look(self, now: float) -> Iterator[Observation]:
        if now < self._retry_at:
            return
        try:
            about = self.path.stat()
            if not stat.S_ISREG(about.st_mode):
                what = "is a directory" if stat.S_ISDIR(about.st_mode) else "not a regular file"
                raise SourceForbidden(what, hint=f"Name a file, or {self.path}/*.log for the files in a folder.")
            if not self._begun:
                self._begin(now)
            elif self._current is None:
                self._current = self._open(self.path, 0)
            else:
                yield from self._check_truncation(now)
                if about.st_ino != self._current.inode:
                    self._rotate(now)
        except FileNotFoundError as error:
            yield from self._misses(translate(error, what=str(self.path)), now)
        except PermissionError as error:
            self._retry_at = now + RETRY_S
            yield from self._fails(translate(error, what=str(self.path)))
        except SourceForbidden as error:
            self._retry_at = now + RETRY_S
            yield from self._fails(error)
        else:
            self._missing_since = 0.0
            if self._trouble:
                self._trouble = ""
                yield works_again(self._source, at_ns=self._now_ns())

    def _misses(self, error: SourceError, now: float) -> Iterator[Observation]:
        if not self._begun and self._places:
            self._open_former(self._places, now)
        never_there = not self._begun
        self._begun = True
        self._missing_since = self._missing_since or now
        if self._expected and (never_there or now - self._missing_since >= MISSING_S):
            yield from self._fails(error)

    def _fails(self, error: SourceError) -> Iterator[Observation]:
        if self._trouble != error.message:
            self._trouble = error.message
            next_s = 1.0 if isinstance(error, SourceMissing) else RETRY_S
            yield failed(self._source, error, next_try_s=next_s, at_ns=self._now_ns())

    def _begin(self, now: float) -> None:
        current = self._current = self._open(self.path, 0)
        here = [place for place in self._places if self._is_here(place, current)]
        if here:
            self._seek(current, here[-1].offset)
        elif not self._places and not self._from_start:
            self._seek(current, current.file.seek(0, 2))
        self._open_former([place for place in self._places if place not in here], now)
        for path in rotated(self.path):
            self._seen.setdefault(path.stat().st_ino, None)
        self._begun = True

    def _is_here(self, place: Place, opened: _Open) -> bool:
        if not place.offset:
            return place.inode == opened.inode
        return place.is_in(opened.file)

    def _open(self, path: Path, offset: int) -> _Open:
        file = FileIO(path, "rb")
        try:
            about = os.fstat(file.fileno())
            opened = _Open(file, about.st_ino, Trail(file, about.st_ino, 0), mtime_ns=about.st_mtime_ns)
            self._seek(opened, offset)
        except BaseException:
            file.close()
            raise
        return opened

    def _seek(self, opened: _Open, offset: int) -> None:
        encoding, _ = encoding_of(peek(opened.file, 0, 4))
        if encoding.startswith("utf-16"):
            offset -= offset % 2
        opened.file.seek(offset)
        opened.partial_since = 0.0
        opened.lines = LineReader(encoding, offset=offset) if offset else None  # else: when the first bytes come
        opened.trail = Trail(opened.file, opened.inode, offset)
        opened.place = opened.trail.place()

    def _rotate(self, now: float) -> None:
        """Another file bears the name now: the old one is read to its end, and then what came between."""
        old = self._current
        assert old is not None
        new = self._open(self.path, 0)
        old.rotated_at = now
        self._old.append(old)
        self._current = new
        after_ns = os.fstat(old.file.fileno()).st_mtime_ns
        self._open_unseen([p for p in rotated(self.path) if p.stat().st_mtime_ns >= after_ns], now)

    def _check_truncation(self, now: float) -> Iterator[Observation]:
        current = self._current
        assert current is not None
        about = os.fstat(current.file.fileno())
        changed = about.st_mtime_ns != current.mtime_ns
        at = current.file.tell()
        reached = current.trail.place()
        if about.st_size >= at and not (changed and not reached.is_in(current.file)):
            if changed and not reached.offset:  # an empty file may have been filled, copied and emptied
                self._open_former([], now, after_ns=current.mtime_ns)
            current.mtime_ns = about.st_mtime_ns
            return
        if not self._open_former([current.place], now, after_ns=current.mtime_ns) and current.lines:
            yield from self._tell(current, current.lines.flush())
        self._seek(current, 0)
        current.mtime_ns = about.st_mtime_ns

    def _open_former(self, places: Sequence[Place], now: float, *, after_ns: int | None = None) -> bool:
        """Opens, of the rotated files, those that hold a place, and what was rotated after the first of them.

        after_ns: where none holds one, those changed later than this; None: none then
        Returns whether any was opened.
        """
        former, before = rotated(self.path), len(self._old)
        begin: int | None = None
        for index, path in enumerate(former):
            opened = self._open(path, 0)
            held = [place for place in places if self._is_here(place, opened)]
            if not held or self._is_open(opened.inode) or len(self._old) >= MAX_OPEN:
                opened.file.close()
                continue
            begin = index if begin is None else begin
            self._seek(opened, held[-1].offset)
            opened.rotated_at = now
            self._old.append(opened)
        if begin is not None:
            self._open_unseen(former[begin + 1 :], now)
        elif after_ns is not None:
            self._open_unseen([path for path in former if path.stat().st_mtime_ns > after_ns], now)
        return len(self._old) > before

    def _open_unseen(self, paths: Sequence[Path], now: float) -> None:
        for path in paths:
            opened = self._open(path, 0)
            known = self._seen.get(opened.inode)
            seen = opened.inode in self._seen and (known is None or known.is_in(opened.file))
            if seen or self._is_open(opened.inode) or len(self._old) >= MAX_OPEN:
                opened.file.close()
                continue
            opened.rotated_at = now
            self._old.append(opened)

    def _forget_seen(self) -> None:
        while len(self._seen) >= MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    def _is_open(self, inode: int) -> bool:
        return any(each.inode == inode for each in self._all())

    # Reading them

    def _read_all(self, told: list[Observation], now: float) -> bool:
        left = STEP_BYTES
        for each in self._all():
            left = self._read(each, left, told)
            if left <= 0:
                return True
            told += self._tell_stale(each, now)
        for each in [each for each in self._old if now - each.rotated_at >= LINGER_S]:
            if each.lines:
                told += self._tell(each, each.lines.flush())
            self._old.remove(each)
            self._forget_seen()
            self._seen[each.inode] = each.place
            each.file.close()
        return False

    def _read(self, opened: _Open, budget: int, told: list[Observation]) -> int:
        """Reads up to `budget` bytes; what is left of it (0 or less: the end was not reached)."""
        while budget > 0:
            at = opened.file.tell()
            data = opened.file.read(READ_BYTES)
            if not data:
                return budget
            opened.trail.read(data)
            if opened.lines is None:
                encoding, skip = encoding_of(data)
                opened.lines = LineReader(encoding, offset=at + skip)
                data = data[skip:]
            told += self._tell(opened, opened.lines.feed(data))
            budget -= len(data) + 1
        return budget

    def _tell_stale(self, opened: _Open, now: float) -> Iterator[Observation]:
        lines = opened.lines
        if lines is None or not lines.partial:
            opened.partial_since = 0.0
        elif not opened.partial_since:
            opened.partial_since = now
        elif now - opened.partial_since >= PARTIAL_S:
            opened.partial_since = 0.0
            yield from self._tell(opened, lines.flush())

    def _tell(self, opened: _Open, lines: Sequence[Line]) -> Iterator[Observation]:
        if not lines:
            return
        at_ns = self._now_ns()
        for bundle in bundles(lines, size=lambda line: len(line.text)):
            opened.place = opened.trail.place(bundle[-1].end)
            yield Observation(
                at_ns=at_ns,
                source=self._source,
                form="lines",
                text="\n".join(line.text for line in bundle),
                attrs={"path": str(self.path)},
                count=len(bundle),
                resume=encode_places([each.place for each in self._all()]),
            )
