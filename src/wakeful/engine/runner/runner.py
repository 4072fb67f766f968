"""The seam between the interfaces and whatever runs a model: llama.cpp, or a script."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from wakeful.engine.runner.pieces import Piece
from wakeful.engine.runner.request import Generation, Message


class Runner(Protocol):
    """One model in memory. All methods raise EngineError; several may be under way at once."""

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and answer together may have."""
        ...

    def generate(self, generation: Generation) -> AsyncGenerator[Piece]:
        """The answer as it is written. Closing the generator stops the model."""
        ...

    async def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """The prompt that the model's template makes of a conversation."""
        ...

    async def tokenize(self, text: str) -> list[int]:
        """The tokens of a text, with no template around it and no special tokens added."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of the same length for each text, in order."""
        ...

    async def close(self) -> None:
        """End it and give its memory back; generations under way end with UnloadedMeanwhile."""
        ...
