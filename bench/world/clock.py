"""Time that jumps: an event loop whose clock leaps to the next timer as soon as nothing real is under way.

What runs in it can't tell: sleeps, deadlines and timers keep their order and their lengths; a month of waiting takes no
time. Real are the sockets, the threads and the disk: while one of them is at work the clock goes at its usual pace.

What that hides: computing takes no time at all, so that nothing ever comes too late because the machine was slow. What
is done each second or minute whatever happens would be most of a month's work: looking for what other processes wrote
to the journal, which nobody else does here; writing the index, which `search` does not wait for; keeping what the gate
learnt, and how far predictions were checked, so that a killed mind learns ten minutes again. All are set to once in ten
minutes.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack, cast

from wakeful.journal import Journal, index, tail
from wakeful.mind import attend, checking

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LOOK_S = 0.05  # real seconds that a wait for something real lasts at most before timers are looked at again
_SELDOM_S = 600.0


class _Jumping(selectors.DefaultSelector):
    """Waits for files like any other; where none is ready and nothing is under way, time is over at once."""

    def __init__(self, now_s: float) -> None:
        super().__init__()
        self.now_s = now_s
        self.held = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.held or timeout is None:
            begun_s = time.monotonic()
            ready = super().select(_LOOK_S if timeout is None else min(timeout, _LOOK_S))
            self.now_s += time.monotonic() - begun_s
        elif timeout > 0:
            self.now_s += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """now_s: what its clock begins with, seconds."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._jumping = _Jumping(now_s)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    @contextmanager
    def held(self) -> Generator[None]:
        """While inside, something real is under way that the loop does not know of: the clock does not jump."""
        self._jumping.held += 1
        try:
            yield
        finally:
            self._jumping.held -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._jumping.held += 1
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _: "asyncio.Future[Any]") -> None:
        self._jumping.held -= 1


def jumping() -> JumpingLoop:
    """The running loop."""
    return cast("JumpingLoop", asyncio.get_running_loop())


@contextmanager
def patient_with(journal: Journal) -> Generator[None]:
    """Lets no time pass while the journal writes, which it does in a thread of its own; and nobody looks often."""
    loop, writer = jumping(), cast("Any", journal)._writer
    write = writer.write

    async def held(*args: Any, **options: Any) -> int:
        with loop.held():
            return await write(*args, **options)

    writer.write = held
    seldom = [
        (tail, "POLL_S"),
        (index, "_FOLLOW_EVERY_S"),
        (attend, "SAVE_EVERY_S"),
        (checking, "MOVE_EVERY_S"),
    ]
    before = [getattr(module, name) for module, name in seldom]
    for module, name in seldom:
        setattr(module, name, _SELDOM_S)
    try:
        yield
    finally:  # other journals of this process wait for news as well
        for (module, name), usual in zip(seldom, before, strict=True):
            setattr(module, name, usual)
