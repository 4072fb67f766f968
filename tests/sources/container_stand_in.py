"""Stands in for a container engine: the parts of its HTTP API that are read, on a unix socket."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web


@dataclass
class Box:
    """A container. log: (time in ns, stream number, text); split: bytes sent at a time."""

    id: str
    name: str
    running: bool = True
    tty: bool = False
    exit_code: int = 0
    restarts: int = 0
    oom_killed: bool = False
    health: str = ""
    readable: bool = True
    cpu_ns: int = 1_000_000_000
    log: list[tuple[int, int, bytes]] = field(default_factory=list)


class StandIn:
    def __init__(self, socket: Path, *, split: int = 7) -> None:
        self.socket = socket
        self.boxes: dict[str, Box] = {}
        self.events: list[dict[str, object]] = []
        self.requests: list[str] = []
        self._split = split
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/containers/json", self._list)
        app.router.add_get("/containers/{id}/json", self._details)
        app.router.add_get("/containers/{id}/stats", self._stats)
        app.router.add_get("/containers/{id}/logs", self._logs)
        app.router.add_get("/events", self._events)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.socket)).start()

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        self.socket.unlink(missing_ok=True)

    async def add(self, box: Box) -> Box:
        self.boxes[box.id] = box
        await self._notify()
        return box

    async def happen(self, box: Box, action: str, **attributes: str) -> None:
        self.events.append(
            {
                "Type": "container",
                "Action": action,
                "Actor": {"ID": box.id, "Attributes": {"name": box.name, "image": "img"} | attributes},
                "timeNano": time.time_ns(),
            }
        )
        await self._notify()

    async def write(self, box: Box, text: str | bytes, *, stream: int = 1, at_ns: int = 0) -> None:
        data = text.encode() if isinstance(text, str) else text
        box.log.append((at_ns or time.time_ns(), stream, data))
        await self._notify()

    async def die(self, box: Box, code: int) -> None:
        box.running, box.exit_code = False, code
        await self.happen(box, "die", exitCode=str(code))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _list(self, request: web.Request) -> web.Response:
        self.requests.append(request.path_qs)
        return web.json_response(
            [
                {
                    "Id": box.id,
                    "Names": [f"/{box.name}"],
                    "Image": "img",
                    "State": "running" if box.running else "exited",
                    "Status": f"Up 2 hours ({box.health})" if box.health else "Up 2 hours",
                    "Unknown": [1, 2],
                }
                for box in self.boxes.values()
            ]
        )

    async def _details(self, request: web.Request) -> web.Response:
        box = self.boxes.get(request.match_info["id"])
        if box is None:
            return web.json_response({"message": "No such container"}, status=404)
        state = {"Running": box.running, "ExitCode": box.exit_code, "OOMKilled": box.oom_killed}
        return web.json_response({"State": state, "Config": {"Tty": box.tty}, "RestartCount": box.restarts})

    async def _stats(self, request: web.Request) -> web.Response:
        box = self.boxes[request.match_info["id"]]
        box.cpu_ns += 1_000_000
        memory = {"usage": 150_000_000, "stats": {"inactive_file": 30_000_000}}
        return web.json_response(
            {"cpu_stats": {"cpu_usage": {"total_usage": box.cpu_ns}}, "memory_stats": memory} if box.running else {}
        )

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        box = self.boxes[request.match_info["id"]]
        if not box.readable:
            return web.json_response({"message": "configured logging driver does not support reading"}, status=501)
        since_ns = _nanoseconds(request.query["since"])
        response = web.StreamResponse()
        await response.prepare(request)
        sent = 0
        while True:
            data = bytearray()
            for at_ns, stream, text in box.log[sent:]:
                if at_ns >= since_ns:
                    body = f"{stamp(at_ns)} ".encode() + text + b"\n"
                    data += body if box.tty else bytes([stream, 0, 0, 0]) + len(body).to_bytes(4, "big") + body
            sent = len(box.log)
            await self._send(response, bytes(data))
            if not box.running:
                return response
            async with self._changed:
                await self._changed.wait_for(lambda: len(box.log) > sent or not box.running)  # noqa: B023

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path_qs)
        since_ns, until_ns = (_nanoseconds(request.query.get(name, "0")) for name in ("since", "until"))
        response = web.StreamResponse()
        await response.prepare(request)
        sent = 0
        while True:
            new = [each for each in self.events[sent:] if _at(each) >= since_ns]
            sent = len(self.events)
            if until_ns:
                new = [each for each in new if _at(each) <= until_ns]
            await self._send(response, b"".join(json.dumps(each).encode() + b"\n" for each in new))
            if until_ns:
                return response
            async with self._changed:
                await self._changed.wait_for(lambda: len(self.events) > sent)  # noqa: B023

    async def _send(self, response: web.StreamResponse, data: bytes) -> None:
        if len(data) > 20_000:
            await response.write(data)
            return
        for begin in range(0, len(data), self._split):
            await response.write(data[begin : begin + self._split])
            await asyncio.sleep(0)


def _at(event: dict[str, object]) -> int:
    return int(str(event["timeNano"]))


def _nanoseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)


def stamp(at_ns: int) -> str:
    """A time as engines write it before each line."""
    seconds = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{seconds}.{at_ns % 1_000_000_000:09d}Z"
