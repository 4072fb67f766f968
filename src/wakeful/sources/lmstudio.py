"""LM Studio on this machine, as it shows from outside: memory and where it leads, speed, and models it can't load.

Its interface is never asked: servers have been seen to leak memory with each question about their state.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from wakeful.events import Form, Observation
from wakeful.sources.growth import Growth
from wakeful.sources.lmstudio_log import Heard, LogFiles
from wakeful.sources.lmstudio_memory import SERVERS, Held, Server, ServerProcesses, home, left_bytes
from wakeful.sources.source import Clock

EVERY_S = 30.0
STEPS_H = (1, 3, 6, 12, 24, 72)
"""Hours left at which the forecast is told; with more of them it is none yet."""

BACK = 1.3
"""How far beyond the step that was told the hours left have to be before it may be told again."""

IDLE_S = 600.0
"""So long without a request is an idle moment."""

ENOUGH_REQUESTS = 50
"""Requests before it is said at which hour the fewest come."""

SPIKE_BYTES = 500_000_000
"""A step so large between two looks is a model that was loaded or unloaded; what grows is judged anew."""

_LABELS: dict[Server, str] = {"LM Studio": "lmstudio", "built-in engine": "engine"}


class _Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where its log was left, requests by hour of the day, and how many hours were left when that was last told."""

    file: str = ""
    offset: int = 0
    hours: list[int] = []
    told: dict[str, int] = {}


class LMStudioSource:
    """The model servers of this machine: LM Studio, llmster, and Wakeful's built-in engine.

    folder: LM Studio's, "" for where it says it is
    every_s: seconds between looks

    Where nothing of them runs, nothing is said.
    """

    def __init__(
        self,
        *,
        name: str = "lmstudio",
        folder: str = "",
        every_s: float = EVERY_S,
        now_ns: Clock = time.time_ns,
    ) -> None:
        self.name = name
        self._home = Path(folder).expanduser() if folder else home()
        self._every_s = every_s
        self._now_ns = now_ns
        self._speeds: list[float] = []

    @staticmethod
    def available() -> bool:
        """Whether LM Studio has been used on this machine."""
        return home().is_dir()

    def answered(self, tokens_per_s: float) -> None:
        """What an answer to Wakeful itself showed, so that its speed is known without LM Studio's log."""
        if len(self._speeds) < 1000:
            self._speeds.append(tokens_per_s)

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """What it takes at each look, and before that what happened; never ends."""
        loop = asyncio.get_running_loop()
        look = _Look(self._home, _decode(resume), self._every_s)
        while True:
            begun = loop.time()
            self._speeds, speeds = [], self._speeds
            held, heard = await asyncio.to_thread(look.look)
            heard.speeds += speeds
            at_ns = self._now_ns()
            told = [*look.changes(held, heard, at_ns), *look.figures(held, heard)]
            place = look.place()
            for number, (form, text, values, subject) in enumerate(told, 1):
                yield Observation(
                    at_ns=at_ns,
                    source=self.name,
                    form=form,
                    text=text,
                    values=values,
                    subject=subject,
                    resume=place if number == len(told) else "",
                )
            await asyncio.sleep(max(0.0, begun + self._every_s - loop.time()))


_BestMoment = Callable[[datetime, datetime], str]
"""When to reload between two times, in words, "" where that is not known."""

_Told = tuple[Form, str, dict[str, float], str]


