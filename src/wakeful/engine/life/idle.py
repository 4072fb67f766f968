"""When is a model that nobody uses taken out of memory?"""

import asyncio
from collections.abc import Callable, Iterable

from wakeful.engine.life.instance import Instance


def expires_s(instance: Instance) -> float | None:
    """When it may go, in seconds of the event loop's clock; None while it is used, or if it stays for good."""
    if instance.ttl_s is None or instance.users or instance.waiting:
        return None
    return instance.idle_since_s + instance.ttl_s


class IdleTimer:
    """One timer for all instances: it rings when the next of them has been idle for as long as it may be.

    instances: gives those in memory; ring: is called with those whose time is over
    """

    def __init__(self, instances: Callable[[], Iterable[Instance]], ring: Callable[[list[Instance]], None]) -> None:
        self._instances = instances
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self) -> None:
        """Look again when it has to ring; to be called whenever a use or a load has ended."""
        self.stop()
        times_s = [at_s for each in self._instances() if (at_s := expires_s(each)) is not None]
        if times_s:
            self._handle = asyncio.get_running_loop().call_at(min(times_s), self._rung)

    def stop(self) -> None:
        """It rings no more until it is set."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _rung(self) -> None:
        self._handle = None
        now_s = asyncio.get_running_loop().time()
        over = [each for each in self._instances() if (at_s := expires_s(each)) is not None and at_s <= now_s]
        if over:
            self._ring(over)
        self.set()
