"""Labelled streams to judge a detector by: what machines, roads, shops and sensors are like, made from seeds.

Each family draws its own parameters for every seed, has quirks that are *not* labelled (jobs at fixed hours, restarts,
lone spikes, new levels that nobody minds), and has its labelled incidents in the later part. Families in `HELD_OUT`
were written before the gate was tuned and are looked at only to report.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
START_S = 1_790_000_000.0 - 1_790_000_000.0 % 604_800
WINDOW_SHARE = 0.1
"""Of a stream's rows that its windows cover together, as in Lavin & Ahmad 2015."""

PROBATION_SHARE, PROBATION_MOST = 0.15, 750


@dataclass(frozen=True, slots=True)
class Stream:
    """times_s and values, and the windows of rows [first, last] round each incident."""

    name: str
    times_s: list[float]
    values: list[float]
    windows: list[tuple[int, int]]

    @property
    def probation(self) -> int:
        """Rows at the beginning in which nothing counts."""
        return min(int(PROBATION_SHARE * len(self.values)), PROBATION_MOST)


class Draft:
    """A stream in the making: values at times, and where incidents begin."""

    def __init__(self, rng: np.random.Generator, rows: int, step_s: float, *, jitter: float = 0.0) -> None:
        self.rng, self.rows, self.step_s = rng, rows, step_s
        gaps = np.full(rows, step_s)
        if jitter:
            gaps = step_s * np.maximum(0.2, rng.gamma(1 / jitter, jitter, rows))
        self.t = START_S + rng.integers(0, 86_400 * 7 // int(step_s)) * step_s + np.cumsum(gaps)
        self.x: Floats = np.zeros(rows)
        self.marks: list[int] = []

    @property
    def hour(self) -> Floats:
        return (self.t / 3600.0) % 24.0

    @property
    def day(self) -> NDArray[np.int64]:
        return (self.t // 86_400).astype(np.int64) % 7

    def daily(self, peak: float, sharp: float = 1.0) -> Floats:
        """A daily rhythm in [0, 1] that is highest at `peak` o'clock."""
        return ((1 + np.cos((self.hour - peak) / 24 * 2 * np.pi)) / 2) ** sharp

    def ar(self, rho: float, size: float) -> Floats:
        noise = self.rng.normal(0, size * math.sqrt(1 - rho * rho), self.rows)
        out = np.empty(self.rows)
        state = self.rng.normal(0, size)
        for n in range(self.rows):
            state = rho * state + noise[n]
            out[n] = state
        return out

    def per_day(self) -> int:
        return max(2, int(86_400 / self.step_s))

    def places(self, most: int = 3, least: int = 1) -> list[int]:
        """Rows for incidents: after the probation, apart from each other."""
        count = int(self.rng.integers(least, most + 1))
        low, high = int(self.rows * 0.25), int(self.rows * 0.96)
        found: list[int] = []
        for _ in range(200):
            at = int(self.rng.integers(low, high))
            if all(abs(at - other) > self.rows * 0.12 for other in found):
                found.append(at)
            if len(found) == count:
                break
        return sorted(found)

    def mark(self, row: int) -> None:
        self.marks.append(min(max(row, 0), self.rows - 1))

    def quirks(self, count: float, size: Callable[[], float], length: int = 2) -> None:
        """Lone excursions that nobody labelled."""
        for _ in range(self.rng.poisson(count)):
            at = int(self.rng.integers(0, self.rows))
            self.x[at : at + int(self.rng.integers(1, length + 1))] += size()

    def done(self, name: str, digits: int | None = None) -> Stream:
        values = self.x if digits is None else np.round(self.x, digits)
        windows: list[tuple[int, int]] = []
        if self.marks:
            wide = max(int(WINDOW_SHARE * self.rows / len(self.marks)), 4)
            for mark in sorted(self.marks):
                first, last = max(mark - wide // 2, 0), min(mark + wide // 2, self.rows - 1)
                if windows and first <= windows[-1][1]:
                    windows[-1] = (windows[-1][0], last)
                else:
                    windows.append((first, last))
        return Stream(name, [float(t) for t in self.t], [float(x) for x in values], windows)


Family = Callable[[np.random.Generator], Stream]


def cpu_flat(rng: np.random.Generator) -> Stream:
    """A small server that does little, with jobs at the hour; a spike or a new level is an incident."""
    d = Draft(rng, 4032, 300)
    base = rng.uniform(0.05, 3)
    d.x = base + np.abs(d.ar(rng.choice([0.0, 0.5]), base * rng.uniform(0.02, 0.15)))
    if rng.random() < 0.5:
        every = int(rng.choice([12, 72, 288]))
        d.x[int(rng.integers(0, every)) :: every] += base * rng.uniform(0.5, 4)
    d.quirks(8, lambda: base * rng.exponential(1.0))
    for at in d.places():
        how = rng.integers(0, 3)
        if how == 0:
            d.x[at : at + int(rng.integers(1, 6))] += base * rng.uniform(5, 30)
        elif how == 1:
            d.x[at:] += base * rng.uniform(0.5, 2)
        else:
            d.x[at : at + int(rng.integers(20, 120))] *= rng.uniform(2, 5)
        d.mark(at)
    return d.done("cpu_flat", 3)


def cpu_busy(rng: np.random.Generator) -> Stream:
    """A busy server whose load wanders; it drops, saturates, or gets restless."""
    d = Draft(rng, 4032, 300)
    level = rng.uniform(30, 60)
    d.x = level + d.ar(0.97, rng.uniform(2, 6)) + rng.normal(0, rng.uniform(1, 4), d.rows) + 8 * d.daily(15)
    d.quirks(10, lambda: rng.normal(0, 12))
    for at in d.places():
        long, how = int(rng.integers(6, 200)), rng.integers(0, 4)
        if how == 0:
            d.x[at : at + long] *= rng.uniform(0.02, 0.4)
        elif how == 1:
            d.x[at : at + long] = 97 + rng.normal(0, 1.0, len(d.x[at : at + long]))
        elif how == 2:
            d.x[at:] += rng.choice([-1, 1]) * rng.uniform(15, 30)
        else:
            d.x[at : at + long] += rng.normal(0, 15, len(d.x[at : at + long]))
        d.mark(at)
    d.x = np.clip(d.x, 0, 100)
    return d.done("cpu_busy", 2)


def net_bytes(rng: np.random.Generator) -> Stream:
    """Bytes on a network card: a floor, bursts of any size; an enormous or lasting burst, or silence."""
    d = Draft(rng, int(rng.choice([4032, 4730])), 300)
    floor = rng.uniform(40, 5e4)
    d.x = floor * np.exp(rng.normal(0, rng.uniform(0.02, 0.4), d.rows))
    bursts = rng.random(d.rows) < rng.uniform(0.002, 0.05)
    d.x += bursts * floor * rng.pareto(rng.uniform(1.5, 3), d.rows) * rng.uniform(2, 10)
    d.x *= 1 + rng.uniform(0, 1) * d.daily(14)
    for at in d.places():
        how, top = rng.integers(0, 3), float(np.quantile(d.x, 0.999))
        if how == 0:
            d.x[at : at + int(rng.integers(1, 4))] = top * rng.uniform(2, 12)
        elif how == 1:
            long = int(rng.integers(12, 80))
            d.x[at : at + long] = top * rng.uniform(0.3, 1.0) * np.exp(rng.normal(0, 0.2, len(d.x[at : at + long])))
        else:
            d.x[at : at + int(rng.integers(20, 120))] = 0.0
        d.mark(at)
    return d.done("net_bytes", 1)


def disk_jobs(rng: np.random.Generator) -> Stream:
    """A disk that writes in jobs at fixed hours; a job at another hour, one that is missing, one that is too long."""
    d = Draft(rng, 4032, 300)
    quiet = rng.uniform(1e3, 1e5)
    d.x = quiet * rng.gamma(2, 0.5, d.rows)
    day, begin, long = d.per_day(), int(rng.integers(0, 200)), int(rng.integers(6, 30))
    size = quiet * rng.uniform(20, 100)
    offset = begin - int((d.t[0] % 86_400) // 300)
    for n in range(-1, d.rows // day + 2):
        first = n * day + offset
        d.x[max(first, 0) : max(first + long, 0)] += size * rng.uniform(0.8, 1.2)
    for at in d.places(2):
        how = rng.integers(0, 3)
        if how == 0:
            d.x[at : at + long] += size * rng.uniform(0.8, 1.5)
            d.mark(at)
        else:
            first = (at - offset) // day * day + offset
            if how == 1:
                d.x[first : first + long] = quiet * rng.gamma(2, 0.5, len(d.x[first : first + long]))
                d.mark(first)
            else:
                d.x[first + long : first + 4 * long] += size
                d.mark(first + long)
    return d.done("disk_jobs", 0)


def requests(rng: np.random.Generator) -> Stream:
    """Requests to a balancer, counted: a daily rhythm, many idle minutes; a surge, an outage."""
    d = Draft(rng, 4032, 300)
    rate: Floats = (
        rng.uniform(1, 80) * (0.15 + d.daily(rng.uniform(10, 20), 2)) * np.exp(d.ar(0.9, rng.uniform(0.1, 0.4)))
    )
    for at in d.places():
        long = int(rng.integers(3, 80))
        rate[at : at + long] = float(rate.max()) * rng.uniform(2, 5) if rng.random() < 0.65 else 0.0
        d.mark(at)
    d.x = rng.poisson(np.asarray(rate, dtype=np.float64)).astype(float)
    return d.done("requests", 0)


def ad_price(rng: np.random.Generator) -> Stream:
    """What a click costs, hourly: skewed, noisy, with lone spikes; far spikes and dear days."""
    d = Draft(rng, int(rng.integers(1500, 1700)), 3600)
    base = rng.uniform(0.05, 2)
    d.x = base * rng.gamma(rng.uniform(3, 20), 0.1, d.rows) * (1 + 0.3 * d.daily(12)) * np.exp(d.ar(0.9, 0.1))
    d.quirks(8, lambda: base * rng.exponential(1.5))
    for at in d.places():
        if rng.random() < 0.5:
            d.x[at] += base * rng.uniform(6, 25)
        else:
            d.x[at : at + int(rng.integers(8, 40))] *= rng.uniform(1.8, 3)
        d.mark(at)
    return d.done("ad_price", 4)


def road_speed(rng: np.random.Generator) -> Stream:
    """Speed on a road, at irregular times: free flow, a jam on workday mornings; a jam at another hour, a closure."""
    d = Draft(rng, int(rng.integers(1100, 2600)), 600, jitter=0.6)
    free = rng.uniform(60, 85)
    jam = np.where(d.day < 5, d.daily(8, 14) * rng.uniform(10, 40), 0.0)
    d.x = free - jam * rng.uniform(0.6, 1.2, d.rows) + d.ar(0.8, 3) + rng.normal(0, rng.uniform(2, 5), d.rows)
    d.quirks(8, lambda: -rng.exponential(12))
    for at in d.places():
        long = int(rng.integers(5, 50))
        d.x[at : at + long] -= rng.uniform(25, 55)
        d.mark(at)
    d.x = np.clip(d.x, 0, None)
    return d.done("road_speed", 0)


def occupancy(rng: np.random.Generator) -> Stream:
    """How full a road is: nothing at night, two peaks by day; too full for an hour, or empty by day."""
    d = Draft(rng, int(rng.integers(2200, 2600)), 300, jitter=0.4)
    d.x = 2 + 10 * d.daily(8, 8) + 14 * d.daily(17, 6) + 6 * d.daily(13, 2)
    d.x = np.maximum(0.0, d.x * np.exp(d.ar(0.7, 0.25)) + rng.normal(0, 1.2, d.rows))
    d.quirks(6, lambda: rng.exponential(6))
    for at in d.places():
        long = int(rng.integers(6, 30))
        d.x[at : at + long] = d.x[at : at + long] + rng.uniform(15, 40) if rng.random() < 0.7 else 0.0
        d.mark(at)
    return d.done("occupancy", 2)


def mentions(rng: np.random.Generator) -> Stream:
    """How often a name is mentioned: counts that excite themselves, by day and week; news is an incident."""
    d = Draft(rng, 15_840, 300)
    base = rng.uniform(1, 60) * (0.25 + d.daily(18)) * np.where(d.day < 5, 1.0, rng.uniform(0.6, 1.0))
    excite, state = rng.uniform(0.3, 0.7), 0.0
    burst = np.zeros(d.rows)
    for _ in range(rng.poisson(18)):
        at = int(rng.integers(0, d.rows))
        burst[at : at + 60] += base[at] * rng.pareto(2.5) * 2 * np.exp(-np.arange(len(burst[at : at + 60])) / 6)
    for at in d.places(4, 2):
        tall = float(base.max()) * rng.uniform(5, 30)
        span = burst[at : at + 400]
        span += tall * np.exp(-np.arange(len(span)) / rng.uniform(5, 60))
        d.mark(at)
    for n in range(d.rows):
        mean = base[n] * (1 - excite) + excite * state + burst[n]
        d.x[n] = rng.poisson(float(rng.gamma(4, float(mean) / 4)))
        state = d.x[n]
    return d.done("mentions", 0)


def machine_heat(rng: np.random.Generator) -> Stream:
    """The temperature of a machine that works in shifts: it wanders; it is shut down, fails slowly, or runs hot."""
    d = Draft(rng, 22_000, 300)
    wander = d.ar(0.999, rng.uniform(5, 9))
    d.x = rng.uniform(70, 95) + wander + d.ar(0.9, 1.5) + rng.normal(0, 0.5, d.rows)
    d.quirks(6, lambda: -rng.exponential(6), 20)
    for at in d.places(4, 2):
        long, how = int(rng.integers(60, 400)), rng.integers(0, 3)
        span = d.x[at : at + long]
        if how == 0:
            span -= rng.uniform(30, 60) * np.minimum(1, np.arange(len(span)) / 12)
        elif how == 1:
            span -= np.linspace(0, rng.uniform(30, 60), len(span))
        else:
            span += rng.uniform(12, 25) * np.minimum(1, np.arange(len(span)) / 30)
        d.mark(at)
    return d.done("machine_heat", 4)


def room_heat(rng: np.random.Generator) -> Stream:
    """A room's temperature by the hour, over months: days, seasons, weather; the heating fails, the sun is too much."""
    d = Draft(rng, 7200, 3600)
    d.x = 70 + 2.5 * d.daily(16) + d.ar(0.995, 3) + d.ar(0.7, 0.7)
    d.x[int(rng.integers(0, d.rows)) :] += rng.normal(0, 1)
    for at in d.places(3):
        long = int(rng.integers(10, 60))
        span = d.x[at : at + long]
        span += rng.choice([-1, 1]) * rng.uniform(6, 14) * np.minimum(1, np.arange(len(span)) / 5)
        d.mark(at)
    return d.done("room_heat", 5)


def rides(rng: np.random.Generator) -> Stream:
    """Rides of a city's cabs by the half hour: days and weeks; holidays, a night of revels, a storm."""
    d = Draft(rng, 10_320, 1800)
    weekend = d.day >= 5
    shape = 0.2 + 0.8 * d.daily(19, 1.2) + 0.35 * d.daily(8, 8) * ~weekend + 0.35 * d.daily(0.5, 6) * weekend
    d.x = 15_000 * shape * np.exp(d.ar(0.9, 0.05)) + rng.normal(0, 400, d.rows)
    d.x *= 1 + 0.08 * np.sin(np.arange(d.rows) / d.rows * 7)
    for at in d.places(5, 3):
        midnight = at - int((d.t[at] % 86_400) // 1800)
        how = rng.integers(0, 3)
        if how == 0:
            d.x[midnight : midnight + 48] *= rng.uniform(0.4, 0.7)
            d.mark(midnight + 24)
        elif how == 1:
            d.x[midnight : midnight + 5] *= rng.uniform(1.6, 2.2)
            d.mark(midnight)
        else:
            d.x[at : at + 40] *= rng.uniform(0.1, 0.4)
            d.mark(at)
    return d.done("rides", 0)


def artificial(rng: np.random.Generator) -> Stream:
    """A clean wave of one day with a little noise: it is missing once, jumps, goes flat, or falls."""
    d = Draft(rng, 4032, 300)
    square = rng.random() < 0.5
    low, high = rng.uniform(0, 30), rng.uniform(60, 100)
    wave = (np.abs(d.hour - 12) < 4).astype(float) if square else d.daily(12, rng.uniform(1, 4))
    noise = rng.choice([0.0, 1.0, 5.0])
    how = rng.integers(0, 5)
    day, first = d.per_day(), int((86_400 - d.t[0] % 86_400) // 300)
    at = first + int(rng.integers(5, 11)) * day
    level = np.full(d.rows, low)
    if how == 0:
        wave[at : at + day] = 0.0
    elif how == 1:
        wave[at : at + day] *= rng.uniform(1.6, 2.2)
    elif how == 2:
        wave[at : at + day] *= rng.uniform(0.3, 0.6)
    elif how == 3:
        wave[at + day // 3 : at + day * 2 // 3] = 0.5
    if how < 4:
        d.x = level + (high - low) * wave + rng.uniform(0, noise, d.rows) if noise else level + (high - low) * wave
        d.mark(at + day // 2)
    else:
        d.x = level + rng.uniform(0, 4, d.rows)
        d.x[rng.random(d.rows) < 0.01] += rng.uniform(50, 70)
        span = d.x[at : at + day]
        span[rng.random(len(span)) < 0.12] += rng.uniform(50, 70)
        d.mark(at + day // 4)
    return d.done("artificial", 6)


def eventless(rng: np.random.Generator) -> Stream:
    """Nothing is labelled: a flat line, noise, a wave, or a wave with noise."""
    d = Draft(rng, 4032, 300)
    how, base = rng.integers(0, 5), rng.uniform(5, 60)
    if how == 0:
        d.x[:] = base
    elif how == 1:
        d.x = base + rng.normal(0, 4, d.rows)
    elif how == 2:
        d.x = np.where(np.abs(d.hour - 12) < 4, base + 50, base)
    elif how == 3:
        d.x = base + 40 * d.daily(12) + rng.normal(0, 2, d.rows)
    else:
        d.x = base * rng.gamma(4, 0.25, d.rows)
    return d.done("eventless", 4)


def fleet(rng: np.random.Generator) -> Stream:
    """The summed load of a group of servers that grows and shrinks by itself: steps are usual; a collapse is not."""
    d = Draft(rng, int(rng.choice([4032, 18_050])), 300)
    size = 4 + np.round(6 * d.daily(14, 1.5) + d.ar(0.99, 1.0))
    d.x = size * rng.uniform(8, 12) + rng.normal(0, 2, d.rows) * np.sqrt(np.abs(size))
    for at in d.places(3):
        how, long = rng.integers(0, 3), int(rng.integers(10, 100))
        if how == 0:
            d.x[at : at + long] *= rng.uniform(0.0, 0.3)
        elif how == 1:
            d.x[at : at + long] *= rng.uniform(2, 3)
        else:
            d.x[at : at + 6] += rng.uniform(150, 400)
        d.mark(at)
    return d.done("fleet", 3)


# Held out: written before tuning, looked at only to report.


def leak(rng: np.random.Generator) -> Stream:
    """Memory that climbs and falls back at restarts; it climbs much faster, or is not given back."""
    d = Draft(rng, 6000, 300)
    slope, level, rate = rng.uniform(0.01, 0.05), 30.0, 1.0
    period = int(rng.integers(300, 900))
    where = set(d.places(3))
    for n in range(d.rows):
        if n in where:
            rate = rng.uniform(6, 15)
            d.mark(n)
        level += slope * rate
        if n % period == 0 or level > 95:
            level, rate = 30.0, 1.0
        d.x[n] = level
    d.x += rng.normal(0, 0.3, d.rows)
    return d.done("leak", 2)


def latency(rng: np.random.Generator) -> Stream:
    """A service's answer times: log-normal with pauses; slow for a while, a new version that is slower."""
    d = Draft(rng, 5000, 60)
    d.x = np.exp(rng.normal(3, rng.uniform(0.1, 0.5), d.rows)) * (1 + 0.4 * d.daily(15))
    pauses = rng.random(d.rows) < 0.01
    d.x += pauses * rng.exponential(60, d.rows)
    for at in d.places(3):
        long = int(rng.integers(15, 150))
        if rng.random() < 0.6:
            d.x[at : at + long] *= rng.uniform(2, 5)
        else:
            d.x[at:] *= rng.uniform(1.5, 2)
        d.mark(at)
    return d.done("latency", 1)


def thermostat(rng: np.random.Generator) -> Stream:
    """A saw of heating and cooling; the sensor is stuck, the heating stays on, the saw gets quicker."""
    d = Draft(rng, 5000, 300)
    low, high = 19.0, 22.0
    up, down = rng.uniform(0.1, 0.3), rng.uniform(0.03, 0.1)
    level, heating = 20.0, True
    where = {at: int(rng.integers(0, 3)) for at in d.places(3)}
    how, left = -1, 0
    for n in range(d.rows):
        if n in where:
            how, left = where[n], int(rng.integers(40, 150))
            d.mark(n)
        left -= 1
        if left < 0:
            how = -1
        speed = 4.0 if how == 2 else 1.0
        if how != 0:
            level += (up if heating or how == 1 else -down) * speed
            level = min(level, 40.0)
            heating = level < low or (heating and level < high)
        d.x[n] = level if how == 0 else level + rng.normal(0, 0.05)
    return d.done("thermostat", 3)


def power(rng: np.random.Generator) -> Stream:
    """An office's power by the quarter hour, over months: workdays; a holiday, lights left on at night."""
    d = Draft(rng, 12_000, 900)
    work = np.where(d.day < 5, d.daily(13, 3), 0.08)
    d.x = 20 + 80 * work * np.exp(d.ar(0.9, 0.05)) + rng.normal(0, 1.5, d.rows)
    for at in d.places(4, 2):
        midnight = at - int((d.t[at] % 86_400) // 900)
        if rng.random() < 0.5:
            while d.day[min(max(midnight, 0) + 48, d.rows - 1)] >= 5:
                midnight -= 96
            d.x[midnight : midnight + 96] = 26 + rng.normal(0, 1.5, len(d.x[midnight : midnight + 96]))
            d.mark(midnight + 40)
        else:
            d.x[midnight : midnight + 24] += rng.uniform(25, 50)
            d.mark(midnight)
    return d.done("power", 1)


def queue(rng: np.random.Generator) -> Stream:
    """How long a queue is: mostly empty, sometimes not; the worker is stuck, the queue is never emptied."""
    d = Draft(rng, 4500, 120)
    where = {at: int(rng.integers(20, 100)) for at in d.places(3)}
    length, stuck = 0, 0
    load = rng.uniform(0.5, 0.85)
    for n in range(d.rows):
        if n in where:
            stuck = where[n]
            d.mark(n)
        stuck -= 1
        served = 0 if stuck > 0 else rng.poisson(10)
        length = max(0, length + rng.poisson(10 * load) - served)
        d.x[n] = length
    return d.done("queue", 0)


def heartbeat(rng: np.random.Generator) -> Stream:
    """A slow oscillation of its own period; one beat is missed, or the beat gets irregular."""
    d = Draft(rng, 4000, 60)
    period = rng.uniform(25, 70)
    phase = np.cumsum(np.full(d.rows, 2 * np.pi / period) * (1 + d.ar(0.9, 0.02)))
    for at in d.places(2):
        long = int(period * rng.uniform(1, 3))
        phase[at : at + long] = (
            phase[at]
            if rng.random() < 0.5
            else phase[at] + np.cumsum(rng.normal(0.2, 0.5, long))[: len(phase[at : at + long])]
        )
        d.mark(at)
    d.x = 10 * np.sin(phase) + 50 + rng.normal(0, 0.5, d.rows)
    return d.done("heartbeat", 3)


DEVELOPED: tuple[Family, ...] = (
    cpu_flat, cpu_busy, net_bytes, disk_jobs, requests, ad_price, road_speed, occupancy, mentions, machine_heat,
    room_heat, rides, artificial, eventless, fleet,
)  # fmt: skip
HELD_OUT: tuple[Family, ...] = (leak, latency, thermostat, power, queue, heartbeat)


def streams(families: tuple[Family, ...], seeds: range) -> list[Stream]:
    """One stream of each family for each seed, the same ones for ever."""
    made: list[Stream] = []
    for family in families:
        for seed in seeds:
            rng = np.random.default_rng([seed, zlib.crc32(family.__name__.encode())])
            made.append(family(rng))
    return made
