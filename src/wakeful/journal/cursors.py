"""How this store writes a place in the journal. Nobody outside this room looks into a cursor."""

from wakeful.events import Cursor


def cursor_of(seq: int) -> Cursor:
    """The place just after the entry of this number; 0 is the beginning."""
    return Cursor(f"{seq}") if seq else Cursor("")


def seq_of(cursor: Cursor) -> int:
    """The number of the last entry before a place. Raises ValueError for what this store never wrote."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise ValueError(f"{cursor!r} is no cursor of this journal")
    return int(cursor)
