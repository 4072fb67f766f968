"""A model run by llama.cpp: the `Runner` over its own HTTP server in the supervised child process."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import msgspec

from wakeful.engine.llama.ask import chat_body, plain_body, template_body
from wakeful.engine.llama.facts import TemplateFacts
from wakeful.engine.llama.hear import ChatHearing, Hearing, PlainHearing
from wakeful.engine.llama.link import Link
from wakeful.engine.llama.supervisor import Engine
from wakeful.engine.runner.activity import Activity
from wakeful.engine.runner.pieces import Piece, PromptProgress
from wakeful.engine.runner.request import Generation, Message

_TEXTS_AT_ONCE = 32
"""Embeddings in one request: more would only wait inside the engine, where nobody can cancel them."""


class _Rendered(msgspec.Struct):
    prompt: str


class _Tokens(msgspec.Struct):
    tokens: list[int]


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Vectors(msgspec.Struct):
    data: list[_Vector]


class LlamaRunner:
    """See `Runner`. `load_llama` makes one.

    engine: that runs the model, started; the runner owns it
    """

    def __init__(self, engine: Engine, link: Link, facts: TemplateFacts) -> None:
        self.activity = Activity()
        self.facts = facts
        self._engine = engine
        self._link = link
        self._one_embedding = asyncio.Lock()  # parallel ones have crashed models

    @classmethod
    async def over(cls, engine: Engine) -> "LlamaRunner":
        """For an engine that runs."""
        link = Link(engine)
        try:
            return cls(engine, link, await link.get("/props", TemplateFacts))
        except BaseException:
            await link.close()
            raise

    @property
    def context_tokens(self) -> int:
        """See `Runner`."""
        return self._engine.context_tokens

    @property
    def pid(self) -> int | None:
        """Of the process that runs the model just now; None while there is none."""
        return self._engine.health.pid

    async def generate(self, generation: Generation) -> AsyncGenerator[Piece]:
        """See `Runner`."""
        with self.activity.answer() as answering:
            hearing, path, body = await self._asked(generation)
            async with self._link.opened(path, body) as response:
                while not hearing.done:
                    data = await self._link.read(response)
                    for piece in hearing.feed(data):
                        if not answering.writing and not isinstance(piece, PromptProgress):
                            answering.wrote()
                        yield piece

    async def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """See `Runner`."""
        return await self._render(Generation(messages=tuple(messages), tools=tuple(tools)))

    async def tokenize(self, text: str) -> list[int]:
        """See `Runner`. Words that are special to the model are its special tokens, as in a prompt."""
        return (await self._link.post("/tokenize", {"content": text, "add_special": False}, _Tokens)).tokens

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See `Runner`. What does not fit into the context is cut off, as LM Studio does it."""
        vectors: list[list[float]] = []
        with self.activity.vectors():
            for at in range(0, len(texts), _TEXTS_AT_ONCE):
                async with self._one_embedding:
                    inputs = [await self._cut(text) for text in texts[at : at + _TEXTS_AT_ONCE]]
                    answer = await self._link.post("/v1/embeddings", {"input": inputs}, _Vectors)
                vectors += [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
        return vectors

    async def close(self) -> None:
        """See `Runner`."""
        self._link.unload()
        try:
            await self._engine.close()
        finally:
            await self._link.close()

    async def _asked(self, generation: Generation) -> tuple[Hearing, str, dict[str, Any]]:
        """The request that a generation comes to, and who understands its answer."""
        if generation.prompt is None and self.facts.needs_parser(generation):
            timed = self.facts.thinks or bool(generation.stop)
            hearing = ChatHearing(generation.max_tokens, generation.stop)
            return hearing, "/v1/chat/completions", chat_body(generation, timed=timed)
        prompt = await self._render(generation) if generation.prompt is None else generation.prompt
        hearing = PlainHearing(generation.max_tokens, probabilities=generation.logprobs is not None)
        return hearing, "/completion", plain_body(generation, prompt)

    async def _render(self, generation: Generation) -> str:
        return (await self._link.post("/apply-template", template_body(generation), _Rendered)).prompt

    async def _cut(self, text: str) -> str | list[int]:
        limit = self.context_tokens
        if len(text.encode()) < limit - 2:  # a token is at least one byte; two are put around
            return text
        tokens = (await self._link.post("/tokenize", {"content": text, "add_special": True}, _Tokens)).tokens
        return tokens if len(tokens) <= limit else [*tokens[: limit - 1], tokens[-1]]
