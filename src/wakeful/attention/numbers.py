"""One streaming model per metric: what should come next, and how surprising is what came."""

import math
import statistics
from bisect import bisect_right
from typing import NamedTuple

import msgspec

from wakeful.attention.kinds import Kind

WARM_UP = 6
"""Samples before a metric's errors mean anything."""

MAX_NATS = 20.0
"""No number surprises more."""

_RATE = 0.03  # of the quick level: about the last half hour at one sample in ten seconds
_TREND_RATE = _RATE * _RATE / 4
_SLOW_RATE = 0.0005  # of the slow level: about the last day, so that a return to what was usual is no news
_CLIP = 3.0  # scales that one sample may teach at most, so that a spike does not widen what is usual
_MEAN_TO_DEVIATION = 1.2533  # mean absolute error to standard deviation, of normal errors
_MEDIAN_TO_MEAN = 1.183  # median absolute error to mean absolute error, of normal errors
_SHIFT_AFTER = 8  # samples in a row far on one side after which a new level is taken for real
_FAR, _GROWN = 3.0, 1.5  # scales that make a departure; how much larger it must be to be told again at once
_QUIET_S = 600.0  # without a departure, after which the next one is news again
_MAX_STEPS = 5.0  # usual intervals over which a trend is carried on through a gap

# Tail nats of the assumed distribution are corrected by how often such errors really came: counts in these bins.
_EDGES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0)
_PRIOR = 20.0  # samples that the assumed distribution is worth
_PRIORS = tuple(_PRIOR * math.exp(-edge) for edge in _EDGES)
_KEPT = 20_000  # samples, then all counts are halved: what is usual is what the last days showed

_END_NATS = (7.0, 9.0, 11.0, 13.0)  # for each level near the end of a bounded resource, rising
_SOON_NATS = 9.0
_HYSTERESIS = 2.0
_SOON_H, _TOLD_H = 2.0, 48.0
_SOON_FROM = 60.0  # percent
_SLOPE_SPAN_S, _SLOPE_LEAST_S = 1800.0, 240.0
_SLOPE_LEAST = 1.0  # points that must have been filled before a pace is believed
_TAIL_LIMIT = 1000.0


class Judged(NamedTuple):
    """What came of one sample: surprise in nats, the value judged, what is usual, and nearness to its end."""

    nats: float
    value: float
    usual: float
    end_nats: float = 0.0
    full_in_h: float = math.inf


