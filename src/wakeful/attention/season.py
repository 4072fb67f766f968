"""What is usual at this time of the day, or of the week."""

import math
import struct
from typing import Self

import msgspec

DAY_S, WEEK_S = 86_400.0, 604_800.0
_BINS = {DAY_S: 288, WEEK_S: 336}  # at most: five minutes of a day, half an hour of a week
_RATE, _OFFSET_RATE = 0.15, 0.05
_LASTING_RATE, _SETTLED, _EARLY = 0.005, 200, 50
_LARGEST = 1e37  # of what four bytes can hold
_FLOAT = struct.Struct("<f")
_UNSEEN = _FLOAT.pack(math.nan)


class Season(msgspec.Struct, array_like=True):
    """A profile over one period, in bins.

    usual: the profile as four-byte floats over `base`, not a number where no sample has come yet
    offset, lasting: how far the present is off it, by some twenty samples and by some two hundred
    error, compared: mean error of the profile with the lasting offset, over how many samples
    each: samples that come in one bin of one period; begun_s: when it began to learn
    """

    period_s: float
    base: float
    each: float
    begun_s: float
    bins: int
    usual: bytearray
    offset: float = 0.0
    lasting: float = 0.0
    error: float = 0.0
    compared: int = 0

    @classmethod
    def of(cls, period_s: float, interval_s: float, base: float, at_s: float) -> Self:
        """An empty profile for samples near `base` that come every `interval_s` seconds."""
        bins = int(min(_BINS[period_s], max(period_s / max(interval_s, 1.0), 2.0)))
        each = max(period_s / bins / max(interval_s, 1e-3), 1.0)
        return cls(period_s, base, each, at_s, bins, bytearray(_UNSEEN * bins))

    def at(self, at_s: float) -> int:
        """Where the bin of a time begins in `usual`."""
        return int(at_s % self.period_s * self.bins / self.period_s) % self.bins * 4

    def expected(self, place: int) -> float:
        """What should come in the bin at `place`; not a number where nothing is known."""
        return _FLOAT.unpack_from(self.usual, place)[0] + self.base + self.offset

    def off(self, value: float, expected: float) -> float:
        """How many mean errors a value is off what is usual at its time, whatever came just before it."""
        error = value - expected + self.offset - self.lasting
        size = error if error >= 0 else -error
        n = self.compared = self.compared + 1
        rate = _LASTING_RATE if n > _SETTLED else 1.0 / n
        usual = self.error
        limit = size if n <= _EARLY else 4.0 * usual
        times = size / usual if n > _EARLY and usual > 0 else 0.0
        self.error += rate * (min(size, limit) - usual)
        self.lasting += _LASTING_RATE * max(-limit, min(limit, error))
        return times

    def learn(self, place: int, value: float, expected: float, most: float, at_s: float) -> None:
        """Moves the bin and the offset towards a value, by an error of `most` at the most."""
        here = value - self.base - self.offset
        if not -_LARGEST < here < _LARGEST:
            return
        if expected != expected:
            _FLOAT.pack_into(self.usual, place, here)
            return
        error = value - expected
        error = most if error > most else (max(error, -most))
        seen = (at_s - self.begun_s) / self.period_s * self.each
        rate = max(1.0 / (seen + 1.0), _RATE / self.each) if seen > 0 else 1.0
        usual = expected - self.base - self.offset + rate * (1.0 - _OFFSET_RATE) * error
        if -_LARGEST < usual < _LARGEST:
            _FLOAT.pack_into(self.usual, place, usual)
        self.offset += _OFFSET_RATE * error
