"""Programs that should run, and systemd's units: up, down, restarted, and how much they take."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

import msgspec

from wakeful.events import Observation
from wakeful.sources.errors import SourceError
from wakeful.sources.running import Running, RunningProcesses, ended
from wakeful.sources.source import Clock
from wakeful.sources.units import Unit, UnitsUnknown, show_units

EVERY_S = 10.0
PEEK_S = 1.5
"""How often it is looked whether a program's first process has ended, so that this is told within two seconds."""

FIGURES_S = 30.0
"""How often memory and CPU are told; what changed is told when it is seen."""

UNITS_S = 30.0
"""How often systemd is asked at most: it takes a program each time, some 5 ms of CPU."""

MAX_NAMES = 50
"""Programs, and likewise units, of one source."""


class _Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was known when it was left: the first process of each program, and the state of each unit."""

    programs: dict[str, tuple[int, float]] = {}
    units: dict[str, str] = {}


class ProcessSource:
    """Programs and units by name.

    names: of programs, as `ps` shows them; patterns such as `postgres*` are allowed
    units: of systemd, such as `nginx.service`; where there is no systemd, nothing is said of them
    every_s: seconds between looks; figures_s: between two observations of what they take. Units are looked at that
        often too, and every 30 s where that is less

    What happened while Wakeful did not run is told too: a program whose first process is another one by now was
    restarted.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        *,
        units: Sequence[str] = (),
        name: str = "process",
        every_s: float = EVERY_S,
        figures_s: float = FIGURES_S,
        systemctl: str = "systemctl",
        now_ns: Clock = time.time_ns,
    ) -> None:
        if not names and not units:
            raise SourceError(f"the source {name} names nothing", hint="Give `names` of programs, or `units`.")
        if max(len(names), len(units)) > MAX_NAMES:
            raise SourceError(f"the source {name} names too many", hint=f"At most {MAX_NAMES} in one [[source]].")
        self.name = name
        self._names = tuple(dict.fromkeys(names))
        self._units = tuple(dict.fromkeys(units))
        self._every_s = every_s
        self._figures_s = figures_s
        self._systemctl = systemctl
        self._now_ns = now_ns

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """What changed, and the figures; never ends."""
        loop = asyncio.get_running_loop()
        programs, units = _Programs(self._names, _decode(resume).programs), _Units(_decode(resume).units)
        looked_for = RunningProcesses(self._names)
        figures_at = shown_at = -math.inf
        shown: Mapping[str, Unit] = {}
        while True:
            begun = loop.time()
            found = await asyncio.to_thread(looked_for.look) if self._names else {}
            if begun - shown_at >= min(UNITS_S, self._figures_s):
                shown, shown_at = await self._shown(), begun
            at_ns = self._now_ns()
            told = [*programs.changes(found), *units.changes(shown)]
            place = msgspec.json.encode(_Place(programs.known, units.known)).decode()
            for subject, text, attrs in told:
                yield Observation(
                    at_ns=at_ns,
                    source=self.name,
                    form="state",
                    text=text,
                    attrs=attrs,
                    subject=subject,
                    resume=place,
                )
            if loop.time() - figures_at >= self._figures_s:
                figures_at = loop.time()
                yield self._figures(found, shown, at_ns, place)
            while (left_s := begun + self._every_s - loop.time()) > 0:
                await asyncio.sleep(min(left_s, PEEK_S))
                if left_s > PEEK_S and await asyncio.to_thread(ended, programs.known.values()):
                    break

    async def _shown(self) -> Mapping[str, Unit]:
        if not self._units:
            return {}
        try:
            return await show_units(self._units, program=self._systemctl)
        except UnitsUnknown:  # no systemd here: what can't be known is not said
            return {}

    def _figures(self, found: Mapping[str, Running], units: Mapping[str, Unit], at_ns: int, place: str) -> Observation:
        values: dict[str, float] = {}
        parts: list[str] = []
        for name, running in found.items():
            values |= {f"processes:{name}": float(running.count), f"memory_bytes:{name}": float(running.memory_bytes)}
            if running.cpu_percent is not None:
                values[f"cpu_percent:{name}"] = round(running.cpu_percent, 1)
            parts.append(f"{name} {running}")
        for name, unit in units.items():
            values |= {f"active:{name}": float(unit.up), f"restarts:{name}": float(unit.restarts)}
            if unit.memory_bytes is not None:
                values[f"memory_bytes:{name}"] = float(unit.memory_bytes)
            parts.append(f"{name} {unit}")
        return Observation(
            at_ns=at_ns,
            source=self.name,
            form="metrics",
            text=", ".join(parts) or "nothing of it can be looked at here",
            values=values,
            resume=place,
        )


_Told = tuple[str, str, dict[str, str]]
"""What it is about, the text, and the attributes."""


_DOWN = (0, 0.0)


class _Programs:
    """Which programs run, compared with the look before."""

    def __init__(self, names: Sequence[str], known: Mapping[str, tuple[int, float]]) -> None:
        self.known = {name: known[name] for name in names if name in known}
        self._names = names

    def changes(self, found: Mapping[str, Running]) -> Iterator[_Told]:
        for name in self._names:
            running, before = found.get(name, Running()), self.known.get(name)
            now = self.known[name] = running.first if running.count else _DOWN
            if before is not None and before[0] == now[0] and abs(before[1] - now[1]) < 1:
                continue
            attrs = {"process": name} | ({"pid": str(now[0])} if now != _DOWN else {})
            if now == _DOWN:
                yield name, f"process {name} {'does not run' if before is None else 'is down'}", attrs
            elif before == _DOWN:
                yield name, f"process {name} is up", attrs
            elif before is not None:
                yield name, f"process {name} was restarted (pid {before[0]}, now {now[0]})", attrs


class _Units:
    """The states of units, compared with the look before."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self._restarts: dict[str, int] = {}

    def changes(self, shown: Mapping[str, Unit]) -> Iterator[_Told]:
        for name, unit in shown.items():
            before, restarts = self.known.get(name), self._restarts.get(name, unit.restarts)
            self.known[name], self._restarts[name] = unit.state, unit.restarts
            attrs = {"unit": name, "state": unit.state}
            if before != unit.state and (before is not None or not unit.up):
                yield name, f"unit {name} is {unit.told}" + (f" (was {before})" if before else ""), attrs
            elif unit.restarts > restarts:
                yield name, f"unit {name} was restarted, {unit.restarts} times in all", attrs


def _decode(resume: str) -> _Place:
    try:
        return msgspec.json.decode(resume, type=_Place) if resume else _Place()
    except msgspec.DecodeError:
        return _Place()
