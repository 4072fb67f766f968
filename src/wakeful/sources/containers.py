"""Containers of Docker and Podman: what they write, how they are, what they use. Nothing is ever changed."""

import asyncio
import logging
import socket as sockets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from wakeful.events import Observation
from wakeful.sources.container_api import Container, ContainerApi, Happening, Usage, find_sockets
from wakeful.sources.container_log import ContainerLog, Moment, seconds_of
from wakeful.sources.errors import SourceBroken, SourceError, SourceRefused
from wakeful.sources.lines import bundles
from wakeful.sources.produce import Put, produced_by
from wakeful.sources.source import Clock, places

STATS_S = 30.0
STATS_AT_ONCE = 4
AGAIN_S = 1.0
"""When a log ends while its container runs, it is asked for again after so long."""

OOM_S = 10.0
"""Engines may tell an end for lack of memory twice, as an event and in the state; within this it is one."""

MAX_LOGS = 200
"""Containers whose logs are followed; each takes a connection."""

_LOG_PREFIX = "container:"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    """What was last told of a container. oom_at and the time of `usage` are monotonic seconds."""

    id: str
    name: str
    image: str = ""
    running: bool = False
    healthy: bool | None = None
    restarts: int = 0
    oom_at: float = -OOM_S
    usage: tuple[float, Usage] | None = None
    log: asyncio.Task[None] | None = None


class ContainersSource:
    """The containers of one engine: state changes and resource use as `containers`, logs as `container:NAME`.

    socket: the engine's; the first that is found when ""
    logs: whether what containers write is told
    stats_s: seconds between looks at what they use; 0 for none
    """

    def __init__(
        self,
        socket: str = "",
        *,
        name: str = "containers",
        logs: bool = True,
        stats_s: float = STATS_S,
        now_ns: Clock = time.time_ns,
    ) -> None:
        self.name = name
        self._socket = socket
        self._logs = logs
        self._stats_s = stats_s
        self._now_ns = now_ns
        self._known: dict[str, _Known] = {}  # outlives a lost connection, so that what changed meanwhile is told
        self._began_ns = 0

    @staticmethod
    def available() -> list[str]:
        """The sockets of the engines on this machine; each can be a source."""
        return find_sockets()

    def speaks_as(self, origin: str) -> bool:
        """Whether the name is the source's own or that of a container's log."""
        return origin == self.name or origin.startswith(_LOG_PREFIX)

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """Observations from `resume` on; raises when the engine can't be asked or goes away."""
        self._began_ns = self._began_ns or self._now_ns()
        points = places(resume)

        async def work(put: Put) -> None:
            path = self._socket or next(iter(find_sockets()), "/var/run/docker.sock")
            async with ContainerApi(path) as api, asyncio.TaskGroup() as group:
                engine = _Engine(self.name, api, put, group, self._known, points, self._now_ns)
                await engine.run(self._began_ns, logs=self._logs, stats_s=self._stats_s)

        async with aclosing(produced_by(work)) as stream:
            async for observation in stream:
                yield observation


