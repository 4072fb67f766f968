"""A world: one host, and what happens to it when. Everything follows from the seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bench.world import incidents as of_machine
from bench.world import names as naming
from bench.world import services as of_services
from bench.world.host import DAY_S, Host
from bench.world.incident import HOUR_S, Incident, Maker
from bench.world.moment import STEP_S
from bench.world.names import Names
from wakeful.events import Observation

KINDS: tuple[Maker, ...] = (
    of_machine.disk_fills,
    of_machine.memory_leak,
    of_machine.backup_missing,
    of_machine.sensor_stuck,
    of_machine.brute_force,
    of_machine.nic_errors,
    of_machine.slow_disk,
    of_machine.fan_dies,
    of_machine.unit_fails,
    of_machine.process_runs_away,
    of_machine.settings_tampered,
    of_services.certificate_expires,
    of_services.connections_exhausted,
    of_services.restart_loop,
    of_services.cache_gone,
    of_services.site_slow,
)
QUIET_S = 2 * DAY_S
"""At the beginning nothing goes wrong, so that it can be learnt what is usual."""

_LAST_S = 6 * HOUR_S  # before the end, from which on nothing begins
_LONG = (of_services.certificate_expires,)


@dataclass(frozen=True)
class World:
    """days: how long it lasts; incidents: in the order of time; deployments: harmless ones, seconds."""

    seed: int
    days: float
    names: Names
    incidents: tuple[Incident, ...]
    deployments: tuple[int, ...]

    @property
    def steps(self) -> int:
        """How many moments it has."""
        return int(self.days * DAY_S) // STEP_S

    @cached_property
    def host(self) -> Host:
        """Its host, with nothing wrong."""
        ends_s = [each.begins_s + 7 * DAY_S for each in self.incidents if each.kind == "certificate expires"]
        return Host(self.seed, self.names, self.deployments, ends_s[0] if ends_s else None)

    def observations(self, step: int) -> list[Observation]:
        """What is observed at a step, in the order of time."""
        now = self.host.moment(step)
        for incident in self.incidents:
            if incident.begins_s <= now.at_s < incident.ends_s:
                incident.act(now)
        return now.observations()


def world(seed: int, days: float = 30.0, *, quiet_s: float = QUIET_S, times: int = 1) -> World:
    """The world of a seed. Each kind of incident happens once or twice in thirty days, at any hour.

    times: how many times as many there are, for a mind that is to have much to think about
    """
    rng = random.Random(f"plan/{seed}")
    cast = naming.draw(seed)
    found = sorted(_incidents(rng, cast, days, quiet_s, times), key=lambda incident: incident.begins_s)
    return World(seed, days, cast, tuple(found), tuple(_deployments(rng, days)))


def _incidents(rng: random.Random, cast: Names, days: float, quiet_s: float, times: int) -> Iterator[Incident]:
    """Apart from each other by chance only: a month of worlds has some that overlap, as life has."""
    ends_s = days * DAY_S - _LAST_S
    order = [maker for maker in KINDS for _ in range(times * rng.choice((1, 1, 2)))]
    order = [maker for number, maker in enumerate(order) if maker not in _LONG or maker not in order[:number]]
    rng.shuffle(order)
    order = order[: max(1, round(len(order) * (days * DAY_S - quiet_s) / (28 * DAY_S)))]
    for number, maker in enumerate(order):
        share = (number + rng.uniform(0.1, 0.9)) / len(order)
        last_s = ends_s - 8 * DAY_S if maker in _LONG else ends_s
        at_s = int(quiet_s + share * (ends_s - quiet_s))
        if maker in _LONG and at_s > last_s:
            at_s = int(rng.uniform(quiet_s, max(quiet_s, last_s)))
        yield maker(cast, at_s // STEP_S * STEP_S, rng)


def _deployments(rng: random.Random, days: float) -> Iterator[int]:
    """Two or three a week, on working days between nine and five."""
    for day in range(int(days)):
        if day % 7 not in (2, 3) and rng.random() < 0.45:
            yield (day * DAY_S + rng.randint(9 * 3600, 17 * 3600)) // STEP_S * STEP_S
