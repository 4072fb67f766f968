"""The HTTP API that Docker and Podman share, read-only, over their socket."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from wakeful.sources.errors import SourceBroken, SourceError, SourceForbidden, SourceRefused, translate
from wakeful.sources.frames import FrameError, FrameReader

CONNECT_S = 4.0
ANSWER_S = 10.0
"""Deadlines of one request that is not a stream."""

MAX_EVENT_BYTES = 1024 * 1024
T = TypeVar("T")
_ENGINE_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")


class Container(msgspec.Struct, frozen=True):
    """A container of the listing. state: `running`, `exited`, …; status: in words, with the health."""

    id: str = msgspec.field(name="Id")
    names: list[str] | None = msgspec.field(name="Names", default=None)
    image: str = msgspec.field(name="Image", default="")
    state: str = msgspec.field(name="State", default="")
    status: str = msgspec.field(name="Status", default="")

    @property
    def name(self) -> str:
        """Its name as people say it."""
        return self.names[0].lstrip("/") if self.names else self.id[:12]


class State(msgspec.Struct, frozen=True):
    """How a container ended, or that it runs."""

    running: bool = msgspec.field(name="Running", default=False)
    exit_code: int = msgspec.field(name="ExitCode", default=0)
    oom_killed: bool = msgspec.field(name="OOMKilled", default=False)


class Setup(msgspec.Struct, frozen=True):
    """How a container was set up."""

    tty: bool = msgspec.field(name="Tty", default=False)


class Details(msgspec.Struct, frozen=True):
    """What only asking for one container tells."""

    state: State = msgspec.field(name="State", default_factory=State)
    config: Setup = msgspec.field(name="Config", default_factory=Setup)
    restarts: int = msgspec.field(name="RestartCount", default=0)


class Usage(msgspec.Struct, frozen=True):
    """What a container uses: CPU seconds since its start, bytes of memory without the file cache."""

    cpu_s: float
    memory_bytes: int


class Happening(msgspec.Struct, frozen=True):
    """An event of the engine. action: `die`, `start`, `health_status`, …; details: its attributes."""

    action: str
    container: str
    at_ns: int
    details: Mapping[str, str]


class _Actor(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="ID", default="")
    attributes: dict[str, str] | None = msgspec.field(name="Attributes", default=None)


class _Event(msgspec.Struct, frozen=True):
    """Docker's and Podman's events; some fields go by two names."""

    type: str = msgspec.field(name="Type", default="container")
    action: str = msgspec.field(name="Action", default="")
    actor: _Actor = msgspec.field(name="Actor", default_factory=_Actor)
    status: str = ""
    id: str = ""
    time: int = 0
    time_ns: int = msgspec.field(name="timeNano", default=0)

    def happening(self) -> Happening:
        return Happening(
            action=(self.action or self.status).lower(),
            container=self.actor.id or self.id,
            at_ns=self.time_ns or self.time * 1_000_000_000,
            details=self.actor.attributes or {},
        )


class _CpuUsage(msgspec.Struct, frozen=True):
    total_usage: int = 0


class _Cpu(msgspec.Struct, frozen=True):
    cpu_usage: _CpuUsage = msgspec.field(default_factory=_CpuUsage)


class _Memory(msgspec.Struct, frozen=True):
    usage: int | None = None
    stats: dict[str, int] | None = None


class _Stats(msgspec.Struct, frozen=True):
    cpu_stats: _Cpu = msgspec.field(default_factory=_Cpu)
    memory_stats: _Memory = msgspec.field(default_factory=_Memory)

    def usage(self) -> Usage | None:
        cpu_ns, memory = self.cpu_stats.cpu_usage.total_usage, self.memory_stats
        if not cpu_ns or memory.usage is None:
            return None
        stats = memory.stats or {}
        cache = stats.get("inactive_file", stats.get("total_inactive_file", 0))  # cgroup 2, cgroup 1
        return Usage(cpu_ns / 1e9, max(0, memory.usage - cache))


def find_sockets(environ: Mapping[str, str] | None = None) -> list[str]:
    """The sockets of container engines on this machine, each engine once; none on most machines.

    `DOCKER_HOST=unix://…` comes first.
    """
    environ = os.environ if environ is None else environ
    host = environ.get("DOCKER_HOST", "")
    candidates = [host.removeprefix("unix://")] if host.startswith("unix://") else []
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        candidates += [f"{runtime}/docker.sock", f"{runtime}/podman/podman.sock"]
    found: dict[str, str] = {}
    for path in [*candidates, *_ENGINE_SOCKETS]:
        try:
            if stat.S_ISSOCK(os.stat(path).st_mode):
                found.setdefault(os.path.realpath(path), path)  # /var/run/docker.sock may lead to Podman's
        except OSError:  # not there, or in a folder that is not ours
            continue
    return list(found.values())


class ContainerApi:
    """Asks an engine; never changes anything there. An async context manager.

    Raises SourceMissing where no engine listens, SourceForbidden where we may not ask, SourceRefused where it
    says no to one question, SourceBroken when it fails.
    """

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            "http://engine",
            connector=aiohttp.UnixConnector(path=self._socket, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            raise_for_status=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def containers(self) -> list[Container]:
        """All containers, those that don't run too."""
        return _decode(await self._get("/containers/json", {"all": "1"}), list[Container])

    async def details(self, container: str) -> Details:
        """More on one container; empty when it is gone."""
        data = await self._get(f"/containers/{quote(container)}/json", {}, gone=b"{}")
        return _decode(data, Details)

    async def usage(self, container: str) -> Usage | None:
        """What a container uses now; None when it doesn't run."""
        query = {"stream": "false", "one-shot": "true"}
        data = await self._get(f"/containers/{quote(container)}/stats", query, gone=b"{}")
        return _decode(data, _Stats).usage()

    async def events(self, since: str, until: str = "") -> AsyncGenerator[Happening, None]:
        """What happens to containers from `since` on, for ever or until `until` (seconds since the epoch)."""
        query = {"filters": json.dumps({"type": ["container"]}), "since": since}
        if until:
            query["until"] = until
        async with aclosing(_lines(self._stream("/events", query))) as lines:
            async for line in lines:
                told = _decode(line, _Event)
                if told.type.lower() == "container":
                    yield told.happening()

    async def logs(self, container: str, *, tty: bool, since: str) -> AsyncGenerator[list[tuple[str, bytes]], None]:
        """What a container writes, as lists of pieces with their stream's name, until it stops.

        since: seconds since the epoch, with a fraction; each line begins with its time
        """
        query = {"follow": "1", "stdout": "1", "stderr": "1", "timestamps": "1", "since": since}
        frames = FrameReader()
        async with aclosing(self._stream(f"/containers/{quote(container)}/logs", query)) as stream:
            async for data in stream:
                try:
                    pieces = [("stdout", data)] if tty else frames.feed(data)
                except FrameError as error:
                    raise SourceRefused(f"its engine sends no frames: {error}") from error
                yield pieces

    async def _get(self, path: str, query: Mapping[str, str], *, gone: bytes = b"") -> bytes:
        assert self._session is not None
        try:
            async with asyncio.timeout(ANSWER_S):
                async with self._session.get(path, params=query) as response:
                    data = await response.read()
                    if response.status in (404, 409) and gone:
                        return gone
                    _check(response.status, data)
                    return data
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._translated(error) from error

    async def _stream(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        assert self._session is not None
        try:
            async with self._session.get(path, params=query) as response:
                if response.status != 200:
                    _check(response.status, await response.read())
                async for data in response.content.iter_any():
                    yield data
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> SourceError:
        if isinstance(error, aiohttp.ClientConnectorError):
            return translate(error.os_error, what=self._socket)
        if isinstance(error, PermissionError | FileNotFoundError | ConnectionRefusedError):
            return translate(error, what=self._socket)
        if isinstance(error, TimeoutError):
            return SourceBroken("the engine does not answer", hint=f"Check the engine behind {self._socket}.")
        hint = f"Check the engine behind {self._socket}."
        return SourceBroken("connection lost", hint=hint)


def _check(status: int, data: bytes) -> None:
    if status < 300:
        return
    try:
        told = msgspec.json.decode(data, type=dict[str, object]).get("message", "")
    except msgspec.DecodeError:
        told = data[:200].decode("utf-8", "replace")
    if status in (401, 403):
        raise SourceForbidden(f"the engine refuses: {told}")
    raise SourceRefused(f"the engine answers {status}: {told}")


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise SourceBroken(f"the engine's answer is not understood: {error}") from error


async def _lines(stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    rest = b""
    async with aclosing(stream):
        async for data in stream:
            *whole, rest = (rest + data).split(b"\n")
            if len(rest) > MAX_EVENT_BYTES:
                raise SourceBroken("the engine sends an event without end")
            for line in whole:
                if line.strip():
                    yield line
        if rest.strip():
            yield rest
