"""Bytes to lines, whatever the bytes are: in bounded memory, with the place after each line."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

MAX_LINE_BYTES = 64 * 1024
"""What is kept of one line; the rest of it is counted and said to be cut."""

MAX_BLOCK_LINES = 1000
MAX_BLOCK_CHARS = 256 * 1024
"""The size of one observation of a burst: some milliseconds of work for whoever reads it."""

FEW_LINES = 50
"""Up to so many lines that came together are told one by one; more of them are a burst and become blocks."""

T = TypeVar("T")
_NULS = re.compile(rb"\0+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line as text, without its end.

    end: the offset just after the line and its newline, in bytes
    """

    text: str
    end: int


class LineReader:
    """Cuts bytes into lines.

    encoding: a codec's name; what it can't decode becomes U+FFFD
    offset: where in the stream the first bytes fed stand
    max_bytes: what is kept of one line
    """

    def __init__(self, encoding: str = "utf-8", *, offset: int = 0, max_bytes: int = MAX_LINE_BYTES) -> None:
        self.offset = offset
        """Just after the last byte fed."""
        self._encoding = encoding
        self._newline = "\n".encode(encoding)
        self._width = len(self._newline)
        self._max = max_bytes
        self._kept = bytearray()
        self._cut = 0
        self._rest = b""
        self._start = offset

    @property
    def partial(self) -> bool:
        """Whether a line has begun and not ended."""
        return self.offset > self._start

    @property
    def start(self) -> int:
        """Where the line that is not yet complete begins."""
        return self._start

    def feed(self, data: bytes) -> list[Line]:
        """The lines that `data` completes."""
        lines: list[Line] = []
        self.offset += len(data)
        base = self.offset - len(data) - len(self._rest)
        data = self._rest + data
        usable = len(data) - len(data) % self._width
        begin = 0
        while (end := self._find(data, begin, usable)) >= 0:
            self._take(data[begin:end])
            begin = end + self._width
            lines.append(self._finish(base + begin))
        self._take(data[begin:usable])
        self._rest = data[usable:]
        return lines

    def flush(self) -> list[Line]:
        """The incomplete line as if it ended here; nothing where there is none."""
        if not self.partial:
            return []
        self._take(self._rest)
        self._rest = b""
        return [self._finish(self.offset)]

    def _find(self, data: bytes, begin: int, usable: int) -> int:
        at = data.find(self._newline, begin, usable)
        while at % self._width and at >= 0:  # a newline's bytes across two characters of UTF-16
            at = data.find(self._newline, at + 1, usable)
        return at

    def _take(self, piece: bytes) -> None:
        if self._width == 1 and b"\0" in piece:
            # A log truncated under its writer begins with a hole, which reads as gigabytes of NULs.
            piece = _NULS.sub("\N{REPLACEMENT CHARACTER}".encode(self._encoding, "replace"), piece)
        room = max(0, self._max - len(self._kept))
        self._kept += piece[:room]
        self._cut += max(0, len(piece) - room)

    def _finish(self, end: int) -> Line:
        text = self._kept.decode(self._encoding, "replace").removesuffix("\r")
        if self._cut:
            text += f" … [{self._cut} bytes cut]"
        self._kept.clear()
        self._cut, self._start = 0, end
        return Line(text, end)


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding that a file's first bytes announce, and how long the announcement is."""
    if head.startswith(b"\xef\xbb\xbf"):
        return "utf-8", 3
    if head.startswith(b"\xff\xfe"):
        return "utf-16-le", 2
    if head.startswith(b"\xfe\xff"):
        return "utf-16-be", 2
    return "utf-8", 0


def bundles(lines: Sequence[T], *, size: Callable[[T], int], few: int = FEW_LINES) -> Iterator[Sequence[T]]:
    """The lines as observations take them: one by one where they are few, else in blocks.

    size: the characters of a line
    """
    if len(lines) <= few:
        yield from ([line] for line in lines)
        return
    block: list[T] = []
    chars = 0
    for line in lines:
        if block and (len(block) >= MAX_BLOCK_LINES or chars + size(line) > MAX_BLOCK_CHARS):
            yield block
            block, chars = [], 0
        block.append(line)
        chars += size(line) + 1
    yield block
