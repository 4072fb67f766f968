"""A streamed answer as batches of server-sent events, with a deadline on every wait."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from wakeful.lmstudio.errors import Stage, StreamBroken
from wakeful.lmstudio.http.deadlines import Deadlines
from wakeful.lmstudio.http.sse import ServerSentEvent, SSEParser
from wakeful.lmstudio.http.transport import Reply, Transport, check


class EventSource:
    """The events of one answer. whole: the body, of a server that answered without a stream; else None.

    Before the answer begins, the first-token deadline holds; then the one between tokens, which moves on with
    the events and not with the comments that keep a connection open.
    """

    def __init__(
        self,
        reply: Reply,
        *,
        began: Callable[[], bool],
        deadline_s: float,
        between_tokens_s: float,
        whole: bytes | None,
    ) -> None:
        self.reply = reply
        self.whole = whole
        self.between_tokens_s = between_tokens_s
        self.stage: Stage = "first_token"
        self.longest_gap_s = 0.0
        self._began = began
        self._deadline_s = deadline_s
        self._parser = SSEParser()
        self._ended = whole is not None
        self._loop = asyncio.get_running_loop()

    async def next(self) -> list[ServerSentEvent] | None:
        """The next events, at least one; None at the end of the body.

        Raises ServerTooSlow, StreamBroken, AnswerTooLarge.
        """
        while not self._ended:
            asked_s = self._loop.time()
            data = await self.reply.read(self._deadline_s, self.stage)
            if self.stage == "between_tokens":
                self.longest_gap_s = max(self.longest_gap_s, self._loop.time() - asked_s)
            if data:
                events = self._parser.feed(data)
            else:
                self._ended = True
                events = self._parser.close()
            if events:
                return events
        return None

    def progressed(self) -> None:
        """Move the deadline on: call it once a batch of events was taken in."""
        if self._began():
            self.stage = "between_tokens"
            self._deadline_s = self._loop.time() + self.between_tokens_s

    def still_reading(self) -> None:
        """The server reports that it goes on reading the prompt: it may take as long again as between tokens."""
        self._deadline_s = max(self._deadline_s, self._loop.time() + self.between_tokens_s)

    def broken(self, partial: str = "") -> StreamBroken:
        """The error for a stream that ended before its proper end."""
        return StreamBroken(
            "The stream ended before the answer did.",
            status_code=self.reply.status,
            stage=self.stage,
            waited_s=self.reply.attempt.waited_s,
            attempts=self.reply.attempt.attempts,
            partial=partial,
        )


@asynccontextmanager
async def open_events(
    transport: Transport,
    path: str,
    body: bytes,
    *,
    began: Callable[[], bool] = lambda: True,
    deadlines: Deadlines | None = None,
) -> AsyncGenerator[EventSource, None]:
    """Send a request for a stream and give its events; call `progressed` after each batch of them.

    began: whether the answer has begun; deadlines: of this request, None for the client's general ones
    Raises the error that the answer is, if it failed before it began to stream.
    """
    limits = deadlines or transport.timeouts
    deadline_s = asyncio.get_running_loop().time() + limits.first_token_s
    async with transport.open("POST", path, body, head_s=limits.first_token_s) as reply:
        whole = None
        if reply.status != 200 or "event-stream" not in reply.content_type:
            whole = await reply.read_all(deadline_s, "first_token")
            check(reply, whole)
        yield EventSource(
            reply,
            began=began,
            deadline_s=deadline_s,
            between_tokens_s=limits.between_tokens_s,
            whole=whole,
        )
