"""A deadline that moves: for a task that waits again and again, with one timer for all of its waits.

`asyncio.timeout` sets and clears a timer each time, which is most of the cost of a token in a slow stream.
"""

import asyncio
import math
from types import TracebackType


class Watch:
    """Ends a wait when its time is up, by TimeoutError. Used as `with watch.until(deadline_s): await …`.

    One task waits at a time. Cancelling that task from outside stays a cancellation, as with `asyncio.timeout`.
    Call `stop` when there is nothing to wait for any more.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_s = math.inf
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._expired = False

    @property
    def waits(self) -> bool:
        """Whether a task waits just now."""
        return self._task is not None

    def until(self, deadline_s: float) -> "Watch":
        """The watch itself, set to a time of the loop's clock; infinity for none."""
        self._deadline_s = deadline_s
        return self

    def expire(self) -> None:
        """The time is up: now, for a wait under way."""
        self._deadline_s = -math.inf
        self._end_wait()

    def stop(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        if self._timer is None:
            if self._deadline_s < math.inf:
                self._timer = self._loop.call_at(self._deadline_s, self._ring)
        elif self._deadline_s < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline_s, self._ring)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._expired:
            assert task is not None
            if task.uncancel() <= self._cancelling and kind is not None and issubclass(kind, asyncio.CancelledError):
                raise TimeoutError from error

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:
            return  # nobody waits; the next wait sets it again
        if self._loop.time() < self._deadline_s:
            if self._deadline_s < math.inf:
                self._timer = self._loop.call_at(self._deadline_s, self._ring)
        else:
            self._end_wait()

    def _end_wait(self) -> None:
        if self._task is not None and not self._expired:
            self._expired = True
            self._task.cancel()
