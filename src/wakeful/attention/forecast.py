"""What should come next: several simple experts, each trusted as far as it was right lately."""

import math
import statistics
from math import log, sqrt

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
_KEPT = 1.0 - _SHARE * _K
_SCALE_RATE = 0.01
_CLIP = 4.0  # scales that one sample may teach at most
_MEAN_TO_DEVIATION = 1.2533  # mean absolute error to standard deviation, of normal errors
_MEDIAN_TO_DEVIATION = 1.183 * _MEAN_TO_DEVIATION  # median absolute error to standard deviation
_FORGET = 0.998  # of what the two lags were learnt from, each time
_EVERY, _OFTEN_UNTIL = 4, 500  # samples between two lessons of what changes slowly, and until when there is one each
_BLOCK = 16  # samples, after which what changes very slowly is looked at again
_LONGEST_FADES = 0.1  # of the longest usual interval, a day
_SEASON_AFTER = 20  # samples after which the usual interval is known well enough
_GAP, _LONGEST_GAP = 2.5, 100.0  # usual intervals
_TRUSTED = 0.01  # trust below which an expert's view changes nothing
_FAR = 1e6  # of 1 + z²/4, from where on all errors are alike
_TINY = 1e-13
_MOST_NATS = 30.0
_NAN = math.nan

Foreseen = tuple[float, bool, float, float, float]
"""What the experts together make of a value: nats of the tail on its side, both sides counted; whether that is the
upper one; the centre of the prediction; its width, as a standard deviation; and how many mean errors the value is off
what is usual at this time of the day, once two days are known."""


