"""Episodes: what happened in an hour, a day, a week, in short. Hours are made of entries, days of hours, and so on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Literal

from wakeful.events import Answer, Entry, Health, Notification, Question, Remembered, Thought
from wakeful.journal import Journal
from wakeful.memory.fusion import importance

Span = Literal["hour", "day", "week"]

Summarise = Callable[[Sequence[str], int], Awaitable[tuple[str, bool]]]
"""Puts texts into at most so many tokens; tells whether a model wrote it. May raise what a model's client raises."""

SPANS: tuple[Span, ...] = ("hour", "day", "week")

MAX_TOKENS: dict[Span, int] = {"hour": 120, "day": 250, "week": 400}
"""How long an episode may be."""

_KINDS = ("memory", "thought", "notification", "set_aside", "health", "question", "answer")
_BACK_DAYS: dict[Span, int] = {"hour": 8, "day": 40, "week": 400}  # so that a long past keeps no model busy
_EVIDENCE = 60
_PAGE = 2000
_CLOSED_S = 120.0  # after its end a period may still get an entry that was being written


@dataclass(frozen=True, slots=True)
class Told:
    """A period with what was told in it, in order."""

    span: Span
    begin_ns: int
    end_ns: int
    entries: tuple[Entry, ...]


async def untold(journal: Journal, span: Span, now_ns: int) -> list[Told]:
    """The periods that have ended and have no episode yet, oldest first, without those in which nothing was told."""
    since_ns = max(await _told_until(journal, span), now_ns - _BACK_DAYS[span] * 86_400 * 10**9)
    until_ns = period(span, now_ns - int(_CLOSED_S * 1e9))[0]
    if until_ns <= since_ns:
        return []
    found = await journal.read(
        kinds=("memory",) if span != "hour" else _KINDS, since_ns=since_ns, until_ns=until_ns, limit=_PAGE
    )
    made_of = {"hour": "", "day": "hour", "week": "day"}[span]
    entries = [entry for entry in found if _belongs(entry, made_of)]
    entries.sort(key=lambda entry: (entry.event.at_ns, entry.seq))
    return [
        Told(span, *bounds, tuple(group))
        for bounds, group in groupby(entries, key=lambda entry: period(span, entry.event.at_ns))
    ]


async def episode(told: Told, summarise: Summarise) -> Remembered:
    """The episode of a period. What `summarise` raises is raised here."""
    text, by_model = await summarise([_line(entry) for entry in told.entries], MAX_TOKENS[told.span])
    behind = {seq: None for entry in told.entries for seq in (entry.seq, *_shown(entry))}
    return Remembered(
        at_ns=told.begin_ns,
        until_ns=told.end_ns,
        text=text,
        form="episode",
        span=told.span,
        source="consolidation",
        importance=max(importance(entry) for entry in told.entries),
        evidence=tuple(list(behind)[:_EVIDENCE]),
        by_model=by_model,
        provenance="model",
    )


def period(span: Span, at_ns: int) -> tuple[int, int]:
    """The hour, day or week (from Monday) that a moment is in, UTC, as [begin, end) in nanoseconds."""
    at = datetime.fromtimestamp(at_ns // 10**9, UTC)
    begin = at.replace(minute=0, second=0)
    if span != "hour":
        begin = begin.replace(hour=0)
    if span == "week":
        begin -= timedelta(days=begin.weekday())
    length = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}[span]
    return int(begin.timestamp()) * 10**9, int((begin + length).timestamp()) * 10**9


async def _told_until(journal: Journal, span: Span) -> int:
    newest = await journal.read(kinds=("memory",), limit=_PAGE, newest_first=True)
    ends = [e.event.until_ns for e in newest if isinstance(e.event, Remembered) and e.event.span == span]
    return max(ends, default=0)


def _belongs(entry: Entry, made_of: str) -> bool:
    """Whether an entry goes into an episode that is made of these spans ("" for an hour, which is made of entries).

    A thought that rests on nothing that was seen is no memory: the mind would remember itself having nothing to do.
    """
    event = entry.event
    if isinstance(event, Thought) and not event.evidence:
        return False
    if isinstance(event, Remembered):
        return event.span == made_of if made_of else event.form == "note"
    return not made_of


def _shown(entry: Entry) -> tuple[int, ...]:
    return getattr(entry.event, "evidence", ()) if isinstance(entry.event, Thought) else ()


def _line(entry: Entry) -> str:
    at = datetime.fromtimestamp(entry.event.at_ns / 1e9, UTC)
    match entry.event:
        case Remembered() as memory if memory.span:
            return f"{at:%a %d %b %H:%M}: {memory.text}"
        case Thought() as thought:
            return f"{at:%H:%M} {thought.severity}: {thought.focus}: {thought.assessment}"
        case Notification() as told:
            return f"{at:%H:%M} told the user: {told.title}"
        case Health() as health:
            return f"{at:%H:%M} {health.part} is {health.state}: {health.text}"
        case Question() as question:
            return f"{at:%H:%M} the user asked: {question.text}"
        case Answer() as answer:
            return f"{at:%H:%M} answered: {answer.text}"
        case event:
            return f"{at:%H:%M} {event.body}"
