"""Adding to memory, and recalling from it: words and meaning over one journal, fused."""

import asyncio
import importlib.util
import time as clock
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from wakeful.events import Entry, MemoryForm, Provenance, Remembered
from wakeful.journal import Journal, JournalIndex, indexing
from wakeful.journal.within import Within
from wakeful.memory.embedding import Embedder
from wakeful.memory.finding import Finder, Found
from wakeful.memory.follow import Follower
from wakeful.memory.fusion import alike, fingerprint, weight
from wakeful.memory.hygiene import NotLearnt, against
from wakeful.memory.periods import period_in
from wakeful.memory.recalled import Recalled
from wakeful.memory.vectors import Vectors

Time = int | datetime
"""A moment: nanoseconds since the epoch, or a datetime (without a zone: the machine's own)."""

_CANDIDATES = 40
_LOOKED_AT = 5  # times as many as are wanted are looked at for near-duplicates
_NAMED = 1.3  # times the score of what happened on a date that is named; what is told of that date counts as well


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be kept: as the arguments of `Memory.add`."""

    text: str
    time: Time | None = None
    source: str = "user"
    kind: MemoryForm = "note"
    about: str = ""
    importance: float = 0.5
    confidence: float = 1.0
    evidence: tuple[int, ...] = ()
    provenance: Provenance = "user"


class Memory:
    """What a mind remembers: everything in its journal, found by words and, with an embedding model, by meaning.

    Without an `embedder` (or without numpy) it works by words alone; `says` tells.
    """

    def __init__(
        self,
        journal: Journal,
        index: JournalIndex,
        *,
        vectors: Vectors | None = None,
        embedder: Embedder | None = None,
        now_ns: Callable[[], int] = clock.time_ns,
    ) -> None:
        self.journal = journal
        self.index = index
        self.vectors = vectors
        self._now_ns = now_ns
        self._follower: Follower | None = None
        self._lacks = "the model server has no embedding model"
        if embedder is not None and importlib.util.find_spec("numpy") is None:
            self._lacks = "numpy is not installed (pip install 'wakeful[vectors]')"
        elif vectors is not None and embedder is not None:
            self._follower = Follower(journal, vectors, embedder)
        self._finder = Finder(journal, index, self._follower)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, *, embedder: Embedder | None = None) -> "AsyncGenerator[Memory]":
        """The memory in a folder: its journal, index and vectors, made where they do not exist.

        A mind may be awake on the same journal. What is new is embedded in the background while this is open.
        """
        async with AsyncExitStack() as stack:
            journal = await stack.enter_async_context(await Journal.open(folder / "journal.db", lock=False))
            index = await stack.enter_async_context(JournalIndex(journal, folder / "index.db"))
            vectors = await stack.enter_async_context(Vectors(folder / "vectors.db"))
            memory = cls(journal, index, vectors=vectors, embedder=embedder)
            following = asyncio.create_task(memory.follow())
            try:
                yield memory
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    @property
    def says(self) -> str:
        """How it recalls at this moment, in words."""
        if self._follower is None:
            return f"by words alone: {self._lacks}"
        if self._follower.trouble:
            return f"by words alone for now: {self._follower.trouble}"
        return f"by words and by meaning ({self._follower.embedder.model})"

    async def follow(self) -> None:
        """Keeps the vectors up to date, for ever; cancel to stop. Another embedding model's are built anew."""
        if self._follower is not None:
            await self._follower.run()

    async def caught_up(self) -> None:
        """Returns when everything that was added is embedded. Raises LMStudioError where that fails."""
        if self._follower is not None:
            await self._follower.catch_up()

    async def add(
        self,
        text: str,
        time: Time | None = None,
        source: str = "user",
        kind: MemoryForm = "note",
        *,
        about: str = "",
        importance: float = 0.5,
        confidence: float = 1.0,
        evidence: Collection[int] = (),
        provenance: Provenance = "user",
    ) -> int:
        """Keeps a memory for good, and gives its id: its number in the journal. It can be recalled at once.

        time: when it happened, None for now; source: whom it comes from; about: what it is about, in words that
            do not change
        importance, confidence: in [0, 1]; evidence: ids of what it rests on
        Raises ValueError for an empty text or a number outside its range, NotLearnt for what a model said and its
        evidence does not bear out, and for what was recalled or prompted; and JournalError.
        """
        note = Note(text, time, source, kind, about, importance, confidence, tuple(evidence), provenance)
        return (await self.add_all([note]))[0]

    async def add_all(self, notes: Sequence[Note]) -> list[int]:
        """The same for many at once, all or none of them. A fact supersedes the one that was held about the same."""
        now_ns = self._now_ns()
        for note in notes:
            if note.provenance not in ("observed", "user"):
                why = against(note.text, note.provenance, await self.journal.get(note.evidence))
                if why:
                    raise NotLearnt(why)
        events = [_remembered(note, now_ns) for note in notes]
        for at, event in enumerate(events):
            if event.form == "fact" and event.about and (old := await self.newest_about(event.about)):
                events[at] = msgspec.structs.replace(event, supersedes=old.seq)
        return [entry.seq for entry in await self.journal.append(events)]

    async def newest_about(self, about: str) -> Entry | None:
        """The fact that is held about something now, None where there is none."""
        seq = await self.index.look_up(lambda db: indexing.newest_about(db, about))
        found = await self.journal.get([seq]) if seq else []
        return found[0] if found else None

    async def recall(
        self,
        query: str,
        k: int = 5,
        *,
        kinds: Collection[str] = (),
        sources: Collection[str] = (),
        since: Time | None = None,
        until: Time | None = None,
        neighbours: int = 1,
        without: Collection[int] = (),
        times: bool = True,
    ) -> list[Recalled]:
        """The `k` memories that answer a query best, best first.

        query: words or a question. A time that it names (`last night`, `since Monday`) narrows the recall, unless
            `since` or `until` is given. Where it names nothing but a time, the most notable of that time come.
        kinds, sources: only these kinds of events (`memory`, `thought`, `observation`, …) and sources
        since, until: only what happened in [since, until)
        neighbours: how many entries of the same source just before and just after each come along
        without: ids that are not wanted; times: whether a time that the query names narrows the recall
        Raises a JournalError. An embedding model that fails or is slow is done without.
        """
        if k <= 0:
            return []
        now_ns = self._now_ns()
        limit = _CANDIDATES + 2 * k + len(without)
        within = Within(kinds, at_ns(since), at_ns(until), sources)
        named = period_in(query, now_ns) if times and since is None and until is None else None
        if named is not None and named.strict:
            narrow, named_rest = replace(within, since_ns=named.since_ns, until_ns=named.until_ns), named.rest
            found, named = await self._finder.find(named_rest, narrow, limit, without), None
            if not found:
                others = await self._finder.find(named_rest, within, limit, without)
                found = [replace(each, reasons=(*each.reasons, "not in the time that is named")) for each in others]
        else:
            found = await self._finder.find(query, within, limit, without)
        near = (named.since_ns or 0, named.until_ns or 2**63) if named is not None else None
        recalled = _folded(_weighed(found, now_ns, near), k)
        return await self._with_neighbours(recalled, neighbours) if neighbours > 0 and recalled else recalled

    async def _with_neighbours(self, recalled: Sequence[Recalled], count: int) -> list[Recalled]:
        ids = [each.id for each in recalled]
        beside = await self.index.look_up(lambda db: indexing.neighbours(db, ids, count), fresh=False)
        entries = {
            entry.seq: entry for entry in await self.journal.get({seq for each in beside.values() for seq in each})
        }
        return [
            replace(each, neighbours=tuple(entries[seq] for seq in beside[each.id] if seq in entries))
            for each in recalled
        ]


