"""What comes back: an entry of the journal with its score, and why."""

from dataclasses import dataclass

from wakeful.events import Entry


@dataclass(frozen=True, slots=True)
class Recalled:
    """One memory that was recalled.

    score: higher for better; only those of one recall compare
    reasons: why it came back, such as `full text 2nd` or `vectors 1st, cosine 0.83`
    alike: near-duplicates that were folded into it
    neighbours: what the same source told just before and after it, in order
    """

    entry: Entry
    score: float
    reasons: tuple[str, ...]
    alike: tuple[int, ...] = ()
    neighbours: tuple[Entry, ...] = ()

    @property
    def id(self) -> int:
        """The entry's number in the journal."""
        return self.entry.seq

    @property
    def text(self) -> str:
        """What is remembered."""
        return self.entry.event.body

    @property
    def at_ns(self) -> int:
        """When it happened, UTC, nanoseconds since the epoch."""
        return self.entry.event.at_ns
