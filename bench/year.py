"""A year of one host's life, 60 incidents of 12 kinds, and a budget of one observation in a hundred.

Compared in the same run: polling, three sigmas, and river's half-space trees and Gaussian scorer. Those have no
threshold that steers itself; theirs is set with hindsight, so that over the whole year they spend the same budget.
"""

import bisect
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from bench.streams import Floats
from wakeful.attention import Attention, AttentionSettings
from wakeful.events import Observation

STEP_S, DAYS = 300, 364
ROWS = DAYS * 86_400 // STEP_S
START_S = 1_800_000_000 - 1_800_000_000 % 604_800
SHARE = 0.01
WITHIN_S = 2 * STEP_S
WEEK_ROWS = 7 * 86_400 // STEP_S
KINDS = (
    "cpu saturated", "memory jump", "memory leak", "disk fills", "network surge", "network silent", "hot",
    "sensor stuck", "latency level", "latency restless", "new error", "backup missing",
)  # fmt: skip
_LINES = (
    "systemd[1]: Started session-{n}.scope - Session {n} of User alex.",
    "sshd[{n}]: Accepted publickey for alex from 10.0.0.{b} port {n} ssh2",
    "dhclient[311]: DHCPACK of 10.0.0.{b} from 10.0.0.1 (xid=0x{n:08x})",
    '10.0.0.{b} - - "GET /api/items/{n} HTTP/1.1" 200 {n}',
    "CRON[{n}]: (root) CMD (cd / && run-parts --report /etc/cron.hourly)",
    "sshd[{n}]: error: maximum authentication attempts exceeded from 10.0.0.{b}",
)
_ERRORS = (
    "kernel: EXT4-fs error (device sda1): reading directory lblock {b}",
    "app: FATAL: connection pool exhausted after {b} s",
    "postgres[{n}]: PANIC: could not write to file", "nginx: upstream timed out while connecting to 10.0.0.{b}",
    "kernel: Out of memory: Killed process {n} (mysqld)",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incident:
    """from_s: when it became visible; began_s: when the first value was out of order"""

    kind: str
    from_s: float
    source: str
    began_s: float = 0.0


@dataclass
class Year:
    """values by metric; lines: time and text; incidents with when they became visible."""

    times: list[float]
    values: dict[str, Floats]
    lines: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    incidents: list[Incident] = field(default_factory=list[Incident])

    def observations(self) -> list[Observation]:
        names = list(self.values)
        table = np.stack([self.values[name] for name in names], axis=1).round(3).tolist()
        seen = [
            Observation(
                at_ns=int(at * 1e9), source="metrics", form="metrics", values=dict(zip(names, row, strict=True))
            )
            for at, row in zip(self.times, table, strict=True)
        ]
        seen += [Observation(at_ns=int(at * 1e9), source="log:app", form="lines", text=text) for at, text in self.lines]
        return sorted(seen, key=lambda observation: observation.at_ns)


def year(seed: int) -> Year:
    rng = np.random.default_rng(seed)
    t = START_S + np.arange(ROWS) * float(STEP_S)
    hour, day = t / 3600 % 24, (t // 86_400).astype(int) % 7
    busy = (0.3 + 0.7 * (1 + np.cos((hour - 15) / 24 * 2 * np.pi)) / 2) * np.where(day < 5, 1.0, 0.6)
    season = 1 + 0.15 * np.sin(np.arange(ROWS) / ROWS * 2 * np.pi)
    wander = _ar(rng, 0.98, 1.0)
    nightly = ((hour >= 3) & (hour < 3.4)).astype(float)
    values: dict[str, Floats] = {
        "cpu_percent": 4 + 22 * busy * season + 1.5 * wander + rng.normal(0, 1.5, ROWS) + 25 * nightly,
        "memory_percent": 42 + 5 * busy + _ar(rng, 0.99, 0.8) + rng.normal(0, 0.2, ROWS),
        "load_1": 0.3 + 1.5 * busy + np.abs(rng.normal(0, 0.15, ROWS)) + 1.2 * nightly,
        "disk_percent:/": 35 + np.arange(ROWS) % (60 * 288) * 2e-4 + rng.normal(0, 0.02, ROWS),
        "rx_bytes_per_s:eth0": 3e6 * busy * np.exp(rng.normal(0, 0.25, ROWS)),
        "tx_bytes_per_s:eth0": 8e6 * busy * np.exp(rng.normal(0, 0.25, ROWS)) + 4e7 * nightly,
        "temperature_c:cpu": 38 + 14 * busy * season + 6 * nightly + rng.normal(0, 0.8, ROWS),
        "latency_ms": 40 * np.exp(rng.normal(0, 0.12, ROWS)) * (0.8 + 0.4 * busy),
    }
    _deployments(values, rng)
    made = Year([float(at) for at in t], values)
    _incidents(made, rng)
    for name in ("cpu_percent", "memory_percent", "disk_percent:/"):
        values[name] = np.clip(values[name], 0, 100)
    return made


def _ar(rng: np.random.Generator, rho: float, size: float) -> Floats:
    noise, out, state = rng.normal(0, size * (1 - rho * rho) ** 0.5, ROWS), np.empty(ROWS), 0.0
    for n in range(ROWS):
        state = rho * state + noise[n]
        out[n] = state
    return out


def _deployments(values: dict[str, Floats], rng: np.random.Generator) -> None:
    """A new version every other week changes levels a little; lone blips come every day. Nobody needs to know."""
    for at in range(14 * 288, ROWS, 14 * 288):
        values["memory_percent"][at:] += rng.normal(0, 0.8)
        values["latency_ms"][at:] *= rng.uniform(0.95, 1.06)
        values["cpu_percent"][at : at + 3] += rng.uniform(10, 25)
    for at in rng.integers(0, ROWS, DAYS).tolist():
        values["cpu_percent"][at] += rng.exponential(12)
        values["latency_ms"][at] *= 1 + rng.exponential(0.3)


def _incidents(made: Year, rng: np.random.Generator) -> None:
    values, order = made.values, list(KINDS) * 5
    rng.shuffle(order)
    first = 21 * 288
    gap = (ROWS - first - 600) // len(order)
    missing: set[int] = set()
    for number, kind in enumerate(order):
        begun = at = first + number * gap + int(rng.integers(0, gap // 2))
        long = int(rng.integers(12, 60))
        span, source, seen = slice(at, at + long), "metrics", at
        if kind == "cpu saturated":
            values["cpu_percent"][span] = 97 + rng.normal(0, 1, long)
            values["load_1"][span] += 8
        elif kind == "memory jump":
            values["memory_percent"][span] += rng.uniform(12, 25)
        elif kind == "memory leak":
            slope = rng.uniform(0.3, 0.6)
            values["memory_percent"][span] += slope * np.arange(long)
            seen = at + int(np.ceil(4 * 0.9 / slope))  # four deviations of what memory does by itself
        elif kind == "disk fills":
            slope = rng.uniform(0.4, 1.0)
            values["disk_percent:/"][span] += slope * np.arange(long)
            seen = at + int(np.ceil(0.7 / slope))  # what is said to matter of a disk
        elif kind == "network surge":
            values["rx_bytes_per_s:eth0"][span] += rng.uniform(4e7, 9e7)
        elif kind == "network silent":
            begun = at = at + (204 - at % 288) % 288  # by day
            span, seen = slice(at, at + long), at
            values["rx_bytes_per_s:eth0"][span] = 0.0
            values["tx_bytes_per_s:eth0"][span] = 0.0
            values["latency_ms"][span] *= 4
        elif kind == "hot":
            values["temperature_c:cpu"][span] += rng.uniform(18, 28)
        elif kind == "sensor stuck":
            values["temperature_c:cpu"][at : at + 60] = values["temperature_c:cpu"][at]
            seen = at + 4
        elif kind == "latency level":
            values["latency_ms"][span] *= rng.uniform(2.2, 4)
        elif kind == "latency restless":
            factors = rng.normal(0, 0.9, long)
            values["latency_ms"][span] *= np.exp(factors)
            far = np.abs(factors) > 0.5  # four deviations; one alone is like the blips of every day, two are not
            seen = at + int(np.flatnonzero(far)[1])
        elif kind == "new error":
            text = _ERRORS[number % len(_ERRORS)].format(n=int(rng.integers(2, 9999)), b=int(rng.integers(2, 250)))
            made.lines.append(
                (made.times[at] + 7.0, f"{text} in worker {'ghjkmnpqrs'[number % 10]}{'ghjkmnpqrs'[number // 10]}")
            )
            source = "log:app"
        else:
            missing.add(int((made.times[at] - START_S) // 86_400))
            at = (at // 288 + 1) * 288
            source = "wakeful:silence"
        made.incidents.append(Incident(kind, made.times[seen], source, made.times[begun]))
    dice = random.Random(int(rng.integers(0, 2**31)))
    for step in range(0, ROWS, 2):
        text = dice.choices(_LINES, weights=[20, 10, 5, 60, 10, 0.3])[0]
        made.lines.append(
            (made.times[step] + dice.uniform(0, 500), text.format(n=dice.randint(2, 99_999), b=dice.randint(2, 250)))
        )
    for day in range(DAYS):
        at = START_S + day * 86_400 + 3.4 * 3600 + dice.uniform(0, 600)
        if day not in missing:
            made.lines.append((at, f"backup[{day}]: snapshot {day:08x} finished with 0 errors"))
    for n, incident in enumerate(made.incidents):
        if incident.kind == "backup missing":  # visible half a usual gap after it should have come
            day = (incident.from_s - START_S) // 86_400
            made.incidents[n] = Incident(incident.kind, START_S + day * 86_400 + 3.4 * 3600 + 43_200, incident.source)


def woken(incident: Incident, times: list[float]) -> bool:
    """Whether it woke between its begin and two samples after it became visible; a missing backup within an hour."""
    missing = incident.kind == "backup missing"
    begin = incident.from_s - 3600.0 if missing else incident.began_s
    late = 3600.0 if missing else WITHIN_S
    place = bisect.bisect_left(times, begin)
    return place < len(times) and times[place] <= incident.from_s + late


def found(made: Year, wakes: list[tuple[float, str]]) -> Counter[str]:
    """Incidents by kind that woke in time."""
    by_source: dict[str, list[float]] = {}
    for at, source in wakes:
        by_source.setdefault(source, []).append(at)
    hits: Counter[str] = Counter()
    for incident in made.incidents:
        hits[incident.kind] += woken(incident, by_source.get(incident.source, []))
    return hits


def told(name: str, made: Year, wakes: list[tuple[float, str]], total: int, took_s: float) -> None:
    hits = found(made, wakes)
    weeks = Counter(int((at - START_S) // 604_800) for at, _ in wakes)
    due = total * SHARE / (DAYS / 7)
    worst = max(abs(weeks[week] / due - 1) for week in range(DAYS // 7))
    print(
        f"  {name:22s} {sum(hits.values()):>3} of {len(made.incidents)} incidents; {len(wakes):>6,} wakes "
        f"({len(wakes) / total:.2%}), worst week {worst:+.0%} off; {took_s:5.0f} s",
        flush=True,
    )
    missed = [f"{kind} {5 - hits[kind]}" for kind in KINDS if hits[kind] < 5]
    print(f"    missed: {', '.join(missed) or 'none'}")


def gate(seen: list[Observation]) -> list[tuple[float, str]]:
    attention = Attention(AttentionSettings(share=SHARE))
    wakes: list[tuple[float, str]] = []
    for seq, observation in enumerate(seen):
        for each in (observation, *attention.silences(observation.at_ns)):
            salience = attention.update(seq, each)
            if attention.wakes(salience):
                wakes.append((each.at_ns / 1e9, each.source))
    return wakes


def polled(seen: list[Observation]) -> list[tuple[float, str]]:
    return [(each.at_ns / 1e9, each.source) for each in seen[:: round(1 / SHARE)]]


def hindsight(score: Callable[[Observation], float]) -> Callable[[list[Observation]], list[tuple[float, str]]]:
    """Wakes of a detector of numbers whose one threshold spends the budget over the year."""

    def wakes(seen: list[Observation]) -> list[tuple[float, str]]:
        scores = [(score(each) if each.values else -1.0) for each in seen]
        least = sorted(scores)[-round(SHARE * len(seen))]
        return [(each.at_ns / 1e9, each.source) for each, got in zip(seen, scores, strict=True) if got >= least]

    return wakes


def three_sigmas() -> Callable[[Observation], float]:
    moments: dict[str, tuple[float, float]] = {}

    def score(observation: Observation) -> float:
        most = 0.0
        for name, value in observation.values.items():
            mean, variance = moments.get(name, (value, 1.0))
            error = value - mean
            most = max(most, abs(error) / (variance**0.5 + 1e-9))
            moments[name] = mean + 0.003 * error, variance + 0.003 * (error * error - variance)
        return most

    return score


def river(module: str) -> Any:
    """A module of river, which only `make bench` installs."""
    return import_module(f"river.{module}")


def river_gaussian() -> Callable[[Observation], float]:
    anomaly = river("anomaly")

    scorers: dict[str, Any] = {}

    def score(observation: Observation) -> float:
        most = 0.0
        for name, value in observation.values.items():
            scorer = scorers.setdefault(name, anomaly.GaussianScorer(window_size=2016, grace_period=100))
            most = max(most, float(scorer.score_one(None, value)))
            scorer.learn_one(None, value)
        return most

    return score


def river_trees() -> Callable[[Observation], float]:
    anomaly, compose, preprocessing = river("anomaly"), river("compose"), river("preprocessing")

    model: Any = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(window_size=2016, seed=1))

    def score(observation: Observation) -> float:
        result = float(model.score_one(observation.values))
        model.learn_one(observation.values)
        return result

    return score


def main() -> None:
    for seed in (1, 2):
        made = year(seed)
        seen = made.observations()
        print(f"a year, seed {seed}: {len(seen):,} observations, {len(made.values)} metrics, 60 incidents")
        for name, run in (
            ("this gate", gate),
            ("polling", polled),
            ("three sigmas", hindsight(three_sigmas())),
            ("river GaussianScorer", hindsight(river_gaussian())),
            ("river HalfSpaceTrees", hindsight(river_trees())),
        ):
            begun_s = time.process_time()
            wakes = run(seen)
            told(name, made, wakes, len(seen), time.process_time() - begun_s)


if __name__ == "__main__":
    main()
