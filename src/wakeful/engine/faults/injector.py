"""Decides which request meets which faults: by counting, and by chance that a seed fixes."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from contextvars import ContextVar
from fnmatch import fnmatchcase

import msgspec

from wakeful.engine.faults.plan import (
    AnyFault,
    ClockJump,
    Close,
    ContentType,
    Crash,
    Duplicate,
    Endless,
    ErrorEvent,
    FaultPlan,
    Garble,
    HangUp,
    Offline,
    Overflow,
    Refuse,
    Reset,
    Slow,
    Stall,
    Status,
    Truncate,
    Unload,
)

MET: ContextVar["tuple[AnyFault, ...] | None"] = ContextVar("MET", default=None)
"""What the request in hand meets; None where that is still open, as at a WebSocket, which carries many."""


_REMEMBERED = 10_000

WIRE_KINDS = (Offline, Reset, Close, Stall, Status, Garble, ContentType, HangUp, ClockJump)
"""What happens to an answer on its way, whatever it is."""

MODEL_KINDS = (Stall, Slow, ErrorEvent, Crash, Unload, Overflow, Truncate, Endless, Duplicate)
"""What happens while a model writes."""


class Fired(msgspec.Struct, frozen=True):
    """A fault that happened. request: the number of the request or connection among all that the plan saw."""

    request: int
    route: str
    fault: AnyFault


class Injector:
    """A plan at work. Its decisions rest on the plan, the seed, and the order of the requests alone.

    plan: may be set while it runs; its counts then begin anew
    """

    def __init__(self, plan: FaultPlan | None = None) -> None:
        self.fired: deque[Fired] = deque(maxlen=_REMEMBERED)
        self.hanging: set[asyncio.BaseTransport] = set()
        self.offset_s = 0.0
        self.go_offline: Callable[[float], None] | None = None
        self._plan = plan or FaultPlan()
        self._seen = 0
        self._connections = 0
        self._matched: Counter[int] = Counter()
        self._happened: Counter[int] = Counter()

    @property
    def plan(self) -> FaultPlan:
        """What is to happen."""
        return self._plan

    @plan.setter
    def plan(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._seen = self._connections = 0
        self._matched.clear()
        self._happened.clear()
        self.fired.clear()
        self.offset_s = 0.0

    def add(self, *faults: AnyFault) -> None:
        """More faults, behind those that there are; counts go on."""
        self._plan = FaultPlan((*self._plan.fault, *faults), self._plan.seed)

    def reseed(self, seed: int) -> None:
        """Another seed for what happens by chance; counts go on."""
        self._plan = FaultPlan(self._plan.fault, seed)

    def now_s(self) -> float:
        """What the server takes for the time, in seconds since the epoch."""
        return time.time() + self.offset_s

    def wants_model(self) -> bool:
        """Whether any fault asks which model a request names."""
        return any(each.model != "*" for each in self._plan.fault)

    def refuses(self) -> bool:
        """Whether the connection that has just been made is refused."""
        self._connections += 1
        met = [
            number
            for number, fault in enumerate(self._plan.fault)
            if isinstance(fault, Refuse) and self._happens(number, fault)
        ]
        self._note(self._connections, "", met)
        return bool(met)

    def meet(
        self, route: str, model: str = "", kinds: tuple[type[AnyFault], ...] = WIRE_KINDS + MODEL_KINDS
    ) -> tuple[AnyFault, ...]:
        """All that this request meets, in the plan's order. model: as it is asked for, "" for none.

        kinds: which may happen here at all
        """
        self._seen += 1
        met = [
            number
            for number, fault in enumerate(self._plan.fault)
            if isinstance(fault, kinds)
            and fnmatchcase(route, fault.route)
            and fnmatchcase(model.casefold(), fault.model.casefold())
            and self._happens(number, fault)
        ]
        self._note(self._seen, route, met)
        faults = tuple(self._plan.fault[number] for number in met)
        for fault in faults:
            if isinstance(fault, ClockJump):
                self.offset_s += fault.by_s
            elif isinstance(fault, Offline) and self.go_offline is not None:
                self.go_offline(fault.for_s)
        return faults

    def _note(self, request: int, route: str, met: list[int]) -> None:
        for number in met:
            self._happened[number] += 1
            self.fired.append(Fired(request, route, self._plan.fault[number]))

    def _happens(self, number: int, fault: AnyFault) -> bool:
        """Whether a fault happens to the request that has just matched it."""
        self._matched[number] += 1
        count = self._matched[number] - fault.after
        wanted = (fault.nth,) if isinstance(fault.nth, int) else fault.nth
        if count < 1 or (wanted and count not in wanted) or count % fault.every:
            return False
        if fault.times is not None and self._happened[number] >= fault.times:
            return False
        # A draw of its own for each count, so that it does not matter what other faults draw.
        return random.Random(f"{self._plan.seed}/{number}/{count}").random() < fault.probability
