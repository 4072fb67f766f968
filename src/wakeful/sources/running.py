"""Which processes run under given names, and what they take together."""

import fnmatch
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Running:
    """All processes of one name.

    first: the oldest one: its id, and when it was started (seconds since the epoch)
    memory_bytes: resident, summed, so that shared memory counts for each
    cpu_percent: of one core, since the look before; None at the first
    """

    count: int = 0
    first: tuple[int, float] = (0, 0.0)
    memory_bytes: int = 0
    cpu_percent: float | None = None

    def __str__(self) -> str:
        if not self.count:
            return "down"
        many = f"{self.count} processes, " if self.count > 1 else ""
        busy = f", cpu {self.cpu_percent:.1f}%" if self.cpu_percent is not None else ""
        return f"{many}{self.memory_bytes / 1e6:.1f} MB{busy}"


class RunningProcesses:
    """Looks for processes by name. Names are read once for each process, so that a look stays cheap.

    names: patterns, compared whatever their case; a process counts for each that fits
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._patterns = {name: name.casefold() for name in names}
        self._matching: dict[tuple[int, float], tuple[str, ...]] = {}
        self._cpu_s: dict[tuple[int, float], float] = {}
        self._at = 0.0

    def look(self) -> dict[str, Running]:
        """Each name with what runs under it. Blocks for some 10 µs for each process that there is."""
        now = time.monotonic()
        took_s, self._at = now - self._at if self._at else 0.0, now
        matching: dict[tuple[int, float], tuple[str, ...]] = {}
        cpu_s: dict[tuple[int, float], float] = {}
        found: dict[str, list[tuple[tuple[int, float], int, float]]] = {name: [] for name in self._patterns}
        for process in psutil.process_iter():
            try:
                key = (process.pid, process.create_time())
                names = self._matching.get(key)
                matching[key] = names = self._fitting(process) if names is None else names
                if not names:
                    continue
                with process.oneshot():
                    if process.status() == psutil.STATUS_ZOMBIE:
                        continue
                    times, memory = process.cpu_times(), process.memory_info().rss
            except psutil.Error:  # ended meanwhile, or not ours to look at
                continue
            cpu_s[key] = times.user + times.system
            since_s = cpu_s[key] - self._cpu_s.get(key, 0.0 if took_s else cpu_s[key])
            for name in names:
                found[name].append((key, memory, since_s))
        self._matching, self._cpu_s = matching, cpu_s
        return {name: _together(each, took_s) for name, each in found.items()}

    def _fitting(self, process: psutil.Process) -> tuple[str, ...]:
        title = process.name().casefold()
        return tuple(name for name, pattern in self._patterns.items() if fnmatch.fnmatchcase(title, pattern))


def ended(processes: Iterable[tuple[int, float]]) -> bool:
    """Whether one of these (its id, and when it was started) has ended; id 0 stands for none. Some 20 µs for each."""
    return any(pid and not _runs(pid, started_s) for pid, started_s in processes)


def _runs(pid: int, started_s: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started_s) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def _together(processes: Iterable[tuple[tuple[int, float], int, float]], took_s: float) -> Running:
    each = list(processes)
    if not each:
        return Running()
    return Running(
        count=len(each),
        first=min((key for key, _, _ in each), key=lambda key: (key[1], key[0])),
        memory_bytes=sum(memory for _, memory, _ in each),
        cpu_percent=100 * sum(since_s for _, _, since_s in each) / took_s if took_s else None,
    )
