"""What is usual at this time of the day, or of the week."""

import math
from array import array
from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    Floats = array[float]
else:
    Floats = array  # takes no type argument before Python 3.12

DAY_S, WEEK_S = 86_400.0, 604_800.0
_BINS = {DAY_S: 288, WEEK_S: 336}  # at most: five minutes of a day, half an hour of a week
_RATE, _OFFSET_RATE = 0.15, 0.05
_KEPT_RATE = 1.0 - _OFFSET_RATE
_SETTLED_PERIODS = 8.0  # after which a bin's rate is `_RATE` whatever came
_LASTING_RATE, _SETTLED, _EARLY = 0.005, 200, 50
_LARGEST = 1e37  # of what four bytes can hold


class Season(msgspec.Struct, array_like=True, gc=False):
    """A profile over one period, in bins.

    per_s: bins a second, the first one begins with the period; each: samples that come in one bin of one period
    known_s: when it has seen two periods; settled_s: when it has seen so many periods that a bin learns at `rate`
    base: what `usual` is relative to; usual: the profile, not a number where no sample has come yet
    shift: base, and how far the present is off the profile by some twenty samples
    lasting: the same by some two hundred; error, compared: mean error of the profile with it, over how many samples
    """

    period_s: float
    per_s: float
    each: float
    known_s: float
    settled_s: float
    rate: float
    usual: Floats
    shift: float
    lasting: float
    error: float = 0.0
    compared: int = 0

    @classmethod
    def of(cls, period_s: float, interval_s: float, base: float, at_s: float) -> Self:
        """An empty profile for samples near `base` that come every `interval_s` seconds."""
        bins = int(min(_BINS[period_s], max(period_s / max(interval_s, 1.0), 2.0)))
        each = max(period_s / bins / max(interval_s, 1e-3), 1.0)
        empty = array("f", [math.nan]) * (bins + 1)  # one more, should rounding lead past the end
        known_s, settled_s = at_s + 2.0 * period_s, at_s + _SETTLED_PERIODS * period_s
        return cls(period_s, bins / period_s, each, known_s, settled_s, _KEPT_RATE * _RATE / each, empty, base, base)

    def off(self, value: float, expected: float) -> float:
        """How many mean errors a value is off what is usual at its time, whatever came just before it."""
        lasting = self.lasting
        error = value - expected + self.shift - lasting
        size = error if error >= 0.0 else -error
        usual, n = self.error, self.compared
        if n > _SETTLED:
            limit = 4.0 * usual
            if size > limit:
                error = limit if error > 0.0 else -limit
                self.error = usual + _LASTING_RATE * (limit - usual)
            else:
                self.error = usual + _LASTING_RATE * (size - usual)
            self.lasting = lasting + _LASTING_RATE * error
            return size / usual if usual > 0.0 else 0.0
        self.compared = n = n + 1
        limit = size if n <= _EARLY else 4.0 * usual
        self.error = usual + (min(size, limit) - usual) / n
        self.lasting = lasting + _LASTING_RATE * max(-limit, min(limit, error))
        return size / usual if n > _EARLY and usual > 0.0 else 0.0

    def learn(self, place: int, value: float, expected: float, error: float, at_s: float) -> None:
        """Moves the bin and the offset by an error, which the caller has cut to what it may teach."""
        shift = self.shift
        if expected != expected:
            here = value - shift
            if -_LARGEST < here < _LARGEST:
                self.usual[place] = here
            return
        rate = self.rate
        if at_s < self.settled_s:
            periods = (at_s - self.settled_s) / self.period_s + _SETTLED_PERIODS
            rate = max(1.0 / (periods * self.each + 1.0), rate) if periods > 0.0 else 1.0
        here = expected - shift + rate * error
        if -_LARGEST < here < _LARGEST:
            self.usual[place] = here
        self.shift = shift + _OFFSET_RATE * error
