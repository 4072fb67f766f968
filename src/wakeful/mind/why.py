"""Why: from anything that was said or done back to the raw lines that it rests on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wakeful.context import REMEMBERED
from wakeful.events import (
    ActionRequest,
    ActionResult,
    Answer,
    Entry,
    Event,
    Intention,
    IntentionMet,
    Notification,
    Observation,
    Prediction,
    PredictionResolved,
    Salience,
    SetAside,
    Thought,
    ThoughtFailed,
    kind_of,
)
from wakeful.journal import Journal

MAX_DEPTH = 6
"""Steps that are followed back: a thought about a thought about a thought says little more."""

_LOOKED_AT = 1000
_SALIENCE_NEAR = 200
_REMEMBERED = re.compile(r"^#(\d+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reason:
    """An entry, how what rests on it rests on it, and what it rests on itself.

    link: such as `thought`, `evidence`, `stood out because`; entry: None where retention let it go
    """

    link: str
    seq: int
    entry: Entry | None
    because: tuple["Reason", ...] = ()


async def why(journal: Journal, seq: int) -> Reason | None:
    """What an entry rests on, down to the raw observations; None where there is no such entry."""
    found = await journal.get([seq])
    return await _reason(journal, "", found[0], MAX_DEPTH, {seq}) if found else None


async def _reason(journal: Journal, link: str, entry: Entry, depth: int, told: set[int]) -> Reason:
    because: list[Reason] = []
    for name, number, behind in await _behind(journal, entry) if depth else []:
        if behind is None:
            because.append(Reason(name, number, None))
        elif number not in told:
            told.add(number)
            because.append(await _reason(journal, name, behind, depth - 1, told))
    return Reason(link, entry.seq, entry, tuple(because))


_Link = tuple[str, int, Entry | None]


async def _behind(journal: Journal, entry: Entry) -> list[_Link]:
    """The entries that one rests on directly, each with how."""
    event = entry.event
    match event:
        case Notification() if event.intention:
            return [
                *await _intention(journal, event.intention, entry.seq),
                *await _named(journal, "evidence", event.evidence),
            ]
        case Notification():
            cycle = await _of_cycle(journal, event, ("thought", "set_aside"), event.key)
            return cycle or await _named(journal, "evidence", event.evidence)
        case Thought():
            return await _behind_thought(journal, event)
        case Prediction() | ActionRequest():
            return await _of_cycle(journal, event, ("thought",), event.cycle)
        case PredictionResolved():
            made = await _named(journal, "prediction", (event.prediction,))
            return [*await _named(journal, "decided by", event.evidence), *made]
        case ActionResult():
            return await _request(journal, event)
        case Answer():
            return [
                *await _named(journal, "question", (event.question,)),
                *await _named(journal, "evidence", event.evidence),
            ]
        case IntentionMet():
            return [
                *await _named(journal, "intention", (event.intention,)),
                *await _named(journal, "evidence", event.evidence),
            ]
        case Salience():
            return await _named(journal, "observation", (event.about,))
        case SetAside() | ThoughtFailed():
            return await _named(journal, "evidence", event.evidence)
        case Observation():
            return await _salience(journal, entry)
        case _:
            return []


async def _behind_thought(journal: Journal, thought: Thought) -> list[_Link]:
    """Its evidence, and what memory had brought along; evidence comes first."""
    evidence = await _named(journal, "evidence", thought.evidence)
    _, _, remembered = thought.shown.partition(f"\n{REMEMBERED}\n")
    seqs = [int(seq) for seq in _REMEMBERED.findall(remembered)]
    return evidence + await _named(journal, "remembered", [seq for seq in seqs if seq not in thought.evidence])


async def _named(journal: Journal, link: str, seqs: Sequence[int]) -> list[_Link]:
    found = {entry.seq: entry for entry in await journal.get(seqs)}
    return [(link, seq, found.get(seq)) for seq in seqs]


async def _of_cycle(journal: Journal, event: Event, kinds: Sequence[str], cycle: str) -> list[_Link]:
    """The entries of a cycle that were committed together with an event, and so happened at the same moment."""
    near = await journal.read(kinds=kinds, since_ns=event.at_ns, until_ns=event.at_ns + 1, newest_first=True)
    return [(kind_of(each.event), each.seq, each) for each in near if getattr(each.event, "cycle", "") == cycle]


async def _request(journal: Journal, result: ActionResult) -> list[_Link]:
    near = await journal.read(kinds=("action_request",), until_ns=result.at_ns + 1, limit=_LOOKED_AT, newest_first=True)
    return [
        ("request", each.seq, each)
        for each in near
        if isinstance(each.event, ActionRequest) and each.event.key == result.key
    ]


async def _intention(journal: Journal, key: str, before: int) -> list[_Link]:
    """The intention as it stood when it was met."""
    every = await journal.read(kinds=("intention",), limit=_LOOKED_AT, newest_first=True)
    for each in every:
        if each.seq < before and isinstance(each.event, Intention) and each.event.key == key:
            return [("intention", each.seq, each)]
    return []


async def _salience(journal: Journal, entry: Entry) -> list[_Link]:
    """Why an observation stood out; none where it did not."""
    for near in await journal.read(entry.cursor, kinds=("salience",), limit=_SALIENCE_NEAR):
        if isinstance(near.event, Salience) and near.event.about == entry.seq:
            return [("stood out because", near.seq, near)]
    return []
