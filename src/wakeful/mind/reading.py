"""How does the pilot model answer a question? It reads each entry alone; the gravest are told, each by its minute.

It was never good at choosing among many lines: 36 of 100 answers were right. Of 100 single ones it named 97 rightly.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wakeful.context import Seen, cite, clock, moment, observation_line, shorten
from wakeful.events import SEVERITIES, Entry, Notification, Observation, Severity, Thought
from wakeful.lmstudio import ChatResult, ContextOverflow
from wakeful.memory import cue
from wakeful.mind.first_look import as_seen
from wakeful.mind.one_by_one import alone
from wakeful.mind.prompt import PILOT, prompt
from wakeful.mind.schema import Reply, reply_schema
from wakeful.mind.thinker import Thinker, UnusableAnswer

MOST_READ = 8
"""Observations that it reads for one answer, a fraction of a second each."""

MOST_TOLD = 3
"""Entries that an answer tells of."""

_GENERAL = frozenset(
    (
        *("well", "fine", "okay", "good", "bad", "right", "problem", "problems", "trouble", "issue", "issues", "news"),
        *("machine", "server", "box", "host", "system", "thing", "things", "everything", "nothing", "look", "see"),
        *("should", "could", "would", "know", "tell", "show", "summary", "summarise", "summarize", "report", "status"),
        *("morning", "evening", "week", "month", "minute", "minutes", "now", "going", "new", "important"),
    )
)
"""Words of questions about everything, which name nothing."""

_UNREAD_CHARS = 120
"""Of a line that it can't read, and that is told as it stands."""


@dataclass(frozen=True, slots=True)
class _Read:
    """An entry, and what there is to say of it. focus: what it is about; of one cause the newest is told."""

    entry: Entry
    severity: Severity
    focus: str
    text: str


async def read_out(
    question: str, entries: Sequence[Entry], thinker: Thinker, now_ns: int
) -> tuple[str, tuple[Entry, ...], tuple[ChatResult, ...]]:
    """The answer, the entries that it tells of in their order, and the requests that it took.

    entries: most useful first. Those that hold a name from the question are told, however harmless; else what is
    graver than mere info.
    Raises every LMStudioError of the client but ContextOverflow.
    """
    told = [entry.event for entry in entries if isinstance(entry.event, Thought | Notification)]
    told_already = {seq for event in told for seq in event.evidence}
    found: list[_Read] = []
    results: list[ChatResult] = []
    to_read = MOST_READ
    for entry in entries:
        match entry.event:
            case Thought() as thought:
                found.append(_Read(entry, thought.severity, thought.focus, thought.assessment))
            case Notification() as sent:
                found.append(_Read(entry, sent.severity, sent.title, sent.title))
            case Observation() as seen if to_read and entry.seq not in told_already:
                to_read -= 1
                read, took = await _read(entry, seen, thinker, now_ns)
                found.append(read)
                results += took
            case _:
                pass
    names = [re.escape(name) for name in cue([question]).split() if name not in _GENERAL]
    name = re.compile(rf"\b({'|'.join(names)})\b" if names else "(?!)", re.IGNORECASE)
    named = [each for each in found if name.search(each.entry.event.body) or name.search(each.text)]
    notable = named or [each for each in found if each.severity != SEVERITIES[0]]
    causes = {each.focus: each for each in sorted(notable, key=lambda each: each.entry.seq)}
    worst = sorted(causes.values(), key=lambda each: (SEVERITIES.index(each.severity), each.entry.seq), reverse=True)
    chosen = sorted(worst[:MOST_TOLD], key=lambda each: each.entry.seq)
    sentences = [f"{clock(each.entry.event.at_ns)[:5]} {each.text}" for each in chosen]
    nothing = "Nothing out of the ordinary." if found else "The journal has nothing on that."
    return " ".join(sentences) or nothing, tuple(each.entry for each in chosen), tuple(results)


async def _read(entry: Entry, seen: Observation, thinker: Thinker, now_ns: int) -> tuple[_Read, tuple[ChatResult, ...]]:
    looked_at = as_seen(entry) if "cpu_percent" in seen.values else alone(Seen(entry.seq, seen))
    shown = moment([looked_at], now_ns=now_ns, reason="asked", expected="")
    try:
        answered = await thinker.ask(
            [("system", prompt(PILOT)), ("user", shown)], Reply, reply_schema([cite(entry.seq)], shown=shown)
        )
    except (UnusableAnswer, ContextOverflow):
        line = observation_line(entry.seq, seen).partition(" ")[2]
        return _Read(entry, SEVERITIES[0], line, shorten(line, _UNREAD_CHARS)), ()
    said = answered.value
    return _Read(entry, said.severity, said.focus, said.assessment), answered.results
