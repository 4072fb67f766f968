"""Streams of server-sent events, written with as little as possible for each token."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from wakeful.engine.server.answers import Wire, wire_of

_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "Connection": "keep-alive"}
_MOST_BYTES = 64 * 1024
"""Written ahead of the reader; then whoever writes waits for it."""

_HEELS_S = 0.0001
"""Events that are closer come from one reading of the model's words."""

DONE = b"data: [DONE]\n\n"
COMMENT = b": keep-alive\n\n"


class ReaderGone(Exception):
    """Whoever asked has hung up, so that nothing need be written any more."""


class EventStream:
    """One answer of events; begun with the first that is sent.

    One event goes out at once. Those that follow on its heels, before the event loop gets its turn again, go out in one
    piece: whoever writes many events in a row pays for two.
    """

    def __init__(self, request: web.Request) -> None:
        self.begun = False
        self._wire: Wire = wire_of(request)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._flushing: asyncio.Handle | None = None
        self._ahead = 0
        self._gone = False
        self.last_sent_s = 0.0

    async def begin(self) -> None:
        """Send the head, unless it is sent."""
        if not self.begun:
            self.begun = True
            await self._wire.begin(200, _HEADERS)
            self.last_sent_s = self._loop.time()

    async def send(self, data: bytes) -> None:
        """Send whole events, as they are on the wire. Raises ReaderGone."""
        if not self.begun:
            await self.begin()
        if self._gone:
            raise ReaderGone
        self._waiting.append(data)
        self._ahead += len(data)
        if not self._wire.coalesces:
            self._flush()
            await self._wire.drain()
        elif self._ahead > _MOST_BYTES:
            self._flush()
            self._ahead = 0
            await self._wire.drain()
        elif self._flushing is None:
            # To flush from the loop costs a turn of it, which is most of what an event costs that comes alone.
            if self._loop.time() - self.last_sent_s > _HEELS_S:
                self._flush()
            else:
                self._flushing = self._loop.call_soon(self._flush)

    async def end(self) -> web.StreamResponse:
        """Send the end; where nobody reads any more, this only gives the answer that it would have been."""
        await self.begin()
        self._flush()
        return await self._wire.end()

    async def comfort(self, after_s: float) -> None:
        """Send a comment, which every reader passes over, when nothing was sent for so long."""
        if self._loop.time() - self.last_sent_s >= after_s:
            await self.send(COMMENT)

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._gone = not self._wire.write(data) or self._gone
            self.last_sent_s = self._loop.time()


def event(data: Any, name: str = "") -> bytes:
    """One event as it is on the wire. data: whatever msgspec can encode."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + msgspec.json.encode(data) + b"\n\n"
