"""A server of raw sockets that does on command what no well-behaved server does."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Behaviour = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    """One request and the socket on which to answer it. number: counts the server's requests."""

    server: "RawServer"
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def streamed(self) -> bool:
        return b'"stream":true' in self.body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self, status: int, body: bytes | dict[str, Any], *, kind: str = "application/json", **headers: str
    ) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body, indent=2).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n"
        head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        await self.send(head.encode() + b"\r\n" + raw)

    async def head(self, kind: str = "text/event-stream", *, chunked: bool = True) -> None:
        framing = "Transfer-Encoding: chunked" if chunked else "Connection: close"
        await self.send(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Return once the client has closed its side."""
        with suppress(ConnectionError):
            while await self.reader.read(4096):
                pass
        self.server.gone.set()


@dataclass
class RawServer:
    url: str = ""
    requests: list[Exchange] = field(default_factory=list)
    connections: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    """Whoever reads a stream may set it once a piece of the answer is there."""


def delta(text: str = "", *, finish: str | None = None, **more: object) -> bytes:
    body = {
        "choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}],
        **more,
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
GOOD_STREAM = (
    delta("Grüße, ", model="m")
    + delta("Welt")
    + delta(finish="stop")
    + b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\n\n'
    + DONE
)
GOOD_WHOLE = {
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Grüße, Welt"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
}


async def good(exchange: Exchange) -> None:
    if not exchange.streamed:
        await exchange.answer(200, GOOD_WHOLE)
        return
    await exchange.head()
    await exchange.chunk(GOOD_STREAM)
    await exchange.end()


@asynccontextmanager
async def serving(behaviour: Behaviour, port: int = 0) -> AsyncGenerator[RawServer, None]:
    server = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        try:
            while (exchange := await receive(server, reader, writer)) is not None:
                server.requests.append(exchange)
                await behaviour(exchange)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", port)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def receive(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Exchange(server, len(server.requests) + 1, reader, writer, method, path, headers, body)


async def half_answer(exchange: Exchange) -> None:
    """The beginning of a stream, and then a reset."""
    await exchange.head()
    await exchange.chunk(delta("one ") + delta("two "))
    exchange.reset()


class Elsewhere:
    """A raw server in a thread with a loop of its own."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.server: RawServer
        self._loop: asyncio.AbstractEventLoop
        self._down: asyncio.Event

    async def _serve(self) -> None:
        self._loop, self._down = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self._behaviour) as self.server:
            self._up.set()
            await self._down.wait()

    def __enter__(self) -> RawServer:
        self._thread.start()
        assert self._up.wait(10)
        return self.server

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(10)
