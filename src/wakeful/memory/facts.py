"""Facts: what keeps coming back, and which state things are in, each with what it rests on and from when on it held.

Taken from the observations that claimed attention, by counting, with no model: what is counted can't be made up.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from wakeful.events import Entry, Observation, Remembered, Salience
from wakeful.journal import Journal
from wakeful.memory.memory import Memory

WINDOW_DAYS = 28
"""How far back occurrences are counted."""

_LEAST_DAYS, _LEAST_TIMES = 2, 3
_GROWN = 1.5  # times as many occurrences as when it was last told make it worth telling again
_EVIDENCE = 60
_QUOTED_CHARS = 120
_PAGE = 1000
_VARIABLE = re.compile(r"\d+(?:[.,:]\d+)*|\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b")
_HELD = 0.75  # confidence from which on a fact that changes is worth a thought


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a round of learning came to: facts to be kept, and what contradicts what was held."""

    facts: tuple[Remembered, ...]
    contradictions: tuple[Observation, ...]


async def learn(memory: Memory, now_ns: int) -> Learnt:
    """Facts that the last weeks bear out and that are not held yet, or not so any more."""
    seen = await _noticed(memory.journal, now_ns - WINDOW_DAYS * 86_400 * 10**9)
    facts: list[Remembered] = []
    contradictions: list[Observation] = []
    for about, entries in _grouped(seen).items():
        fact = _recurring(about, entries)
        held = await memory.newest_about(about) if fact is not None else None
        if fact is not None and _is_news(fact, held):
            facts.append(_in_place_of(fact, held))
    for about, entries in _states(seen).items():
        fact = _state(about, entries)
        held = await memory.newest_about(about)
        if held is None or (isinstance(held.event, Remembered) and held.event.text != fact.text):
            facts.append(_in_place_of(fact, held))
            if held is not None and _is_contradicted(held):
                contradictions.append(_contradiction(held, fact, now_ns))
    return Learnt(tuple(facts), tuple(contradictions))


async def _noticed(journal: Journal, since_ns: int) -> list[Entry]:
    """The observations that claimed attention since then, in order."""
    found: list[Entry] = []
    seqs: set[int] = set()
    saliences = await journal.read(kinds=("salience",), since_ns=since_ns, limit=100 * _PAGE)
    seqs.update(entry.event.about for entry in saliences if isinstance(entry.event, Salience))
    for entry in await journal.get(seqs):
        event = entry.event
        if isinstance(event, Observation) and event.form != "metrics" and event.provenance == "observed":
            found.append(entry)
    return found


def _grouped(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Observations of one source that say the same but for their numbers, by what they are about."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, Observation) and event.form != "state":
            plain = " ".join(_VARIABLE.sub("#", _first_line(event)).split())
            groups.setdefault(f"{event.source}: {plain[:_QUOTED_CHARS]}", []).append(entry)
    return groups


def _states(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Changes of state by whose state it is: a container's, a unit's, a process's."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, Observation) and event.form == "state" and event.subject:
            groups.setdefault(f"{event.source} {event.subject}", []).append(entry)
    return groups


def _recurring(about: str, entries: Sequence[Entry]) -> Remembered | None:
    times = [datetime.fromtimestamp(entry.event.at_ns / 1e9, UTC) for entry in entries]
    days = {at.date() for at in times}
    if len(days) < _LEAST_DAYS or len(times) < _LEAST_TIMES:
        return None
    last = entries[-1].event
    assert isinstance(last, Observation)
    hours = sorted({at.hour for at in times})
    when = f", always between {hours[0]:02d}:00 and {(hours[-1] + 1) % 24:02d}:00 UTC" if len(hours) <= 3 else ""
    text = (
        f'"{_first_line(last)[:_QUOTED_CHARS]}" and its like came {len(times)} times on {len(days)} days, '
        f"first on {min(days)}, last on {max(days)}{when}"
    )
    return Remembered(
        at_ns=entries[0].event.at_ns,
        text=text,
        form="fact",
        source="consolidation",
        about=about,
        confidence=(len(times) + 1) / (len(times) + 2),  # the rule of succession
        evidence=tuple(entry.seq for entry in entries[-_EVIDENCE:]),
        provenance="observed",
    )


def _state(about: str, entries: Sequence[Entry]) -> Remembered:
    last = entries[-1]
    assert isinstance(last.event, Observation)
    return Remembered(
        at_ns=last.event.at_ns,
        text=f'"{_first_line(last.event)[:_QUOTED_CHARS]}"',
        form="fact",
        source="consolidation",
        about=about,
        confidence=0.9,
        evidence=(last.seq,),
        provenance="observed",
    )


def _is_news(fact: Remembered, held: Entry | None) -> bool:
    if held is None or not isinstance(held.event, Remembered):
        return True
    known = len(held.event.evidence)
    return held.event.source != "consolidation" or (known < _EVIDENCE and len(fact.evidence) >= _GROWN * known)


def _in_place_of(fact: Remembered, held: Entry | None) -> Remembered:
    return fact if held is None else msgspec.structs.replace(fact, supersedes=held.seq)


def _is_contradicted(held: Entry) -> bool:
    """Whether what was held is worth a thought now that it is not so: somebody said it, and was sure.

    A state that was seen and is another one now has changed; that is news, which the gate judges, and contradicts
    nothing, however long it lasted.
    """
    event = held.event
    assert isinstance(event, Remembered)
    return event.source != "consolidation" and event.confidence >= _HELD


def _contradiction(held: Entry, fact: Remembered, now_ns: int) -> Observation:
    """An observation for the mind to think about; as it repeats what was recalled, it can't be learnt from."""
    event = held.event
    assert isinstance(event, Remembered)
    since = datetime.fromtimestamp(event.at_ns / 1e9, UTC)
    return Observation(
        at_ns=now_ns,
        source="wakeful:memory",
        form="text",
        subject=fact.about,
        text=f"{fact.about}: held to be {event.text} since {since:%Y-%m-%d} (#{held.seq}), and now is {fact.text}",
        provenance="recalled",
    )


def _first_line(observation: Observation) -> str:
    return observation.text.strip().partition("\n")[0]
