"""LM Studio's own log files: how fast it answers and what it could not load; never what is asked or answered.

Where: `<home>/server-logs/<YYYY-MM>/<YYYY-MM-DD>.<N>.log`. Form: `[2026-11-26 03:12:07][INFO][model] text`, local time;
a record of several lines has the stamp on its first one only. Internal to LM Studio, so nothing is expected of it.
"""

import os
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from wakeful.sources.lines import LineReader

MAX_READ_BYTES = 4 * 1024 * 1024
"""What is read at a look; a log that is further ahead is taken up at its end."""

MAX_LINE_BYTES = 4096
"""With verbose logging a line can be a whole prompt; its beginning tells what it is."""

MAX_FAILURES = 5
MAX_FAILURE_CHARS = 200
_FEW_TOKENS = 8

_RECORD = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)?\] ?\[([A-Za-z]+)\](?:\[[^\]]*\])*\s*(.*)")
_REQUEST = re.compile(r"Running (chat |text )?completion|Received request to embed")
_LOAD_FAILED = re.compile(r"Failed to load (the )?model|Error loading model|Received load-error", re.IGNORECASE)
# A prompt can hold such words too, but stands within quotes; these begin their line.
_STATISTICS = re.compile(r'\s*"tokens_per_second":\s*(\d+(?:\.\d+)?)')
_TIMING = re.compile(
    r"(?:[^\"]*print_timing: [^\"|]*\|[^\"|]*\|)?\s*eval time =\s*[\d.]+ ms /\s*(\d+) (?:tokens|runs)"
    r"[^\"]*?([\d.]+) tokens per second"
)


@dataclass(slots=True)
class Heard:
    """What the log told since the last look.

    speeds: tokens a second, one for each answer; requests: when each began, in hours of the day, local time
    load_failures: what was said of each, bounded; broken: generations that failed; left: clients that went away
    """

    speeds: list[float] = field(default_factory=list[float])
    requests: list[int] = field(default_factory=list[int])
    load_failures: list[str] = field(default_factory=list[str])
    broken: int = 0
    left: int = 0


class LogReader:
    """Makes sense of lines, one after the other."""

    def __init__(self) -> None:
        self.heard = Heard()
        self._error_begun = False

    def read(self, line: str) -> None:
        """Takes one line in."""
        record = _RECORD.match(line)
        if record is not None:
            text = record[3]
            self._error_begun = record[2].upper() == "ERROR" and not text
            self._record(datetime.strptime(record[1], "%Y-%m-%d %H:%M:%S").hour, text)
        elif self._error_begun and line.strip():
            self._error_begun = False
            self._record(0, line.strip())
        else:
            self._speed(line)

    def _record(self, hour: int, text: str) -> None:
        if _REQUEST.match(text):
            self.heard.requests.append(hour)
        elif _LOAD_FAILED.search(text[:300]):
            if len(self.heard.load_failures) < MAX_FAILURES:
                self.heard.load_failures.append(" ".join(text.split())[:MAX_FAILURE_CHARS])
        elif text.startswith("Generation failed"):
            self.heard.broken += 1
        elif text.startswith("Client disconnected"):
            self.heard.left += 1
        else:
            self._speed(text)

    def _speed(self, text: str) -> None:
        if told := _STATISTICS.match(text):
            self.heard.speeds.append(float(told[1]))
        elif (told := _TIMING.match(text)) and int(told[1]) >= _FEW_TOKENS:
            self.heard.speeds.append(float(told[2]))


class LogFiles:
    """Follows the newest log file, across days and restarts. Everything here blocks.

    home: LM Studio's folder
    file, offset: the file that is read, relative to the logs' folder, and how far
    """

    def __init__(self, home: Path, *, file: str = "", offset: int = 0) -> None:
        self._folder = home / "server-logs"
        self.file = file
        self.offset = offset
        self._lines = LineReader(max_bytes=MAX_LINE_BYTES)
        self._reader = LogReader()
        self._begun = bool(file)

    def look(self) -> Heard:
        """What came since the last look; raises OSError when a log can't be read."""
        newest = self._newest()
        if self.file and self.file != newest:
            self._read(self.file)  # what came before the file was changed
        if newest and newest != self.file:
            self.file, self.offset = newest, 0
            self._lines = LineReader(max_bytes=MAX_LINE_BYTES)
            if not self._begun:  # the first file is read from now on, later ones from their beginning
                self.offset = self._size(newest)
        self._begun = True
        if newest:
            self._read(newest)
        heard, self._reader.heard = self._reader.heard, Heard()
        return heard

    def _newest(self) -> str:
        months = sorted((each for each in _entries(self._folder) if each.is_dir()), key=lambda each: each.name)
        for month in reversed(months[-2:]):
            logs = [each for each in _entries(month) if each.suffix == ".log"]
            if logs:
                return str(max(logs, key=_order).relative_to(self._folder))
        return ""

    def _size(self, file: str) -> int:
        try:
            return os.stat(self._folder / file).st_size
        except FileNotFoundError:
            return 0

    def _read(self, file: str) -> None:
        size = self._size(file)
        if size < self.offset:  # it was truncated
            self.offset = 0
        if size - self.offset > MAX_READ_BYTES:
            self.offset = size - MAX_READ_BYTES
            self._lines = LineReader(max_bytes=MAX_LINE_BYTES)
        if size == self.offset:
            return
        with open(self._folder / file, "rb") as opened:
            opened.seek(self.offset)
            data = opened.read(size - self.offset)
        self.offset += len(data)
        for line in self._lines.feed(data):
            self._reader.read(line.text)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _order(log: Path) -> tuple[str, int]:
    """The day, then the number of the file: `2026-11-26.10.log` comes after `2026-11-26.9.log`."""
    day, _, number = log.name.removesuffix(".log").partition(".")
    return day, int(number) if number.isascii() and number.isdigit() else 0
