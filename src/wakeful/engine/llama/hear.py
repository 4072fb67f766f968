"""What llama.cpp's events mean: pieces of an answer. No I/O; one object for each answer."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from wakeful.engine.llama.stops import StopScanner
from wakeful.engine.llama.wire import CHAT, PLAIN, ChatChoice, ChatChunk, Choice, Events, PlainChunk, Timings, raised
from wakeful.engine.runner.pieces import (
    CallArguments,
    CallStart,
    Done,
    Piece,
    PromptProgress,
    Stats,
    StopReason,
    Text,
    TokenChoice,
)

Clock = Callable[[], float]
"""Monotonic seconds."""


class Hearing(Protocol):
    """Turns what is read into pieces; `done` once the last of them was given."""

    @property
    def done(self) -> bool:
        """Whether `Done` was given."""
        ...

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that are complete now. Raises EngineError where the model says that it failed."""
        ...


class PlainHearing:
    """Of `/completion`. Texts that came with one read are one piece.

    limit: the tokens that were asked for, None for as many as the context holds
    said: all text so far; told: the tokens so far
    """

    def __init__(self, limit: int | None, *, probabilities: bool = False, clock: Clock = time.monotonic) -> None:
        self._events = Events[PlainChunk](PLAIN)
        self._limit = limit
        self._probabilities = probabilities
        self._clock = clock
        self._started_s = clock()
        self._first_s = 0.0
        self._done = False
        self.said: list[str] = []
        self.told = 0

    @property
    def done(self) -> bool:
        """See `Hearing`."""
        return self._done

    def feed(self, data: bytes) -> list[Piece]:
        """See `Hearing`."""
        pieces: list[Piece] = []
        texts: list[str] = []
        choices: list[TokenChoice] = []
        before = told = self.told
        for chunk in self._events.feed(data):
            if chunk.error is not None:
                raise raised(chunk.error)
            if chunk.prompt_progress is not None and not chunk.content:
                progress = chunk.prompt_progress
                pieces.append(PromptProgress(progress.processed, progress.total, progress.cache))
                continue
            told = max(told, chunk.tokens_predicted)
            if chunk.content:
                texts.append(chunk.content)
            if self._probabilities and not chunk.stop:
                choices += map(_choice, chunk.completion_probabilities)
            if chunk.stop:
                self._say(pieces, texts, choices, told - before)
                before, texts, choices = told, [], []
                pieces.append(self._end(chunk))
        self.told = told
        self._say(pieces, texts, choices, told - before)
        return pieces

    def _say(self, pieces: list[Piece], texts: list[str], choices: list[TokenChoice], tokens: int) -> None:
        if not texts and not choices:
            return
        if not self._first_s:
            self._first_s = self._clock() - self._started_s
        text = texts[0] if len(texts) == 1 else "".join(texts)
        self.said.append(text)
        pieces.append(Text(text, tokens, False, tuple(choices)))

    def _end(self, chunk: PlainChunk) -> Done:
        self._done = True
        reason: StopReason = "eosFound"
        if chunk.stop_type == "word":
            reason = "stopStringFound"
        elif chunk.stop_type == "limit":
            reason = limit_reason(chunk.tokens_predicted, self._limit)
        stats = stats_of(chunk.timings or Timings(predicted_n=chunk.tokens_predicted), self._first_s)
        return Done(reason, stats, chunk.stopping_word if reason == "stopStringFound" else "")


