"""What one container writes: lines with the engine's time stamps, without those already told."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from wakeful.sources.lines import Line, LineReader

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|[+-]00:00) ?")


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """How far a log was told: the newest stamp, and how many lines bore exactly that one."""

    at_ns: int = 0
    lines: int = 0

    @classmethod
    def decode(cls, text: str) -> "Moment":
        """The moment that `str` wrote; the beginning of time where the text is none."""
        at, _, lines = text.partition("/")
        return cls(int(at), int(lines)) if at.isdigit() and lines.isdigit() else cls()

    def __str__(self) -> str:
        return f"{self.at_ns}/{self.lines}"


class ContainerLog:
    """Turns the pieces of a log stream into lines that were not told before.

    told: how far the log was told; the stream should begin there or earlier
    """

    def __init__(self, told: Moment) -> None:
        self._before = told
        self._same = told.lines
        self._now = told
        self._readers = {stream: LineReader() for stream in ("stdout", "stderr", "stdin")}

    def feed(self, pieces: Sequence[tuple[str, bytes]]) -> list[tuple[str, Moment]]:
        """The lines that the pieces complete, each with how far the log is told with it."""
        return [told for stream, piece in pieces for told in self._fresh(self._readers[stream].feed(piece))]

    def flush(self) -> list[tuple[str, Moment]]:
        """Lines that never ended, at the end of the stream."""
        return [told for reader in self._readers.values() for told in self._fresh(reader.flush())]

    def _fresh(self, lines: Sequence[Line]) -> Iterator[tuple[str, Moment]]:
        for line in lines:
            at_ns, text = stamped(line.text)
            if at_ns and at_ns < self._before.at_ns:
                continue
            if at_ns == self._before.at_ns and self._same:
                self._same -= 1
                continue
            if at_ns > self._now.at_ns:
                self._now = Moment(at_ns, 1)
            elif at_ns == self._now.at_ns:
                self._now = Moment(at_ns, self._now.lines + 1)
            yield text, self._now


def stamped(line: str) -> tuple[int, str]:
    """A line's time in nanoseconds since the epoch, 0 where it bears none, and what follows."""
    match = _STAMP.match(line)
    if match is None:
        return 0, line
    seconds = int(datetime.fromisoformat(match[1] + "+00:00").timestamp())
    return seconds * 1_000_000_000 + int((match[2] or "0").ljust(9, "0")), line[match.end() :]


def seconds_of(at_ns: int) -> str:
    """A time as engines take it: seconds since the epoch with nine places."""
    return f"{at_ns // 1_000_000_000}.{at_ns % 1_000_000_000:09d}"
