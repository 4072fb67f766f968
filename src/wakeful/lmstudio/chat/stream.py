"""A streamed answer as typed events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from wakeful.lmstudio.chat.assembly import Assembly, ChatEvent, ChatResult, ContentDelta, Finished
from wakeful.lmstudio.errors import LMStudioError, MalformedAnswer, ServerTooSlow, Stage, StreamBroken
from wakeful.lmstudio.http.sse import SSEParser
from wakeful.lmstudio.http.transport import Reply, Transport, check, unreadable

_AFTER_FINISH_S = 3.0
"""How long we wait for the usage and the end that follow the finish reason."""


class ChatStream(AsyncIterator[ChatEvent]):
    """The events of one answer, `Finished` last; iterate over it once.

    Nothing is sent before the first event is asked for. Leaving it early, by `aclose`, its `async with`, or
    by cancelling the task that waits for it, drops the connection, which makes the server stop generating;
    `text` then holds what had come. Iterating raises LMStudioError, with the text so far in `partial`.
    """

    def __init__(self, transport: Transport, body: bytes, *, wants_json: bool) -> None:
        self._transport = transport
        self._body = body
        self._assembly = Assembly(wants_json=wants_json)
        self._events = self._run()
        self.result: ChatResult | None = None

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._assembly.text

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return self._assembly.reasoning

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatEvent:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop; the server stops too. Does nothing after the end."""
        await self._events.aclose()

    async def _run(self) -> AsyncGenerator[ChatEvent, None]:
        timeouts = self._transport.timeouts
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        try:
            async with self._transport.open(
                "POST", "/v1/chat/completions", self._body, head_s=timeouts.first_token_s
            ) as reply:
                if "event-stream" in reply.content_type and reply.status == 200:
                    pieces = self._pieces(reply, started_s)
                else:
                    pieces = self._unstreamed(reply, started_s)
                first_token_s: float | None = None
                async with aclosing(pieces):
                    async for piece in pieces:
                        if first_token_s is None:
                            first_token_s = loop.time() - started_s
                        yield piece
                duration_s = loop.time() - started_s
                self.result = self._assembly.result(
                    duration_s=duration_s,
                    first_token_s=duration_s if first_token_s is None else first_token_s,
                )
        except LMStudioError as error:
            error.partial = error.partial or self._assembly.text
            error.waited_s = loop.time() - started_s
            raise
        yield Finished(self.result)

    async def _pieces(self, reply: Reply, started_s: float) -> AsyncGenerator[ChatEvent, None]:
        """The deltas of an event stream, up to its proper end.

        A deadline moves on with what the server generates, not with the comments that keep a connection open.
        """
        timeouts, assembly, parser = self._transport.timeouts, self._assembly, SSEParser()
        loop = asyncio.get_running_loop()
        stage: Stage = "first_token"
        deadline_s = started_s + timeouts.first_token_s
        while not assembly.done:
            try:
                data = await reply.read(deadline_s, stage)
            except (StreamBroken, ServerTooSlow):
                if assembly.finish_reason:
                    return  # the answer is complete: only the formalities after it are missing
                raise
            events = parser.feed(data) if data else parser.close()
            for event in events:
                for delta in assembly.feed(event):
                    yield delta
            if not data:
                break
            if events and assembly.began:
                wait_s = timeouts.between_tokens_s
                if assembly.finish_reason:
                    wait_s = min(wait_s, _AFTER_FINISH_S)
                stage, deadline_s = "between_tokens", loop.time() + wait_s
        if not assembly.finish_reason:
            raise _broken(reply, stage)
        if assembly.done:
            await reply.drain()

    async def _unstreamed(self, reply: Reply, started_s: float) -> AsyncGenerator[ChatEvent, None]:
        """An error, or the whole answer of a server that does not stream."""
        timeouts = self._transport.timeouts
        body = await reply.read_all(started_s + timeouts.first_token_s, "first_token")
        feed_whole(self._assembly, reply, body)
        if self._assembly.text:
            yield ContentDelta(self._assembly.text)


def feed_whole(assembly: Assembly, reply: Reply, body: bytes) -> None:
    """Take a whole answer in. Raises the error that it is, if it is one."""
    check(reply, body)
    try:
        assembly.feed_whole(body)
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


def _broken(reply: Reply, stage: Stage) -> StreamBroken:
    return StreamBroken(
        "The stream ended without a finish reason.",
        status_code=reply.status,
        stage=stage,
        attempts=reply.attempt.attempts,
    )
