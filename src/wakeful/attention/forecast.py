"""What should come next: several simple experts, each trusted as far as it was right lately."""

import math
import statistics
from math import log, sqrt
from typing import NamedTuple

import msgspec

from wakeful.attention.season import DAY_S, WEEK_S, Season

WARM_UP = 6
"""Samples before errors mean anything."""

EXPERTS = ("last", "level", "slow", "short lags", "day", "week")
"""The last sample; a level with a trend, and one of long memory; two lags; the profiles of the day and of the week."""

_K = len(EXPERTS)
_LEVEL, _SLOW = 0.05, 0.003
_TREND = _LEVEL * _LEVEL / 4
_SHARE = 0.003 / _K  # of trust that goes back to each expert at every sample, so that none is lost for good
_SCALE_RATE = 0.01
_CLIP = 4.0  # scales that one sample may teach at most
_MEAN_TO_DEVIATION = 1.2533  # mean absolute error to standard deviation, of normal errors
_MEDIAN_TO_MEAN = 1.183  # median absolute error to mean absolute error, of normal errors
_FORGET = 0.998  # of what the two lags were learnt from, a sample
_SEASON_AFTER = 20  # samples after which the usual interval is known well enough
_PROFILE_AFTER_S, _WEEK_AFTER_S = 2 * DAY_S, WEEK_S + DAY_S
_GAP, _LONGEST_GAP = 2.5, 100.0  # usual intervals
_TRUSTED = 0.01  # trust below which an expert's view changes nothing
_TINY = 1e-30
_MOST_NATS = 69.0


class Foreseen(NamedTuple):
    """What the experts together make of a value.

    nats: of the tail on the value's side, both sides counted; above: whether that is the upper one
    expected: the centre of the prediction; scale: its width, as a standard deviation
    off: how many mean errors it is off what is usual at this time of the day, once two days are known
    """

    nats: float
    above: bool
    expected: float
    scale: float
    off: float = 0.0


