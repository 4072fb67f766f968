"""Parts for the tests of memory: a memory in a folder, and an embedding model that knows a few synonyms."""

import hashlib
import math
import random
import re
from array import array
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from wakeful.journal import Journal, JournalIndex
from wakeful.memory import Memory, Vectors

SAME = {"automobile": "car", "sedan": "car", "purchased": "bought", "physician": "doctor", "feline": "cat"}


class WordEmbedder:
    """Each word is a fixed random direction, synonyms the same one; a text is their sum."""

    def __init__(self, model: str = "words", dims: int = 256) -> None:
        self.model = model
        self.dims = dims
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str], *, query: bool) -> "Sequence[array[float]]":
        self.asked += texts
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> "array[float]":
        total = [1e-6] * self.dims
        for word in re.findall(r"\w+", text.lower()):
            seed = hashlib.sha256(f"{self.model} {SAME.get(word, word)}".encode()).digest()
            chance = random.Random(seed)
            total = [each + chance.gauss(0, 1) for each in total]
        length = math.sqrt(sum(each * each for each in total))
        return array("f", [each / length for each in total])


@asynccontextmanager
async def opened(
    folder: Path, embedder: WordEmbedder | None = None, *, now_ns: int | None = None
) -> AsyncGenerator[Memory]:
    """A memory whose clock stands still, and which embeds only when it is asked to."""
    async with (
        await Journal.open(folder / "journal.db", lock=False) as journal,
        JournalIndex(journal, folder / "index.db") as index,
        Vectors(folder / "vectors.db") as vectors,
    ):
        clock = {"now_ns": lambda: now_ns} if now_ns is not None else {}
        yield Memory(journal, index, vectors=vectors, embedder=embedder, **clock)
