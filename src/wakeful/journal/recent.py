"""What this process wrote last, as it wrote it: so that those who follow the journal need not each read it again.

Some eight parts of a running mind follow it; reading and decoding an event takes several times as long as what most of
them do with it.
"""

from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice

from wakeful.events import Entry, Event, kind_of
from wakeful.journal.cursors import cursor_of

MOST_EVENTS, MOST_BYTES = 5000, 4_000_000
"""What is kept at most, in events and in bytes as they are written."""


class Recent:
    """The last events of the file, without a gap; used in the event loop's thread.

    Another process may write in between: what comes after its events begins anew.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[Entry, str, int]] = deque()  # with the kind and the size
        self._bytes = 0

    def add(self, first: int, events: Sequence[Event], sizes: Sequence[int]) -> None:
        """Takes in what was just written, from the number `first` on; `sizes` in bytes."""
        if self._kept and first != self._kept[-1][0].seq + 1:
            self.clear()
        for seq, (event, size) in enumerate(zip(events, sizes, strict=True), first):
            self._kept.append((Entry(seq, cursor_of(seq), event), kind_of(event), size))
            self._bytes += size
        while len(self._kept) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self._bytes -= self._kept.popleft()[-1]

    def after(self, seq: int, kinds: Collection[str], limit: int) -> tuple[list[Entry], int]:
        """Of the `limit` events after number `seq` those of `kinds` (none: all), and the number up to which that is.

        That number is `seq` where the next event is not kept, or not written yet.
        """
        if not self._kept:
            return [], seq
        first = self._kept[0][0].seq
        at = seq + 1 - first
        if not 0 <= at < len(self._kept):
            return [], seq
        if 2 * at > len(self._kept):  # a deque is walked from its nearer end
            some = list(islice(reversed(self._kept), len(self._kept) - at))[::-1][:limit]
        else:
            some = list(islice(self._kept, at, at + limit))
        return [entry for entry, kind, _ in some if not kinds or kind in kinds], some[-1][0].seq

    def clear(self) -> None:
        """Forgets all, as something was deleted from the file."""
        self._kept.clear()
        self._bytes = 0
