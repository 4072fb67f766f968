"""May this request go to the server now, or does it step back for others? Several programs share one model.

A server that others use answers later than it did: the first token takes longer than was learnt. Whoever is in no
hurry then waits a while, longer each time, and leaves the server to those who are.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum

from wakeful.lmstudio.errors import ServerBusy


class Priority(IntEnum):
    """How urgent a request is; smaller goes first."""

    INTERACTIVE = 0
    """A person waits for it: it never steps back for other programs."""
    NORMAL = 1
    BACKGROUND = 2


@dataclass(frozen=True, slots=True)
class Courtesy:
    """When and for how long background requests step back.

    factor: times the usual wait for the first token that count as crowded; slack_s: and so many seconds more
    first_s, longest_s: seconds of the first step back, doubled while it stays crowded, and of the longest
    """

    factor: float = 2.5
    slack_s: float = 1.0
    first_s: float = 2.0
    longest_s: float = 60.0

    def crowded(self, first_token_s: float, usual_s: float | None) -> bool:
        """Whether others use the server, judged by one answer. usual_s: None while nothing is known."""
        return usual_s is not None and first_token_s > self.factor * usual_s + self.slack_s


class Neighbour:
    """The door of one server: lets so many requests through at a time, the urgent ones first.

    slots: requests at a time; 1 suits a machine with one model, whose prefix cache parallel requests would spoil
    Times are seconds of the running loop's clock.
    """

    def __init__(self, *, slots: int = 1, courtesy: Courtesy | None = None) -> None:
        if slots < 1:
            raise ValueError("slots has to be at least 1")
        self.courtesy = courtesy or Courtesy()
        self._free = slots
        self._slots = slots
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._back_until_s = 0.0
        self._back_s = 0.0

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return sum(not turn.done() for _, _, turn in self._queue)

    @property
    def idle(self) -> bool:
        """Whether nobody, as far as can be told, uses the server."""
        return self._free == self._slots and not self.waiting and not self.stepped_back_s

    @property
    def stepped_back_s(self) -> float:
        """How much longer background requests leave the server to others, in seconds."""
        return max(0.0, self._back_until_s - asyncio.get_running_loop().time())

    @asynccontextmanager
    async def turn(
        self, priority: Priority = Priority.NORMAL, *, idle_only: bool = False
    ) -> AsyncGenerator[Callable[[float, float | None], None], None]:
        """Wait for a turn, and hold it. Gives a function to call with (first_token_s, usual_s) once both are known.

        idle_only: go only if the server is idle
        Raises ServerBusy then, if it is not.
        """
        if idle_only and not self.idle:
            raise ServerBusy(
                "The server is in use, and this request was to be sent only while it is idle.",
                retry_after_s=self.stepped_back_s or None,
            )
        await self._enter(priority)
        while priority is Priority.BACKGROUND and (wait_s := self.stepped_back_s) > 0:
            self._leave()
            await asyncio.sleep(wait_s)
            await self._enter(priority)
        try:
            yield self._told
        finally:
            self._leave()

    def _told(self, first_token_s: float, usual_s: float | None) -> None:
        if self.courtesy.crowded(first_token_s, usual_s):
            self._back_s = min(self.courtesy.longest_s, self._back_s * 2 or self.courtesy.first_s)
            self._back_until_s = asyncio.get_running_loop().time() + self._back_s
        else:
            self._back_s = self._back_until_s = 0.0

    async def _enter(self, priority: Priority) -> None:
        if self._free and not self.waiting:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (priority, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # it was our turn already: pass it on
            raise

    def _leave(self) -> None:
        while self._queue:
            _, _, turn = heapq.heappop(self._queue)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
