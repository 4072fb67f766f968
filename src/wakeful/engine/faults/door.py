"""Connections that are refused, or closed when the next request comes over them."""

import asyncio

from aiohttp import web

from wakeful.engine.faults.injector import Injector
from wakeful.engine.faults.wire import abort


class Door(asyncio.Protocol):
    """Stands before the server's own protocol, one for each connection."""

    def __init__(self, inner: asyncio.Protocol, injector: Injector) -> None:
        self._inner = inner
        self._injector = injector
        self._transport: asyncio.BaseTransport | None = None
        self._let_in = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or reset it."""
        self._transport = transport
        self._let_in = not self._injector.refuses()
        if self._let_in:
            self._inner.connection_made(transport)
        else:
            abort(transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on, unless the connection was to be closed by now."""
        if self._transport in self._injector.hanging:
            abort(self._transport)
        elif self._let_in:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._inner.eof_received() if self._let_in else None

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        if self._transport is not None:
            self._injector.hanging.discard(self._transport)
        if self._let_in:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        if self._let_in:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        if self._let_in:
            self._inner.resume_writing()


class Listener:
    """Listens for an application whose faults reach down to its connections."""

    def __init__(self, runner: web.AppRunner, injector: Injector, host: str, port: int) -> None:
        """runner: set up already."""
        self._runner = runner
        self._injector = injector
        self._host, self.port = host, port
        self._server: asyncio.Server | None = None
        self._offline: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and know the port. Raises OSError where it is taken."""
        loop = asyncio.get_running_loop()
        inner = self._runner.server
        assert inner is not None
        self._server = await loop.create_server(
            lambda: Door(inner(), self._injector), self._host, self.port, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._injector.go_offline = self.go_offline

    def go_offline(self, for_s: float) -> None:
        """Let connections be refused for a while; those that there are stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._offline = asyncio.create_task(self._come_back(for_s))

    async def stop(self) -> None:
        """Listen no more."""
        if self._offline is not None:
            self._offline.cancel()
            await asyncio.gather(self._offline, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    async def _come_back(self, for_s: float) -> None:
        await asyncio.sleep(for_s)
        await self.start()
