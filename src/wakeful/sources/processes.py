"""Which processes take the most, found without looking at them too often."""

import os
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Top:
    """The busiest and the largest process.

    busiest_percent: of one core, over the time between two looks; -1 where that is not known yet
    largest_bytes: resident memory
    """

    busiest: str = ""
    busiest_percent: float = -1.0
    largest: str = ""
    largest_bytes: int = 0


class Processes:
    """Looks at all processes. psutil keeps its objects between looks: a look costs one or two files each."""

    def __init__(self) -> None:
        self._cpu_s: dict[tuple[int, float], float] = {}
        self._at = 0.0

    def look(self) -> Top:
        """The top processes, CPU since the last look. Blocks for some 30 µs for each process there is."""
        now = time.monotonic()
        took_s = now - self._at if self._at else 0.0
        used: dict[tuple[int, float], float] = {}
        busiest, busiest_s, largest, largest_bytes = "", -1.0, "", 0
        for process in psutil.process_iter():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    resident = process.memory_info().rss
                    key = (process.pid, process.create_time())
                    used[key] = times.user + times.system
                    since = used[key] - self._cpu_s.get(key, used[key] if not took_s else 0.0)
                    if took_s and since > busiest_s:
                        busiest, busiest_s = called(process), since
                    if resident > largest_bytes:
                        largest, largest_bytes = called(process), resident
            except psutil.Error:  # ended meanwhile, or not ours to look at
                continue
        self._cpu_s, self._at = used, now
        percent = 100 * busiest_s / took_s if took_s and busiest else -1.0
        return Top(busiest, percent, largest, largest_bytes)


def called(process: psutil.Process) -> str:
    """What a person calls a process. Raises psutil.Error when it has ended.

    Node.js names its main thread `MainThread`, which Linux takes for the name of the process: its program's name says
    more.
    """
    name = process.name()
    if name != "MainThread":
        return name
    command = process.cmdline()
    return os.path.basename(command[0]) if command else name
