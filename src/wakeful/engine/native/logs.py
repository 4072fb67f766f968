"""What goes in and out of models, for those who watch it with `lms log stream`."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from typing import Any

_WAITING = 1000
"""Lines that wait for a slow reader; more are dropped for it."""


class Logs:
    """Hands each line to all who watch; costs nothing while nobody does."""

    def __init__(self) -> None:
        self._watching: set[asyncio.Queue[dict[str, Any]]] = set()

    @property
    def watched(self) -> bool:
        """Whether anybody watches; what is costly to find out need not be found out else."""
        return bool(self._watching)

    def add(self, data: Mapping[str, Any]) -> None:
        """A line. data: an event as the SDK's diagnostics describe it."""
        line = {"timestamp": time.time_ns() // 1_000_000, "data": dict(data)}
        for queue in self._watching:
            if not queue.full():
                queue.put_nowait(line)

    async def follow(self) -> AsyncGenerator[dict[str, Any]]:
        """All lines from now on."""
        with self._queue() as queue:
            while True:
                yield await queue.get()

    @contextmanager
    def _queue(self) -> Generator[asyncio.Queue[dict[str, Any]]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_WAITING)
        self._watching.add(queue)
        try:
            yield queue
        finally:
            self._watching.discard(queue)
