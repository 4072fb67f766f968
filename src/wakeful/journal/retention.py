"""How long the journal keeps what it holds.

What the mind itself wrote (thoughts, notifications, questions, answers and the like) is little, and memory is
made of it: it stays. Observations and the scores about them are most of all events; they go when they are too
old or too many, except what somebody cites or has not consumed.
"""

import sqlite3
from dataclasses import dataclass
from typing import Literal

from wakeful.journal.reading import Wanted, entries

_DROPPED_KINDS = ("observation", "salience", "quiet", "thought_started")
_CITING_KINDS = (
    "thought",
    "thought_failed",
    "set_aside",
    "notification",
    "answer",
    "prediction_resolved",
    "intention_met",
    "memory",
    "self_model",
)
_STEP = 2000
_VACUUM_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Thin:
    """Events that go before their time, since something shorter stands for them.

    kind: of the events; mark: what their stored JSON contains, such as `"form":"metrics"`
    since_ns, until_ns: those that happened in [since_ns, until_ns)
    """

    kind: str
    mark: bytes
    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What `thin` says goes, and events before `before_ns`; then the oldest, until all takes at most `max_bytes`."""

    before_ns: float
    max_bytes: float
    thin: tuple[Thin, ...] = ()


def cited(connection: sqlite3.Connection) -> frozenset[int]:
    """Numbers of the entries that thoughts, notifications and answers rest on."""
    found: set[int] = set()
    after = 0
    while page := entries(connection, Wanted(after, 1000, _CITING_KINDS)):
        for each in page:
            evidence: tuple[int, ...] = getattr(each.event, "evidence", ())
            found.update(evidence)
        after = page[-1].seq
    return frozenset(found)


class Sweep:
    """One round of dropping, in steps that are short enough for writers to wait for.

    Each step is carried out by `step` in a transaction; `advance` is called once that is durable. (A
    transaction that fails because of something else in it is tried again, and with it the step.)
    """

    def __init__(self, limits: Limits, consumed: int, cited: frozenset[int]) -> None:
        self.dropped = 0
        self.done = False
        self._limits = limits
        self._consumed = consumed
        self._cited = cited
        self._thin = list(limits.thin)
        self._state = self._next = _State("thin" if self._thin else "age", _BEGIN)

    def step(self, connection: sqlite3.Connection) -> None:
        """Drops up to some thousands of events, or gives some megabytes back to the disk."""
        match self._state.stage:
            case "thin":
                self._next = self._by_mark(connection)
            case "age":
                self._next = self._by_age(connection)
            case "size":
                self._next = self._by_size(connection)
            case _:
                self._next = self._vacuum(connection)

    def advance(self) -> None:
        """The step is durable."""
        self.dropped += self._next.gone
        if self._state.stage == "thin" and self._next.after == _BEGIN:
            self._thin.pop(0)
        self._state = self._next
        self.done = self._state.stage == "done"

    def _by_mark(self, connection: sqlite3.Connection) -> "_State":
        thin = self._thin[0]
        rows = connection.execute(
            "SELECT at_ns, seq, kind = ? AND instr(body, ?) > 0 FROM event INDEXED BY event_by_time "
            "WHERE at_ns >= ? AND at_ns < ? AND (at_ns, seq) > (?, ?) AND seq <= ? ORDER BY at_ns, seq LIMIT ?",
            (thin.kind, thin.mark, thin.since_ns, thin.until_ns, *self._state.after, self._consumed, _STEP),
        ).fetchall()
        gone = self._drop(connection, [seq for _, seq, wanted in rows if wanted])
        if len(rows) == _STEP:
            return _State("thin", rows[-1][:2], gone)
        return _State("thin" if len(self._thin) > 1 else "age", _BEGIN, gone)

    def _by_age(self, connection: sqlite3.Connection) -> "_State":
        before_ns = int(max(self._limits.before_ns, -(2.0**62)))
        rows = connection.execute(
            "SELECT at_ns, seq FROM event INDEXED BY event_by_time "  # noqa: S608
            f"WHERE at_ns < ? AND (at_ns, seq) > (?, ?) AND seq <= ? AND {_DROPPED} "
            "ORDER BY at_ns, seq LIMIT ?",
            (before_ns, *self._state.after, self._consumed, *_DROPPED_KINDS, _STEP),
        ).fetchall()
        gone = self._drop(connection, [seq for _, seq in rows])
        if len(rows) < _STEP:
            return _State("size", (0, 0), gone)
        return _State("age", rows[-1], gone)

    def _by_size(self, connection: sqlite3.Connection) -> "_State":
        rows: list[tuple[int, int]] = []
        if _held_bytes(connection) > self._limits.max_bytes:
            rows = connection.execute(
                f"SELECT 0, seq FROM event WHERE seq > ? AND seq <= ? AND {_DROPPED} ORDER BY seq LIMIT ?",  # noqa: S608
                (self._state.after[1], self._consumed, *_DROPPED_KINDS, _STEP),
            ).fetchall()
        if not rows:
            return _State("vacuum" if self.dropped else "done", (0, 0))
        return _State("size", rows[-1], self._drop(connection, [seq for _, seq in rows]))

    def _vacuum(self, connection: sqlite3.Connection) -> "_State":
        free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
        for _ in range(min(free, _VACUUM_PAGES)):
            # Page by page: Python's driver ends a statement whose rows have no columns after its first row.
            connection.execute("PRAGMA incremental_vacuum(1)").fetchall()
        return _State("done" if free <= _VACUUM_PAGES else "vacuum", (0, 0))

    def _drop(self, connection: sqlite3.Connection, seqs: list[int]) -> int:
        gone = [(seq,) for seq in seqs if seq not in self._cited]
        if gone:
            connection.executemany("DELETE FROM event WHERE seq = ?", gone)
            connection.execute("UPDATE retention SET dropped = dropped + ?", (len(gone),))
        return len(gone)


@dataclass(frozen=True, slots=True)
class _State:
    """Where a sweep stands: its stage, the last row it looked at, and how many events this step dropped."""

    stage: Literal["thin", "age", "size", "vacuum", "done"]
    after: tuple[int, int]
    gone: int = 0


_BEGIN = (-(2**63), 0)
_DROPPED = f"kind IN ({', '.join('?' * len(_DROPPED_KINDS))})"


def _held_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
