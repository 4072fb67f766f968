"""The machine's own figures: CPU, memory, swap, load, disks, network, temperatures, top processes."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace

from wakeful.events import Observation
from wakeful.sources.machine import Counters, Machine, Peek, Sample
from wakeful.sources.processes import Processes, Top
from wakeful.sources.source import Clock

INTERVAL_S = 10.0
PEEK_S = 1.5
"""How often CPU, memory and disks alone are looked at, so that a jump is told within two seconds."""

JUMP_POINTS = 30.0
HIGH_PERCENT = 85.0
"""A jump: so many points above the last observation, to at least so high."""

DISK_JUMP_POINTS = 3.0
DISK_HIGH_PERCENT = 90.0
"""Likewise of a disk, where a few points are much; one that was not there before has risen from nothing."""

PROCESSES_S = 30.0
"""How often processes are looked at; it is by far the dearest part."""


class MetricsSource:
    """The figures of this machine, every `interval_s` seconds and when CPU or memory jumps.

    interval_s: between observations; the first comes at once
    processes: whether the busiest and the largest process are named
    """

    def __init__(
        self,
        *,
        name: str = "metrics",
        interval_s: float = INTERVAL_S,
        processes: bool = True,
        now_ns: Clock = time.time_ns,
    ) -> None:
        self.name = name
        self._interval_s = interval_s
        self._processes = processes
        self._now_ns = now_ns

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """One observation after the other; never ends. There is nothing to resume."""
        loop = asyncio.get_running_loop()
        reader = await asyncio.to_thread(_Reader, self._processes)
        while True:
            begun = loop.time()
            sample, rates, top = await asyncio.to_thread(reader.read)
            yield observation_of(sample, rates, top, source=self.name, at_ns=self._now_ns())
            while (left_s := begun + self._interval_s - loop.time()) > 0:
                await asyncio.sleep(min(left_s, PEEK_S))
                if left_s > PEEK_S and jumped(sample, await asyncio.to_thread(reader.machine.peek)):
                    break


class _Reader:
    def __init__(self, processes: bool) -> None:
        self.machine = Machine()
        self._processes = Processes() if processes else None
        self._counters: Counters | None = None
        self._top = Top()
        self._looked_at = -PROCESSES_S
        if self._processes:
            self._processes.look()
        time.sleep(0.1)  # a share of CPU needs two readings; this runs in a thread

    def read(self) -> tuple[Sample, dict[str, float], Top]:
        sample = self.machine.sample()
        rates = sample.counters.rates_since(self._counters) if self._counters else {}
        self._counters = sample.counters
        now = time.monotonic()
        high = max(sample.cpu_percent, sample.memory_percent) >= HIGH_PERCENT
        if self._processes and (high or now - self._looked_at >= PROCESSES_S):
            self._top, self._looked_at = self._processes.look(), now
        return sample, rates, self._top


def jumped(sample: Sample, peek: Peek) -> bool:
    """Whether CPU, memory or a disk is far above what the last observation told."""
    shares = ((sample.cpu_percent, peek.cpu_percent), (sample.memory_percent, peek.memory_percent))
    if any(now >= HIGH_PERCENT and now >= before + JUMP_POINTS for before, now in shares):
        return True
    disks = ((sample.disks_percent.get(mount, 0.0), now) for mount, now in peek.disks_percent.items())
    return any(now >= DISK_HIGH_PERCENT and now >= before + DISK_JUMP_POINTS for before, now in disks)


def observation_of(sample: Sample, rates: dict[str, float], top: Top, *, source: str, at_ns: int) -> Observation:
    """The observation that tells a sample, in numbers and in words."""
    sample = replace(sample, disks_percent=dict(sorted(sample.disks_percent.items())))
    attrs = {"busiest": top.busiest} if top.busiest else {}
    if top.largest:
        attrs["largest"] = top.largest
    return Observation(
        at_ns=at_ns,
        source=source,
        form="metrics",
        text=_text(sample, rates, top),
        values=_values(sample, rates),
        attrs=attrs,
    )


def _values(sample: Sample, rates: dict[str, float]) -> dict[str, float]:
    values = {"cpu_percent": sample.cpu_percent, "memory_percent": sample.memory_percent}
    if sample.swap_percent is not None:
        values["swap_percent"] = sample.swap_percent
    if sample.load_1 is not None:
        values["load_1"] = sample.load_1
    values |= {f"disk_percent:{mount}": percent for mount, percent in sample.disks_percent.items()}
    values |= rates
    values |= {f"temperature_c:{chip}": degrees for chip, degrees in sample.temperatures_c.items()}
    return {name: round(value, 2) for name, value in values.items()}


def _text(sample: Sample, rates: dict[str, float], top: Top) -> str:
    parts = [f"cpu {sample.cpu_percent:.1f}%", f"memory {sample.memory_percent:.1f}%"]
    if sample.swap_percent is not None and sample.swap_percent >= 0.05:
        parts.append(f"swap {sample.swap_percent:.1f}%")
    if sample.load_1 is not None:
        parts.append(f"load {sample.load_1:.2f}")
    parts += [f"disk {mount} {percent:.1f}%" for mount, percent in sample.disks_percent.items()]
    if sample.temperatures_c:
        chip = max(sample.temperatures_c, key=lambda each: sample.temperatures_c[each])
        parts.append(f"temperature {chip} {sample.temperatures_c[chip]:.0f}C")
    parts += [
        f"net {name.partition(':')[2]} errors {rate:.1f}/s"
        for name, rate in rates.items()
        if name.startswith("net_errors_per_s:") and rate >= 0.05
    ]
    if top.busiest and top.busiest_percent >= 1:
        parts.append(f"busiest {top.busiest} {top.busiest_percent:.1f}% cpu")
    if top.largest:
        parts.append(f"largest {top.largest} {top.largest_bytes / 1e9:.1f} GB")
    return ", ".join(parts)
