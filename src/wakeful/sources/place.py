"""A place in a file that may be renamed, truncated or replaced meanwhile."""

import re
import stat
import zlib
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

import msgspec

HEAD_BYTES = 256
TAIL_BYTES = 64
"""What a file is known by: its first bytes, and the last before the place. Inodes alone are used again."""

_ROTATED = re.compile(r"[.\-_]\d[\d.\-_T:]*$")
_DATED = re.compile(r"[.\-_](?:\d[\-_T:]?){6,}")  # six digits at least: app-8080.log is no former app.log
PACKED = (".gz", ".xz", ".bz2", ".zst", ".zip", ".lz4")
"""Endings of files that are logs no longer but archives of them."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where reading goes on in a file, and how to know that file again.

    inode: the file's number on its disk; offset: the next byte
    head_bytes, head: length and CRC-32 of its beginning; tail_bytes, tail: of what stands before `offset`
    """

    inode: int
    offset: int
    head_bytes: int = 0
    head: int = 0
    tail_bytes: int = 0
    tail: int = 0

    def is_in(self, file: FileIO) -> bool:
        """Whether the open file still is the one that this place was in, at least up to here."""
        head = peek(file, 0, self.head_bytes)
        tail = peek(file, self.offset - self.tail_bytes, self.tail_bytes)
        return (len(head), zlib.crc32(head), len(tail), zlib.crc32(tail)) == (
            self.head_bytes,
            self.head,
            self.tail_bytes,
            self.tail,
        )


class Trail:
    """What was read of an open file, as far as places in it are known by it.

    It is kept from the reading itself, since a moment later the file may be truncated and hold something else.
    offset: where reading begins
    """

    def __init__(self, file: FileIO, inode: int, offset: int) -> None:
        self._inode = inode
        self._head = peek(file, 0, min(HEAD_BYTES, offset))
        self._recent = peek(file, max(0, offset - TAIL_BYTES), min(TAIL_BYTES, offset))
        self._end = offset

    def read(self, data: bytes) -> None:
        """Take in the bytes that come next."""
        if self._end < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - self._end]
        self._recent = self._recent[-TAIL_BYTES:] + data
        self._end += len(data)

    def place(self, offset: int | None = None) -> Place:
        """The place at an offset within what was read last; None for the end of it."""
        offset = self._end if offset is None else offset
        head = self._head[:offset]
        stop = len(self._recent) - (self._end - offset)
        tail = self._recent[max(0, stop - TAIL_BYTES) : stop]
        return Place(self._inode, offset, len(head), zlib.crc32(head), len(tail), zlib.crc32(tail))


def encode_places(places: Sequence[Place]) -> str:
    """The places as the short text that observations carry."""
    return msgspec.json.encode(places).decode()


def decode_places(resume: str) -> list[Place]:
    """The places of such a text; none where it is empty or not ours."""
    if not resume:
        return []
    try:
        return msgspec.json.decode(resume, type=list[Place])
    except msgspec.DecodeError:
        return []


def peek(file: FileIO, offset: int, count: int) -> bytes:
    """Up to `count` bytes at `offset`; the file's position stays (`os.pread` is not on every platform)."""
    if count <= 0:
        return b""
    before = file.tell()
    try:
        file.seek(offset)
        return file.read(count) or b""
    finally:
        file.seek(before)


def rotated(path: Path) -> list[Path]:
    """Files beside `path` that look like its former versions, oldest first (`x.log.1`, `x.log-20261120`)."""
    found: list[tuple[int, Path]] = []
    try:
        for beside in path.parent.iterdir():
            if is_rotation(beside.name, path.name):
                about = beside.stat()
                if stat.S_ISREG(about.st_mode):
                    found.append((about.st_mtime_ns, beside))
    except OSError:  # renamed or deleted while we look: the next look finds it
        return [each for _, each in sorted(found)]
    return [each for _, each in sorted(found)]


def is_rotation(name: str, of: str) -> bool:
    """Whether the file name looks like a former version of the file named `of`, not packed."""
    if name.endswith(PACKED) or name == of:
        return False
    stem, dot, suffix = of.rpartition(".")
    if name.startswith(of):
        return _ROTATED.fullmatch(name[len(of) :]) is not None
    inner = name.removeprefix(stem).removesuffix(dot + suffix)  # app-20261120.log for app.log
    around = name.startswith(stem) and name.endswith(dot + suffix)
    return bool(stem) and around and _DATED.fullmatch(inner) is not None
