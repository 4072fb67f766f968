"""One socket: carries out what its conversation decides, each call and channel in a task of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

import msgspec

from wakeful.engine.errors import EngineError
from wakeful.engine.native import failures, frames
from wakeful.engine.native.channel import Channel
from wakeful.engine.native.conversation import Action, Answer, Conversation, Leave, Open, Pass, Say
from wakeful.engine.native.office import Office, Space

MOST_CALLS = 1024
"""At a time; further frames are not read until one is answered."""

MOST_BYTES = 256 * 1024 * 1024
"""Of parameters that are worked on, likewise."""

_BUG = "The server failed to answer; that is its fault, please report it."
_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Outlet(Protocol):
    """Where frames go."""

    async def say(self, frame: bytes) -> None:
        """Send it; waits while the client reads slowly. Raises ConnectionError when it is gone."""
        ...


class Session:
    """Use it as `async with`; leaving ends all that is under way."""

    def __init__(self, space: Space, office: Office, conversation: Conversation, outlet: Outlet) -> None:
        self._space = space
        self._office = office
        self._conversation = conversation
        self._outlet = outlet
        self._channels: dict[int, Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._endless: set[asyncio.Task[None]] = set()
        self._bytes = 0

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Wait until all that will end by itself has ended."""
        while going := self._tasks - self._endless:
            await asyncio.wait(going)

    async def receive(self, data: str | bytes) -> bool:
        """Act on a frame of the client's; False when the socket is to be closed. Raises ConnectionError."""
        for action in self._conversation.receive(data):
            if isinstance(action, Leave):
                return False
            await self._act(action)
        while self._calls and (len(self._calls) >= MOST_CALLS or self._bytes >= MOST_BYTES):
            await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)
        return True

    async def _act(self, action: Action) -> None:
        match action:
            case Say(frame):
                await self._outlet.say(frame)
            case Answer():
                task = self._start(self._answer(action), len(action.parameter))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            case Open():
                await self._open(action)
            case Pass(channel_id, message):
                if not self._channels[channel_id].take(message):
                    said = f"Received invalid message for channel, channelId = {channel_id}"
                    await self._outlet.say(frames.warning(said, "channelMessageTypeError"))
            case Leave():
                return

    async def _open(self, action: Open) -> None:
        channel_id, size = action.channel_id, len(action.parameter)
        if self._bytes + size > MOST_BYTES:
            self._conversation.ended(channel_id)
            told = failures.plain("Too much is being worked on for this connection; try again later.")
            await self._outlet.say(frames.channel_error(channel_id, told))
            return
        channel = self._channels[channel_id] = Channel(channel_id, self._outlet.say)
        task = self._start(self._hold(action, channel), size)
        if self._space.channels[action.endpoint].endless:
            self._endless.add(task)
            task.add_done_callback(self._endless.discard)

    def _start(self, work: Awaitable[None], size: int) -> asyncio.Task[None]:
        self._bytes += size
        task = asyncio.ensure_future(work)

        def ended(_: object) -> None:
            self._bytes -= size
            self._tasks.discard(task)

        self._tasks.add(task)
        task.add_done_callback(ended)
        return task

    async def _answer(self, action: Answer) -> None:
        endpoint = self._space.calls[action.endpoint]
        try:
            parameter = endpoint.read(action.parameter)
        except frames.BROKEN as error:
            return await self._refuse(self._conversation.bad_parameter(action.call_id, action.endpoint, error))
        try:
            result = await endpoint.answer(self._office, parameter)
            frame = frames.rpc_result(action.call_id, b"" if result is None else _encode(result))
        except Exception as error:  # a fence: one call that fails must not end the others
            frame = frames.rpc_error(action.call_id, self._told(error, action.endpoint))
        return await self._last(frame)

    async def _hold(self, action: Open, channel: Channel) -> None:
        endpoint, channel_id = self._space.channels[action.endpoint], action.channel_id
        try:
            parameter = endpoint.read(action.parameter)
        except frames.BROKEN as error:
            self._channels.pop(channel_id, None)
            return await self._refuse(self._conversation.bad_creation(channel_id, action.endpoint, error))
        try:
            await endpoint.hold(self._office, parameter, channel)
            frame = frames.channel_close(channel_id)
        except ConnectionError:
            return None
        except Exception as error:  # a fence: one channel that fails must not end the others
            frame = frames.channel_error(channel_id, self._told(error, action.endpoint))
        finally:
            self._channels.pop(channel_id, None)
            self._conversation.ended(channel_id)
        return await self._last(frame)

    async def _refuse(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Say):
                await self._last(action.frame)

    async def _last(self, frame: bytes) -> None:
        """The last frame of a task. Where the client is gone, whoever reads the socket finds that out."""
        try:
            await self._outlet.say(frame)
        except ConnectionError:
            return

    def _told(self, error: Exception, endpoint: str) -> dict[str, Any]:
        if isinstance(error, EngineError):
            return failures.told(error, self._office.models.loaded())
        _log.error("%s of %s failed", endpoint, self._space.name, exc_info=error)
        return failures.plain(_BUG)
