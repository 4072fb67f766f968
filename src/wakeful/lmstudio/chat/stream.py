"""A streamed answer as typed events, and how it is stopped."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self

from wakeful.lmstudio.chat.assembly import Assembly
from wakeful.lmstudio.chat.events import ChatEvent, ChatResult, Finished, Interruption, Message, PromptProgress
from wakeful.lmstudio.chat.experience import Experience
from wakeful.lmstudio.chat.messages import Chat
from wakeful.lmstudio.chat.request import MAX_TOKENS, ChatOptions, chat_body
from wakeful.lmstudio.chat.resume import is_cut
from wakeful.lmstudio.chat.whole import CHAT_PATH, feed_whole
from wakeful.lmstudio.errors import LMStudioError, ServerTooSlow, StreamBroken
from wakeful.lmstudio.http.attempts import Attempts
from wakeful.lmstudio.http.events import EventSource, open_events
from wakeful.lmstudio.http.transport import Reply, Transport
from wakeful.lmstudio.http.watch import Watch

_AFTER_FINISH_S = 3.0
"""How long we wait for the usage and the end that follow the finish reason."""


class ChatStream(AsyncIterator[ChatEvent]):
    """The events of one answer, `Finished` last; iterate over it once.

    Nothing is sent before the first event is asked for. Leaving it early, by `aclose`, its `async with`, or
    by cancelling the task that waits for it, drops the connection, which makes the server stop generating;
    `text` then holds what had come. `cancel` does the same and lets the iteration end with what there is.
    Iterating raises LMStudioError, with the text so far in `partial`.
    options: as of `AsyncLMStudioClient.chat`; `limit_s` counts from the first event asked for
    """

    def __init__(
        self, transport: Transport, experience: Experience, messages: str | Sequence[Message], options: ChatOptions
    ) -> None:
        self._transport = transport
        self._experience = experience
        self._body = chat_body(messages, options, stream=True)
        self._messages = messages
        self._options = options
        self._model = options.get("model", "")
        self._wants_json = options.get("json_schema") is not None
        self._assembly = Assembly(wants_json=self._wants_json)
        # a beginning with logprobs makes servers leak memory (lmstudio-bug-tracker 2105)
        self._resumes = 0 if options.get("logprobs") else int(options.get("resume", 0))
        self._before: Assembly | None = None
        self._retries = 0
        self._told = False
        self._batches = self._run()
        self._pending: Iterator[ChatEvent] = iter(())
        self._limit_s = options.get("limit_s")
        self._limit_at = math.inf
        self._started_s: float | None = None
        self._watch: Watch | None = None
        self._cancelled = False
        self._over = False
        self.first_token_s: float | None = None
        self.result: ChatResult | None = None

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._assembly.text

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return self._assembly.reasoning

    @property
    def waits(self) -> bool:
        """Whether somebody waits for its next event just now."""
        return self._watch is not None and self._watch.waits

    @property
    def so_far(self) -> ChatResult:
        """All that there is so far, its counts and times included; `result` once it is whole."""
        if self.result is not None:
            return self.result
        return self._so_far(self._assembly.so_far)

    @property
    def _spent_s(self) -> float:
        return 0.0 if self._started_s is None else asyncio.get_running_loop().time() - self._started_s

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatEvent:
        event = next(self._pending, None)
        return event if event is not None else await self._advance()

    def next_ready(self) -> ChatEvent | None:
        """The next event if it has come already, without waiting; else None."""
        return next(self._pending, None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop; the server stops too. Does nothing after the end."""
        self._over = True
        self._pending = iter(())
        if self._watch is not None:
            self._watch.stop()
        await self._batches.aclose()
        self._tell()

    def cancel(self) -> ChatResult:
        """Stop from anywhere in the event loop; gives what there is so far.

        Whoever iterates gets `Finished` with it, marked `cancelled`. Does nothing after the end.
        """
        self._cancelled = True
        if self._watch is not None:
            self._watch.expire()  # wakes the one who waits for the next event
        return self.so_far

    async def collect(self) -> ChatResult:
        """Wait for the whole answer."""
        async with self:
            async for event in self:
                if isinstance(event, Finished):
                    return event.result
        raise AssertionError("a stream ends with Finished or an error: please report this")

    async def _advance(self) -> ChatEvent:
        if self._watch is None:
            self._watch = Watch()
            self._started_s = asyncio.get_running_loop().time()
            self._limit_at = math.inf if self._limit_s is None else self._started_s + self._limit_s
        while not self._over:
            if self._cancelled:
                return await self._interrupted("cancelled")
            try:
                # around each wait and not around all of them: between two events the task is our caller's
                with self._watch.until(self._limit_at):
                    batch = await anext(self._batches, None)
            except TimeoutError:
                return await self._interrupted("cancelled" if self._cancelled else "deadline")
            if batch is None:
                self._over = True
                self._watch.stop()
                break
            self._pending = iter(batch)
            if (event := next(self._pending, None)) is not None:
                return event
        raise StopAsyncIteration

    async def _interrupted(self, why: Interruption) -> Finished:
        self.result = self._so_far(self._assembly.so_far, interrupted=why)
        await self.aclose()
        return Finished(self.result)

    async def _run(self) -> AsyncGenerator[list[ChatEvent], None]:
        async with self._experience.turn(self._options, self._body) as told_first_token:
            self._started_s = asyncio.get_running_loop().time()  # from here on it is the server's time
            attempts = Attempts(self._transport)
            while self.result is None:
                batches = self._once()
                told = False
                try:
                    async with aclosing(batches):
                        async for batch in batches:
                            told = True
                            yield batch
                except LMStudioError as error:
                    if told and self._resumes and is_cut(error) and self._assembly.can_resume:
                        await self._take_up()
                    elif not await attempts.again(error, began=told):
                        error.partial = self._assembly.text
                        self._tell(error)
                        raise
                    self._retries = attempts.count - 1
                    self._assembly = Assembly(wants_json=self._wants_json, before=self._before)
            if self.first_token_s is not None:
                told_first_token(self.first_token_s)
        self._tell()
        yield [Finished(self.result)]

    async def _take_up(self) -> None:
        """Ask for the rest of the answer, which was cut off."""
        self._resumes -= 1
        self._before = self._assembly
        await self._experience.ghosts.settle(self._transport, self._model)
        begun = {"role": "assistant", "content": self._assembly.text}
        self._body = chat_body([*Chat(self._messages), begun], self._options, stream=True)

    async def _once(self) -> AsyncGenerator[list[ChatEvent], None]:
        assembly, experience = self._assembly, self._experience
        deadlines = experience.expect(self._model, self._body)
        opening = open_events(self._transport, CHAT_PATH, self._body, began=lambda: assembly.began, deadlines=deadlines)
        try:
            async with opening as source:
                streamed = source.whole is None
                batches = self._pieces(source) if streamed else self._unstreamed(source.reply, source.whole or b"")
                async with aclosing(batches):
                    async for batch in batches:
                        if self.first_token_s is None and assembly.began:
                            self.first_token_s = self._spent_s
                        yield batch
                result = self._so_far(assembly.result)
                gap_s = source.longest_gap_s if streamed else None
        except (GeneratorExit, asyncio.CancelledError, StreamBroken):
            self._leave()
            raise
        except ServerTooSlow as error:
            self._leave()
            if error.stage != "connect":
                silent_s = deadlines.between_tokens_s if assembly.began else deadlines.first_token_s
                experience.learn_cut(self._model, self._body, silent_s, began=assembly.began)
            raise
        self.result = experience.learn(self._model, self._body, result, longest_gap_s=gap_s)

    def _leave(self) -> None:
        """The answer is left before its end, and the server may not notice."""
        self._experience.left(self._model, self._options.get("max_tokens", MAX_TOKENS) - self._assembly.chunks)

    def _so_far(self, read: Callable[..., ChatResult], **more: Interruption) -> ChatResult:
        spent_s = self._spent_s
        first_token_s = spent_s if self.first_token_s is None else self.first_token_s
        return read(duration_s=spent_s, first_token_s=first_token_s, **more)

    def _tell(self, error: LMStudioError | None = None) -> None:
        """Tell the observers, once, and only if anything was asked."""
        if self._told or self._started_s is None:
            return
        self._told = True
        self._experience.tell(
            self.so_far,
            model=self._model,
            base_url=self._transport.base_url,
            retries=self._retries,
            streamed=True,
            options=self._options,
            error=error,
        )

    async def _pieces(self, source: EventSource) -> AsyncGenerator[list[ChatEvent], None]:
        """The events of a stream, up to its proper end."""
        assembly = self._assembly
        while not assembly.done:
            try:
                events = await source.next()
            except (StreamBroken, ServerTooSlow):
                if assembly.finish_reason:
                    return  # the answer is complete: only the formalities after it are missing
                raise
            if events is None:
                break
            if batch := assembly.feed(events):
                if isinstance(batch[-1], PromptProgress):
                    source.still_reading()
                yield batch
            if assembly.failure is not None:
                raise assembly.failure
            if assembly.finish_reason:
                source.between_tokens_s = min(source.between_tokens_s, _AFTER_FINISH_S)
            source.progressed()
        if not assembly.finish_reason:
            raise source.broken(assembly.text)
        if assembly.done:
            await source.reply.drain()

    async def _unstreamed(self, reply: Reply, body: bytes) -> AsyncGenerator[list[ChatEvent], None]:
        """The whole answer of a server that does not stream."""
        yield feed_whole(self._assembly, reply, body)
