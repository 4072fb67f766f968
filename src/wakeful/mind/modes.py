"""Which reason to think comes first, and what gives way to what.

    asked       a person waits for the answer
    salience    something surprised the gate
    due         a prediction turned out otherwise than the mind was sure of
    scheduled   the hour of a report has come, or the first look at the machine
    retry       (kept for journals of earlier versions)
    reflective  the slow clock: how well is it doing?
    idle        nothing else: a look back

A reason that comes while the model writes for one further down breaks that off, so that nothing waits behind a slow
answer that matters less. What was broken off goes back to wait with all its evidence, and is begun again afterwards;
after two times it is not broken off any more, so that it comes to its end whatever happens. Only the model's writing is
ever broken off, never a commit.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace

from wakeful.events import Entry, WakeReason

ORDER: tuple[WakeReason, ...] = ("asked", "salience", "due", "scheduled", "retry", "reflective", "idle")
"""Most important first."""

MAX_YIELDS = 2
"""How often a thought gives way before it may come to its end."""

LONGEST_IDLE = 8
"""Idle thoughts that find nothing come more and more seldom, up to so many times the interval."""


@dataclass(frozen=True, slots=True)
class Wake:
    """A reason to think.

    about: the entries that it is about: a question, resolved predictions, an intention, the first look's observation
    due_ns: the moment that was due, of a schedule; yields: how often it gave way already
    """

    reason: WakeReason
    about: tuple[Entry, ...] = field(default=(), compare=False)
    due_ns: int = 0
    yields: int = 0

    def yielded(self) -> "Wake":
        """The same, to be begun again."""
        return replace(self, yields=self.yields + 1)


def gives_way(wake: Wake, reason: WakeReason) -> bool:
    """Whether a thought for `wake` is broken off when `reason` comes."""
    return wake.yields < MAX_YIELDS and ORDER.index(reason) < ORDER.index(wake.reason)


class Agenda:
    """What waits to be thought about: the most important first, of equals the oldest."""

    def __init__(self) -> None:
        self._waiting: list[Wake] = []
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, wake: Wake) -> None:
        """Takes in a reason; one of surprise is enough, since all that surprised is thought about together."""
        if wake.reason == "salience" and any(each.reason == "salience" for each in self._waiting):
            return
        self._waiting.append(wake)
        self._changed.set()

    def put_back(self, wake: Wake) -> None:
        """Takes in again what gave way, before others of its reason."""
        self._waiting.insert(0, wake.yielded())
        self._changed.set()

    async def next(self, idle_s: float = 0.0) -> Wake:
        """The next reason, waited for if there is none; after `idle_s` seconds without one, idleness is (0: never)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(idle_s or None):
                while not self._waiting:
                    self._changed.clear()
                    await self._changed.wait()
        if not self._waiting:
            return Wake("idle")
        first = min(self._waiting, key=lambda wake: ORDER.index(wake.reason))
        self._waiting.remove(first)
        return first

    async def anything(self) -> None:
        """Waits until there is any reason to think."""
        while not self._waiting:
            self._changed.clear()
            await self._changed.wait()

    async def more_important(self, wake: Wake) -> WakeReason:
        """Waits until there is a reason that `wake` gives way to, and gives it."""
        while True:
            for each in self._waiting:
                if gives_way(wake, each.reason):
                    return each.reason
            self._changed.clear()
            await self._changed.wait()


class IdlePace:
    """How long it is quiet before an idle thought: twice as long after each that led to nothing."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self._times = 1

    @property
    def wait_s(self) -> float:
        """Seconds to wait now, 0 for never."""
        return self.every_s * self._times

    def thought(self, wake: Wake, *, led_to_something: bool) -> None:
        """Takes in what came of a thought."""
        self._times = 1 if wake.reason != "idle" or led_to_something else min(2 * self._times, LONGEST_IDLE)
