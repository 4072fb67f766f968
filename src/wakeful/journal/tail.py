"""Who waits for news is woken: at once for this process's writes, in a tenth of a second for others'."""

import asyncio
import contextlib
import sqlite3

POLL_S = 0.1
"""How often one looks for what other processes wrote, while somebody waits; each look takes some 3 us."""

_UNKNOWN = -1

LOOK_AGAIN_S = 5.0
"""How often those who wait look even so, so that no wake that was missed can last."""


class Watch:
    """Wakes whoever waits for something new in the file.

    connection: for this alone, used in the event loop's thread; closed by `close`
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # What is asked here is answered from memory; the event loop's thread must never wait for others.
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._woken_s = self._loop.time()
        self._version = self._look()

    def news(self) -> asyncio.Event:
        """Is set by the next change; take it before reading, so that no change falls in between."""
        return self._changed

    async def wait(self, news: asyncio.Event) -> None:
        """Returns when there was a change since `news` was taken."""
        self._waiting += 1
        if self._timer is None:
            self._timer = self._loop.call_later(POLL_S, self._poll)
        try:
            await news.wait()
        finally:
            self._waiting -= 1

    def wake(self) -> None:
        """This process has written something."""
        if self._waiting:
            self._version = self._look()  # before they read: what comes later is another change
        self._woken_s = self._loop.time()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """Stops looking, and wakes all who wait."""
        if self._timer is not None:
            self._timer.cancel()
        self._connection.close()
        self._changed.set()

    def _poll(self) -> None:
        self._timer = self._loop.call_later(POLL_S, self._poll) if self._waiting else None
        if not self._waiting:
            return
        version = self._look()
        if version == _UNKNOWN or version != self._version or self._loop.time() - self._woken_s >= LOOK_AGAIN_S:
            self.wake()

    def _look(self) -> int:
        """A number that changes when any other connection commits; `_UNKNOWN` when it can't be had.

        Then the readers are woken, and what they read says what is wrong.
        """
        with contextlib.suppress(sqlite3.Error):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        return _UNKNOWN
