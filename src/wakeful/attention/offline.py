"""The gate over rows that are already there: each is scored by the rows before it, as if it had just come."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wakeful.attention.kinds import kind_of
from wakeful.attention.numbers import Metric
from wakeful.attention.stamp import stamp
from wakeful.attention.text import Speaker

ALARM = 0.9995
"""Score from which on a row deserves a look: about one row in two thousand where nothing happens."""

_AGAIN = 300.0  # rows after which a change that was flagged may be flagged again as it was
_GROWN_NATS, _NEWS_FROM, _STILL_NATS = 1.0, 3.0, 2.0

_NO_KIND = kind_of("value")


class Row(NamedTuple):
    """surprise_nats: of the row; score: in [0, 1], high where a change begins that was not told yet; event: of which
    kind, or why; usual: what was expected."""

    surprise_nats: float
    score: float
    event: str
    usual: float


def score_numbers(rows: Iterable[tuple[float, float]]) -> Iterator[Row]:
    """A row for each time (seconds since the epoch) and value; a value that is no number scores 0."""
    metric = Metric()
    told, since = 0.0, 0.0
    for at_s, value in rows:
        if not -1e100 < value < 1e100:
            yield Row(0.0, 0.0, "", math.nan)
            continue
        judged = metric.update(_NO_KIND, value, at_s)
        nats = judged.evidence
        since += 1.0
        if nats > _NEWS_FROM:
            if nats > told * max(0.0, 1.0 - since / _AGAIN) + _GROWN_NATS:
                told, since = nats, 0.0
            else:
                nats = _STILL_NATS  # the change that was flagged before, not another one
        score = score_of(nats)
        yield Row(judged.surprise, score, judged.event if score >= ALARM else "", judged.usual)


def score_lines(lines: Iterable[str]) -> Iterator[Row]:
    """A row for each line of a log; lines that say no time are taken to come a second after the one before."""
    speaker = Speaker()
    at_s = 0.0
    for line in lines:
        said = stamp(line)
        at_s = at_s + 1.0 if said is None else said
        nats, reasons = speaker.update(line, at_s)
        yield Row(nats, score_of(nats), "; ".join(reasons), math.nan)


def score_of(nats: float) -> float:
    """Evidence in nats as a score in [0, 1): one less its chance."""
    return -math.expm1(-max(nats, 0.0))
