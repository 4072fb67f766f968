"""A model in memory: who uses it, since when, and until when it stays."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field

from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.runner.activity import Busy, Status
from wakeful.engine.runner.runner import Runner


@dataclass(slots=True, kw_only=True)
class Instance:
    """A loaded model.

    identifier: what it is asked for by; unique among loaded ones
    reference: opaque, never used again
    config: as it was really loaded, with nothing left open
    ttl_s: seconds without use after which it is unloaded; None for never
    jit: loaded for a request, so that the next such load may take it out
    last_used_ns: None before its first use
    waiting: requests that wait for a slot; users: that have one
    idle: set while there are neither; idle_since_s: since when, in seconds of the event loop's clock
    leaving: about to be taken out for another model; unloaded: taken out
    """

    identifier: str
    model: Descriptor
    config: LoadConfig
    runner: Runner
    ttl_s: float | None = None
    jit: bool = False
    load_s: float = 0.0
    reference: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    loaded_ns: int = field(default_factory=time.time_ns)
    last_used_ns: int | None = None
    waiting: int = 0
    users: int = 0
    idle_since_s: float = 0.0
    leaving: bool = False
    unloaded: bool = False
    slots: asyncio.Semaphore = field(init=False)
    idle: asyncio.Event = field(init=False)

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.config.parallel or 1)
        self.idle = asyncio.Event()
        self.idle.set()

    def begin_waiting(self) -> None:
        """A request wants a slot."""
        self.waiting += 1
        self.idle.clear()

    def end_use(self, now_s: float) -> None:
        """A request has gone, with or without having had a slot."""
        if not self.users and not self.waiting:
            self.idle_since_s = now_s
            self.idle.set()

    @property
    def status(self) -> Status:
        """What it does just now."""
        if isinstance(self.runner, Busy):
            return self.runner.activity.status
        return "generating" if self.users else "idle"

    @property
    def context_length(self) -> int:
        """Tokens that its context holds."""
        return self.runner.context_tokens
