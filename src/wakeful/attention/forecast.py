"""What should come next: several simple experts, each trusted as far as it was right lately."""

import math
import statistics
from typing import NamedTuple

import msgspec

from wakeful.attention.season import DAY_S, WEEK_S, Season

WARM_UP = 6
"""Samples before errors mean anything."""

EXPERTS = ("last", "quick", "level", "slow", "short lags", "day", "week")
"""The last sample; three levels of falling pace, the second with a trend; two lags; the profile of the day and week."""

_K = len(EXPERTS)
_QUICK, _LEVEL, _SLOW = 0.3, 0.05, 0.003
_TREND = _LEVEL * _LEVEL / 4
_SHARE = 0.003 / _K  # of trust that goes back to each expert at every sample, so that none is lost for good
_SHARPNESS = 0.4  # power of the likelihood by which trust moves; below 1 since errors are not independent
_SCALE_RATE = 0.01
_CLIP = 4.0  # scales that one sample may teach at most
_MEAN_TO_DEVIATION = 1.2533  # mean absolute error to standard deviation, of normal errors
_MEDIAN_TO_MEAN = 1.183  # median absolute error to mean absolute error, of normal errors
_FORGET = 0.998  # of what the two lags were learnt from, a sample
_SEASON_AFTER = 20  # samples after which the usual interval is known well enough
_GAP, _LONGEST_GAP = 2.5, 100.0  # usual intervals
_TRUSTED = 0.004  # trust below which an expert's view changes nothing
_TINY = 1e-30


class Foreseen(NamedTuple):
    """What the experts together make of a value.

    nats: of the tail on the value's side, both sides counted; above: whether that is the upper one
    expected: the centre of the prediction; scale: its width, as a standard deviation
    """

    nats: float
    above: bool
    expected: float
    scale: float


class Forecast(msgspec.Struct, array_like=True):
    """A mixture of experts with heavy tails.

    Each predicts a Student's t of four degrees of freedom round its own view, as wide as its own errors were. Trust
    moves by likelihood, with a fixed share given back (Herbster & Warmuth 1998), so that what works now is found within
    some samples and nothing is given up for ever.

    n: samples; at_s, interval_s: time of the last one, and the usual time between two
    last, before: the last two samples; grain: the smallest step that was seen
    levels: quick, level, slow; trend: of `level`, per sample
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
    levels: list[float] = msgspec.field(default_factory=lambda: [0.0, 0.0, 0.0])
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
            return Foreseen(0.0, value >= self.levels[2], self.levels[2], self.scales[3])
        interval_s = self.interval_s
        steps = since_s / interval_s if interval_s > 0 else 1.0
        if since_s > 0:
            rate = 1.0 / n if n < 50 else 0.02
            self.interval_s += rate * (min(since_s, 10 * interval_s or since_s) - interval_s)
        quick, level, slow = levels = self.levels
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
        views = (last, quick, carried, slow, slow + lags[0] * one + lags[1] * two, today, this_week)
        widen = math.sqrt(min(steps, _LONGEST_GAP)) if steps > _GAP else 1.0
        foreseen, most = self._weigh(value, views, widen)
        # Every expert learns, each by an error that is cut to a few of its own scales.
        error = value - quick
        levels[0] = quick + _QUICK * max(-most[1], min(most[1], error))
        error = max(-most[2], min(most[2], value - carried))
        levels[1] = carried + (_LEVEL if n > 20 else 1.0 / n) * error
        self.trend = 0.999 * self.trend + _TREND * error
        levels[2] = slow + (_SLOW if n > 333 else 1.0 / n) * max(-most[3], min(most[3], value - slow))
        self._learn_lags(value - views[4], one, two, most[4])
        if day is not None and week is not None:
            day.learn(in_day, value, today, most[5], at_s)
            week.learn(in_week, value, this_week, most[6], at_s)
        moved = abs(value - last)
        if moved > 1e-12 * abs(value):
            self.grain = min(self.grain * 1.001, moved) if self.grain else moved
        self.before, self.last = last, value
        return foreseen

    def _weigh(self, value: float, views: tuple[float, ...], widen: float) -> tuple[Foreseen, list[float]]:
        """The mixture's view of a value, and the largest error that each expert may learn from; moves trust."""
        scales, trust = self.scales, self.trust
        least = max(self.grain / 2, abs(views[3]) * 1e-6, 1e-12)
        total = upper = lower = centre = width = moved = 0.0
        rate = _SCALE_RATE if self.n > 100 else 1.0 / self.n
        most: list[float] = []
        after: list[float] = []
        for k, view in enumerate(views):
            error = value - view
            if error != error:  # noqa: PLR0124  not a number: this expert has no view yet
                most.append(math.inf)
                after.append(-1.0)
                continue
            scale = scales[k] * _MEAN_TO_DEVIATION
            if scale < least:
                scale = least
            limit = _CLIP * scale
            most.append(limit)
            size = error if error >= 0 else -error
            scales[k] += rate * ((size if size < limit else limit) - scales[k])
            if k in _FADING:
                scale *= widen
            z = error / scale
            g = 1.0 + z * z / 4.0
            share = trust[k]
            total += share
            if share > _TRUSTED:
                if -50.0 < z < 50.0:
                    u = z / math.sqrt(g)
                    beyond = 0.5 - 0.375 * u * (1.0 - u * u / 12.0)
                    upper += share * (beyond if beyond > 5e-7 else 5e-7)
                    lower += share * (1.0 - beyond if beyond < 0.9999995 else 5e-7)
                else:
                    beyond = 3.0 / (z * z) / (z * z)
                    upper += share * (beyond if z > 0 else 1.0)
                    lower += share * (1.0 if z > 0 else beyond)
                centre += share * view
                width += share * scale
            likely = share / ((g if g < 1e6 else 1e6) * scale**_SHARPNESS)
            moved += likely
            after.append(likely)
        if moved > 0.0:
            factor = (1.0 - _SHARE * _K) * total / moved
            for k, likely in enumerate(after):
                if likely >= 0.0:
                    trust[k] = likely * factor + _SHARE
        seen = upper + lower
        above = upper < lower
        chance = 2.0 * (upper if above else lower) / seen
        nats = -math.log(chance if chance > _TINY else _TINY)
        return Foreseen(nats if nats > 0.0 else 0.0, above, centre / seen, width / seen), most

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
        self.levels = [usual, usual, usual]
        self.scales = [scale] * _K
        moved = abs(value - self.last)
        if moved > 1e-12 * abs(value):
            self.grain = min(self.grain, moved) if self.grain else moved
        self.before, self.last = self.last, value
        if self.n >= WARM_UP:
            self.early = []


_FADING = frozenset((0, 1, 4))
"""Experts whose view grows old in a gap: those that go by the last few samples."""
