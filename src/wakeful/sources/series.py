"""What scraped samples come to: gauges as they are, counters as rates, histograms as rate, mean and 95th percentile."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wakeful.sources.exposition import Labels, Sample, family

MAX_LABEL_CHARS = 60
QUANTILE = 0.95
_LEFT_OUT = ("_created", "_info")
"""What never changes: when a series was made, and what is said of a build."""


@dataclass(slots=True)
class _Histogram:
    """Running totals. buckets: by upper bound, each counting all below it."""

    count: float = 0.0
    total: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict[float, float])


@dataclass(slots=True)
class _Scrape:
    at: float = 0.0
    gauges: dict[str, float] = field(default_factory=dict[str, float])
    counters: dict[str, float] = field(default_factory=dict[str, float])
    histograms: dict[str, _Histogram] = field(default_factory=dict[str, _Histogram])

    def names(self) -> list[str]:
        return [*self.gauges, *self.counters, *self.histograms]


class Series:
    """Scrapes one after the other, as values; no more than `most` series, the first that came.

    offered, watched: how many there were at the last scrape, and how many of them are told
    """

    def __init__(self, most: int) -> None:
        self.offered = 0
        self.watched = 0
        self._most = most
        self._kept: set[str] = set()
        self._before: _Scrape | None = None

    def values(self, samples: Iterable[Sample], at: float) -> dict[str, float]:
        """What the samples of a scrape come to; at: monotonic seconds. Rates need the scrape before."""
        scrape = _sorted(samples, at)
        names = scrape.names()
        self._kept &= set(names)
        for name in names:
            if len(self._kept) >= self._most:
                break
            self._kept.add(name)
        self.offered, self.watched = len(names), len(self._kept)
        values = {name: value for name, value in scrape.gauges.items() if name in self._kept}
        before, self._before = self._before, scrape
        if before is not None and at > before.at:
            values |= self._rates(before, scrape)
        return {name: float(f"{value:.6g}") for name, value in sorted(values.items()) if math.isfinite(value)}

    def _rates(self, before: _Scrape, now: _Scrape) -> dict[str, float]:
        values: dict[str, float] = {}
        took_s = now.at - before.at
        for name, total in now.counters.items():
            earlier = before.counters.get(name)
            if name in self._kept and earlier is not None and total >= earlier:  # less: it began anew
                values[name] = (total - earlier) / took_s
        for name, histogram in now.histograms.items():
            earlier_one = before.histograms.get(name)
            if name in self._kept and earlier_one is not None and histogram.count >= earlier_one.count:
                values |= _of_histogram(name, earlier_one, histogram, took_s)
        return values


def _sorted(samples: Iterable[Sample], at: float) -> _Scrape:
    scrape = _Scrape(at)
    histograms: defaultdict[str, _Histogram] = defaultdict(_Histogram)
    for sample in samples:
        if sample.name.endswith(_LEFT_OUT):
            continue
        if sample.kind in ("histogram", "summary", "gaugehistogram"):
            _add(sample, histograms)
        elif sample.kind == "counter" or (not sample.kind and sample.name.endswith("_total")):
            scrape.counters[_named(sample.name.removesuffix("_total") + "_per_s", sample.labels)] = sample.value
        else:
            scrape.gauges[_named(sample.name, sample.labels)] = sample.value
    scrape.histograms.update(histograms)
    return scrape


def _add(sample: Sample, histograms: Mapping[str, _Histogram]) -> None:
    labels = tuple(each for each in sample.labels if each[0] not in ("le", "quantile"))
    name = sample.name
    if name.endswith(("_count", "_gcount")):
        histograms[_named(family(name), labels)].count = sample.value
    elif name.endswith(("_sum", "_gsum")):
        histograms[_named(family(name), labels)].total = sample.value
    elif name.endswith("_bucket"):
        bound = dict(sample.labels).get("le", "")
        try:
            histograms[_named(family(name), labels)].buckets[float(bound)] = sample.value
        except ValueError:  # a bound that is none: the other buckets still tell
            return


def _of_histogram(name: str, before: _Histogram, now: _Histogram, took_s: float) -> dict[str, float]:
    base, colon, labels = name.partition(":")
    count, rest = now.count - before.count, colon + labels
    values = {f"{base}_count_per_s{rest}": count / took_s}
    if count > 0:
        values[f"{base}_mean{rest}"] = (now.total - before.total) / count
        bounds = {bound: total - before.buckets.get(bound, 0.0) for bound, total in now.buckets.items()}
        if bounds:
            values[f"{base}_p95{rest}"] = _quantile(bounds)
    return values


def _quantile(bounds: Mapping[float, float]) -> float:
    """The 95th percentile, even within its bucket; the largest bound that is a number where it lies beyond."""
    ordered = sorted(bounds.items())
    rank = QUANTILE * ordered[-1][1]
    low, below = 0.0, 0.0
    for bound, total in ordered:
        if total >= rank and total > below:
            if not math.isfinite(bound):
                return low
            low = min(low, bound)  # bounds may be negative
            return low + (bound - low) * (rank - below) / (total - below)
        low, below = bound, total
    return low


def _named(name: str, labels: Labels) -> str:
    told = ",".join(f"{key}={value[:MAX_LABEL_CHARS]}" for key, value in labels)
    return f"{name}:{told}" if told else name
