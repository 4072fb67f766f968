"""A model run by llama.cpp: the `Runner` over its own HTTP server in the supervised child process."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from wakeful.engine.errors import GenerationFailed
from wakeful.engine.llama.ask import chat_body, plain_body, template_body
from wakeful.engine.llama.default_tools import CallReader, without_tools
from wakeful.engine.llama.facts import TemplateFacts
from wakeful.engine.llama.hear import ChatHearing, Hearing, PlainHearing
from wakeful.engine.llama.link import Link
from wakeful.engine.llama.pool import Pool
from wakeful.engine.llama.sofar import SoFar
from wakeful.engine.llama.supervisor import Engine
from wakeful.engine.llama.wire import PoolExhausted
from wakeful.engine.runner.activity import Activity
from wakeful.engine.runner.overflow import fitted
from wakeful.engine.runner.pieces import Done, Piece, PromptProgress
from wakeful.engine.runner.request import Generation, Message

_MOST_REQUESTS = 1000
"""For one answer, where the context rolls: no loop is without a bound."""

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
        self._pool = Pool()
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
            asked = await fitted(self, generation)
            reader: CallReader | None = None
            if asked.tools and not self.facts.calls_tools:
                required = asked.tool_choice == "required"
                reader = None if asked.tool_choice == "none" else CallReader(asked.tools, only=required)
                asked = without_tools(asked)
            if asked.prompt is None and self.facts.needs_parser(asked):
                pieces = self._parsed(asked)
            else:
                pieces = self._plain(asked)
            async with aclosing(pieces):
                async for piece in pieces:
                    if not answering.writing and not isinstance(piece, PromptProgress):
                        answering.wrote()
                    if reader is None:
                        yield piece
                    else:
                        for each in reader.take(piece):
                            yield each

    async def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """See `Runner`."""
        asked = Generation(messages=tuple(messages), tools=tuple(tools))
        return await self._render(asked if self.facts.calls_tools else without_tools(asked))

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
                    answer = await self._link.post("/v1/embeddings", {"input": inputs}, _Vectors, long=True)
                vectors += [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
        return vectors

    async def close(self) -> None:
        """See `Runner`."""
        self._link.unload()
        try:
            await self._engine.close()
        finally:
            await self._link.close()

    async def _parsed(self, generation: Generation) -> AsyncGenerator[Piece]:
        """An answer that may hold more than text."""
        body = chat_body(generation, timed=self.facts.thinks or bool(generation.stop))
        begun = False
        for alone in (False, True):
            try:
                hearing = ChatHearing(generation.max_tokens, generation.stop)
                async with self._pool.turn(alone=alone):
                    async with aclosing(self._heard("/v1/chat/completions", body, hearing)) as pieces:
                        async for piece in pieces:
                            begun = begun or not isinstance(piece, PromptProgress)
                            yield piece
                return
            except PoolExhausted:
                if begun or alone:
                    raise

    async def _plain(self, generation: Generation) -> AsyncGenerator[Piece]:
        """An answer of text; goes on by itself where the context was full of others' texts, or rolls."""
        prompt = await self._render(generation) if generation.prompt is None else generation.prompt
        so_far = SoFar(generation)
        body = plain_body(generation, prompt)
        alone = False
        for _ in range(_MOST_REQUESTS):
            hearing = PlainHearing(so_far.max_tokens, probabilities=generation.logprobs is not None)
            done: Done | None = None
            so_far.begin()
            try:
                async with self._pool.turn(alone=alone):
                    async with aclosing(self._heard("/completion", body, hearing)) as pieces:
                        async for piece in pieces:
                            if isinstance(piece, Done):
                                done = piece
                            elif so_far.passes(piece):
                                yield piece
            except PoolExhausted:
                if alone or not so_far.can_go_on:
                    raise
                alone = True
            if done is not None:
                if not self._rolls(generation, done, so_far):
                    yield so_far.whole(done)
                    return
                so_far.stopped(done)
                prompt = await self._rolled(generation, so_far.text)
            text = "" if done is not None else so_far.text
            body = plain_body(msgspec.structs.replace(generation, max_tokens=so_far.max_tokens), prompt + text)
        raise GenerationFailed(f"The answer did not come to an end in {_MOST_REQUESTS} contexts.")

    async def _heard(self, path: str, body: dict[str, Any], hearing: Hearing) -> AsyncGenerator[Piece]:
        async with self._link.opened(path, body) as response:
            while not hearing.done:
                for piece in hearing.feed(await self._link.read(response)):
                    yield piece

    def _rolls(self, generation: Generation, done: Done, so_far: SoFar) -> bool:
        full = done.stop_reason == "contextLengthReached"
        return full and generation.overflow == "rollingWindow" and so_far.can_go_on and so_far.max_tokens != 0

    async def _rolled(self, generation: Generation, text: str) -> str:
        """The prompt with which an answer goes on that filled the context: of all of it, the end.

        A quarter of the context is free then; of what was said at most a half stays.
        """
        context = self.context_tokens
        last = Generation(prompt=text, overflow="rollingWindow")
        said = (await fitted(self, last, budget_tokens=context // 2)).prompt or ""
        left = context * 3 // 4 - len(await self.tokenize(said))
        before = await fitted(self, generation, budget_tokens=left)
        return (await self._render(before) if before.prompt is None else before.prompt) + said

    async def _render(self, generation: Generation) -> str:
        return (await self._link.post("/apply-template", template_body(generation), _Rendered)).prompt

    async def _cut(self, text: str) -> str | list[int]:
        limit = self.context_tokens
        if len(text.encode()) < limit - 2:  # a token is at least one byte; two are put around
            return text
        tokens = (await self._link.post("/tokenize", {"content": text, "add_special": True}, _Tokens)).tokens
        return tokens if len(tokens) <= limit else [*tokens[: limit - 1], tokens[-1]]
