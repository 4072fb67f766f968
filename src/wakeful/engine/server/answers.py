"""The one place where an answer is begun, written and ended, so that faults can be put in its way.

Whole answers go through `whole`, streams through `wire_of`; both ask the application for a `Wire`. Whoever wants to
cut, delay or spoil answers sets `app[WIRE]` to a class of its own before the application starts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

JSON = "application/json; charset=utf-8"
EVENTS = "text/event-stream"


class Wire:
    """The way of one answer to its reader: either `whole`, or `begin`, `write` as often as wanted, `end`."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.response: web.StreamResponse | None = None

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
        """Answer at once."""
        return web.Response(status=status, headers=headers, body=body)

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of a stream."""
        self.response = web.StreamResponse(status=status, headers=headers)
        await self.response.prepare(self.request)

    async def write(self, data: bytes) -> None:
        """Send a piece of a stream; waits while its reader is slow."""
        assert self.response is not None
        await self.response.write(data)

    async def end(self) -> web.StreamResponse:
        """Send the end of a stream."""
        assert self.response is not None
        await self.response.write_eof()
        return self.response


WIRE: web.AppKey[Callable[[web.Request], Wire]] = web.AppKey("wire")


def wire_of(request: web.Request) -> Wire:
    """The way of the answer to this request."""
    return request.app[WIRE](request)


async def whole(
    request: web.Request, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Answer with JSON, indented as LM Studio's is. value: whatever msgspec can encode."""
    body = msgspec.json.format(msgspec.json.encode(value), indent=2)
    return await wire_of(request).whole(status, {"Content-Type": JSON, **(headers or {})}, body)