def at_ns(time: Time | None) -> int | None:
    """A moment in nanoseconds since the epoch."""
    if isinstance(time, datetime):
        return int(time.timestamp()) * 10**9 + time.microsecond * 1000
    return time


def _remembered(note: Note, now_ns: int) -> Remembered:
    text = note.text.strip()
    if not text:
        raise ValueError("there is no text to remember")
    if not (0 <= note.importance <= 1 and 0 <= note.confidence <= 1):
        raise ValueError("importance and confidence are numbers from 0 to 1")
    at = at_ns(note.time)
    return Remembered(
        at_ns=now_ns if at is None else at,
        text=text,
        form=note.kind,
        source=note.source,
        about=note.about,
        importance=note.importance,
        confidence=note.confidence,
        evidence=note.evidence,
        provenance=note.provenance,
    )


def _weighed(found: Sequence[Found], now_ns: int, near: tuple[int, int] | None) -> list[Recalled]:
    recalled: list[Recalled] = []
    for each in found:
        mark = each.mark
        old = bool(mark.superseded_by)
        score = each.fused.score * weight(each.entry, now_ns=now_ns, salience=mark.salience, superseded=old)
        reasons = list(each.reasons)
        if near is not None and near[0] <= each.entry.event.at_ns < near[1]:
            score *= _NAMED
            reasons.append("in the time that is named")
        if mark.salience:
            reasons.append(f"salience {mark.salience:.2f}")
        if old:
            reasons.append(f"superseded by #{mark.superseded_by}")
        recalled.append(Recalled(each.entry, score, tuple(reasons)))
    return sorted(recalled, key=lambda each: (-each.score, -each.id))


def _folded(recalled: Sequence[Recalled], k: int) -> list[Recalled]:
    """The best `k`, each with its near-duplicates folded into it."""
    kept: list[Recalled] = []
    prints: list[tuple[str, frozenset[str]]] = []
    also: list[list[int]] = []
    for each in recalled[: _LOOKED_AT * k]:
        mark = fingerprint(each.entry)
        at = next((at for at, other in enumerate(prints) if alike(mark, other)), None)
        if at is not None:
            also[at].append(each.id)
        elif len(kept) < k:
            kept.append(each)
            prints.append(mark)
            also.append([])
    return [replace(each, alike=tuple(ids)) for each, ids in zip(kept, also, strict=True)]