class ChatHearing:
    """Of `/v1/chat/completions`. Tool calls get ids of nine digits, as LM Studio's have.

    stops: llama.cpp does not tell here which one ended an answer, so they are looked for here
    """

    def __init__(self, limit: int | None, stops: Sequence[str], *, clock: Clock = time.monotonic) -> None:
        self._events = Events[ChatChunk](CHAT)
        self._limit = limit
        self._stops = StopScanner(stops) if stops else None
        self._clock = clock
        self._started_s = clock()
        self._first_s = 0.0
        self._done = False
        self._begun: set[int] = set()
        self._ids: set[str] = set()
        self._finish = ""
        self._timings = Timings()
        self._told = 0
        self._thought = 0

    @property
    def done(self) -> bool:
        """See `Hearing`."""
        return self._done

    def feed(self, data: bytes) -> list[Piece]:
        """See `Hearing`."""
        pieces: list[Piece] = []
        for chunk in self._events.feed(data):
            if chunk.error is not None:
                raise raised(chunk.error)
            if chunk.timings is not None:
                self._timings = chunk.timings
            if chunk.prompt_progress is not None:
                progress = chunk.prompt_progress
                pieces.append(PromptProgress(progress.processed, progress.total, progress.cache))
                continue
            for choice in chunk.choices:
                self._hear(choice, chunk.timings, pieces)
                if self._done:
                    return pieces
        if self._events.finished and self._finish:
            self._rest(pieces)
            pieces.append(self._end())
        return pieces

    def _hear(self, choice: ChatChoice, timings: Timings | None, pieces: list[Piece]) -> None:
        delta = choice.delta
        tokens = self._new_tokens(timings)
        if delta.reasoning_content:
            self._begin()
            self._thought += tokens
            pieces.append(Text(delta.reasoning_content, tokens, True))
            tokens = 0
        if delta.content:
            self._begin()
            self._text(delta.content, tokens, choice, pieces)
            tokens = 0
        for call in delta.tool_calls or ():
            self._begin()
            if call.index not in self._begun:
                self._begun.add(call.index)
                pieces.append(CallStart(call.index, self._new_id(), call.function.name or ""))
            if call.function.arguments:
                pieces.append(CallArguments(call.index, call.function.arguments, tokens))
                tokens = 0
        if choice.finish_reason is not None:
            self._finish = choice.finish_reason

    def _text(self, text: str, tokens: int, choice: ChatChoice, pieces: list[Piece]) -> None:
        logprobs = tuple(map(_choice, choice.logprobs.content or ())) if choice.logprobs is not None else ()
        if self._stops is None:
            pieces.append(Text(text, tokens, False, logprobs))
            return
        text = self._stops.feed(text)
        if text:
            pieces.append(Text(text, tokens, False, logprobs))
        if self._stops.found:
            self._finish = "stop"
            pieces.append(self._end())

    def _rest(self, pieces: list[Piece]) -> None:
        held = self._stops.end() if self._stops is not None else ""
        if held:
            pieces.append(Text(held, 0))

    def _end(self) -> Done:
        self._done = True
        found = self._stops.found if self._stops is not None else ""
        reason: StopReason = "stopStringFound" if found else "eosFound"
        if self._finish == "length":
            reason = limit_reason(self._timings.predicted_n, self._limit)
        elif self._begun and not found:
            reason = "toolCalls"
        return Done(reason, stats_of(self._timings, self._first_s, self._thought), found)

    def _begin(self) -> None:
        if not self._first_s:
            self._first_s = self._clock() - self._started_s

    def _new_tokens(self, timings: Timings | None) -> int:
        if timings is None:
            return 1
        new = max(0, timings.predicted_n - self._told)
        self._told = max(self._told, timings.predicted_n)
        return new

    def _new_id(self) -> str:
        while (made := str(100_000_000 + secrets.randbelow(900_000_000))) in self._ids:
            pass
        self._ids.add(made)
        return made


def limit_reason(told: int, limit: int | None) -> StopReason:
    """Which of the two limits ended an answer of so many tokens."""
    return "maxPredictedTokensReached" if limit is not None and told >= limit else "contextLengthReached"


def stats_of(timings: Timings, first_s: float, thought: int = 0) -> Stats:
    """In our form. first_s: until the first word, as we saw it."""
    return Stats(
        prompt_tokens=timings.cache_n + timings.prompt_n,
        cached_tokens=timings.cache_n,
        completion_tokens=timings.predicted_n,
        reasoning_tokens=min(thought, timings.predicted_n),
        first_token_s=first_s,
        generation_s=timings.predicted_ms / 1e3,
        tokens_per_second=timings.predicted_per_second,
    )


def _choice(choice: Choice) -> TokenChoice:
    others = tuple(TokenChoice(each.token, each.id, each.logprob) for each in choice.top_logprobs)
    return TokenChoice(choice.token, choice.id, choice.logprob, others)