class Forecast(msgspec.Struct, array_like=True):
    """A mixture of experts with heavy tails.

    Each predicts a Student's t of four degrees of freedom round its own view, as wide as its own errors were. Trust
    moves by about the square root of the likelihood, since errors that follow each other are not independent, with a
    fixed share given back (Herbster & Warmuth 1998), so that what works now is found within some samples and nothing
    is given up for ever.

    n: samples; at_s, interval_s: time of the last one, and the usual time between two
    last, before: the last two samples; grain: the smallest step that was seen
    levels: level, slow; trend: of `level`, per sample
    lags: two coefficients, and the three numbers of their covariance
    scales, trust: by expert, mean absolute error and share
    early: the first samples
    """

    n: int = 0
    at_s: float = -math.inf
    interval_s: float = 0.0
    last: float = 0.0
    before: float = 0.0
    grain: float = 0.0
    levels: list[float] = msgspec.field(default_factory=lambda: [0.0, 0.0])
    trend: float = 0.0
    lags: list[float] = msgspec.field(default_factory=lambda: [1.0, 0.0, 100.0, 0.0, 100.0])
    scales: list[float] = msgspec.field(default_factory=lambda: [0.0] * _K)
    trust: list[float] = msgspec.field(default_factory=lambda: [1.0 / _K] * _K)
    early: list[float] = msgspec.field(default_factory=list[float])
    day: Season | None = None
    week: Season | None = None

    def update(self, value: float, at_s: float) -> Foreseen:
        """Judges a finite value, |value| <= 1e100, by those before it, then learns from it."""
        self.n = n = self.n + 1
        since_s = at_s - self.at_s
        self.at_s = at_s
        if n <= WARM_UP:
            self._begin(value, since_s)
            return Foreseen(0.0, value >= self.levels[1], self.levels[1], self.scales[2])
        interval_s = self.interval_s
        steps = since_s / interval_s if interval_s > 0 else 1.0
        if since_s > 0:
            rate = 1.0 / n if n < 50 else 0.02
            self.interval_s += rate * (min(since_s, 10 * interval_s or since_s) - interval_s)
        level, slow = levels = self.levels
        last, before = self.last, self.before
        carried = level + self.trend * (steps if 0.0 <= steps < _GAP else _GAP)
        one, two = last - slow, before - slow
        day, week = self.day, self.week
        if n == _SEASON_AFTER:
            self.day = day = Season.of(DAY_S, self.interval_s, slow, at_s)
            self.week = week = Season.of(WEEK_S, self.interval_s, slow, at_s)
        lags = self.lags
        in_day = in_week = 0
        today = this_week = math.nan
        if day is not None and week is not None:
            in_day, in_week = day.at(at_s), week.at(at_s)
            today, this_week = day.expected(in_day), week.expected(in_week)
        views = (last, carried, slow, slow + lags[0] * one + lags[1] * two, today, this_week)
        widen = math.sqrt(min(steps, _LONGEST_GAP)) if steps > _GAP else 1.0
        off = 0.0
        if day is not None and today == today and at_s - day.begun_s > _PROFILE_AFTER_S:
            off = day.off(value, today)
        foreseen, most = self._weigh(value, views, widen, off)
        # Every expert learns, each by an error that is cut to a few of its own scales.
        error, limit = value - carried, most[1]
        error = limit if error > limit else (max(error, -limit))
        levels[0] = carried + (_LEVEL if n > 20 else 1.0 / n) * error
        self.trend = 0.999 * self.trend + _TREND * error
        error, limit = value - slow, most[2]
        error = limit if error > limit else (max(error, -limit))
        levels[1] = slow + (_SLOW if n > 333 else 1.0 / n) * error
        self._learn_lags(value - views[3], one, two, most[3])
        if day is not None and week is not None:
            day.learn(in_day, value, today, most[4], at_s)
            week.learn(in_week, value, this_week, most[5], at_s)
        moved = abs(value - last)
        if moved > 1e-12 * abs(value):
            self.grain = min(self.grain * 1.001, moved) if self.grain else moved
        self.before, self.last = last, value
        return foreseen

    def _weigh(self, value: float, views: tuple[float, ...], widen: float, off: float) -> tuple[Foreseen, list[float]]:
        """The mixture's view of a value, and the largest error that each expert may learn from; moves trust."""
        scales, trust = self.scales, self.trust
        least = max(self.grain / 2, abs(views[2]) * 1e-6, 1e-12)
        total = 1.0
        if views[4] != views[4] or views[5] != views[5]:
            total = sum(trust[:4])  # the others alone decide where a profile has no view
        enough = _TRUSTED * total
        upper = lower = centre = width = moved = 0.0
        rate = _SCALE_RATE if self.n > 100 else 1.0 / self.n
        most = [math.inf] * _K
        after = [-1.0] * _K
        for k, view in enumerate(views):
            error = value - view
            if error != error:
                continue
            mean = scales[k]
            scale = mean * _MEAN_TO_DEVIATION
            if scale < least:
                scale = least
            most[k] = limit = _CLIP * scale
            size = error if error >= 0 else -error
            scales[k] = mean + rate * ((min(limit, size)) - mean)
            if widen > 1.0 and k in _FADING:
                scale *= widen
            z = error / scale
            g = 1.0 + z * z / 4.0
            share = trust[k]
            if share > enough:
                if -50.0 < z < 50.0:
                    u = z / sqrt(g)
                    beyond = share * (0.5 - 0.375 * u * (1.0 - u * u / 12.0))
                    upper += beyond
                    lower += share - beyond
                else:
                    beyond = 3.0 / (z * z) / (z * z)
                    upper += share * (beyond if z > 0 else 1.0)
                    lower += share * (1.0 if z > 0 else beyond)
                centre += share * view
                width += share * scale
            after[k] = likely = share / ((min(1000000.0, g)) * sqrt(scale))
            moved += likely
        if moved > 0.0:
            factor = (1.0 - _SHARE * _K) / moved
            for k, likely in enumerate(after):
                if likely >= 0.0:
                    trust[k] = likely * factor + _SHARE
        seen = upper + lower
        above = upper < lower
        chance = 2.0 * (upper if above else lower) / seen
        nats = -log(chance) if chance > _TINY else _MOST_NATS
        return Foreseen(max(0.0, nats), above, centre / seen, width / seen, off), most

    def _learn_lags(self, error: float, one: float, two: float, most: float) -> None:
        """Recursive least squares of two lags, in units of this expert's own errors."""
        a, b, p, q, r = self.lags
        unit = most / _CLIP
        one, two = one / unit, two / unit
        gain_one, gain_two = p * one + q * two, q * one + r * two
        spread = _FORGET + one * gain_one + two * gain_two
        if not spread < 1e100:
            return
        error = max(-_CLIP, min(_CLIP, error / unit)) / spread
        self.lags = [
            a + gain_one * error,
            b + gain_two * error,
            min((p - gain_one * gain_one / spread) / _FORGET, 100.0),
            (q - gain_one * gain_two / spread) / _FORGET,
            min((r - gain_two * gain_two / spread) / _FORGET, 100.0),
        ]

    def _begin(self, value: float, since_s: float) -> None:
        """A robust start: the mind's own first thought, or a start of the machine, is not what is usual."""
        if self.n == 1:
            self.last = value
        elif 0.0 < since_s < math.inf:
            self.interval_s += (since_s - self.interval_s) / (self.n - 1)
        early = self.early
        early.append(value)
        usual = statistics.median(early)
        errors = [abs(each - usual) for each in early]
        scale = max(_MEDIAN_TO_MEAN * statistics.median(errors), sum(errors) / len(errors) / 4)
        self.levels = [usual, usual]
        self.scales = [scale] * _K
        moved = abs(value - self.last)
        if moved > 1e-12 * abs(value):
            self.grain = min(self.grain, moved) if self.grain else moved
        self.before, self.last = self.last, value
        if self.n >= WARM_UP:
            self.early = []


_FADING = (0, 3)
"""Experts whose view grows old in a gap: those that go by the last few samples."""
