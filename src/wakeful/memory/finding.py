"""Which entries might answer? Ranked by words and by meaning, and by what was notable where no words are given."""

import asyncio
from array import array
from collections.abc import Collection
from dataclasses import dataclass

from wakeful.events import Entry, Observation
from wakeful.journal import Journal, JournalError, JournalIndex, indexing
from wakeful.journal.indexing import Mark, marks
from wakeful.journal.search import FEW
from wakeful.journal.within import Within, holds, numbers
from wakeful.lmstudio import LMStudioError
from wakeful.memory.follow import Follower
from wakeful.memory.fusion import Fused, fuse, importance
from wakeful.memory.words import query_of

NOTABLE_KINDS = ("memory", "thought", "notification", "set_aside", "health", "question", "answer")
"""What is told of a period when no words are asked for, besides what was salient."""

_QUERY_S = 3.0
_UNMARKED = Mark()
_WORDS, _SAID, _MEANING, _NOTABLE, _SALIENT = "full text", "said", "vectors", "importance", "salience"


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that might answer, its place in the rankings, why, and what else is known of it."""

    entry: Entry
    fused: Fused
    reasons: tuple[str, ...]
    mark: Mark


class Finder:
    """Finds entries of a journal. follower: knows the vectors; None where there are none."""

    def __init__(self, journal: Journal, index: JournalIndex, follower: Follower | None) -> None:
        self._journal = journal
        self._index = index
        self._follower = follower

    async def find(self, query: str, within: Within, limit: int, without: Collection[int]) -> list[Found]:
        """Entries that might answer a query, in no order; about `limit` of each ranking. Raises a JournalError."""
        words = query_of(query)
        if not words:
            return await self._notable(within, limit, without)
        (by_words, said), by_meaning = await asyncio.gather(
            self._by_words(words, within, limit), self._by_meaning(query, within, limit)
        )
        entries = {entry.seq: entry for entry in (*by_words, *said)}
        cosines = dict(by_meaning)
        near, marked = await asyncio.gather(
            self._journal.get(cosines.keys() - entries.keys()), self._marks(entries.keys() | cosines.keys())
        )
        entries |= {entry.seq: entry for entry in near}
        if self._follower is not None and (dropped := cosines.keys() - entries.keys()):
            await self._follower.vectors.forget(dropped)  # by retention, since they were embedded
        rankings = {
            _WORDS: [entry.seq for entry in by_words],
            _SAID: [entry.seq for entry in said],
            _MEANING: [seq for seq, _ in by_meaning if seq in entries],
        }
        return _found(entries, rankings, without, cosines, marked)

    async def _marks(self, seqs: Collection[int]) -> dict[int, Mark]:
        return await self._index.look_up(lambda db: marks(db, seqs), fresh=False) if seqs else {}

    async def _by_words(self, words: str, within: Within, limit: int) -> tuple[list[Entry], list[Entry]]:
        """What matches the words; and, where observations are among that, what was said in a ranking of its own.

        What was seen is a thousand times more than what was said about it, and would crowd it out.
        """

        async def search(seen: bool | None) -> list[Entry]:
            return await self._index.search(
                words,
                limit=limit,
                kinds=within.kinds,
                since_ns=within.since_ns,
                until_ns=within.until_ns,
                sources=within.sources,
                seen=seen,
            )

        found = await search(None)
        mixed = any(isinstance(entry.event, Observation) for entry in found)
        return found, await search(False) if mixed else []

    async def _by_meaning(self, query: str, within: Within, limit: int) -> list[tuple[int, float]]:
        """The nearest vectors; none where there is no embedding model, or it is slow, or its file can't be read."""
        if self._follower is None:
            return []
        try:
            async with asyncio.timeout(_QUERY_S):
                [vector] = await self._follower.embedder.embed([query], query=True)
            return await self._nearest(vector, within, limit, self._follower)
        except TimeoutError:
            self._follower.trouble = f"the embedding model took more than {_QUERY_S:g} s"
        except (LMStudioError, JournalError) as error:
            self._follower.trouble = str(error)
        return []

    async def _nearest(
        self, vector: "array[float]", within: Within, limit: int, follower: Follower
    ) -> list[tuple[int, float]]:
        model, vectors = follower.embedder.model, follower.vectors
        if within == Within():
            return await vectors.search(model, vector, limit)
        few = await self._index.look_up(lambda db: numbers(db, within, FEW))
        if few is not None:
            return await vectors.search(model, vector, limit, only=few)
        found = await vectors.search(model, vector, 4 * limit)
        fitting = await self._index.look_up(lambda db: holds(db, within, [seq for seq, _ in found]))
        return [(seq, cosine) for seq, cosine in found if seq in fitting][:limit]

    async def _notable(self, within: Within, limit: int, without: Collection[int]) -> list[Found]:
        kinds = [kind for kind in NOTABLE_KINDS if not within.kinds or kind in within.kinds]
        said: list[Entry] = []
        if kinds:
            said = await self._journal.read(
                kinds=kinds, since_ns=within.since_ns, until_ns=within.until_ns, limit=limit, newest_first=True
            )
        said = [entry for entry in said if not within.sources or entry.event.origin in within.sources]
        seqs = await self._index.look_up(lambda db: indexing.most_salient(db, within, limit))
        strongest = {entry.seq: entry for entry in await self._journal.get(seqs)}
        ranking = sorted(said, key=lambda entry: (-importance(entry), -entry.event.at_ns))
        entries = {entry.seq: entry for entry in said} | strongest
        rankings = {_NOTABLE: [entry.seq for entry in ranking], _SALIENT: [seq for seq in seqs if seq in strongest]}
        return _found(entries, rankings, without, {}, await self._marks(entries.keys()))


def _found(
    entries: dict[int, Entry],
    rankings: dict[str, list[int]],
    without: Collection[int],
    cosines: dict[int, float],
    marked: dict[int, Mark],
) -> list[Found]:
    found: list[Found] = []
    for seq, fused in fuse(rankings).items():
        if seq in without:
            continue
        reasons = [f"{name} #{rank}" for name, rank in fused.ranks.items()]
        if seq in cosines:
            reasons[-1] += f" (cosine {cosines[seq]:.2f})"
        found.append(Found(entries[seq], fused, tuple(reasons), marked.get(seq, _UNMARKED)))
    return found
