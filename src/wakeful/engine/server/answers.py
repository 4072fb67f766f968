"""The one place where an answer is begun, written and ended, so that faults can be put in its way.

Whole answers go through `whole`, streams of events through `sse.EventStream`; both ask the application for a `Wire`.
Whoever wants to cut, delay or spoil answers sets `app[WIRE]` to a class of its own before the application starts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import HttpVersion11, web

_INDENTED_BYTES = 64 * 1024
"""Nobody reads more with their own eyes, and vectors grow threefold by it."""

JSON = "application/json; charset=utf-8"


class Wire:
    """The way of one answer to its reader: either `whole`, or `begin`, then `write` and `drain` at will, then `end`.

    coalesces: whether events that are ready together may come in one `write`; one that wants to count or delay events
        says no, and then gets each by itself, followed by `drain`
    """

    coalesces = True

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self._response: web.StreamResponse | None = None
        self._framed = request.version >= HttpVersion11

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
        """Answer at once."""
        return web.Response(status=status, headers=headers, body=body)

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of a stream."""
        self._response = web.StreamResponse(status=status, headers=headers)
        await self._response.prepare(self.request)

    def write(self, data: bytes) -> bool:
        """Send a piece of a stream without waiting; whether its reader is still there."""
        transport = self.request.transport
        if transport is None or transport.is_closing():
            return False
        # In chunks of our own making: aiohttp's `write` can only be awaited.
        transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._framed and data else data)
        return True

    async def drain(self) -> None:
        """Wait while the reader is slow, so that what is written for it does not pile up."""
        await self.request.writer.drain()

    async def end(self) -> web.StreamResponse:
        """Send the end of a stream, if its reader is still there."""
        assert self._response is not None
        transport = self.request.transport
        if transport is not None and not transport.is_closing():
            await self._response.write_eof()
        return self._response


WIRE: web.AppKey[Callable[[web.Request], Wire]] = web.AppKey("wire")


def wire_of(request: web.Request) -> Wire:
    """The way of the answer to this request."""
    return request.app[WIRE](request)


async def whole(
    request: web.Request, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Answer with JSON, indented as LM Studio's is unless it is long. value: whatever msgspec can encode."""
    body = msgspec.json.encode(value)
    if len(body) < _INDENTED_BYTES:
        body = msgspec.json.format(body, indent=2)
    return await wire_of(request).whole(status, {"Content-Type": JSON, **(headers or {})}, body)
