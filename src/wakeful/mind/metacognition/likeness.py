"""Whether two thoughts say the same, or the opposite, without asking a model."""

import re
from collections.abc import Sequence

from wakeful.events import SEVERITIES, Prediction, Thought

ALIKE = 0.8
"""Share of the words of two texts that are common to both, from which on they say the same (Jaccard's index)."""

STUCK = 4
"""So many thoughts in a row that say the same are a loop."""

_LOOK_BACK = 20
_CONTRADICTS_WITHIN_NS = 3600 * 10**9
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+")


def words(text: str) -> frozenset[str]:
    """What a text says, whatever its numbers are."""
    return frozenset(_NUMBER.sub("#", word) for word in _WORD.findall(text.casefold()))


def alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two texts say nearly the same."""
    return bool(one | other) and len(one & other) >= ALIKE * len(one | other)


def repeated(thoughts: Sequence[Thought]) -> list[bool]:
    """For each thought, oldest first, whether one of the twenty before it said the same."""
    said = [words(f"{each.focus} {each.assessment}") for each in thoughts]
    return [any(alike(mine, each) for each in said[max(0, at - _LOOK_BACK) : at]) for at, mine in enumerate(said)]


def stuck(thoughts: Sequence[Thought]) -> int:
    """How many of the newest thoughts, oldest first, say the same as the last one; less than `STUCK` is no loop."""
    if not thoughts:
        return 0
    said = [words(f"{each.focus} {each.assessment}") for each in reversed(thoughts)]
    return next((at for at, each in enumerate(said) if not alike(said[0], each)), len(said))


def contradicting(thoughts: Sequence[Thought]) -> list[bool]:
    """For each thought, oldest first, whether it contradicts one of the hour before it.

    It does where it has the same focus, and says `critical` where the other had said `info`, or the other way round.
    """
    foci = [words(each.focus) for each in thoughts]
    grades = [SEVERITIES.index(each.severity) for each in thoughts]
    return [
        any(
            abs(grades[at] - grades[before]) == len(SEVERITIES) - 1
            and thought.at_ns - thoughts[before].at_ns <= _CONTRADICTS_WITHIN_NS
            and alike(foci[at], foci[before])
            for before in range(max(0, at - _LOOK_BACK), at)
        )
        for at, thought in enumerate(thoughts)
    ]


def opposed(one: Prediction, other: Prediction) -> bool:
    """Whether two predictions of one thing over one time were both held likely, and can't both come true.

    One claims that it comes, the other that it stays away; or one that a metric stays on the side that the other has it
    leave.
    """
    a, b = one.condition, other.condition
    if a is None or b is None or min(one.probability, other.probability) <= 0.5:
        return False
    if max(one.at_ns, other.at_ns) >= min(one.due_ns, other.due_ns):
        return False
    if (a.source, a.subject, a.metric, a.text, a.gravity) != (b.source, b.subject, b.metric, b.text, b.gravity):
        return False
    forms = {a.form, b.form}
    if forms == {"comes", "stays_away"}:
        return True
    return forms == {"reaches", "stays"} and a.comparison != b.comparison and a.value == b.value
