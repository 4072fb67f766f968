"""One open channel, as an endpoint sees it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from wakeful.engine.native import frames

_encode = msgspec.json.Encoder().encode


class _Told(msgspec.Struct, frozen=True):
    type: str


_told = msgspec.json.Decoder(_Told).decode


class Channel:
    """Messages go out by `send`; all that comes in is the wish to stop."""

    def __init__(self, channel_id: int, say: Callable[[bytes], Awaitable[None]]) -> None:
        self.stopped = False
        self.sent_s = 0.0
        self._id = channel_id
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._block: asyncio.Timeout | None = None

    async def send(self, message: bytes | dict[str, Any]) -> None:
        """Send a message; waits while the client reads slowly."""
        data = message if isinstance(message, bytes) else _encode(message)
        self.sent_s = self._loop.time()
        await self._say(frames.channel_send(self._id, data))

    @property
    def idle_s(self) -> float:
        """Seconds since the last message."""
        return self._loop.time() - self.sent_s

    def take(self, message: bytes) -> bool:
        """A message of the client's; whether it is one that a channel may get."""
        try:
            kind = _told(message).type
        except frames.BROKEN:
            return False
        if kind not in ("cancel", "stop"):
            return False
        self.stop()
        return True

    def stop(self) -> None:
        """End what is `stoppable`."""
        if self.stopped:
            return  # clients tell it more than once
        self.stopped = True
        if self._block is not None:
            self._block.reschedule(self._loop.time())

    @asynccontextmanager
    async def stoppable(self) -> AsyncGenerator[None]:
        """A block that ends early, without an error, once the client wants to stop; then `stopped` is true."""
        try:
            async with asyncio.timeout(0 if self.stopped else None) as block:
                self._block = block
                try:
                    yield
                finally:
                    self._block = None
        except TimeoutError:
            if not self.stopped:
                raise

    @asynccontextmanager
    async def kept_alive(self, every_s: float, say: Callable[[], bytes | None]) -> AsyncGenerator[None]:
        """While nothing else is sent for so long, sends what `say` gives: SDKs give up after a minute of silence."""
        task = asyncio.create_task(self._repeat(every_s, say))
        try:
            yield
        finally:
            task.cancel()
            # Where it could not send, the block finds that out by itself.
            await asyncio.gather(task, return_exceptions=True)

    async def _repeat(self, every_s: float, say: Callable[[], bytes | None]) -> None:
        while True:
            await asyncio.sleep(max(every_s - self.idle_s, 0.05))
            if self.idle_s >= every_s and (message := say()) is not None:
                await self.send(message)