class _Look:
    """What is known from one look to the next."""

    def __init__(self, folder: Path, place: _Place, every_s: float) -> None:
        self._processes = ServerProcesses()
        self._log = LogFiles(folder, file=place.file, offset=place.offset)
        self._hours = place.hours if len(place.hours) == 24 else [0] * 24
        self._forecasts = {server: _Forecast(server, place.told.get(server, 0), every_s) for server in SERVERS}
        self._before: dict[Server, Held] = {}
        self._asked_at = time.monotonic()

    def look(self) -> tuple[dict[Server, Held], Heard]:
        """Blocks: processes and files."""
        held = self._processes.look()
        try:
            heard = self._log.look()
        except OSError:  # another user's log: memory is known without it
            heard = Heard()
        for hour in heard.requests:
            self._hours[hour] += 1
        if heard.requests:
            self._asked_at = time.monotonic()
        left = left_bytes()
        for server, each in held.items():
            self._forecasts[server].look(each, left)
        return held, heard

    def place(self) -> str:
        told = {server: each.told_h for server, each in self._forecasts.items() if each.told_h}
        return msgspec.json.encode(_Place(self._log.file, self._log.offset, self._hours, told)).decode()

    def changes(self, held: dict[Server, Held], heard: Heard, at_ns: int) -> Iterator[_Told]:
        for failure in heard.load_failures:
            yield "state", f"LM Studio could not load a model: {failure}", {}, "LM Studio"
        if heard.broken:
            yield "state", f"LM Studio broke off {heard.broken} answers", {"broken": float(heard.broken)}, "LM Studio"
        for server, now in held.items():
            before = self._before.get(server)
            if before is not None and bool(before.processes) != bool(now.processes):
                yield "state", f"{server} {'is up' if now.processes else 'is gone'}", {}, server
            if (text := self._forecasts[server].tells(at_ns, self._best)) is not None:
                yield "state", text, self._forecasts[server].values(), server
        self._before = held

    def figures(self, held: dict[Server, Held], heard: Heard) -> Iterator[_Told]:
        values: dict[str, float] = {}
        parts: list[str] = []
        for server, each in held.items():
            if not each.processes:
                continue
            label = _LABELS[server]
            values |= {
                f"memory_bytes:{label}": float(each.memory_bytes),
                f"own_bytes:{label}": float(each.own_bytes),
                f"processes:{label}": float(len(each.processes)),
            }
            values |= {f"{name}:{label}": value for name, value in self._forecasts[server].values().items()}
            parts.append(f"{server} holds {each.memory_bytes / 1e9:.1f} GB in {len(each.processes)} processes")
        if heard.speeds:
            values["tokens_per_s"] = round(statistics.median(heard.speeds), 2)
            parts.append(f"{values['tokens_per_s']:.1f} tokens a second")
        if heard.requests:
            values["requests"] = float(len(heard.requests))
            parts.append(f"{len(heard.requests)} requests")
        if heard.left:
            values["clients_left"] = float(heard.left)
        if parts:
            yield "metrics", ", ".join(parts), values, ""

    def _best(self, now: datetime, until: datetime) -> str:
        """When to reload, in words: now if it is idle, else at the hour at which the fewest requests come."""
        idle_s = time.monotonic() - self._asked_at
        if self._log.file and idle_s >= IDLE_S:
            return f"it has been idle for {idle_s / 60:.0f} minutes"
        if sum(self._hours) < ENOUGH_REQUESTS:
            return ""
        hours = [now + timedelta(hours=ahead) for ahead in range(1, 25) if now + timedelta(hours=ahead) < until]
        if not hours:
            return ""
        best = min(hours, key=lambda each: self._hours[each.hour])
        return f"the fewest requests come around {best:%H}:00"


class _Forecast:
    """When one server will have filled the memory. told_h: the step of `STEPS_H` that was told, 0 for none."""

    def __init__(
        self, server: Server, told_h: int, every_s: float, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self.told_h = told_h
        self._seconds = seconds
        self._server = server
        self._every_s = every_s
        self._growth = Growth(every_s=max(60.0, every_s))
        self._held = Held()
        self._pace: float | None = None
        self._left_s = 0.0

    def look(self, held: Held, left: int) -> None:
        before, self._held = self._held, held
        other = held.processes != before.processes or abs(held.own_bytes - before.own_bytes) > SPIKE_BYTES
        if other:
            self.told_h = 0 if before.processes else self.told_h
            self._growth = Growth(every_s=max(60.0, self._every_s))
        if held.processes:
            self._growth.add(self._seconds(), float(held.own_bytes))
        self._pace = self._growth.pace()
        self._left_s = left / self._pace if self._pace else 0.0

    def values(self) -> dict[str, float]:
        if not self._pace:
            return {}
        return {"growth_bytes_per_h": round(self._pace * 3600), "hours_left": round(self._left_s / 3600, 2)}

    def tells(self, at_ns: int, best: _BestMoment) -> str | None:
        if not self._pace:
            self.told_h = self.told_h if self._held.processes else 0
            return None
        step = next((step for step in STEPS_H if self._left_s <= step * 3600), 0)
        if self.told_h and (not step or step >= self.told_h):
            if self._left_s > BACK * self.told_h * 3600:  # clearly better, not only measured a little otherwise
                self.told_h = step
            return None
        self.told_h = step
        if not step:
            return None
        now = datetime.fromtimestamp(at_ns / 1e9).astimezone()
        until = now + timedelta(seconds=self._left_s)
        when = best(now, until)
        day = "" if until.date() == now.date() else f"{until:%A} "
        return (
            f"{self._server} grows by {self._pace * 3600 / 1e6:.0f} MB an hour and holds "
            f"{self._held.own_bytes / 1e9:.1f} GB of its own: memory is full in {_hours(self._left_s)}, "
            f"about {day}{until:%H}:00. Reload the model at an idle moment before that" + (f"; {when}" if when else "")
        )


def _hours(left_s: float) -> str:
    hours = left_s / 3600
    return f"{hours:.0f} hours" if hours >= 2 else f"{max(1, round(left_s / 60))} minutes"


def _decode(resume: str) -> _Place:
    try:
        return msgspec.json.decode(resume, type=_Place) if resume else _Place()
    except msgspec.DecodeError:
        return _Place()
