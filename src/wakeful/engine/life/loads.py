"""Loads that several requests wait for: one for each model, whoever comes and goes meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from wakeful.engine.life.instance import Instance

OnProgress = Callable[[float], None]
"""Is told how much is loaded, in [0, 1], rising; called in the event loop."""


class SharedLoads:
    """Starts a load at its first asker, and lets the others wait for the same one.

    A load goes on when those who asked for it are gone: a client with too short a patience would otherwise never
    get its model. `close` ends what is under way.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Instance]] = {}
        self._listeners: dict[str, list[OnProgress]] = {}
        self._told: dict[str, float] = {}

    async def join(
        self, key: str, start: Callable[[OnProgress], Awaitable[Instance]], on_progress: OnProgress | None
    ) -> Instance:
        """The instance that the load of this name comes to. Raises whatever it raises."""
        if (task := self._tasks.get(key)) is None:
            task = self._tasks[key] = asyncio.ensure_future(self._load(key, start))
            task.add_done_callback(_seen)
        listeners = self._listeners.setdefault(key, [])
        if on_progress is not None:
            listeners.append(on_progress)
            if key in self._told:
                on_progress(self._told[key])
        try:
            return await asyncio.shield(task)
        finally:
            if on_progress is not None:
                listeners.remove(on_progress)

    async def close(self) -> None:
        """Cancel all, and wait until they are gone."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _load(self, key: str, start: Callable[[OnProgress], Awaitable[Instance]]) -> Instance:
        def tell(share: float) -> None:
            self._told[key] = share
            for listener in list(self._listeners.get(key, ())):
                listener(share)

        try:
            return await start(tell)
        finally:
            self._tasks.pop(key, None)
            self._listeners.pop(key, None)
            self._told.pop(key, None)


def _seen(task: "asyncio.Task[Instance]") -> None:
    """Whoever waited has been told; a failure that nobody waited for any more is no news to anybody."""
    if not task.cancelled():
        task.exception()
