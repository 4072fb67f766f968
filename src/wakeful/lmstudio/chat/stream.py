"""A streamed answer as typed events, and how it is stopped."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from wakeful.lmstudio.chat.assembly import Assembly
from wakeful.lmstudio.chat.events import ChatEvent, ChatResult, Finished, Interruption, PromptProgress
from wakeful.lmstudio.errors import LMStudioError, MalformedAnswer, ServerTooSlow, StreamBroken
from wakeful.lmstudio.http.attempts import Attempts
from wakeful.lmstudio.http.events import EventSource, open_events
from wakeful.lmstudio.http.transport import Reply, Transport, check, unreadable

PATH = "/v1/chat/completions"

_AFTER_FINISH_S = 3.0
"""How long we wait for the usage and the end that follow the finish reason."""


class ChatStream(AsyncIterator[ChatEvent]):
    """The events of one answer, `Finished` last; iterate over it once.

    Nothing is sent before the first event is asked for. Leaving it early, by `aclose`, its `async with`, or
    by cancelling the task that waits for it, drops the connection, which makes the server stop generating;
    `text` then holds what had come. `cancel` does the same and lets the iteration end with what there is.
    Iterating raises LMStudioError, with the text so far in `partial`.
    limit_s: seconds until it is stopped as `cancel` would, from the first event asked for
    """

    def __init__(
        self, transport: Transport, body: bytes, *, wants_json: bool = False, limit_s: float | None = None
    ) -> None:
        self._transport = transport
        self._body = body
        self._wants_json = wants_json
        self._assembly = Assembly(wants_json=wants_json)
        self._batches = self._run()
        self._pending: Iterator[ChatEvent] = iter(())
        self._limit_s = limit_s
        self._limit_at: float | None = None
        self._started_s: float | None = None
        self._waiting: asyncio.Timeout | None = None
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
        return self._waiting is not None

    @property
    def so_far(self) -> ChatResult:
        """All that there is so far, its counts and times included; `result` once it is whole."""
        if self.result is not None:
            return self.result
        spent_s = self._spent_s
        return self._assembly.so_far(
            duration_s=spent_s, first_token_s=spent_s if self.first_token_s is None else self.first_token_s
        )

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
        await self._batches.aclose()

    def cancel(self) -> ChatResult:
        """Stop from anywhere in the event loop; gives what there is so far.

        Whoever iterates gets `Finished` with it, marked `cancelled`. Does nothing after the end.
        """
        self._cancelled = True
        if self._waiting is not None:
            self._waiting.reschedule(0)  # wakes the one who waits for the next event
        return self.so_far

    async def collect(self) -> ChatResult:
        """Wait for the whole answer."""
        async with self:
            async for event in self:
                if isinstance(event, Finished):
                    return event.result
        raise AssertionError("a stream ends with Finished or an error: please report this")

    async def _advance(self) -> ChatEvent:
        loop = asyncio.get_running_loop()
        if self._started_s is None:
            self._started_s = loop.time()
            self._limit_at = None if self._limit_s is None else self._started_s + self._limit_s
        while not self._over:
            try:
                # around each wait and not around all of them: between two events the task is our caller's
                async with asyncio.timeout_at(0 if self._cancelled else self._limit_at) as self._waiting:
                    batch = await anext(self._batches, None)
            except TimeoutError:
                return await self._interrupted("cancelled" if self._cancelled else "deadline")
            finally:
                self._waiting = None
            if batch is None:
                self._over = True
                break
            self._pending = iter(batch)
            if (event := next(self._pending, None)) is not None:
                return event
        raise StopAsyncIteration

    async def _interrupted(self, why: Interruption) -> Finished:
        await self.aclose()
        spent_s = self._spent_s
        self.result = self._assembly.so_far(
            duration_s=spent_s,
            first_token_s=spent_s if self.first_token_s is None else self.first_token_s,
            interrupted=why,
        )
        return Finished(self.result)

    async def _run(self) -> AsyncGenerator[list[ChatEvent], None]:
        attempts = Attempts(self._transport)
        while True:
            batches = self._once()
            told = False
            try:
                async with aclosing(batches):
                    async for batch in batches:
                        told = True
                        yield batch
            except LMStudioError as error:
                if not await attempts.again(error, began=told):
                    error.partial = error.partial or self._assembly.text
                    raise
                self._assembly = Assembly(wants_json=self._wants_json)
            else:
                break
        if self.result is not None:
            yield [Finished(self.result)]

    async def _once(self) -> AsyncGenerator[list[ChatEvent], None]:
        assembly = self._assembly
        async with open_events(self._transport, PATH, self._body, began=lambda: assembly.began) as source:
            batches = self._pieces(source) if source.whole is None else self._unstreamed(source.reply, source.whole)
            async with aclosing(batches):
                async for batch in batches:
                    if self.first_token_s is None and assembly.began:
                        self.first_token_s = self._spent_s
                    yield batch
            spent_s = self._spent_s
            self.result = assembly.result(
                duration_s=spent_s, first_token_s=spent_s if self.first_token_s is None else self.first_token_s
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


def feed_whole(assembly: Assembly, reply: Reply, body: bytes) -> list[ChatEvent]:
    """Take a whole answer in. Raises the error that it is, if it is one."""
    check(reply, body)
    try:
        events = assembly.feed_whole(body)
    except MalformedAnswer as error:
        raise unreadable(reply, body) from error
    if not assembly.finish_reason:
        if not assembly.began:
            raise unreadable(reply, body)
        raise StreamBroken(
            "The answer has no finish reason: it was cut off.",
            status_code=reply.status,
            partial=assembly.text,
        )
    return events
