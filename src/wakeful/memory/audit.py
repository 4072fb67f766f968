"""How much of what is remembered is junk? Each memory is held against what it rests on."""

import re
from dataclasses import dataclass, field

from wakeful.events import Cursor, Entry, Remembered
from wakeful.journal import Journal
from wakeful.memory.fusion import alike, fingerprint
from wakeful.memory.hygiene import is_solid, said, unsupported

_QUOTED = re.compile(r'"([^"]{8,})"')
_DEPTH = 6
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    looked_at: memories that still hold, newest first; junk: ids by what is wrong with them. A memory counts once.
    gone: memories whose evidence retention has dropped, so that they can't be held against it
    """

    looked_at: int
    gone: int
    junk: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])

    @property
    def junk_share(self) -> float:
        """The share of the memories that is junk, in [0, 1]."""
        return sum(map(len, self.junk.values())) / max(self.looked_at, 1)


async def audit(journal: Journal, sample: int = 1000) -> Audit:
    """Holds the newest `sample` memories that still hold against their sources.

    unsupported: it has numbers or names (one that is no model's: words in quotes) that its sources do not have, or
        comes from a model and rests on nothing
    self-made: behind it are only texts that were recalled or prompted, or that a model wrote, all the way down
    duplicate: another memory tells the same; stale: a newer one about the same was not noticed to supersede it
    """
    memories = await _memories(journal)
    old = {entry.event.supersedes for entry in memories if isinstance(entry.event, Remembered)}
    held = [entry for entry in memories if entry.seq not in old][-sample:][::-1]
    junk: dict[str, list[int]] = {"unsupported": [], "self-made": [], "duplicate": [], "stale": []}
    newest: dict[str, int] = {}
    prints: dict[str, list[tuple[str, frozenset[str]]]] = {}
    gone = 0
    for entry in held:
        event = entry.event
        assert isinstance(event, Remembered)
        sources = await journal.get(event.evidence)
        gone += len(sources) < len(event.evidence)
        mark = fingerprint(entry)
        # Two hours in which the same happened are two episodes; so are a week, and the only day of it that had any.
        near = prints.setdefault(f"{event.form} {event.about} {event.span} {event.span and event.at_ns}", [])
        if event.provenance in ("recalled", "prompted") or (event.evidence and not await _grounded(journal, sources)):
            junk["self-made"].append(entry.seq)
        elif _is_unsupported(event, sources):
            junk["unsupported"].append(entry.seq)
        elif event.form == "fact" and event.about and newest.setdefault(event.about, entry.seq) != entry.seq:
            junk["stale"].append(entry.seq)
        elif any(alike(mark, other) for other in near):
            junk["duplicate"].append(entry.seq)
        near.append(mark)
    return Audit(len(held), gone, {name: tuple(seqs) for name, seqs in junk.items() if seqs})


def _is_unsupported(memory: Remembered, sources: list[Entry]) -> bool:
    if memory.provenance == "user":
        return False
    if not memory.evidence:
        return True
    if len(sources) < len(memory.evidence):
        return False  # what is gone may have borne it out
    told = [said(source) for source in sources]
    if memory.by_model:
        return bool(unsupported(memory.text, told))
    whole = " ".join(" ".join(told).split())
    return any(" ".join(quoted.split()) not in whole for quoted in _QUOTED.findall(memory.text))


async def _grounded(journal: Journal, sources: list[Entry]) -> bool:
    """Whether something that was observed or said by the user stands behind these, directly or further down."""
    seen: set[int] = set()
    for _ in range(_DEPTH):
        if not sources or any(is_solid(entry) for entry in sources):
            return bool(sources)
        deeper = {seq for entry in sources for seq in getattr(entry.event, "evidence", ())} - seen
        seen |= deeper
        sources = await journal.get(deeper)
    return False


async def _memories(journal: Journal) -> list[Entry]:
    found: list[Entry] = []
    cursor = Cursor("")
    while page := await journal.read(cursor, limit=_PAGE, kinds=("memory",)):
        found += [entry for entry in page if isinstance(entry.event, Remembered)]
        cursor = page[-1].cursor
    return found
