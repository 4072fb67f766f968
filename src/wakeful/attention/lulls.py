"""Which silences are usual? The hours in which nothing is said, and gaps that are long but ordinary."""

from array import array
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    Floats = array[float]
else:
    Floats = array  # takes no type argument before Python 3.12

_HOUR_S, _DAY_H, _WEEK_H = 3600.0, 24, 168
_HOURS = _WEEK_H + _DAY_H + 2  # remembered: a week, the day before it, and an hour on each side
_ALL = (1 << _HOURS) - 1
_BYTES = (_HOURS + 7) // 8
_ALL_HEARD = _ALL.to_bytes(_BYTES, "little")
_OFTEN_S = 1800.0  # usual gap up to which an hour with nothing in it says something about that hour
_HALF_H = 28 * 24  # hours after which a gap counts half
_LEAST_S = 4  # gaps shorter than that are no silence
_LENGTHS = 19  # of gaps, each twice as long as those before: from 4 s up to twelve days and more
_SHARE, _LEAST_COUNT = 0.1, 1.5  # of time that is spent in gaps as long, and how many there must be, to be usual
_LONGER = 1.5  # times the usual gap, from where on one is long
_LATE = 2.0  # times a long gap that is usual


class Lulls(msgspec.Struct, array_like=True, gc=False):
    """What is known of the silences of one who speaks often enough.

    Gaps count by the time that they take, not by their number, so that an hour's burst is an hour's worth, and by at
    least two of them, so that one outage is no habit. An hour is quiet where it was quiet a week ago, or yesterday
    although it was not a week before yesterday (a new habit, a clock put back), and so are its neighbours, since nobody
    begins on the minute.

    hour, heard: the last hour in which something came, since the epoch, and whether something came in each of those up
        to it, the latest as the lowest bit; what is not known counts as heard
    turned_s, apart_s: when that hour began for it, and seconds since then that were quiet, not heard, or long gaps
    total_s, counts, spans_s: time seen, and by length of gaps how many there were and their sum, fading
    """

    hour: int = 0
    heard: bytes = _ALL_HEARD
    turned_s: float = 0.0
    apart_s: float = 0.0
    total_s: float = 0.0
    counts: Floats = msgspec.field(default_factory=lambda: array("f", [0.0]) * _LENGTHS)
    spans_s: Floats = msgspec.field(default_factory=lambda: array("f", [0.0]) * _LENGTHS)

    def long(self, last_s: float, at_s: float, awake_s: float, usual_s: float) -> float:
        """Takes in a gap that is longer than usual; seconds of it that were quiet as usual.

        awake_s: since when there is listened without a break; usual_s: the gap that is usual at present
        """
        quiet_s = self.quiet_s(last_s, at_s, usual_s) if at_s - last_s > _HOUR_S else 0.0
        self.apart_s += at_s - last_s
        if awake_s <= last_s:  # or what came meanwhile was not heard
            gap_s = at_s - last_s - quiet_s
            self._count(gap_s, 1.0)
            self.total_s += gap_s
        return quiet_s

    def turn(self, at_s: float, awake_s: float, usual_s: float) -> float:
        """Takes in that something came in a new hour; when the next one begins.

        All gaps since the last time that were not long count as usual ones, so that most of them cost nothing.
        """
        hour = int(at_s / _HOUR_S)
        if self.hour:
            span_s = at_s - self.turned_s - self.apart_s
            if span_s > 0.0 and usual_s > 0.0:
                self._count(span_s, span_s / usual_s)
                self.total_s += span_s
        self.turned_s, self.apart_s = at_s, 0.0
        self._turn(hour, int(awake_s / _HOUR_S))
        return (hour + 1) * _HOUR_S

    def _count(self, span_s: float, count: float) -> None:
        gap_s = span_s / count
        if gap_s >= _LEAST_S:
            length = min(int(gap_s / _LEAST_S).bit_length(), _LENGTHS) - 1
            self.counts[length] += count
            self.spans_s[length] += span_s

    def ordinary_s(self, usual_s: float) -> float:
        """How long a silence may be that is ordinary, though longer than the gap that is usual at present; 0: none."""
        count = span_s = 0.0
        for length in range(_LENGTHS - 1, -1, -1):
            count += self.counts[length]
            span_s += self.spans_s[length]
            if count >= _LEAST_COUNT and span_s >= _SHARE * self.total_s:
                long_s = self.spans_s[length] / self.counts[length]
                return _LATE * long_s if long_s > _LONGER * usual_s else 0.0
        return 0.0

    def quiet_s(self, from_s: float, until_s: float, usual_s: float) -> float:
        """Seconds between two times in which it usually says nothing."""
        first, last = int(from_s / _HOUR_S), int(until_s / _HOUR_S)
        if usual_s > _OFTEN_S or first < self.hour:  # the clock was put back
            return 0.0
        heard = int.from_bytes(self.heard, "little")
        return sum(
            min(until_s, (hour + 1) * _HOUR_S) - max(from_s, hour * _HOUR_S)
            for hour in range(max(first, last - _HOURS), last + 1)
            if self._quiet(heard, hour)
        )

    def _quiet(self, heard: int, hour: int) -> bool:
        ago = self.hour - hour
        if not _lively(heard, ago + _WEEK_H):
            return True
        return not _lively(heard, ago + _DAY_H) and _lively(heard, ago + _DAY_H + _WEEK_H)

    def _turn(self, hour: int, awake: int) -> None:
        """Begins a new hour: what was not listened to counts as heard, and what was counted fades."""
        passed, before = hour - self.hour, self.hour
        self.hour = hour
        if not 0 < passed < _HOURS:  # new, or the clock jumped
            self.heard = _ALL_HEARD
            return
        heard = int.from_bytes(self.heard, "little") << passed | 1
        if before < awake <= hour:
            heard |= ((1 << awake - before) - 1) << hour - awake
        self.heard = (heard & _ALL).to_bytes(_BYTES, "little")
        kept = 0.5 ** (passed / _HALF_H)
        self.total_s *= kept
        for each in (self.counts, self.spans_s):
            for length, held in enumerate(each):
                if held:
                    each[length] = held * kept


def _lively(heard: int, ago: int) -> bool:
    """Whether something came in the hour so long before the last one, and in both beside it; unknown: yes."""
    return ago < 1 or heard >> ago - 1 & 7 == 7
