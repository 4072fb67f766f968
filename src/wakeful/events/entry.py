"""An event with its place in the journal."""

from dataclasses import dataclass
from typing import NewType

from wakeful.events.model import Event

Cursor = NewType("Cursor", str)
"""A place between two entries. Only the store that made it can read it; "" is the beginning."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the journal holds it.

    seq: the entry's number: unique, greater for later entries, not without gaps
    cursor: the place just after this entry
    """

    seq: int
    cursor: Cursor
    event: Event
