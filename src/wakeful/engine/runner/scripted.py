"""A model whose answers a Python function gives: for tests, with exact tokens and timings, the same every time."""

import asyncio
import inspect
import json
import re
import sys
import time
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from wakeful.engine.errors import DoesNotFit, UnloadedMeanwhile
from wakeful.engine.runner.activity import Activity
from wakeful.engine.runner.overflow import fitted
from wakeful.engine.runner.pieces import CallArguments, CallStart, Done, Piece, PromptProgress, Stats, StopReason, Text
from wakeful.engine.runner.request import Generation, Message

_TOKEN = re.compile(r"\s?[^\W\d_]{1,6}|\s?\d{1,3}|\s?[^\w\s]{1,2}|\s?_|\s")
_VECTOR_LENGTH = 32


class Call(msgspec.Struct, frozen=True):
    """A tool call. arguments: an object, or text that is sent as it is, also where it is no JSON."""

    name: str
    arguments: Mapping[str, Any] | str = {}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the scripted model says to one request.

    first_token_s, token_s: how long it takes to begin, and between tokens; seconds
    stop_reason: None for what follows from the text and the limits
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    first_token_s: float = 0.0
    token_s: float = 0.0
    stop_reason: StopReason | None = None


Script = Callable[[Generation], "Reply | str | Awaitable[Reply | str]"]
"""Gets what is asked, gives what is said. Called once for each request, in the order of their arrival."""


def split_tokens(text: str) -> list[str]:
    """The scripted tokenizer: `"".join(split_tokens(text)) == text`, and no token is longer than seven characters."""
    return _TOKEN.findall(text)


class ScriptedRunner:
    """Runs a `Script`. It keeps the last prompt, as a model keeps its prefix, and tells what it would have re-read.

    context_tokens: may be set while it runs
    """

    def __init__(self, script: Script, *, context_tokens: int = 8192) -> None:
        self.script = script
        self.context_tokens = context_tokens
        self.activity = Activity()
        self._kept: list[str] = []
        self._closed = asyncio.Event()

    async def generate(self, generation: Generation) -> AsyncGenerator[Piece]:
        """See `Runner`. Raises DoesNotFit; UnloadedMeanwhile once it is closed."""
        with self.activity.answer() as answering:
            async for piece in self._answer(generation):
                if not isinstance(piece, PromptProgress):
                    answering.wrote()
                yield piece

    async def _answer(self, generation: Generation) -> AsyncGenerator[Piece]:
        started_s = time.monotonic()
        generation = await fitted(self, generation)
        prompt = split_tokens(await self._prompt(generation))
        room = self.context_tokens - len(prompt)
        if room < 1:
            raise DoesNotFit(
                f"The prompt has {len(prompt)} tokens, the context {self.context_tokens}.",
                prompt_tokens=len(prompt),
                context_tokens=self.context_tokens,
            )
        cached = _same(prompt[:-1], self._kept)
        answer = self.script(generation)
        reply = await answer if inspect.isawaitable(answer) else answer
        if isinstance(reply, str):
            reply = Reply(text=reply)
        yield PromptProgress(cached, len(prompt), cached)
        await self._wait(reply.first_token_s)
        yield PromptProgress(len(prompt), len(prompt), cached)
        first_token_s = time.monotonic() - started_s
        if generation.overflow == "rollingWindow":
            room = sys.maxsize
        limit = room if generation.max_tokens is None else min(room, generation.max_tokens)
        said: list[str] = []
        thought = 0
        stop: StopReason = "toolCalls" if reply.calls else "eosFound"
        stop_string = ""
        text, found = _cut(reply.text, generation.stop)
        if found:
            stop, stop_string = "stopStringFound", found
        for piece in (*_texts(reply.reasoning, reasoning=True), *_texts(text), *_calls(reply.calls)):
            tokens = 0 if isinstance(piece, CallStart) else piece.tokens
            if len(said) + tokens > limit:
                stop = "contextLengthReached" if limit == room else "maxPredictedTokensReached"
                stop_string = ""
                break
            if said and tokens:
                await self._wait(reply.token_s)
            if self._closed.is_set():
                raise UnloadedMeanwhile("Model unloaded.")
            if not isinstance(piece, CallStart):
                said.append(piece.text)
                thought += isinstance(piece, Text) and piece.reasoning
            yield piece
        self._kept = prompt + said
        generation_s = time.monotonic() - started_s - first_token_s
        yield Done(
            reply.stop_reason or stop,
            Stats(
                prompt_tokens=len(prompt),
                cached_tokens=cached,
                completion_tokens=len(said),
                reasoning_tokens=thought,
                first_token_s=first_token_s,
                generation_s=generation_s,
                tokens_per_second=len(said) / generation_s if generation_s > 0 else 0.0,
            ),
            stop_string,
        )

    async def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """`<|role|>` and the content, turn by turn, the tools first."""
        head = f"<|tools|>{json.dumps(list(tools))}\n" if tools else ""
        return head + "".join(f"<|{turn['role']}|>{_content(turn)}\n" for turn in messages) + "<|assistant|>"

    async def tokenize(self, text: str) -> list[int]:
        """A number for each token, the same wherever it stands."""
        return [zlib.crc32(token.encode()) & 0xFFFF for token in split_tokens(text)]

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Texts that share words have vectors that are close."""
        with self.activity.vectors():
            return [_vector(text) for text in texts]

    async def close(self) -> None:
        """Generations under way end with UnloadedMeanwhile."""
        self._closed.set()

    async def _prompt(self, generation: Generation) -> str:
        return (
            await self.render(generation.messages, generation.tools) if generation.prompt is None else generation.prompt
        )

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._closed.wait()
            except TimeoutError:
                return
            raise UnloadedMeanwhile("Model unloaded.")
        await asyncio.sleep(0)


def _texts(text: str, *, reasoning: bool = False) -> list[Text]:
    return [Text(token, 1, reasoning) for token in split_tokens(text)]


def _calls(calls: Sequence[Call]) -> list[CallStart | CallArguments]:
    pieces: list[CallStart | CallArguments] = []
    for index, call in enumerate(calls):
        arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        pieces.append(CallStart(index, str(100_000_000 + index), call.name))
        pieces += [CallArguments(index, token) for token in split_tokens(arguments)]
    return pieces


def _cut(text: str, stops: Sequence[str]) -> tuple[str, str]:
    """The text up to the first of the stop strings, and which it was."""
    found = sorted((at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0)
    return (text[: found[0][0]], found[0][1]) if found else (text, "")


def _content(turn: Message) -> str:
    content = turn.get("content")
    parts: Any = [] if content is None else content
    text = parts if isinstance(parts, str) else "".join(str(part.get("text", "<|image|>")) for part in parts)
    calls = turn.get("tool_calls")
    return f"{text}{json.dumps(calls)}" if calls else text


def _same(ours: Sequence[str], theirs: Sequence[str]) -> int:
    for at, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one != other:
            return at
    return min(len(ours), len(theirs))


def _vector(text: str) -> list[float]:
    vector = [0.0] * _VECTOR_LENGTH
    for token in split_tokens(text.casefold()):
        vector[zlib.crc32(token.strip().encode()) % _VECTOR_LENGTH] += 1.0
    length = sum(each * each for each in vector) ** 0.5 or 1.0
    return [each / length for each in vector]
