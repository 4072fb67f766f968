"""Which words does a text look for? Names and rare words; not those of every sentence, nor of our own formats."""

import re
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_][\w-]{2,}")
_MAX_CUE_WORDS = 12
# Words of our own formats and of everyday log lines; as cues they would bring back anything.
_COMMON = frozenset(
    (
        *("the", "and", "for", "from", "with", "was", "has", "had", "are", "not", "but", "this", "that", "what"),
        *("which", "when", "where", "who", "how", "did", "does", "last", "hour", "hours", "day", "days", "night"),
        *("today", "yesterday", "since", "ago", "happened", "happen", "anything", "something", "wrong", "about"),
        *("any", "all", "cpu", "memory", "swap", "load", "disk", "net", "busiest", "largest", "temperature"),
        *("usually", "exited", "code", "container", "modified", "created", "deleted", "moved", "output"),
        *("unchanged", "changed", "source", "info", "warning", "error", "notice", "debug", "failed"),
    )
)
# Words that make up questions; as a query they would find any sentence.
_ASKING = frozenset(
    (
        *("a", "an", "and", "any", "are", "as", "at", "be", "been", "being", "but", "by", "can", "could", "did"),
        *("do", "does", "doing", "done", "for", "from", "had", "has", "have", "he", "her", "hers", "him", "his"),
        *("how", "i", "if", "in", "into", "is", "it", "its", "just", "me", "my", "of", "on", "or", "our", "she"),
        *("should", "so", "some", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this"),
        *("those", "to", "too", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "whose"),
        *("why", "will", "with", "would", "you", "your", "happen", "happened", "happens", "tell", "show", "about"),
        *("anything", "something", "ever", "many", "much", "often", "times", "time"),
    )
)
_TRIMMED = ".,;:!?\"'()[]{}«»“”‘’…"


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


def query_of(text: str) -> str:
    """What a person's question looks for: its words without those that make it a question, in their order."""
    words = [word.strip(_TRIMMED) for word in text.replace("’s", "").replace("'s", "").split()]
    return " ".join(word for word in words if word and word.lower() not in _ASKING)
