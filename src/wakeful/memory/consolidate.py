"""Consolidation: on a slow clock, what happened becomes episodes, and what keeps happening becomes facts."""

import asyncio
import time
from collections.abc import Callable, Sequence

from wakeful.events import Entry, Event
from wakeful.journal import JournalError
from wakeful.lmstudio import LMStudioError
from wakeful.memory.claims import Claims
from wakeful.memory.episodes import SPANS, Summarise, episode, untold
from wakeful.memory.facts import learn
from wakeful.memory.memory import Memory

EVERY_S = 900.0
"""Seconds between two rounds; an hour's episode is there a quarter of an hour after it at the latest."""

_CHARS_PER_TOKEN = 3


class Consolidation:
    """Tidies a memory.

    summarise: puts texts into few tokens; while it fails, or without it, an episode is the weightiest of its lines
    claims: asks the model for facts, which are held against what they rest on; None does without
    """

    def __init__(
        self,
        memory: Memory,
        *,
        summarise: Summarise | None = None,
        claims: Claims | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._memory = memory
        self._summarise = summarise
        self._claims = claims
        self._now_ns = now_ns

    async def run(self, every_s: float = EVERY_S) -> None:
        """A round from time to time, for ever; cancel to stop. What fails is left to the next round."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.step()
            except JournalError:
                continue  # a full disk, which the journal's other users tell of; nothing was lost

    async def step(self) -> list[Entry]:
        """One round: the episodes that are due and the facts that are new. Raises a JournalError."""
        made: list[Entry] = []
        for span in SPANS:
            for told in await untold(self._memory.journal, span, self._now_ns()):
                try:
                    new = await episode(told, self._summarise or weightiest)
                except LMStudioError:
                    new = await episode(told, weightiest)
                made += await self._memory.journal.append([new])
                if span == "day":
                    made += await self._learn()
                    if self._claims is not None:
                        made += await self._claims.of(told)
        return made

    async def _learn(self) -> list[Entry]:
        learnt = await learn(self._memory, self._now_ns())
        events: list[Event] = [*learnt.facts, *learnt.contradictions]
        return await self._memory.journal.append(events)


async def weightiest(texts: Sequence[str], max_tokens: int) -> tuple[str, bool]:
    """What stands in for a summary: the lines that weigh most, as many as fit, in their order."""
    chosen: set[int] = set()
    room_chars = max_tokens * _CHARS_PER_TOKEN
    for at in sorted(range(len(texts)), key=lambda at: (-_weight(texts[at]), at not in (0, len(texts) - 1), at)):
        if len(texts[at]) + 1 <= room_chars and texts[at] not in {texts[each] for each in chosen}:
            chosen.add(at)
            room_chars -= len(texts[at]) + 1
    if not chosen:
        return texts[0][: max_tokens * _CHARS_PER_TOKEN], False
    return "\n".join(texts[at] for at in sorted(chosen)), False


def _weight(text: str) -> int:
    return 2 * (" critical: " in text) + (" warning: " in text)