class Forecast(msgspec.Struct, array_like=True, gc=False):
    """A mixture of experts with heavy tails.

    Each predicts a Student's t of four degrees of freedom round its own view, as wide as its own errors were. Trust
    moves by about the square root of the likelihood, since errors that follow each other are not independent, with a
    fixed share given back (Herbster & Warmuth 1998), so that what works now is found within some samples and nothing
    is given up for ever.

    n: samples; at_s, interval_s: time of the last one, and the usual time between two
    last, before: the last two samples; grain: the smallest step that was seen; least: the least scale
    level, trend, slow: of the experts of those names, the trend per sample
    then, earlier: the level up to one block of samples ago, and one to two blocks ago
    lags: two coefficients, and the three numbers of their covariance
    scales, trust: by expert, typical error as a standard deviation, and share
    early: the first samples
    longest_s: the longest usual time between two lately, so that the end of a burst is no silence
    """

    n: int = 0
    at_s: float = -math.inf
    interval_s: float = 0.0
    last: float = 0.0
    before: float = 0.0
    grain: float = 0.0
    least: float = 0.0
    level: float = 0.0
    trend: float = 0.0
    slow: float = 0.0
    then: float = 0.0
    earlier: float = 0.0
    lags: list[float] = msgspec.field(default_factory=lambda: [1.0, 0.0, 100.0, 0.0, 100.0])
    scales: list[float] = msgspec.field(default_factory=lambda: [0.0] * _K)
    trust: list[float] = msgspec.field(default_factory=lambda: [1.0 / _K] * _K)
    early: list[float] = msgspec.field(default_factory=list[float])
    day: Season | None = None
    week: Season | None = None
    longest_s: float = 0.0

    def update(self, value: float, at_s: float) -> Foreseen:
        """Judges a finite value, |value| <= 1e100, by those before it, then learns from it."""
        self.n = n = self.n + 1
        since_s = at_s - self.at_s
        self.at_s = at_s
        if n <= WARM_UP:
            self._begin(value, since_s)
            return 0.0, value >= self.slow, self.slow, self.scales[2], 0.0
        interval_s = self.interval_s
        steps = since_s / interval_s if interval_s > 0.0 else 1.0
        if since_s > 0.0:
            near_s = since_s
            if since_s > 10.0 * interval_s > 0.0:
                near_s = 10.0 * interval_s
            self.interval_s = interval_s + (0.02 if n > 49 else 1.0 / n) * (near_s - interval_s)
        level, slow, last = self.level, self.slow, self.last
        carried = level + self.trend * (steps if 0.0 <= steps < _GAP else _GAP)
        one, two = last - slow, self.before - slow
        lags = self.lags
        lagged = slow + lags[0] * one + lags[1] * two
        off = 0.0
        day, week = self.day, self.week
        views: tuple[float, ...] = ()
        in_day = in_week = 0
        today = this_week = _NAN
        if day is not None and week is not None:
            in_day = int(at_s % DAY_S * day.per_s)
            today = day.usual[in_day] + day.shift
            in_week = int(at_s % WEEK_S * week.per_s)
            this_week = week.usual[in_week] + week.shift
            if today == today:
                if this_week == this_week:
                    views = (last, carried, slow, lagged, today, this_week)
                else:
                    views = (last, carried, slow, lagged, today)
                if at_s > day.known_s:
                    off = day.off(value, today)
        elif n == _SEASON_AFTER:
            self.day = Season.of(DAY_S, self.interval_s, slow, at_s)
            self.week = Season.of(WEEK_S, self.interval_s, slow, at_s)
        nats, above, centre, width, errors = self._weigh(value, views or (last, carried, slow, lagged), steps)
        error = errors[1]
        self.level = carried + (_LEVEL if n > 20 else 1.0 / n) * error
        self.trend = 0.999 * self.trend + _TREND * error
        self.slow = slow + (_SLOW if n > 333 else 1.0 / n) * errors[2]
        if n < _OFTEN_UNTIL or not n % _EVERY:
            self._learn_lags(errors[3], one, two)
        if day is not None and week is not None:
            heard = len(errors)
            day.learn(in_day, value, today, errors[4] if heard > 4 else 0.0, at_s)
            week.learn(in_week, value, this_week, errors[5] if heard > 5 else 0.0, at_s)
        moved = value - last
        if moved:
            if moved < 0.0:
                moved = -moved
            if moved < self.grain or not self.grain:
                self._finer(moved, value)
        if n < _BLOCK or not n % _BLOCK:
            self.grain *= 1.0 + 0.001 * _BLOCK
            self.least = max(self.grain / 2.0, abs(slow) * 1e-6, 1e-12)
            self.earlier, self.then = self.then, level
            faded_s = self.longest_s * (1.0 - _LONGEST_FADES * _BLOCK * interval_s / DAY_S)
            self.longest_s = max(faded_s, interval_s)
        self.before, self.last = last, value
        return nats, above, centre, width, off

    def _weigh(
        self, value: float, views: tuple[float, ...], steps: float
    ) -> tuple[float, bool, float, float, list[float]]:
        """The mixture's view of a value, and the error that each expert may learn from; moves trust and scales.

        Only experts with a view are heard; the shares of the others stay.
        """
        scales, trust, least = self.scales, self.trust, self.least
        widened = None
        if steps > _GAP:  # the views of those that go by the last few samples grow old in a gap
            widened = scales[0], scales[3]
            widen = sqrt(min(steps, _LONGEST_GAP))
            scales = [scales[0] * widen, scales[1], scales[2], scales[3] * widen, *scales[4:]]
        rate = _SCALE_RATE if self.n > 100 else 1.0 / self.n
        learnt = self.scales
        heard = len(views)
        enough = _TRUSTED if heard == _K else _TRUSTED * sum(trust[:heard])
        upper = total = centre = width = moved = 0.0
        errors: list[float] = []
        k = -1
        for view in views:
            k += 1
            scale, share = scales[k], trust[k]
            if scale < least:
                scale = least
            error = value - view
            z = error / scale
            spread = 1.0 + 0.25 * z * z
            if share > enough:
                u = z / sqrt(spread)
                upper += share * (0.5 - u * (0.375 - 0.03125 * u * u))
                total += share
                centre += share * view
                width += share * scale
            if -_CLIP < z < _CLIP:
                size = error if error >= 0.0 else -error
            else:
                size = _CLIP * scale
                error = size if error > 0.0 else -size
                if spread > _FAR:
                    spread = _FAR
            errors.append(error)
            learnt[k] = scale + rate * (size * _MEAN_TO_DEVIATION - scale)
            trust[k] = likely = share / (spread * sqrt(scale))
            moved += likely
        if widened is not None:
            learnt[0], learnt[3] = widened
        factor = _KEPT / moved if moved > 0.0 else 0.0
        for k in range(heard):
            trust[k] = trust[k] * factor + _SHARE
        lower = total - upper
        above = upper < lower
        chance = 2.0 * (upper if above else lower) / total
        nats = (-log(chance) if chance < 1.0 else 0.0) if chance > _TINY else _MOST_NATS
        return nats, above, centre / total, width / total, errors

    def _learn_lags(self, error: float, one: float, two: float) -> None:
        """Recursive least squares of two lags, in units of this expert's own errors."""
        a, b, p, q, r = self.lags
        unit = max(self.scales[3], self.least)
        one, two = one / unit, two / unit
        gain_one, gain_two = p * one + q * two, q * one + r * two
        spread = _FORGET + one * gain_one + two * gain_two
        if not spread < 1e100:
            return
        error = error / unit / spread
        p = (p - gain_one * gain_one / spread) / _FORGET
        r = (r - gain_two * gain_two / spread) / _FORGET
        self.lags = [
            a + gain_one * error,
            b + gain_two * error,
            min(100.0, p),
            (q - gain_one * gain_two / spread) / _FORGET,
            min(100.0, r),
        ]

    def _finer(self, moved: float, value: float) -> None:
        """Takes in a smaller step than was seen before, if it is more than rounding."""
        if moved > 1e-12 * abs(value):
            self.grain = moved

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
        mean = sum(errors) / len(errors) / 4
        scale = max(_MEDIAN_TO_DEVIATION * statistics.median(errors), _MEAN_TO_DEVIATION * mean)
        self.level = self.slow = self.then = self.earlier = usual
        self.scales = [scale] * _K
        moved = abs(value - self.last)
        if moved > 1e-12 * abs(value):
            self.grain = min(self.grain, moved) if self.grain else moved
        self.least = max(self.grain / 2.0, abs(usual) * 1e-6, 1e-12)
        self.before, self.last = self.last, value
        if self.n >= WARM_UP:
            self.early = []
