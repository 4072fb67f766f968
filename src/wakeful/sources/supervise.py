"""Keeps sources running for ever: restarts with backoff, batches, and failures as observations."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

from wakeful.events import Observation
from wakeful.sources.errors import SourceError, reason
from wakeful.sources.health import SourceHealth
from wakeful.sources.report import failed, works_again
from wakeful.sources.source import Clock, CompoundSource, ConfirmedSource, Emit, Source, places, resume_for

MAX_BATCH = 500
"""Observations of one batch; also how many may wait for the journal."""

BATCH_WAIT_S = 0.1
"""The longest that an observation waits for others of its batch."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a failed source rests before it is started again.

    first_s, longest_s: the first and the longest rest; each is twice the one before, less up to a third
    settled_s: after running so long without failing, it works again and the next rest is the first
    """

    first_s: float = 1.0
    longest_s: float = 300.0
    settled_s: float = 5.0

    def rest_s(self, attempt: int) -> float:
        """The rest after `attempt` failures in a row (from 1)."""
        full = min(self.longest_s, self.first_s * 2 ** min(attempt - 1, 30))
        return max(self.first_s, full * random.uniform(2 / 3, 1))


async def run_sources(
    sources: Sequence[Source],
    resume_points: Mapping[str, str],
    emit: Emit,
    *,
    health: MutableMapping[str, SourceHealth] | None = None,
    now_ns: Clock = time.time_ns,
    backoff: Backoff | None = None,
) -> None:
    """Runs all sources side by side until cancelled, or until every one of them has ended by itself.

    resume_points: the newest `resume` of each name in the journal
    emit: takes over a batch of one source; called for several sources at a time
    health: is filled with the health of each source, by name
    Raises SourceError when two sources have the same name. Failing sources raise nothing.
    """
    names = [source.name for source in sources]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SourceError(f"two sources are named {min(twice)}", hint="Give one of them another `name`.")
    async with asyncio.TaskGroup() as group:
        for source in sources:
            known = SourceHealth(source.name)
            if health is not None:
                health[source.name] = known
            group.create_task(
                supervise(
                    source,
                    resume=resume_for(source, resume_points),
                    emit=emit,
                    health=known,
                    now_ns=now_ns,
                    backoff=backoff,
                ),
                name=f"source {source.name}",
            )


async def supervise(
    source: Source,
    *,
    resume: str,
    emit: Emit,
    health: SourceHealth | None = None,
    now_ns: Clock = time.time_ns,
    backoff: Backoff | None = None,
) -> None:
    """Runs one source until cancelled, or until it ends by itself.

    resume: where it begins, as `resume_for` gives it
    emit: is awaited with at most 500 observations, at the latest 0.1 s after the first of them was made.
        While it waits the source is read on by at most one batch; when it raises, the same batch is offered
        again until it is taken over, and the source is not read meanwhile.
    health: is kept up to date

    A failure becomes an observation once per outage, and so does its end.
    """
    watch = _Watch(source, resume, health or SourceHealth(source.name), now_ns, backoff or Backoff())
    async with asyncio.TaskGroup() as group:
        sender = group.create_task(watch.outbox.deliver(emit))
        await watch.read_for_ever()
        await watch.outbox.drained()
        sender.cancel()


class _Outbox:
    """Observations on their way to the journal: bounded, in order, dropped by nothing but cancellation."""

    def __init__(self, health: SourceHealth, told: ConfirmedSource | None) -> None:
        self._health = health
        self._told = told
        self._waiting: list[Observation] = []
        self._first_at = 0.0
        self._sending = False
        self._refused = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, observation: Observation) -> None:
        """Takes one observation; waits while a full batch waits or the journal refuses."""
        while len(self._waiting) >= MAX_BATCH or self._refused:
            self._room.clear()
            await self._room.wait()
        self.put_now(observation)

    def put_now(self, observation: Observation) -> None:
        """Takes one observation at once; for the supervisor's own, few by nature."""
        if not self._waiting:
            self._first_at = asyncio.get_running_loop().time()
        if not self._waiting or len(self._waiting) >= MAX_BATCH - 1:
            self._changed.set()
        self._waiting.append(observation)

    async def drained(self) -> None:
        """Until everything was taken over."""
        while self._waiting or self._sending:
            self._room.clear()
            await self._room.wait()

    async def deliver(self, emit: Emit) -> None:
        """Hands batches over, for ever."""
        while True:
            batch = await self._batch()
            self._sending = True
            self._room.set()
            await self._offer(batch, emit)
            self._sending = False
            self._health.stored(len(batch))
            self._tell(batch)
            self._room.set()

    def _tell(self, batch: list[Observation]) -> None:
        if self._told is not None:
            try:
                self._told.stored(batch)
            except Exception:  # the fence around one source: what it makes of the news is its own affair
                _log.exception("source %s fails when told what is stored", self._health.name)

    async def _batch(self) -> list[Observation]:
        loop = asyncio.get_running_loop()
        while not self._waiting:
            self._changed.clear()
            await self._changed.wait()
        while len(self._waiting) < MAX_BATCH and (left_s := self._first_at + BATCH_WAIT_S - loop.time()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        self._first_at = loop.time() - BATCH_WAIT_S  # what is left has waited long enough
        return batch

    async def _offer(self, batch: list[Observation], emit: Emit) -> None:
        rest_s = 0.5
        while True:
            try:
                await emit(batch)
            except Exception as error:  # the fence around the journal: full, read-only, slow; all of it may pass
                if not self._refused:
                    _log.warning("%d observations of %s wait: %s", len(batch), self._health.name, error)
                self._refused = True
                self._health.not_stored(reason(error))
                await asyncio.sleep(rest_s)
                rest_s = min(10.0, rest_s * 2)
            else:
                self._refused = False
                return


class _Watch:
    def __init__(self, source: Source, resume: str, health: SourceHealth, now_ns: Clock, backoff: Backoff) -> None:
        self.outbox = _Outbox(health, source if isinstance(source, ConfirmedSource) else None)
        self._source = source
        self._resume = resume
        self._points: dict[str, str] = {}
        self._health = health
        self._now_ns = now_ns
        self._backoff = backoff
        self._attempt = 0

    async def read_for_ever(self) -> None:
        while True:
            settled = asyncio.get_running_loop().call_later(self._backoff.settled_s, self._settle)
            try:
                await self._read()
            except Exception as error:  # the fence around one source: it never takes the mind down
                rest_s = self._failed(error)
            else:
                self._health.ended = True
                self._health.went_down("it ended by itself")
                return
            finally:
                settled.cancel()
            await asyncio.sleep(rest_s)
            self._health.restarts += 1

    async def _read(self) -> None:
        stream = self._source.observe(self._resume_point())
        try:
            async for observation in stream:
                if not self._attempt:
                    self._health.came_up()
                self._health.saw(observation)
                await self.outbox.put(observation)
                if observation.resume:
                    self._points[observation.source] = observation.resume
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def _resume_point(self) -> str:
        """Where to go on: the beginning's places, overtaken by what was read since."""
        if not self._points:
            return self._resume
        if isinstance(self._source, CompoundSource):
            return resume_for(self._source, places(self._resume) | self._points)
        return self._points.get(self._source.name, self._resume)

    def _failed(self, error: Exception) -> float:
        self._attempt += 1
        rest_s = self._backoff.rest_s(self._attempt)
        if self._attempt == 1:
            at_ns = self._now_ns()
            self.outbox.put_now(failed(self._source.name, error, next_try_s=rest_s, at_ns=at_ns))
            expected = isinstance(error, (SourceError, OSError))
            _log.warning("source %s failed", self._source.name, exc_info=None if expected else error)
        self._health.went_down(reason(error))
        return rest_s

    def _settle(self) -> None:
        self._health.came_up()
        if self._attempt:
            self._attempt = 0
            self.outbox.put_now(works_again(self._source.name, at_ns=self._now_ns()))