class _Engine:
    """One connection to an engine, from the first question until it is lost."""

    def __init__(
        self,
        name: str,
        api: ContainerApi,
        put: Put,
        group: asyncio.TaskGroup,
        known: dict[str, _Known],
        points: dict[str, str],
        now_ns: Clock,
    ) -> None:
        self._name = name
        self._api = api
        self._put = put
        self._group = group
        self._known = known
        self._points = points
        self._now_ns = now_ns
        self._last = Moment.decode(points.get(name, ""))
        self._began_ns = 0
        self._logs = False
        self._own = sockets.gethostname()

    async def run(self, began_ns: int, *, logs: bool, stats_s: float) -> None:
        self._began_ns = began_ns
        for known in self._known.values():
            known.log = known.usage = None
        first = not self._known
        until = seconds_of(self._now_ns())
        if self._last.at_ns:
            await self._follow_events(seconds_of(self._last.at_ns), until)
        self._logs = logs
        await self._compare(await self._api.containers(), first)
        if stats_s:
            self._group.create_task(self._look_at_usage(stats_s))
        await self._follow_events(until)
        raise SourceBroken("connection lost", hint="It is watched again as soon as the engine is back.")

    # States

    async def _follow_events(self, since: str, until: str = "") -> None:
        async with aclosing(self._api.events(since, until)) as events:
            async for happening in events:
                if happening.at_ns > self._last.at_ns:
                    self._last = Moment(happening.at_ns, 1)
                    await self._apply(happening)

    async def _apply(self, event: Happening) -> None:
        if not event.container:
            return
        known = self._known.get(event.container)
        if known is None:
            known = _Known(event.container, event.details.get("name", event.container[:12]))
            known.image = event.details.get("image", "")
            self._known[event.container] = known
        match event.action.split(":")[0]:
            case "start":
                await self._started(known, event.at_ns)
            case "die" | "died":
                code = event.details.get("exitCode") or event.details.get("containerExitCode") or "0"
                await self._exited(known, code, event.at_ns)
            case "oom":
                await self._out_of_memory(known, event.at_ns)
            case "health_status":
                health = event.action.partition(":")[2].strip() or event.details.get("health_status", "")
                await self._healthy(known, health, event.at_ns)
            case "rename":
                known.name = event.details.get("name", known.name).lstrip("/")
            case "destroy" | "remove":
                self._forget(known)
            case _:
                pass  # what people do to containers (exec, attach, copy) is not their state

    async def _compare(self, listed: list[Container], first: bool) -> None:
        """Tells what changed while nobody listened."""
        for known in [known for id_, known in self._known.items() if all(id_ != each.id for each in listed)]:
            if known.running:
                await self._tell(known, "was removed")
            self._forget(known)
        for each in listed:
            running = each.state.lower() == "running"
            known = self._known.get(each.id)
            if known is None:
                known = self._known[each.id] = _Known(each.id, each.name, running=running and first)
                known.restarts = (await self._api.details(each.id)).restarts if running and first else 0
            known.name, known.image = each.name, each.image
            if running and not known.running:
                await self._started(known)
            elif known.running and not running:
                await self._exited(known, str((await self._api.details(each.id)).state.exit_code))
            elif running:
                self._follow_log(known)
            if "(unhealthy)" in each.status:
                await self._healthy(known, "unhealthy")
            elif "(healthy)" in each.status and known.healthy is False:
                await self._healthy(known, "healthy")

    async def _started(self, known: _Known, at_ns: int = 0) -> None:
        restarts = (await self._api.details(known.id)).restarts
        again, known.restarts = restarts > known.restarts, restarts
        known.running, known.healthy, known.usage = True, None, None
        await self._tell(known, f"restarted, {restarts} times in all" if again else "started", at_ns)
        self._follow_log(known)

    async def _exited(self, known: _Known, code: str, at_ns: int = 0) -> None:
        known.running, known.usage = False, None
        if code == "137" and (await self._api.details(known.id)).state.oom_killed:
            await self._out_of_memory(known, at_ns)
        await self._tell(known, f"exited with code {code}", at_ns, exit_code=code)

    async def _out_of_memory(self, known: _Known, at_ns: int) -> None:
        now = time.monotonic()
        if now - known.oom_at >= OOM_S:
            known.oom_at = now
            await self._tell(known, "was killed for memory", at_ns)

    async def _healthy(self, known: _Known, health: str, at_ns: int = 0) -> None:
        healthy = {"healthy": True, "unhealthy": False}.get(health)
        if healthy is not None and healthy != known.healthy:
            known.healthy = healthy
            await self._tell(known, f"is {health}", at_ns)

    async def _tell(self, known: _Known, text: str, at_ns: int = 0, **more: str) -> None:
        await self._put(
            Observation(
                at_ns=at_ns or self._now_ns(),
                source=self._name,
                form="state",
                text=f"container {known.name} {text}",
                attrs={"container": known.name, "image": known.image} | more,
                subject=known.name,
                resume=str(self._last) if self._last.at_ns else "",
            )
        )

    def _forget(self, known: _Known) -> None:
        self._known.pop(known.id, None)
        if known.log:
            known.log.cancel()

    # Logs

    def _follow_log(self, known: _Known) -> None:
        if not self._logs or (known.log and not known.log.done()):
            return
        # In a container of its own, Wakeful would think about its own output for ever.
        if len(self._own) == 12 and known.id.startswith(self._own):
            return
        if sum(1 for each in self._known.values() if each.log and not each.log.done()) >= MAX_LOGS:
            _log.warning("%d containers are followed; the log of %s is not", MAX_LOGS, known.name)
            return
        known.log = self._group.create_task(self._read_log(known))

    async def _read_log(self, known: _Known) -> None:
        while True:
            try:
                tty = (await self._api.details(known.id)).config.tty
                await self._read_log_once(known, tty)
            except SourceRefused as error:  # a log driver that can't be read back, or the container is gone
                _log.warning("the log of container %s can't be read: %s", known.name, error.message)
                return
            except SourceError as error:  # where the engine itself is gone, the stream of events says so
                _log.info("the log of container %s broke off: %s", known.name, error.message)
            await asyncio.sleep(AGAIN_S)
            if not known.running:
                return

    async def _read_log_once(self, known: _Known, tty: bool) -> None:
        origin = _LOG_PREFIX + known.name
        told = Moment.decode(self._points.get(origin, ""))
        log = ContainerLog(told)
        since = seconds_of(told.at_ns or self._began_ns)
        async with aclosing(self._api.logs(known.id, tty=tty, since=since)) as chunks:
            async for pieces in chunks:
                await self._tell_lines(known, origin, log.feed(pieces))
        await self._tell_lines(known, origin, log.flush())

    async def _tell_lines(self, known: _Known, origin: str, told: list[tuple[str, Moment]]) -> None:
        for bundle in bundles(told, size=lambda each: len(each[0])):
            moment = bundle[-1][1]
            if moment.at_ns:
                self._points[origin] = str(moment)
            await self._put(
                Observation(
                    at_ns=moment.at_ns or self._now_ns(),
                    source=origin,
                    form="lines",
                    text="\n".join(text for text, _ in bundle),
                    attrs={"container": known.name, "image": known.image},
                    count=len(bundle),
                    subject=known.name,
                    resume=self._points.get(origin, ""),
                )
            )

    # Resource use

    async def _look_at_usage(self, every_s: float) -> None:
        gate = asyncio.Semaphore(STATS_AT_ONCE)
        while True:
            running = [known for known in self._known.values() if known.running]
            errors = await asyncio.gather(*(self._measure(known, gate) for known in running))
            if errors and all(errors):
                raise next(error for error in errors if error)  # it listens, and answers nobody
            await asyncio.sleep(every_s)

    async def _measure(self, known: _Known, gate: asyncio.Semaphore) -> SourceError | None:
        try:
            async with gate:
                usage = await self._api.usage(known.id)
        except SourceError as error:
            return error
        at = time.monotonic()
        before, known.usage = known.usage, (at, usage) if usage else None
        if usage is None or before is None or usage.cpu_s < before[1].cpu_s or at <= before[0]:
            return None
        percent = 100 * (usage.cpu_s - before[1].cpu_s) / (at - before[0])
        await self._put(
            Observation(
                at_ns=self._now_ns(),
                source=self._name,
                form="metrics",
                text=f"container {known.name} cpu {percent:.1f}%, memory {usage.memory_bytes / 1e6:.1f} MB",
                values={"cpu_percent": round(percent, 2), "memory_bytes": float(usage.memory_bytes)},
                attrs={"container": known.name, "image": known.image},
                subject=known.name,
            )
        )
        return None
