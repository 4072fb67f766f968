"""What happened? One durable, ordered log of events, and an index that can be thrown away."""

from wakeful.journal.errors import (
    CursorMoved,
    JournalBusy,
    JournalClosed,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalMissing,
    JournalReadOnly,
    JournalTooNew,
)
from wakeful.journal.index import JournalIndex, Tally
from wakeful.journal.retention import Thin
from wakeful.journal.store import Journal
from wakeful.journal.upkeep import Stats

__all__ = [
    "CursorMoved",
    "Journal",
    "JournalBusy",
    "JournalClosed",
    "JournalCorrupt",
    "JournalError",
    "JournalFull",
    "JournalIndex",
    "JournalLocked",
    "JournalMissing",
    "JournalReadOnly",
    "JournalTooNew",
    "Stats",
    "Tally",
    "Thin",
]
