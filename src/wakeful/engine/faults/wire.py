"""Answers that are cut, delayed or spoilt on their way."""

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from wakeful.engine.faults.injector import MET
from wakeful.engine.faults.plan import AnyFault, Close, ContentType, Garble, Offline, Reset, Stall
from wakeful.engine.server.answers import Wire

BROKEN_OFF: web.RequestKey[bool] = web.RequestKey("broken_off", bool)
"""Set in a request whose connection a fault has closed."""

_EVENT_END = b"\n\n"
_LOOK_S = 0.01
_NO_UTF8 = b"\xff\xfe\xfa"
_NO_CHUNK = b"zz\r\nthis is no chunk\r\n"


class FaultyWire(Wire):
    """An answer's way with all that the plan has in store for it.

    Bytes are those of the body. Events end at `\\n\\n`; what happens at one happens half-way in an answer that is no
    stream.
    """

    coalesces = False

    def __init__(self, request: web.Request) -> None:
        super().__init__(request)
        faults = MET.get() or ()
        self._breaks: list[AnyFault] = [each for each in faults if _is_break(each)]
        self._keeps_end = any(_is_unfinished(each) for each in faults)
        self._garbles = [each for each in faults if isinstance(each, Garble) and each.what != "framing"]
        self._types = [each.value for each in faults if isinstance(each, ContentType)]
        self._bytes = 0
        self._events = 0
        self._pending = self._held = b""
        self._at_once = False

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
        """Answer at once, or as far as it goes."""
        for garble in self._garbles:
            body = _broken(body, garble) if garble.what == "utf8" else _broken(body, garble).ljust(len(body))
        if not self._breaks and not self._keeps_end:
            return await super().whole(status, self._headers(headers), body)
        self._at_once = True
        self._framed = any(isinstance(each, Garble) for each in self._breaks)
        length = {} if self._framed else {"Content-Length": str(len(body))}
        await self.begin(status, {**headers, **length})
        self.write(body[:-1] if self._keeps_end else body)
        return await self.end()

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of a stream."""
        await super().begin(status, self._headers(headers))

    def write(self, data: bytes) -> bool:
        """Take a piece of a stream; what happens to it happens in `drain`."""
        self._pending += data
        transport = self.request.transport
        return transport is not None and not transport.is_closing()

    async def drain(self) -> None:
        """Send what was written, or as far as it goes."""
        data, self._pending = self._pending, b""
        if self._keeps_end and not self._at_once:
            data, self._held = _without_last_event(self._held + data)
        if self._garbles:
            data = self._garbled(data)
        for part, fault in self._parts(data):
            if part:
                super().write(part)
                await super().drain()
            if isinstance(fault, Garble):
                self._write_raw(_NO_CHUNK)
            elif fault is not None:
                await act(self.request, fault)

    async def end(self) -> web.StreamResponse:
        """Send the end of a stream, unless it has none."""
        await self.drain()
        if self._keeps_end:
            await hang_up(self.request)
        return await super().end()

    def _headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {**headers, "Content-Type": self._types[0]} if self._types else headers

    def _parts(self, data: bytes) -> list[tuple[bytes, AnyFault | None]]:
        """The piece up to each place where something happens, with what happens there, and the rest."""
        places = sorted(
            ((at, number) for number, each in enumerate(self._breaks) if (at := self._place(each, data)) is not None),
        )
        parts: list[tuple[bytes, AnyFault | None]] = []
        begin = 0
        for at, number in places:
            parts.append((data[begin:at], self._breaks[number]))
            begin = at
        parts.append((data[begin:], None))
        self._breaks = [each for number, each in enumerate(self._breaks) if number not in {at for _, at in places}]
        self._bytes += len(data)
        self._events += data.count(_EVENT_END)
        return parts

    def _place(self, fault: AnyFault, data: bytes) -> int | None:
        """Where in the piece a fault happens; None where it does not."""
        if isinstance(fault, (Reset, Close, Garble)) and fault.at_event is not None:
            return len(data) // 2 if self._at_once else _event_end(data, fault.at_event - self._events)
        at = fault.at_byte - self._bytes if isinstance(fault, (Reset, Close, Stall)) and fault.at_byte else -1
        return at if 0 <= at <= len(data) else None

    def _garbled(self, data: bytes) -> bytes:
        waiting: list[Garble] = []
        for garble in self._garbles:
            end = _event_end(data, garble.at_event - self._events)
            if end is None:
                waiting.append(garble)
                continue
            stop = end - len(_EVENT_END)
            begin = data.rfind(_EVENT_END, 0, stop)
            begin = begin + len(_EVENT_END) if begin >= 0 else 0
            data = data[:begin] + _broken(data[begin:stop], garble) + data[stop:]
        self._garbles = waiting
        return data

    def _write_raw(self, data: bytes) -> None:
        transport = self.request.transport
        if transport is not None:
            transport.write(data)


def before(faults: Sequence[AnyFault]) -> list[AnyFault]:
    """Those that happen before anything is sent."""
    return [each for each in faults if _is_before(each)]


async def act(request: web.Request, *faults: AnyFault) -> None:
    """Let silences and breaks happen to the connection. Raises ConnectionResetError where that ends it."""
    for fault in faults:
        match fault:
            case Stall():
                await silence(request, fault.for_s)
            case Reset() | Offline():
                await reset(request)
            case Close():
                await hang_up(request)
            case _:
                pass


async def silence(request: web.Request, for_s: float | None) -> None:
    """Wait so long, or until the client is gone."""
    loop = asyncio.get_running_loop()
    until_s = None if for_s is None else loop.time() + for_s
    while request.transport is not None and (until_s is None or loop.time() < until_s):
        await asyncio.sleep(_LOOK_S if until_s is None else min(_LOOK_S, max(0.0, until_s - loop.time())))
    if request.transport is None:
        raise ConnectionResetError("The client went away.")


async def reset(request: web.Request) -> None:
    """Break the connection so that the client is told by its system (RST). Raises ConnectionResetError."""
    request[BROKEN_OFF] = True
    transport = request.transport
    if transport is not None:
        abort(transport)
    await _gone(request)


async def hang_up(request: web.Request) -> None:
    """Close the connection in good order, once what was written is sent. Raises ConnectionResetError."""
    request[BROKEN_OFF] = True
    transport = request.transport
    if transport is not None:
        transport.close()
    await _gone(request)


def abort(transport: asyncio.BaseTransport) -> None:
    """Close with a reset in place of a farewell."""
    sock: Any = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
    else:
        transport.close()


async def _gone(request: web.Request) -> None:
    """The server cancels what writes for a client that is gone; until then, and without that, this waits for it."""
    while request.transport is not None:
        await asyncio.sleep(_LOOK_S)
    raise ConnectionResetError("A fault of the plan closed the connection.")


def _is_before(fault: AnyFault) -> bool:
    match fault:
        case Stall():
            return fault.at_token == 0 and not fault.at_byte
        case Reset() | Close():
            return fault.at_byte == 0 and fault.at_event is None
        case _:
            return isinstance(fault, Offline)


def _is_break(fault: AnyFault) -> bool:
    """Whether it happens at a place within the answer."""
    match fault:
        case Stall():
            return bool(fault.at_byte)
        case Reset() | Close():
            return bool(fault.at_byte or fault.at_event)
        case _:
            return isinstance(fault, Garble) and fault.what == "framing"


def _is_unfinished(fault: AnyFault) -> bool:
    return isinstance(fault, Close) and fault.at_byte is None and fault.at_event is None


def _event_end(data: bytes, number: int) -> int | None:
    """Where the event of this number, from 1, ends within the piece."""
    if number < 1:
        return None
    at = -1
    for _ in range(number):
        at = data.find(_EVENT_END, at + 1 if at < 0 else at + len(_EVENT_END))
        if at < 0:
            return None
    return at + len(_EVENT_END)


def _without_last_event(data: bytes) -> tuple[bytes, bytes]:
    """All events but the last, and that one with what follows on it."""
    end = data.rfind(_EVENT_END)
    before = data.rfind(_EVENT_END, 0, end) if end > 0 else -1
    cut = before + len(_EVENT_END) if before >= 0 else 0
    return data[:cut], data[cut:]


def _broken(text: bytes, garble: Garble) -> bytes:
    """The first half, or all with bytes in the middle that are no UTF-8."""
    middle = len(text) // 2
    return text[:middle] if garble.what == "json" else text[:middle] + _NO_UTF8 + text[middle + len(_NO_UTF8) :]
