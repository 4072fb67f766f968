"""The journal of systemd, read with `journalctl`."""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from wakeful.events import Observation
from wakeful.sources.child import Child
from wakeful.sources.errors import SourceBroken
from wakeful.sources.lines import (
    MAX_BLOCK_CHARS,
    MAX_LINE_BYTES,
    Line,
    LineReader,
    bundles,
)
from wakeful.sources.source import Clock

MAX_ENTRY_BYTES = 1024 * 1024
"""An entry longer than this is told without its text."""

_FIELDS = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,SYSLOG_PID,_COMM,_PID,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT,UNIT"
_PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


@dataclass(frozen=True, slots=True)
class _Entry:
    cursor: str
    at_ns: int
    text: str
    attrs: dict[str, str]


class JournaldSource:
    """What systemd's journal receives, from where it was left.

    units: only these units, all of them when empty
    priority: only entries at least as grave (`err`, `warning`, … or 0 to 7), all when ""
    """

    def __init__(
        self,
        *,
        name: str = "journald",
        units: Sequence[str] = (),
        priority: str = "",
        program: str = "journalctl",
        now_ns: Clock = time.time_ns,
    ) -> None:
        self.name = name
        self._units = tuple(units)
        self._priority = priority
        self._program = program
        self._now_ns = now_ns
        self._refused = ""

    @staticmethod
    def available(program: str = "journalctl") -> bool:
        """Whether this machine has `journalctl`."""
        return shutil.which(program) is not None

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """Entries after the cursor `resume`, or from now on; raises SourceBroken when `journalctl` ends."""
        child = await Child.spawn(self._arguments(resume), merge_stderr=False)
        assert child.process.stderr is not None
        complaints = asyncio.create_task(_tail(child.process.stderr))
        reader = LineReader(max_bytes=MAX_ENTRY_BYTES)
        try:
            while data := await child.output.read(MAX_BLOCK_CHARS):
                for observation in self._observations(reader.feed(data)):
                    yield observation
            async with asyncio.timeout(5):
                status = await child.process.wait()
                why = (await complaints) or f"journalctl ended with status {status}"
            if "cursor" in why.lower():
                self._refused = resume  # vacuumed away, or of another machine: the time in it still serves
            raise SourceBroken(why, hint="Try `journalctl -f`; reading all entries needs the group systemd-journal.")
        finally:
            complaints.cancel()
            await child.end()

    def _arguments(self, resume: str) -> list[str]:
        arguments = [self._program, "--output=json", "--follow", "--quiet", f"--output-fields={_FIELDS}"]
        if not resume:
            arguments.append("--lines=0")
        elif resume == self._refused:
            arguments += ["--no-tail", f"--since=@{_time_of(resume)}"]
        else:
            arguments += ["--no-tail", f"--after-cursor={resume}"]
        arguments += [f"--unit={unit}" for unit in self._units]
        return [*arguments, f"--priority={self._priority}"] if self._priority else arguments

    def _observations(self, lines: Sequence[Line]) -> Iterator[Observation]:
        entries = [entry for line in lines if (entry := self._entry(line.text)) is not None]
        yield from map(self._observation, bundles(entries, size=lambda entry: len(entry.text)))

    def _observation(self, entries: Sequence[_Entry]) -> Observation:
        return Observation(
            at_ns=entries[-1].at_ns,
            source=self.name,
            form="lines",
            text="\n".join(entry.text for entry in entries),
            attrs=entries[0].attrs if len(entries) == 1 else {},
            count=len(entries),
            resume=entries[-1].cursor,
        )

    def _entry(self, line: str) -> _Entry | None:
        """One entry; None for an empty line and for what Wakeful itself wrote, which would echo for ever."""
        if not line.strip():
            return None
        try:
            fields = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError:
            return _Entry("", self._now_ns(), line[:MAX_LINE_BYTES], {})
        if fields.get("_PID") == str(os.getpid()):
            return None
        who = _string(fields.get("SYSLOG_IDENTIFIER")) or _string(fields.get("_COMM")) or "unknown"
        pid = _string(fields.get("SYSLOG_PID")) or _string(fields.get("_PID"))
        stamp = _string(fields.get("__REALTIME_TIMESTAMP"))
        units = [_string(fields.get(key)) for key in ("_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT", "UNIT")]
        attrs = {
            "unit": next(filter(None, units), ""),
            "priority": _priority(_string(fields.get("PRIORITY"))),
        }
        return _Entry(
            cursor=_string(fields.get("__CURSOR")),
            at_ns=int(stamp) * 1000 if stamp.isdigit() else self._now_ns(),
            text=f"{who}{f'[{pid}]' if pid else ''}: {_message(fields.get('MESSAGE'))}",
            attrs={key: value for key, value in attrs.items() if value},
        )


def _message(value: object) -> str:
    """MESSAGE is text; a list of bytes where it isn't printable; null where journalctl found it too long."""
    if value is None:
        return "(a message too long to be shown)"
    if isinstance(value, list):
        parts = cast("list[object]", value)
        octets = [each for each in parts if isinstance(each, int) and 0 <= each < 256]
        if len(octets) == len(parts):
            return bytes(octets).decode("utf-8", "replace")
        return "\n".join(_message(each) for each in parts)  # the field occurred several times
    return str(value)[:MAX_LINE_BYTES]


def _string(value: object) -> str:
    if isinstance(value, list) and value:  # the field occurred several times
        value = cast("list[object]", value)[0]
    return value if isinstance(value, str) else ""


def _priority(number: str) -> str:
    return _PRIORITIES[int(number)] if number in set("01234567") else ""


def _time_of(cursor: str) -> str:
    """The seconds since the epoch in a cursor (its part `t=`, microseconds in hexadecimal)."""
    for part in cursor.split(";"):
        name, _, value = part.partition("=")
        if name == "t":
            with contextlib.suppress(ValueError):
                return f"{int(value, 16) / 1e6:.6f}"
    return f"{time.time():.0f}"


async def _tail(stream: asyncio.StreamReader) -> str:
    tail = b""
    while data := await stream.read(4096):
        tail = (tail + data)[-2000:]
    return tail.decode("utf-8", "replace").strip()
