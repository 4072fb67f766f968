"""Standing interests: what the user always wants to hear about, by words, without asking a model."""

import re
from collections.abc import Sequence

from wakeful.events import Observation

_TIMES, _FREE_NATS = 1.5, 1.0
_LEAST_STEM = 3
_ENDINGS = ("ing", "ies", "es", "s", "ed", "y")
_NOTHING = re.compile(r"(?!)")


class Interests:
    """Words, matched by their stems: `backups` also finds `backup` and `backed-up_backup.sh`."""

    def __init__(self, words: Sequence[str]) -> None:
        self._stems = {stem(word): word for word in words if word.strip()}
        found = "|".join(re.escape(each) for each in sorted(self._stems, key=len, reverse=True))
        self._pattern = re.compile(found, re.IGNORECASE) if found else _NOTHING
        self.any = bool(found)

    def about(self, observation: Observation) -> str:
        """The interest that an observation has to do with, as the user wrote it; "" for none."""
        if not self.any:
            return ""
        for text in (observation.text, observation.subject, observation.source, *observation.values):
            if found := self._pattern.search(text):
                return self._stems.get(found[0].lower(), found[0])
        return ""


def raised(nats: float) -> float:
    """Surprise of what the user asked to hear about. What is fully expected stays so."""
    return nats * _TIMES + min(nats, _FREE_NATS)


def stem(word: str) -> str:
    """A word without its ending, in lower case: `backup` of `Backups`."""
    word = word.strip().lower()
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            return word.removesuffix(ending)
    return word
