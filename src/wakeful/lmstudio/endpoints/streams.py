"""How is a streamed answer of any endpoint iterated over, ended, broken off, and told from a failed one?"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec

from wakeful.lmstudio.errors import LMStudioError, MalformedAnswer, ServerTooSlow, StreamBroken
from wakeful.lmstudio.http.attempts import Attempts
from wakeful.lmstudio.http.classify import classify, error_from, shorten
from wakeful.lmstudio.http.events import EventSource, open_events
from wakeful.lmstudio.http.sse import ServerSentEvent
from wakeful.lmstudio.http.transport import Reply, Transport
from wakeful.lmstudio.http.wire import as_object

E = TypeVar("E")
R = TypeVar("R")

_AFTERWARDS_S = 3.0
"""How long we wait for what follows the end of an answer, or an error: counts, and the answer as far as it went."""


class Assembly(ABC, Generic[E, R]):
    """Takes in the events of one answer, without I/O.

    began: whether the model writes; done: whether the last event has come
    complete: whether the answer is whole, though something may follow it
    reading: whether the last event said that the prompt is read or the model loaded
    moved: whether the last event was more than a sign of life
    failure: the error that the server told of
    """

    def __init__(self) -> None:
        self.began = False
        self.done = False
        self.complete = False
        self.reading = False
        self.moved = False
        self.failure: LMStudioError | None = None
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        """The answer so far, reasoning left out."""
        return "".join(self._texts)

    def feed(self, event: ServerSentEvent) -> Sequence[E]:
        """What an event means. Raises MalformedAnswer."""
        if event.data.strip() == b"[DONE]":
            self.done = True
            return ()
        try:
            data = msgspec.json.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _not_readable(event) from error
        if not isinstance(data, dict):
            raise _not_readable(event)
        fields = as_object(data)
        if not fields.get("type") and event.name:
            fields["type"] = event.name
        self.reading, self.moved = False, True
        if fields.get("type") == "error" or (fields.get("error") and not fields.get("type")):
            self.fail(fields)
            return ()
        return self.take(fields)

    def fail(self, fields: dict[str, Any]) -> None:
        """Take in that the server failed. fields: an object with `error` in it, or the error itself."""
        raw = msgspec.json.encode(fields).decode()
        told = fields.get("error") or {name: fields[name] for name in fields if name != "type"}
        self.failure = classify(200, error_from(told, str(fields.get("message") or ""), raw))
        self.began = True

    @abstractmethod
    def take(self, fields: dict[str, Any]) -> Sequence[E]:
        """What the data of an event mean, which are no error."""

    @abstractmethod
    def take_whole(self, reply: Reply, body: bytes) -> Sequence[E]:
        """The same for the whole answer of a server that does not stream."""

    @abstractmethod
    def result(self) -> R:
        """The whole answer, once it is complete."""


def _not_readable(event: ServerSentEvent) -> MalformedAnswer:
    said = shorten(event.data.decode("utf-8", "replace"))
    return MalformedAnswer("An event of the stream is no JSON object.", status_code=200, detail=said)


class EventStream(AsyncIterator[E], Generic[E, R]):
    """The events of one answer; iterate over it once.

    Nothing is sent before the first event is asked for. Leaving it early, by `aclose`, its `async with`, or by
    cancelling the task that waits for it, drops the connection, which makes the server stop generating.
    Iterating raises LMStudioError, with the text so far in `partial`.
    result: the whole answer, once it has come; None before
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        body: bytes,
        assembly: Callable[[], Assembly[E, R]],
        *,
        revise: Callable[[LMStudioError], bytes | None] = lambda error: None,
    ) -> None:
        """revise: another body to send at once after such an error, None for none."""
        self._transport = transport
        self._path = path
        self._body = body
        self._new_assembly = assembly
        self._revise = revise
        self._assembly = assembly()
        self._batches = self._run()
        self._pending: Iterator[E] = iter(())
        self._over = False
        self.result: R | None = None

    @property
    def text(self) -> str:
        """The answer so far, reasoning left out."""
        return self._assembly.text

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        while not self._over:
            for event in self._pending:
                return event
            batch = await anext(self._batches, None)
            if batch is None:
                self._over = True
            else:
                self._pending = iter(batch)
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop; the server stops too. Does nothing after the end."""
        self._over = True
        await self._batches.aclose()

    async def collect(self) -> R:
        """Wait for the whole answer. Raises LMStudioError."""
        async with self:
            async for _ in self:
                pass
        if self.result is None:
            raise RuntimeError("the stream was closed before its end")
        return self.result

    async def _run(self) -> AsyncGenerator[Sequence[E], None]:
        attempts = Attempts(self._transport)
        while True:
            told = False
            try:
                async with aclosing(self._once()) as batches:
                    async for batch in batches:
                        told = True
                        yield batch
                return
            except LMStudioError as error:
                error.partial = error.partial or self._assembly.text
                other = None if told else self._revise(error)
                if other is not None:
                    self._body = other
                elif not await attempts.again(error, began=told):
                    raise
                self._assembly = self._new_assembly()

    async def _once(self) -> AsyncGenerator[Sequence[E], None]:
        assembly = self._assembly
        async with open_events(self._transport, self._path, self._body, began=lambda: assembly.began) as source:
            if source.whole is not None:
                events = assembly.take_whole(source.reply, source.whole)
                self.result = assembly.result()
                yield events
                return
            async with aclosing(self._pieces(source, assembly)) as batches:
                async for batch in batches:
                    yield batch
            if assembly.complete:
                self.result = assembly.result()
            if assembly.failure is not None:
                raise assembly.failure
            if not assembly.complete:
                raise source.broken(assembly.text)
            if assembly.done:
                await source.reply.drain()

    async def _pieces(self, source: EventSource, assembly: Assembly[E, R]) -> AsyncGenerator[Sequence[E], None]:
        while not assembly.done:
            try:
                events = await source.next()
            except (StreamBroken, ServerTooSlow):
                if assembly.complete or assembly.failure is not None:
                    return  # all that matters has come
                raise
            if events is None:
                return
            batch: list[E] = []
            moved = False
            unreadable: MalformedAnswer | None = None
            for event in events:
                try:
                    batch += assembly.feed(event)
                except MalformedAnswer as error:
                    unreadable = error  # raised once what came before it was given
                    break
                moved = moved or assembly.moved
                if assembly.done:
                    break
            if assembly.complete:
                self.result = assembly.result()  # there for whoever looks while the last events are given
            if batch:
                yield batch
            if unreadable is not None:
                raise unreadable
            if assembly.complete or assembly.failure is not None:
                source.between_tokens_s = min(source.between_tokens_s, _AFTERWARDS_S)
            if moved:
                source.progressed()
            if assembly.reading:
                source.still_reading()
