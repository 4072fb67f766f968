"""Who turns texts into vectors? The model server's embedding model, where it has one."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wakeful.lmstudio import AsyncLMStudioClient, LMStudioError

MAX_CHARS = 6000
"""Characters of a text that are embedded, some 2,000 tokens; what is beyond it would be cut by the server unseen."""


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def model(self) -> str:
        """Which model does it; vectors of another one can't be compared with its vectors."""
        ...

    async def embed(self, texts: Sequence[str], *, query: bool) -> "Sequence[array[float]]":
        """A vector for each text, all of one length. query: whether they ask, or are what is asked for."""
        ...


# What models want to stand before a text, by a part of their names; servers do not add it.
_PREFIXES = {
    "nomic-embed": ("search_query: ", "search_document: "),
    "e5-": ("query: ", "passage: "),
    "embeddinggemma": ("task: search result | query: ", "title: none | text: "),
    "mxbai-embed": ("Represent this sentence for searching relevant passages: ", ""),
    "snowflake-arctic-embed": ("query: ", ""),
    "qwen3-embedding": ("Instruct: Retrieve passages that answer the query\nQuery: ", ""),
}


@dataclass(frozen=True, slots=True)
class ServerEmbedder:
    """The embedding model of a server that speaks LM Studio's API."""

    client: AsyncLMStudioClient
    model: str
    _prefixes: tuple[str, str] = field(default=("", ""), repr=False)

    async def embed(self, texts: Sequence[str], *, query: bool) -> "Sequence[array[float]]":
        """As `Embedder.embed`. Raises LMStudioError."""
        before = self._prefixes[0 if query else 1]
        return await self.client.embeddings.create([before + text[:MAX_CHARS] for text in texts], model=self.model)


async def embedder_of(
    client: AsyncLMStudioClient, *, prefer: str = "", may_load: bool = False
) -> ServerEmbedder | None:
    """The server's embedding model that is in memory, None where there is none or the server does not answer.

    prefer: the one to take where there are several, since the vectors that are there are its
    may_load: whether a model may be taken that is not in memory; the first request loads it, and what the server
        pushes out for that is the server's choice
    """
    try:
        models = await client.list_models()
    except LMStudioError:
        return None
    fitting = [model for model in models if model.kind == "embedding" and (may_load or model.state != "not_loaded")]
    if not fitting:
        return None
    chosen = min(fitting, key=lambda model: (model.state == "not_loaded", prefer not in (model.key, model.id)))
    prefixes = next((both for part, both in _PREFIXES.items() if part in chosen.key.casefold()), ("", ""))
    return ServerEmbedder(client, chosen.id, prefixes)
