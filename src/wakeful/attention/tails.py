"""How rare is a size? Learnt from the sizes that came before, and carried on beyond the largest of them."""

import itertools
import math
from bisect import bisect_right
from math import log

import msgspec

_EDGE_SHARE = 0.1  # of sizes that lie beyond the edge from which the far tail is measured
_EDGE_NATS = -math.log(_EDGE_SHARE)
_EDGE_RATE, _EDGE_LEAST = 3.0, 0.3
_MEAN_RATE, _MEAN_PRIOR, _MEAN_LEAST = 0.005, 20.0, 0.2
_CLIP = 6.0  # mean excesses that one size may teach at most
_COUNTED_FROM, _BIN, _BINS = 2.0, 0.5, 60
_ALIKE = 0.5  # how much smaller an earlier size may be to count as just as large
_BEYOND_NATS = 2.0  # that a size which came before may be worth more than its count says, since counts are few
_KEPT = 20_000


class Tail(msgspec.Struct, array_like=True):
    """The tail of one statistic, a size >= 0 whose scale need not be known.

    Beyond its ninetieth percentile, which is tracked, sizes are taken as exponential with the mean excess that was
    seen (of logarithms that is Hill's estimator of a power law; Siffer et al. 2017 fit the same tail). A mean excess
    alone is fooled by rare visitors that always come at one size; so nothing is rarer than the count of earlier sizes
    like it allows.

    n: sizes seen; edge: the ninetieth percentile; mean: the mean excess over it, of `beyond` sizes
    counts: of sizes from 2.0 on, in steps of 0.5
    """

    n: float = 0.0
    edge: float = _EDGE_NATS
    mean: float = 1.0
    beyond: float = 0.0
    counts: list[int] = msgspec.field(default_factory=list[int])

    def nats(self, size: float) -> float:
        """Negative logarithm of the chance of a size at least so large, in nats; learns from it."""
        self.n = n = self.n + 1.0
        edge = self.edge
        step = _EDGE_RATE * max(1.0 / (n + 10.0), 0.003)
        if size <= edge:
            self.edge = max(edge - step * _EDGE_SHARE, _EDGE_LEAST)
            nats = _EDGE_NATS * size / edge
        else:
            self.edge = edge + step * (1.0 - _EDGE_SHARE)
            excess = size - edge
            nats = _EDGE_NATS + excess / self.mean
            self.beyond += 1.0
            rate = max(1.0 / (self.beyond + _MEAN_PRIOR), _MEAN_RATE)
            self.mean = max(self.mean + rate * (min(excess, _CLIP * self.mean) - self.mean), _MEAN_LEAST)
        return nats if size <= _COUNTED_FROM else self._counted(size, nats)

    def _counted(self, size: float, nats: float) -> float:
        counts = self.counts
        if not counts:
            self.counts = counts = [0] * _BINS
        alike = sum(counts[min(max(int((size - _ALIKE - _COUNTED_FROM) / _BIN), 0), _BINS - 1) :])
        counts[min(int((size - _COUNTED_FROM) / _BIN), _BINS - 1)] += 1
        if self.n > _KEPT:
            self.n /= 2
            self.counts = [count // 2 for count in counts]
        return min(nats, log(self.n / alike) + _BEYOND_NATS) if alike else nats


# Nats of the parts together are corrected by how often such nats really came: counts in these bins.
_EDGES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0, 12.0)
_PRIOR = 20.0  # observations that the assumed distribution is worth
_RECENT = 4000  # then all counts are halved: the parts before it learn too, and what they assume changes with that
_PRIORS = (*(_PRIOR * math.exp(-edge) for edge in _EDGES), 0.0)
_LAST = len(_EDGES) - 1
_WIDTHS = tuple(1.0 / (above - below) for below, above in itertools.pairwise(_EDGES))


class Calibration(msgspec.Struct, array_like=True):
    """Makes exp(-nats) uniform on what is unsurprising, whatever the parts before it assumed.

    bins: how often nats of each size came, see `_EDGES`; total: their sum
    """

    bins: list[int] = msgspec.field(default_factory=lambda: [0] * len(_EDGES))
    total: int = 0

    def nats(self, assumed: float) -> float:
        """Nats by how often at least so many were assumed so far; learns from this one.

        The assumed distribution counts as some observations of its own, and shapes what was never reached.
        """
        bins = self.bins
        k = bisect_right(_EDGES, assumed) - 1
        beyond = sum(bins[k + 1 :]) + _PRIORS[k + 1]
        if k < _LAST:
            share = (assumed - _EDGES[k]) * _WIDTHS[k]
            nats = log((self.total + _PRIOR) / (beyond + (bins[k] + _PRIORS[k] - _PRIORS[k + 1]) * (1.0 - share)))
        else:
            nats = log((self.total + _PRIOR) / (bins[k] + _PRIORS[k])) + assumed - _EDGES[k]
        bins[k] += 1
        self.total += 1
        if self.total >= _RECENT:
            self.bins = [(count + 1) // 2 for count in bins]  # rounded up, or what is rare would be forgotten
            self.total = sum(self.bins)
        return max(0.0, nats)
