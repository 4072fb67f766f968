"""What is embedded, and when: in the background, a little at a time, so that the model server is left to others."""

import asyncio
import time
from array import array
from collections.abc import Sequence
from contextlib import aclosing

from wakeful.events import Cursor, Observation, Salience
from wakeful.journal import Journal, JournalError
from wakeful.lmstudio import LMStudioError
from wakeful.memory.embedding import Embedder
from wakeful.memory.vectors import Vectors

EMBEDDED_KINDS = ("memory", "thought", "set_aside", "question", "answer", "self_model", "salience")
"""What is embedded: what was thought and said, and the observations that claimed attention (`salience`).

All observations would be thousands of times more, would keep the server busy, and are found by their words.
"""

_BATCH = 64
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 300.0


class Follower:
    """Keeps the vectors up to date with the journal.

    trouble: why that fails at this moment, "" when all is well
    """

    def __init__(self, journal: Journal, vectors: Vectors, embedder: Embedder) -> None:
        self.embedder = embedder
        self.vectors = vectors
        self.trouble = ""
        self._journal = journal

    async def run(self) -> None:
        """Embeds what is new, for ever; cancel to stop. After each batch it rests for as long as that took."""
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                place = await self.catch_up(polite=True)
            except (LMStudioError, JournalError) as error:
                self.trouble = str(error)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
                continue
            retry_s = _FIRST_RETRY_S
            async with aclosing(self._journal.tail(place, kinds=EMBEDDED_KINDS)) as news:
                await anext(news)

    async def catch_up(self, *, polite: bool = False) -> Cursor:
        """Embeds all that the journal holds by now, and gives the place up to which that is.

        polite: whether to rest in between
        Raises LMStudioError or JournalError.
        """
        while True:
            begun_s = time.monotonic()
            place = await self.vectors.begin(self.embedder.model)
            entries = await self._journal.read(place, limit=_BATCH, kinds=EMBEDDED_KINDS)
            if not entries:
                self.trouble = ""
                return place
            texts = {entry.seq: entry.event.body for entry in entries if not isinstance(entry.event, Salience)}
            noticed = {entry.event.about for entry in entries if isinstance(entry.event, Salience)}
            for entry in await self._journal.get(noticed):
                if isinstance(entry.event, Observation) and entry.event.form != "metrics":
                    texts[entry.seq] = entry.event.body
            told = {seq: text for seq, text in texts.items() if text.strip()}
            vectors: Sequence[array[float]] = []
            if told:
                vectors = await self.embedder.embed(list(told.values()), query=False)
            await self.vectors.add(self.embedder.model, list(told), vectors, place, entries[-1].cursor)
            if polite:
                await asyncio.sleep(time.monotonic() - begun_s)
