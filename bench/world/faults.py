"""What goes wrong with the model server, the disk and the clock: planned from a seed, and done to a running mind."""

import asyncio
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.world.server import ModelServer

Kind = Literal["server down", "crash", "hang", "swap", "loading", "disk full", "clock set"]
PER_DAY: dict[Kind, float] = {
    "server down": 1.0, "crash": 1.0, "hang": 0.4, "swap": 0.4, "loading": 0.4, "disk full": 0.5, "clock set": 0.3,
}  # fmt: skip
"""How many of each kind a day brings on average."""

_DAY_S = 86_400
_LAST_S = 1800.0  # before the end, when all is well again, so that what waits can be thought about
_MINUTES: dict[Kind, tuple[float, float]] = {
    "server down": (2, 60), "crash": (5, 60), "hang": (20, 60), "swap": (5, 90), "loading": (5, 60),
    "disk full": (5, 90), "clock set": (30, 300),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong from `at_s` to `until_s`, seconds of the world; by_s: how far a clock is set."""

    kind: Kind
    at_s: float
    until_s: float
    by_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults of a world, in the order of time."""

    faults: tuple[Fault, ...] = ()

    def set_by_s(self, at_s: float) -> float:
        """How wrong the machine's clock goes at a time, seconds."""
        return sum(each.by_s for each in self.faults if each.kind == "clock set" and each.at_s <= at_s < each.until_s)

    def kind_at(self, at_s: float) -> Kind | None:
        """The fault of the server or the disk at a time; where there are several, the one that began last."""
        there = [each for each in self.faults if each.kind != "clock set" and each.at_s <= at_s < each.until_s]
        return there[-1].kind if there else None

    def edges(self) -> list[float]:
        """When anything begins or ends."""
        return sorted({at for each in self.faults for at in (each.at_s, each.until_s)})


def faults(seed: int, days: float, *, quiet_s: float = 0.0) -> Faults:
    """The faults of a seed: about four a day, minutes to hours each."""
    rng = random.Random(f"faults/{seed}")
    found = list(_drawn(rng, days, quiet_s))
    return Faults(tuple(sorted(found, key=lambda each: each.at_s)))


def _drawn(rng: random.Random, days: float, quiet_s: float) -> Iterator[Fault]:
    for kind, per_day in PER_DAY.items():
        at_s = quiet_s + rng.expovariate(per_day / _DAY_S)
        while at_s < days * _DAY_S - _LAST_S:
            long_s = min(60 * rng.uniform(*_MINUTES[kind]), days * _DAY_S - _LAST_S - at_s)
            by_s = rng.choice((-7200.0, -3600.0, -90.0, 45.0, 3600.0, 10_800.0)) if kind == "clock set" else 0.0
            yield Fault(kind, at_s, at_s + long_s, by_s)
            at_s += long_s + rng.expovariate(per_day / _DAY_S)


async def play(plan: Faults, server: ModelServer) -> None:
    """Brings and takes away the faults of the server and of the disk, in the loop's time; then waits for ever."""
    loop = asyncio.get_running_loop()
    try:
        for at_s in [loop.time(), *plan.edges()]:
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            kind = plan.kind_at(max(at_s, loop.time()))
            _fill_disk(kind == "disk full")
            server.trouble = kind if kind in ("crash", "hang", "swap", "loading") else ""
            if kind == "server down":
                await server.stop()
            else:
                await server.start()
        await asyncio.Event().wait()
    finally:
        _fill_disk(False)


def _fill_disk(full: bool) -> None:
    """Whether no file may be written by this process any more, which it takes for a full disk."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if (soft == 0) is not full:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0 if full else hard, hard))
