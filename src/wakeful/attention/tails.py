"""How rare is a size? Learnt from the sizes that came before, and carried on beyond the largest of them."""

import itertools
import math
from bisect import bisect_right
from math import log, sqrt

import msgspec

_EDGE_SHARE = 0.1  # of sizes that lie beyond the edge from which the far tail is measured
_EDGE_NATS = -math.log(_EDGE_SHARE)
_EDGE_RATE, _EDGE_LEAST = 3.0, 0.3
_SETTLED, _STEP = 323.0, 0.009  # sizes after which the edge moves by steps that no longer shrink
_DOWN, _UP = _EDGE_SHARE, 1.0 - _EDGE_SHARE
_MEAN_RATE, _MEAN_PRIOR, _MEAN_LEAST = 0.005, 20.0, 0.2
_CLIP = 6.0  # mean excesses that one size may teach at most
_COUNTED_FROM, _BIN, _BINS = 2.0, 0.5, 60
_ALIKE = 0.5  # how much smaller an earlier size may be to count as just as large
_BEYOND_NATS = 1.5  # that a size which came once before may be worth more than its count says; by counting errors
_KEPT = 20_000


class Tail(msgspec.Struct, array_like=True, gc=False):
    """The tail of one statistic, a size >= 0 whose scale need not be known.

    Beyond its ninetieth percentile, which is tracked, sizes are taken as exponential with the mean excess that was
    seen (of logarithms that is Hill's estimator of a power law; Siffer et al. 2017 fit the same tail). A mean excess
    alone is fooled by rare visitors that always come at one size; so nothing is rarer than the count of earlier sizes
    like it allows. Sizes beyond the edge that follow upon each other are one visitor, who counts for the logarithm of
    his stay (extremes come in clusters, and what matters is how many; Leadbetter 1983).

    n: sizes seen; edge: the ninetieth percentile; mean: the mean excess over it, of `beyond` sizes
    stay: sizes beyond the edge in a row; counts: of sizes from 2.0 on, in steps of 0.5
    """

    n: float = 0.0
    edge: float = _EDGE_NATS
    mean: float = 1.0
    beyond: float = 0.0
    stay: int = 0
    counts: list[int] = msgspec.field(default_factory=list[int])

    def nats(self, size: float) -> float:
        """Negative logarithm of the chance of a size at least so large, in nats; learns from it."""
        self.n = n = self.n + 1.0
        edge = self.edge
        step = _STEP if n > _SETTLED else _EDGE_RATE / (n + 10.0)
        if size > edge:
            self.edge = edge + step * _UP
            return self._beyond(size, size - edge)
        if self.stay:
            self.stay = 0
        self.edge = lower = edge - step * _DOWN
        if lower < _EDGE_LEAST:
            self.edge = _EDGE_LEAST
        return _EDGE_NATS * size / edge

    def _beyond(self, size: float, excess: float) -> float:
        nats = _EDGE_NATS + excess / self.mean
        self.stay = stay = self.stay + 1
        counted = not stay & (stay - 1)
        if counted:
            self.beyond += 1.0
            rate = max(1.0 / (self.beyond + _MEAN_PRIOR), _MEAN_RATE)
            self.mean = max(self.mean + rate * (min(excess, _CLIP * self.mean) - self.mean), _MEAN_LEAST)
        if size <= _COUNTED_FROM:
            return nats
        counts = self.counts
        if not counts:
            self.counts = counts = [0] * _BINS
        alike = sum(counts[min(max(int((size - _ALIKE - _COUNTED_FROM) / _BIN), 0), _BINS - 1) :])
        if counted:
            counts[min(int((size - _COUNTED_FROM) / _BIN), _BINS - 1)] += 1
        if self.n > _KEPT:
            self.n /= 2.0
            self.counts = [count // 2 for count in counts]
        return min(nats, log(self.n / alike) + _BEYOND_NATS / sqrt(alike)) if alike else nats


# Nats of the parts together are corrected by how often such nats really came: counts in these bins.
_EDGES = (
    0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0, 12.0,
)  # fmt: skip
_LAST = len(_EDGES) - 1
_PER_NAT = tuple(1.0 / (above - below) for below, above in itertools.pairwise(_EDGES))
_PRIOR = 20.0  # observations that the assumed distribution is worth
_PRIORS = tuple(_PRIOR * math.exp(-edge) for edge in _EDGES)
_FIRST_HALVED, _RECENT = 200, 2000  # observations after which all counts are halved: what comes before learns too
_BETWEEN_REFRESHES, _RARE = 31, 4.0  # observations (2**n - 1), and nats from which on one is too rare to wait


class Calibration(msgspec.Struct, array_like=True, gc=False):
    """Makes exp(-nats) uniform on what is unsurprising, whatever the parts before it assumed.

    bins: how often nats of each size came, see `_EDGES`; total: their sum; most: total at which they are halved
    levels: nats at the lower end of each bin by these counts, as of some observations ago
    """

    bins: list[int] = msgspec.field(default_factory=lambda: [0] * (_LAST + 1))
    total: int = 0
    most: int = _FIRST_HALVED
    levels: list[float] = msgspec.field(default_factory=lambda: list(_EDGES))

    def nats(self, assumed: float) -> float:
        """Nats by how often at least so many were assumed so far; learns from this one.

        The assumed distribution counts as some observations of its own, and shapes what was never reached.
        """
        k = bisect_right(_EDGES, assumed) - 1
        levels = self.levels
        nats = lower = levels[k]
        if k < _LAST:
            nats += (levels[k + 1] - lower) * (assumed - _EDGES[k]) * _PER_NAT[k]
        else:
            nats += assumed - _EDGES[k]
        self.bins[k] += 1
        self.total = total = self.total + 1
        if not total & _BETWEEN_REFRESHES or assumed > _RARE or total <= _BETWEEN_REFRESHES:
            self._refresh()
        return nats

    def _refresh(self) -> None:
        if self.total >= self.most:
            self.bins = [(count + 1) // 2 for count in self.bins]  # rounded up, or what is rare would be forgotten
            self.total = sum(self.bins)
            self.most = min(2 * self.most, _RECENT)
        whole, beyond = log(self.total + _PRIOR), 0
        levels = self.levels
        for k in range(_LAST, -1, -1):
            beyond += self.bins[k]
            levels[k] = whole - log(beyond + _PRIORS[k])
