"""What may be learned? What was observed, and what the user said; of what a model said only what those bear out."""

import re
from collections.abc import Iterable, Sequence

from wakeful.events import Entry, Health, Observation, Provenance, WakefulError

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
# Names as far as they can be told by their looks: paths, hosts, what is put together, capitals within a sentence.
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)(?<![\w/.-])(?:[A-Z][\w-]+|[\w.-]*(?:/[\w.-]+)+|\w+(?:[.@_-]\w+)+)")


class NotLearnt(WakefulError):
    """A text may not become a memory; `why` says what is against it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"This can't be learnt: {why}.")
        self.why = why


def against(text: str, provenance: Provenance, evidence: Sequence[Entry]) -> str:
    """Why a text may not be learnt, "" where it may.

    evidence: the entries that it rests on. What a model said needs one that was observed or said by the user, and all
    of its numbers and names must stand in what was observed or said.
    """
    match provenance:
        case "observed" | "user":
            return ""
        case "recalled" | "prompted":
            return f"it was {provenance}, and would be learnt a second time from itself"
        case "model":
            solid = [entry for entry in evidence if is_solid(entry)]
            if not solid:
                return "a model said it, and nothing that was observed or that the user said bears it out"
            new = unsupported(text, (said(entry) for entry in solid))
            return f"nothing that it rests on tells of {', '.join(new[:3])}" if new else ""


def is_solid(entry: Entry) -> bool:
    """Whether an entry was observed (by a source, or by the program itself: `Health`), or said by the user."""
    return isinstance(entry.event, Health) or getattr(entry.event, "provenance", "") in ("observed", "user")


def unsupported(text: str, sources: Iterable[str]) -> list[str]:
    """The numbers and names of a text that stand in none of its sources."""
    there = "\n".join(sources).casefold()
    numbers = set(_NUMBER.findall(there))
    wrong = [each for each in _NUMBER.findall(text) if each not in numbers]
    wrong += [each for each in _NAME.findall(text) if each.casefold() not in there]
    return list(dict.fromkeys(wrong))


def said(entry: Entry) -> str:
    """All that an entry tells: its words, and of an observation its source and its figures too."""
    event = entry.event
    if isinstance(event, Observation):
        figures = " ".join(f"{name} {value:g}" for name, value in event.values.items())
        facts = " ".join(f"{name} {value}" for name, value in event.attrs.items())
        return f"{event.source} {event.body} {figures} {facts}"
    return event.body
