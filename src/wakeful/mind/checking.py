"""Checking: follows the journal, and finds out by itself what became of predictions and intentions.

All that it knows is read from the journal again when it starts. What it finds is committed together with its place in
the journal by compare-and-set, so that each prediction is resolved once, however often the program dies.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from wakeful.events import Cursor, Entry, Event, Observation
from wakeful.journal import Journal

CONSUMER = "checking"
"""The name under which its place in the journal is kept."""

_HISTORY = 5000
"""Entries of the kinds that a book keeps which are read when it starts; older ones are long decided."""

MOVE_EVERY_S = 60.0
"""How often its place is kept while nothing is decided."""

_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.1, 30.0


class Book(Protocol):
    """What is kept open until it is decided. All methods are pure but for what the book itself holds."""

    def learn(self, entry: Entry) -> list[Event]:
        """Takes in an entry, in order; gives what it decides."""
        ...

    def due(self, now_ns: int) -> list[Event]:
        """What is decided because its time has come."""
        ...

    @property
    def next_due_ns(self) -> int | None:
        """When `due` has something to say next."""
        ...

    @property
    def oldest(self) -> int | None:
        """Number of the entry from which on all observations count, however often they were taken in; None for none."""
        ...

    @property
    def first(self) -> int | None:
        """Number of the entry from which on observations count where none was ever taken in; None for none."""
        ...


class Checking:
    """Feeds books with the journal, and commits what they decide.

    kinds: the kinds that the books keep, besides observations
    on_decided: is told of each event that was committed
    through: number of the newest entry that was taken in
    """

    def __init__(
        self,
        journal: Journal,
        books: Sequence[Book],
        *,
        kinds: Collection[str],
        on_decided: Callable[[Entry], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.through = 0
        self._journal = journal
        self._books = books
        self._kinds = tuple(kinds)
        self._on_decided = on_decided
        self._now_ns = now_ns
        self._learnt = Cursor("")
        self._committed = Cursor("")
        self._loop = asyncio.get_running_loop()
        self._moved_s = self._loop.time()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def restore(self) -> None:
        """Reads what is open; call once before `run`."""
        self._committed = await self._journal.cursor(CONSUMER)
        self._learnt = self._committed or await self._journal.end()  # what an earlier version left is not gone through
        history = await self._journal.read(kinds=self._kinds, limit=_HISTORY, newest_first=True)
        for entry in reversed(history):
            for book in self._books:
                book.learn(entry)
        later = {entry.seq for entry in await self._journal.read(self._learnt, kinds=self._kinds, limit=_HISTORY)}
        begin = [book.oldest if self._committed else book.first for book in self._books]
        oldest = min((seq for seq in begin if seq is not None), default=None)
        if oldest is not None and oldest not in later:
            [entry] = await self._journal.get([oldest])
            self._learnt = entry.cursor

    async def run(self) -> None:
        """Checks for ever; cancel to stop."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._ring())

    async def _follow(self) -> None:
        async for entries in self._journal.tail(self._learnt, kinds=("observation", *self._kinds)):
            async with self._turn:
                decided: list[Event] = []
                for entry in entries:
                    self._learnt = entry.cursor
                    for book in self._books:
                        decided += book.learn(entry)
                await self._commit(decided, move=self._loop.time() - self._moved_s > MOVE_EVERY_S)
            self.through = entries[-1].seq
            if self.is_due or not all(isinstance(entry.event, Observation) for entry in entries):
                self._changed.set()

    async def _ring(self) -> None:
        """Looks at what is due when it is due; what was seen before has to be taken in first."""
        while True:
            self._changed.clear()
            async with self._turn:
                behind = await self._journal.read(self._learnt, kinds=("observation", *self._kinds), limit=1)
                if not behind:
                    await self._commit([event for book in self._books for event in book.due(self._now_ns())])
            left_s = (self._next_due_ns() - self._now_ns()) / 1e9
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(left_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)):
                    await self._changed.wait()

    @property
    def is_due(self) -> bool:
        """Whether the time of something has come that was not looked at yet."""
        return self._next_due_ns() <= self._now_ns()

    def _next_due_ns(self) -> float:
        return min((book.next_due_ns for book in self._books if book.next_due_ns is not None), default=math.inf)

    async def _commit(self, events: Sequence[Event], *, move: bool = False) -> None:
        """Commits what was decided; move: also where that is nothing, so that a restart begins close by."""
        if not events and not move:
            return
        self._moved_s = self._loop.time()
        entries = await self._journal.commit(events, consumer=CONSUMER, expected=self._committed, cursor=self._learnt)
        self._committed = self._learnt
        for entry in entries:
            self._on_decided(entry)
