"""How several rankings become one, and what counts besides: how recent, how salient, how important."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wakeful.events import Entry, Notification, Observation, Remembered, Thought

RANK_OFFSET = 60
"""The constant of reciprocal rank fusion, as in its source."""

_SHARE = 0.04
"""How much each of recency, salience and importance adds at most: they decide between what matches about as well."""

_SUPERSEDED = 0.7
_HALF_LIFE_DAYS = 30.0
_SEVERITIES = {"info": 0.3, "warning": 0.7, "critical": 1.0}
_FOLDED = 0.85
# What differs between lines that say the same: dates, times, process numbers, long identifiers.
_VOLATILE = re.compile(r"\d{4}-\d\d-\d\d|\b[a-z]{3} +\d{1,2} (?=\d\d:)|\d\d:\d\d(?::\d\d)?\S*|\[\d+\]|\b[0-9a-f]{8,}\b")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Fused:
    """An entry's score over all rankings, and its rank in each that has it, counted from 1."""

    score: float
    ranks: Mapping[str, int]


def fuse(rankings: Mapping[str, Sequence[int]]) -> dict[int, Fused]:
    """Reciprocal rank fusion: an entry scores 1 / (60 + rank) in each ranking that has it.

    rankings: entries by the name of the ranking, best first
    Source: Cormack, Clarke, Büttcher 2009, doi:10.1145/1571941.1572114
    """
    ranks: dict[int, dict[str, int]] = {}
    for name, ranking in rankings.items():
        for rank, seq in enumerate(ranking, 1):
            ranks.setdefault(seq, {}).setdefault(name, rank)
    return {seq: Fused(sum(1 / (RANK_OFFSET + rank) for rank in by.values()), by) for seq, by in ranks.items()}


def weight(entry: Entry, *, now_ns: int, salience: float, superseded: bool) -> float:
    """The factor, about 1, by which an entry's score is raised or lowered."""
    age_days = max(0.0, (now_ns - entry.event.at_ns) / 86_400e9)
    recency = math.exp2(-age_days / _HALF_LIFE_DAYS)
    factor = 1 + _SHARE * (recency + min(max(salience, 0.0), 1.0) + importance(entry))
    return factor * _SUPERSEDED if superseded else factor


def importance(entry: Entry) -> float:
    """How much an entry matters by itself, in [0, 1]."""
    match entry.event:
        case Remembered() as memory:
            return memory.importance
        case Thought() | Notification():
            return _SEVERITIES[entry.event.severity]
        case _:
            return 0.3


def fingerprint(entry: Entry) -> tuple[str, frozenset[str]]:
    """What near-duplicates share; of observations, dates, times and process numbers are passed over."""
    text = entry.event.body.casefold()
    if isinstance(entry.event, Observation):
        text = f"{entry.event.source} {_VOLATILE.sub('#', text)}"
    return text, frozenset(_WORD.findall(text))


def alike(one: tuple[str, frozenset[str]], other: tuple[str, frozenset[str]]) -> bool:
    """Whether two fingerprints are near-duplicates: the same, or nearly all words in common (Jaccard)."""
    if one[0] == other[0]:
        return True
    here, there = len(one[1]), len(other[1])
    if not here or here < _FOLDED * there or there < _FOLDED * here:
        return False
    common = len(one[1] & other[1])
    return common >= _FOLDED * (here + there - common) and not any(word.isdigit() for word in one[1] ^ other[1])