class Metric(msgspec.Struct, array_like=True):
    """What one metric has taught. Times in seconds since the epoch; everything else in the metric's unit.

    at_s, last, interval_s: when the last sample came, what it was, and the usual time between two
    level, trend, scale: the quick model: what is usual now, its change per interval, the mean absolute error
    slow, slow_scale: the slow model: what has been usual for long
    grain: the smallest step that this metric makes
    side: samples in a row that were far on one side, with its sign
    told, departed_s: size of the departure that was last told, in scales; when it was last so far away
    reached, soon: how many of its ends it stands above; whether it was told that it is soon full
    slope_s, slope_value, per_s: where the present measurement of its pace began, and the pace
    early: the first samples, until there are enough to begin with
    bins: how often errors of each size came, see `_EDGES`
    """

    n: int = 0
    at_s: float = -math.inf
    last: float = 0.0
    interval_s: float = 0.0
    level: float = 0.0
    trend: float = 0.0
    scale: float = 0.0
    slow: float = 0.0
    slow_scale: float = 0.0
    grain: float = 0.0
    side: int = 0
    told: float = 0.0
    departed_s: float = 0.0
    reached: int = 0
    soon: bool = False
    slope_s: float = 0.0
    slope_value: float = 0.0
    per_s: float = 0.0
    early: list[float] = msgspec.field(default_factory=list[float])
    bins: list[int] = msgspec.field(default_factory=lambda: [0] * len(_EDGES))
    total: int = 0

    def update(self, kind: Kind, value: float, at_s: float) -> Judged:
        """Judges a finite sample, |value| <= 1e100, by those before it, then learns from it."""
        since_s = at_s - self.at_s
        counted, rate = self.last, value
        self.at_s, self.last = at_s, value
        if kind.counter:
            if not 0.0 < since_s < math.inf or value < counted:  # the first one, a reset, or time stood still
                return Judged(0.0, value, value)
            rate = (value - counted) / since_s
        judged = self._judge(kind, rate, at_s, since_s)
        if not kind.counter and self.n > 1 and (moved := abs(value - counted)) > 1e-12 * abs(value):
            self.grain = min(self.grain * 1.001, moved) if self.grain else moved
        return judged

    def _judge(self, kind: Kind, value: float, at_s: float, since_s: float) -> Judged:
        steps = since_s / self.interval_s if self.interval_s > 0 else 1.0
        expected = self.level + self.trend * min(max(steps, 0.0), _MAX_STEPS)
        grain = max(self.grain / 2, abs(expected) * 1e-6, 1e-12)
        quick = max(self.scale * _MEAN_TO_DEVIATION, grain)
        slow = max(self.slow_scale * _MEAN_TO_DEVIATION, grain)
        error, slow_error = value - expected, value - self.slow
        z = error / quick
        # What fits either the quick or the slow model is as expected.
        near, size = (error, abs(z)) if abs(z) * slow <= abs(slow_error) else (slow_error, abs(slow_error) / slow)
        end_nats, full_in_h = self._end(kind, value, at_s) if kind.ends else (0.0, math.inf)
        nats = 0.0
        if self.n >= WARM_UP:
            least = kind.least_change(expected)
            assumed = -math.log(tail(size))
            nats = self._calibrated(assumed)
            if nats > 1.0:  # however unusual, it may be too small to mean anything
                nats = min(nats, -math.log(tail(abs(near) / least)))
            if nats > 2.0 and not self._is_news(abs(near) / max(quick, least), at_s):
                nats = 0.0
        self._learn(value, (expected, slow_error), (quick, slow), since_s)
        return Judged(min(nats, MAX_NATS), value, expected, end_nats, full_in_h)

    def _calibrated(self, assumed: float) -> float:
        """Nats by how often errors of at least this size came so far; learns from this one.

        The assumed distribution counts as some samples of its own, and shapes what was never reached.
        """
        bins = self.bins
        k = bisect_right(_EDGES, assumed) - 1
        above = sum(bins[k + 1 :])
        total = self.total + _PRIOR
        here = math.log(total / (above + bins[k] + _PRIORS[k]))
        if k + 1 < len(_EDGES):
            beyond = math.log(total / (above + _PRIORS[k + 1]))
            nats = here + (beyond - here) * (assumed - _EDGES[k]) / (_EDGES[k + 1] - _EDGES[k])
        else:
            nats = here + assumed - _EDGES[k]
        bins[k] += 1
        self.total += 1
        if self.total >= _KEPT:
            self.bins = [count // 2 for count in bins]
            self.total = sum(self.bins)
        return max(nats, 0.0)

    def _is_news(self, size: float, at_s: float) -> bool:
        """Whether this departure is not the one that was told; one that grew notably is news at once."""
        if size < _FAR:
            return True
        again = 0.0 <= at_s - self.departed_s < _QUIET_S and size < _GROWN * self.told
        self.departed_s = at_s
        if not again:
            self.told = size
        return not again

    def _end(self, kind: Kind, value: float, at_s: float) -> tuple[float, float]:
        """Nats for a bounded resource that comes nearer to its end, and hours until it is full."""
        hours = self._hours_left(value, at_s) if kind.fills else math.inf
        before = self.reached
        reached = sum(value >= end for end in kind.ends)
        if reached > before or value < kind.ends[max(before - 1, 0)] - _HYSTERESIS:
            self.reached = reached
        if not self.n:
            return 0.0, math.inf
        nats = _END_NATS[min(reached, len(_END_NATS)) - 1] if reached > before else 0.0
        if hours > 2 * _SOON_H:
            self.soon = False
        elif hours < _SOON_H and value >= _SOON_FROM and not self.soon:
            self.soon = True
            nats = max(nats, _SOON_NATS)
        return nats, hours if hours < _TOLD_H else math.inf

    def _hours_left(self, value: float, at_s: float) -> float:
        """Until it is full at its present pace; infinite where it does not fill."""
        span_s = at_s - self.slope_s
        if not self.n or not 0.0 <= span_s < 10 * _SLOPE_SPAN_S:  # new, or the clock jumped
            self.slope_s, self.slope_value, self.per_s = at_s, value, 0.0
            return math.inf
        risen = value - self.slope_value
        if span_s >= _SLOPE_LEAST_S:
            self.per_s = risen / span_s
        if span_s > _SLOPE_SPAN_S:
            self.slope_s = at_s - _SLOPE_SPAN_S / 2
            self.slope_value = value - self.per_s * _SLOPE_SPAN_S / 2
        if span_s < _SLOPE_LEAST_S or risen < _SLOPE_LEAST:
            return math.inf
        return max(100.0 - value, 0.0) / self.per_s / 3600

    def _begin(self) -> None:
        """A robust start: the mind's own first thought, or a start of the machine, is not what is usual."""
        self.level = self.slow = statistics.median(self.early)
        errors = [abs(value - self.level) for value in self.early]
        mean = sum(errors) / len(errors)
        self.scale = self.slow_scale = max(_MEDIAN_TO_MEAN * statistics.median(errors), mean / 4)
        if self.n >= WARM_UP:
            self.early = []

    def _learn(
        self, value: float, expectation: tuple[float, float], scales: tuple[float, float], since_s: float
    ) -> None:
        """Moves both models towards `value`; no single sample moves them far."""
        expected, slow_error = expectation
        quick, slow = scales
        error = value - expected
        z = error / quick
        self.n += 1
        n = self.n
        if n == 1:
            self.early.append(value)
            self.level = self.slow = value
            return
        if since_s > 0:
            pull = max(1.0 / n, 0.05)
            self.interval_s += pull * (min(since_s, 10 * self.interval_s or since_s) - self.interval_s)
        far = 0 if -_CLIP < z < _CLIP else (1 if z > 0 else -1)
        self.side = self.side + far if far * self.side >= 0 and far else far
        if n <= WARM_UP:
            self.early.append(value)
            self._begin()
        else:
            pace = max(_RATE, 1.0 / n)
            most = _CLIP * quick
            step = max(-most, min(most, error))
            if abs(self.side) >= _SHIFT_AFTER:  # a new level: go there, and let go of the old trend
                self.level, self.trend = expected + 0.5 * error, 0.0
            else:
                self.level = expected + pace * step
                self.trend = 0.999 * self.trend + _TREND_RATE * step
            self.scale += pace * (min(abs(error), most) - self.scale)
            rate = max(_SLOW_RATE, 1.0 / n)
            most = _CLIP * slow
            self.slow += rate * max(-most, min(most, slow_error))
            self.slow_scale += rate * (min(abs(slow_error), most) - self.slow_scale)


def tail(z: float) -> float:
    """Probability that an error is at least `z` scales in size, either way, in (0, 1].

    Student's t with four degrees of freedom, which allows for outliers, scaled to a standard deviation near one.
    """
    size = min(abs(z), _TAIL_LIMIT)
    if size > 50.0:
        return 6.0 / size**4  # the closed form loses its digits here; this is its limit
    u = size / math.sqrt(1 + size * size / 4)
    return min(max(1 - 0.75 * u * (1 - u * u / 12), 6.0 / _TAIL_LIMIT**4), 1.0)
