"""What happened? One durable, ordered log of events, and an index that can be thrown away."""

from wakeful.journal.errors import (
    CursorMoved,
    JournalClosed,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalReadOnly,
)
from wakeful.journal.index import JournalIndex
from wakeful.journal.retention import prune
from wakeful.journal.store import Journal, Stats

__all__ = [
    "CursorMoved",
    "Journal",
    "JournalClosed",
    "JournalCorrupt",
    "JournalError",
    "JournalFull",
    "JournalIndex",
    "JournalLocked",
    "JournalReadOnly",
    "Stats",
    "prune",
]
