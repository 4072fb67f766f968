"""What one moment of the host holds: its figures as they stand, and what is said; told as the real sources tell it."""

import random
from dataclasses import dataclass, field

from bench.world.names import Names
from wakeful.events import Form, Observation
from wakeful.sources.machine import Sample
from wakeful.sources.metrics import observation_of
from wakeful.sources.processes import Top

STEP_S = 60
START_NS = 1_800_000_000 * 10**9 - 1_800_000_000 * 10**9 % (604_800 * 10**9)
"""Midnight (UTC) of a Thursday; the world's time is counted in seconds from here."""


@dataclass
class Site:
    """A web address as it answers; problem: why it does not, "" where it does."""

    status: int = 200
    latency_s: float = 0.1
    body_bytes: int = 20_000
    certificate_days: float | None = None
    problem: str = ""


@dataclass
class Moment:
    """The host at `at_s`, which what happens to it changes; rates are bytes a second, shares percent.

    containers: CPU percent and bytes of memory of each that runs; sensors: degrees by room
    """

    at_s: int
    rng: random.Random
    names: Names
    cpu: float = 0.0
    memory: float = 0.0
    swap: float = 0.0
    load: float = 0.0
    disks: dict[str, float] = field(default_factory=dict[str, float])
    rates: dict[str, float] = field(default_factory=dict[str, float])
    heat: float = 40.0
    busiest: tuple[str, float] = ("", -1.0)
    largest: tuple[str, float] = ("", 0.0)
    containers: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    sites: dict[str, Site] = field(default_factory=dict[str, Site])
    sensors: dict[str, float] = field(default_factory=dict[str, float])
    said: list[Observation] = field(default_factory=list[Observation])

    def comes(self, at_s: float) -> bool:
        """Whether a point in time lies in this moment."""
        return self.at_s <= at_s < self.at_s + STEP_S

    def every(self, period_s: int, offset_s: int = 0) -> bool:
        """Whether something that comes so often comes now."""
        return (self.at_s - offset_s) % period_s < STEP_S

    def say(
        self, source: str, text: str, *, form: Form = "lines", subject: str = "", count: int = 1, **attrs: str
    ) -> None:
        """Something that is said, at a random second of the moment."""
        self.said.append(
            Observation(
                at_ns=START_NS + int((self.at_s + self.rng.uniform(0, STEP_S - 1)) * 1e9),
                source=source,
                form=form,
                text=text,
                subject=subject,
                count=count,
                attrs=attrs,
            )
        )

    def system(self, text: str, priority: int = 6) -> None:
        """A line of systemd's journal."""
        self.say("journald", text, priority=str(priority))

    def log(self, container: str, text: str) -> None:
        """A line that a container writes."""
        self.say(f"container:{container}", text, subject=container, container=container)

    def burst(self, container: str, lines: list[str]) -> None:
        """Many lines at once, which sources tell as one block."""
        self.say(f"container:{container}", "\n".join(lines), subject=container, count=len(lines), container=container)

    def state(self, container: str, text: str) -> None:
        """A container changes its state."""
        self.say("containers", f"container {container} {text}", form="state", subject=container, container=container)

    def answer(self, site: str, text: str) -> None:
        """A web address answers otherwise than before."""
        self.say(f"http:{site}", f"{site} {text}", form="state", subject=site, url=f"https://{site}")

    def observations(self) -> list[Observation]:
        """All of it, in the formats of the sources, in the order of time."""
        told = [self._machine(), *self._containers(), *self._sites(), *self._sensors(), *self.said]
        return sorted(told, key=lambda observation: observation.at_ns)

    @property
    def _at_ns(self) -> int:
        return START_NS + self.at_s * 10**9

    def _machine(self) -> Observation:
        sample = Sample(
            cpu_percent=_share(self.cpu),
            memory_percent=_share(self.memory),
            swap_percent=_share(self.swap),
            load_1=max(0.0, self.load),
            disks_percent={mount: _share(percent) for mount, percent in self.disks.items()},
            temperatures_c={"coretemp": round(self.heat, 1)},
        )
        top = Top(self.busiest[0], self.busiest[1], self.largest[0], int(self.largest[1]))
        return observation_of(sample, self.rates, top, source="metrics", at_ns=self._at_ns)

    def _containers(self) -> list[Observation]:
        if not self.every(300):
            return []
        return [
            Observation(
                at_ns=self._at_ns + 2 * 10**9,
                source="containers",
                form="metrics",
                text=f"container {name} cpu {cpu:.1f}%, memory {memory / 1e6:.1f} MB",
                values={"cpu_percent": round(cpu, 2), "memory_bytes": float(int(memory))},
                attrs={"container": name},
                subject=name,
            )
            for name, (cpu, memory) in self.containers.items()
        ]

    def _sites(self) -> list[Observation]:
        return [self._site(title, site) for title, site in self.sites.items() if self.every(300, 60)]

    def _site(self, title: str, site: Site) -> Observation:
        values = {"up": float(not site.problem and site.status < 500)}
        text = f"{title} is down: {site.problem}" if site.problem else ""
        if not site.problem:
            values |= {
                "status": float(site.status),
                "latency_s": round(site.latency_s, 4),
                "body_bytes": float(site.body_bytes),
            }
            text = f"{title} answers {site.status} in {site.latency_s:.2f} s"
        if site.certificate_days is not None:
            days = site.certificate_days
            values["certificate_days"] = round(days, 2)
            said = f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours" if days > 0 else "expired"
            text += f", certificate {said}"
        return Observation(
            at_ns=self._at_ns + 3 * 10**9,
            source=f"http:{title}",
            form="metrics",
            text=text,
            values=values,
            attrs={"url": f"https://{title}"},
            subject=title,
        )

    def _sensors(self) -> list[Observation]:
        if not self.every(300, 120):
            return []
        told = {room: round(degrees, 2) for room, degrees in self.sensors.items()}
        return [
            Observation(
                at_ns=self._at_ns + 4 * 10**9,
                source="mqtt:home",
                form="metrics",
                text=", ".join(f"home/{room}/temperature {degrees}" for room, degrees in told.items()),
                values={f"temperature:home/{room}": degrees for room, degrees in told.items()},
            )
        ]


def _share(percent: float) -> float:
    return min(100.0, max(0.0, percent))
