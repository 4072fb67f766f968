"""Which entries hold a word: for the words that were asked for lately, kept in memory.

To read that of a word that is in 50,000 entries takes some 5 ms, and the same words are asked for again and again.
"""

import sqlite3
from array import array
from bisect import bisect_left

from wakeful.journal.within import column

MOST = 50_000
"""Entries that hold a word, at most; of a word that is in more, only that is kept: it says next to nothing."""

_KEPT = 4_000_000  # numbers of entries, 8 bytes each: all that is asked for of a million memories
_ALSO = 100  # so many numbers the words themselves count for


class Holders:
    """The entries that hold a phrase, in order.

    seqs: their numbers; those of entries that were dropped since may be among them. None where they are too many.
    """

    __slots__ = ("indexed", "seqs")

    def __init__(self) -> None:
        self.seqs: array[int] | None = array("q")
        self.indexed = -1

    @property
    def count(self) -> int:
        """How many they are; of too many one more than there may be."""
        return MOST + 1 if self.seqs is None else len(self.seqs)

    def hold(self, seq: int) -> bool:
        """Whether this entry is one of them."""
        if self.seqs is None:
            return False
        at = bisect_left(self.seqs, seq)
        return at < len(self.seqs) and self.seqs[at] == seq


class Postings:
    """The holders of the phrases that were asked for lately, by full-text table and phrase."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Holders] = {}  # what was asked for last is last
        self._size = 0

    def of(self, db: sqlite3.Connection, table: str, phrase: str, indexed: int, *, fresh: bool = True) -> Holders:
        """The entries that hold a phrase, as far as the table goes.

        indexed: how many entries are indexed, which tells whether there may be more than when it was asked for before
        fresh: whether what was indexed last has to be among them; else a tenth may be missing, which will do to count
        """
        holders = self._known.pop((table, phrase), None)
        if holders is None:
            holders = Holders()
        else:
            self._size -= holders.count + _ALSO
        known_enough = holders.indexed == indexed or (not fresh and holders.indexed <= indexed <= 1.1 * holders.indexed)
        if holders.seqs is not None and not known_enough:
            # Entries are indexed in their order, so that what is new comes after what is known.
            last = holders.seqs[-1] if holders.seqs else -1
            statement = f"SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid > ? LIMIT ?"  # noqa: S608
            more = column(db, statement, (phrase, last, MOST + 1 - len(holders.seqs)))
            holders.seqs.extend(array("q", more))  # at once, as one by one takes seven times as long
            if len(holders.seqs) > MOST:
                holders.seqs = None
            holders.indexed = indexed
        self._known[table, phrase] = holders
        self._size += holders.count + _ALSO
        while self._size > _KEPT:
            oldest = next(iter(self._known))
            self._size -= self._known.pop(oldest).count + _ALSO
        return holders

    def clear(self) -> None:
        """Forgets all, as another file stands in the index's place."""
        self._known.clear()
        self._size = 0
