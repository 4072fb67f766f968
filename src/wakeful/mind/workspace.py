"""What waits to be thought about: the most salient observations since the last thought, bounded."""

from collections import Counter
from dataclasses import dataclass

from wakeful.context import Seen
from wakeful.events import Cursor

MAX_WAITING = 256
"""Observations kept at most; in a storm the least salient ones leave first and are counted."""

MAX_SHOWN = 6
"""Observations that one thought is shown."""

FRESH_S = 900.0
"""How long an observation that was not enough to wake is still worth showing beside one that was; seconds."""

MAX_PER_SUBJECT = 3
"""Observations of one subject that one thought is shown, so that a loud source can't hide a quiet one."""


@dataclass(frozen=True, slots=True)
class Batch:
    """All that waited when a thought began.

    shown: what the prompt may show, strongest first; others: how many more there were, by source
    through: the place in the journal up to which this consumes it, "" where nothing waited
    """

    shown: tuple[Seen, ...]
    others: dict[str, int]
    through: Cursor


class Workspace:
    """Salient observations, waiting. Nothing here is truth: it is rebuilt from the journal after a restart."""

    def __init__(self) -> None:
        self._waiting: list[Seen] = []
        self._crowded_out: Counter[str] = Counter()
        self._through = Cursor("")

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, seen: Seen, through: Cursor) -> None:
        """Takes an observation in; when there are too many, the least salient one leaves and is counted.

        through: the place in the journal just after the observation's salience
        """
        self._waiting.append(seen)
        self._through = through
        if len(self._waiting) > MAX_WAITING:
            least = min(self._waiting, key=_claim)
            self._waiting.remove(least)
            self._crowded_out[least.observation.source] += 1

    def drain(self, limit: int) -> Batch:
        """Takes everything out; the `limit` strongest are to be shown, the rest is counted.

        So are those that did not wake the mind when they came and are no longer news.
        """
        shown: list[Seen] = []
        others = Counter(self._crowded_out)
        of_subject: Counter[tuple[str, str]] = Counter()
        newest_ns = max((seen.observation.at_ns for seen in self._waiting), default=0)
        for seen in sorted(self._waiting, key=_claim, reverse=True):
            subject = (seen.observation.source, seen.observation.subject)
            if len(shown) < limit and of_subject[subject] < MAX_PER_SUBJECT and not _is_old_news(seen, newest_ns):
                of_subject[subject] += 1
                shown.append(seen)
            else:
                others[seen.observation.source] += 1
        through, self._through = self._through, Cursor("")
        self._waiting.clear()
        self._crowded_out.clear()
        return Batch(shown=tuple(shown), others=dict(others), through=through)

    def put_back(self, batch: Batch) -> None:
        """Takes in again what was taken out for a thought that gave way."""
        self._waiting = [*(seen for seen in batch.shown if _is_salient(seen)), *self._waiting]
        self._crowded_out.update(batch.others)
        self._through = self._through or batch.through


def _is_salient(seen: Seen) -> bool:
    """Whether it surprised; what is shown for another reason belongs to its own wake."""
    return seen.salience is not None and seen.salience.salience > 0.0


def _is_old_news(seen: Seen, newest_ns: int) -> bool:
    salience = seen.salience
    fresh = newest_ns - seen.observation.at_ns <= FRESH_S * 1e9
    return not fresh and salience is not None and salience.salience < salience.threshold


def _claim(seen: Seen) -> tuple[float, int]:
    """Salience, and the newer one where two are equal."""
    return (seen.salience.salience if seen.salience else 0.0, seen.seq)
