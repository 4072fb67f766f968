"""Recall by full text: what was thought or said before about the names in front of the mind."""

import re
from collections.abc import Collection, Iterable

from wakeful.events import Entry, Observation, Question, Thought
from wakeful.journal import JournalIndex

_WORD = re.compile(r"[^\W\d_][\w-]{2,}")
_MAX_CUE_WORDS = 12
# Words of our own formats and of everyday log lines; as cues they would bring back anything.
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "from",
        "with",
        "was",
        "has",
        "had",
        "are",
        "not",
        "but",
        "this",
        "that",
        "what",
        "which",
        "when",
        "where",
        "who",
        "how",
        "did",
        "does",
        "last",
        "hour",
        "hours",
        "day",
        "days",
        "night",
        "today",
        "yesterday",
        "since",
        "ago",
        "happened",
        "happen",
        "anything",
        "something",
        "wrong",
        "about",
        "any",
        "all",
        "cpu",
        "memory",
        "swap",
        "load",
        "disk",
        "net",
        "busiest",
        "largest",
        "temperature",
        "usually",
        "exited",
        "code",
        "container",
        "modified",
        "created",
        "deleted",
        "moved",
        "output",
        "unchanged",
        "changed",
        "source",
        "info",
        "warning",
        "error",
        "notice",
        "debug",
        "failed",
    ]
)


class Recall:
    """Earlier thoughts, notifications and answers that relate to what is seen now."""

    def __init__(self, index: JournalIndex) -> None:
        self._index = index

    async def recall(
        self, observations: Collection[Observation], *, k: int = 3, without: Collection[int] = ()
    ) -> list[Entry]:
        """The `k` best matching thoughts about the same names, oldest first.

        without: sequence numbers that the prompt holds already
        Returns none where the observations name nothing that could be looked for.
        """
        query = cue(observation.body for observation in observations)
        if not query:
            return []
        found = await self._index.search(query, limit=k + len(without), kinds=("thought",))
        fresh: list[Entry] = []
        told: set[str] = set()
        for entry in found:
            if entry.seq in without or not isinstance(entry.event, Thought):
                continue
            if entry.event.assessment not in told:  # the same thing thought ten times is one memory
                told.add(entry.event.assessment)
                fresh.append(entry)
        return sorted(fresh[:k], key=lambda entry: entry.seq)

    async def about(self, question: Question, *, limit: int = 20, since_ns: int | None = None) -> list[Entry]:
        """Entries of any kind that match the words of a person's question, best first."""
        query = cue([question.text])
        return await self._index.search(query, limit=limit, since_ns=since_ns) if query else []


def cue(texts: Iterable[str]) -> str:
    """The distinctive words of `texts`, first ones first: names of programs, paths, hosts; no numbers."""
    words: dict[str, None] = {}
    for text in texts:
        for word in _WORD.findall(text[:2000]):
            plain = word.strip("-").lower()
            if len(plain) > 2 and plain not in _COMMON:
                words.setdefault(plain)
        if len(words) >= _MAX_CUE_WORDS:
            break
    return " ".join(list(words)[:_MAX_CUE_WORDS])
