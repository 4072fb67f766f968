"""What of a running mind is no event of the journal: how it stands now, and the thought that is being written."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

MAX_WAITING = 64
"""Messages kept for a slow page; then it is told the newest state only."""


class SourceStatus(msgspec.Struct, frozen=True):
    """How one source stands. last_seen_ns: 0 for never; surprise_nats, salience: of its newest observation."""

    name: str
    state: str
    last_seen_ns: int = 0
    observations: int = 0
    error: str = ""
    text: str = ""
    values: dict[str, float] = {}
    surprise_nats: float = 0.0
    salience: float = 0.0
    precision: float = 1.0


class Status(msgspec.Struct, frozen=True):
    """How the mind stands. note: a line for the person (the pilot's, or what was taken up from the last run).

    room: what the model's context is taken up by, tokens by name, in the order of the prompt
    """

    version: str = ""
    phase: str = "starting"
    model: str = ""
    server: str = ""
    model_url: str = ""
    pilot: bool = False
    context_tokens: int = 0
    room: dict[str, int] = {}
    note: str = ""
    resumed: str = ""
    thoughts_per_hour: float = 0.0
    thoughts_left: float = 0.0
    threshold: float = 0.0
    tokens_today: int = 0
    observed: int = 0
    habituated: int = 0
    waiting: int = 0
    started_ns: int = 0
    sources: tuple[SourceStatus, ...] = ()


Message = tuple[Literal["status", "partial"], bytes]


class Live:
    """A board that the program writes and any number of pages read; a slow reader skips, and never holds it up."""

    def __init__(self) -> None:
        self._status = Status()
        self._partial: dict[str, Any] = {}
        self._readers: set[asyncio.Queue[Message]] = set()

    @property
    def status(self) -> Status:
        """How the mind stands."""
        return self._status

    def update(self, status: Status) -> None:
        """Sets how the mind stands."""
        if status != self._status:
            self._status = status
            self._tell("status", status)

    def partial(self, reason: str, text: str) -> None:
        """Sets the text of the thought that is being written, "" for none."""
        self._partial = {"reason": reason, "text": text}
        self._tell("partial", self._partial)

    @contextmanager
    def reading(self) -> Generator[asyncio.Queue[Message]]:
        """A queue of messages from now on, the present state first."""
        queue: asyncio.Queue[Message] = asyncio.Queue(MAX_WAITING)
        queue.put_nowait(("status", msgspec.json.encode(self._status)))
        queue.put_nowait(("partial", msgspec.json.encode(self._partial)))
        self._readers.add(queue)
        try:
            yield queue
        finally:
            self._readers.discard(queue)

    def _tell(self, kind: Literal["status", "partial"], what: object) -> None:
        if not self._readers:
            return
        message: Message = (kind, msgspec.json.encode(what))
        for queue in self._readers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(("status", msgspec.json.encode(self._status)))
            queue.put_nowait(message)
