"""When should it come again? Of anything that comes repeatedly: a source, a shape of line, a metric."""

import math

import msgspec

from wakeful.attention.lulls import Lulls

SILENT_NATS = 7.0
"""Surprise at a silence from which on it is worth telling."""

_RATE, _SETTLED = 0.1, 10
_REGULAR_FROM, _REGULAR_SHARE = 8, 0.3  # gaps, and their mean error as a share, of what keeps time
_LOOSE_FROM, _LOOSE_NATS = 60, 14.0  # gaps of what does not, and usual gaps of silence that are told
_LEAST_S, _LONGEST_S = 5.0, 15 * 86_400.0
_SLACK = 0.5  # of a gap: what keeps time is told after so much delay at the least
_CLIP, _LEAST_ERROR = 4.0, 0.07
_SET_BACK_S = 3600.0  # by more than that the clock was, by less it is only out of order


class Rhythm(msgspec.Struct, array_like=True, gc=False):
    """last_s: when it came last; gap_s, error_s: the usual gap and its mean error; n: gaps

    told, again: whether this silence was told, and the one before it
    turn_s, lulls: which silences are ordinary, and when the next hour begins for that
    """

    last_s: float = 0.0
    gap_s: float = 0.0
    error_s: float = 0.0
    n: int = 0
    told: bool = False
    again: bool = False
    turn_s: float = math.inf
    lulls: Lulls | None = None

    def came(self, at_s: float, awake_s: float = 0.0) -> None:
        """Takes in that it came; awake_s: since when there is listened without a break."""
        last_s, self.last_s = self.last_s, at_s
        gap_s = at_s - last_s
        if not last_s or gap_s <= 0.0:
            if gap_s < -_SET_BACK_S and self.lulls is not None:
                self.turn_s = 0.0
            return
        n = self.n = self.n + 1
        usual, error_s = self.gap_s, self.error_s
        off = gap_s - usual
        size = off if off >= 0.0 else -off
        if n > _REGULAR_FROM:  # one that was missed must not make all later ones late
            most = _CLIP * max(error_s, _LEAST_ERROR * usual)
            if size > most:
                if off > 0.0 and self.lulls is not None:
                    off -= self.lulls.long(last_s, at_s, awake_s, usual)
                off = most if off > most else max(off, -most)
                size = abs(off)
        rate = 1.0 / n if n < _SETTLED else _RATE
        self.gap_s = usual + rate * off
        if n > 1:
            self.error_s = error_s + rate * (size - error_s)
        if self.told or self.again:
            self._told(gap_s)
        if at_s >= self.turn_s and self.lulls is not None:
            self.turn_s = self.lulls.turn(at_s, awake_s, self.gap_s)
        elif n == _REGULAR_FROM and self.lulls is None:
            self.lulls, self.turn_s = Lulls(), 0.0

    def _told(self, gap_s: float) -> None:
        """After a silence that was told: two in a row that ended by themselves are a new pace."""
        if self.told and self.again:
            self.n, self.gap_s, self.error_s = 1, gap_s, 0.0
        self.again = self.told and not self.again
        self.told = False

    @property
    def regular(self) -> bool:
        """Whether it keeps time well enough for one absence to mean something."""
        return (
            self.n >= _REGULAR_FROM
            and _LEAST_S <= self.gap_s < _LONGEST_S
            and (self.error_s < _REGULAR_SHARE * self.gap_s)
        )

    def silence(self, now_s: float, awake_s: float = 0.0) -> float:
        """Nats of its not having come until now: by its own regularity, or as of a chance arrival (t / gap).

        Time in which nobody listened (before `awake_s`) or in which it usually says nothing does not count.
        """
        since_s = max(self.last_s, awake_s)
        nats = self._nats(now_s - since_s)
        if nats < SILENT_NATS or self.lulls is None:
            return nats
        silent_s = now_s - since_s - self.lulls.quiet_s(since_s, now_s, self.gap_s)
        return self._nats(silent_s) if silent_s > self.lulls.ordinary_s(self.gap_s) else 0.0

    def _nats(self, silent_s: float) -> float:
        if self.regular:
            late = silent_s - self.gap_s
            if late < _SLACK * self.gap_s:
                return 0.0
            return late / max(self.error_s, _LEAST_ERROR * self.gap_s)
        if self.n < _LOOSE_FROM or self.gap_s <= 0 or self.gap_s > _LONGEST_S:
            return 0.0
        return silent_s / max(self.gap_s, _LEAST_S) * SILENT_NATS / _LOOSE_NATS
