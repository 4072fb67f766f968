"""The events of memory: what was kept on purpose, what was made of it, what was forgotten."""

from typing import Literal

from wakeful.events.model import Event
from wakeful.events.words import Provenance

MemoryForm = Literal["note", "episode", "fact"]
"""What a memory is: a note that somebody gave, the summary of a period, something held to be true in general."""


class Remembered(Event, frozen=True, kw_only=True, tag="memory"):
    """A memory that was kept on purpose; `at_ns` is when that which it tells of happened, or began.

    source: whom or what it comes from, such as `user` or `consolidation`
    about: what it is about, in a few words that do not change (`log:app web`); a newer fact about the same
        supersedes the older one
    until_ns: when that which it tells of ended; 0 for one moment, and for facts that still hold
    span: of an episode: hour, day or week
    importance: how much it matters, in [0, 1]
    confidence: probability in [0, 1] that it is true
    evidence: the entries that it rests on; supersedes: the memory that it takes the place of, 0 for none
    by_model: whether a model wrote it; else a person did, or it is made of sentences and counts taken from the journal
    """

    text: str
    form: MemoryForm = "note"
    source: str = ""
    about: str = ""
    until_ns: int = 0
    span: str = ""
    importance: float = 0.5
    confidence: float = 1.0
    evidence: tuple[int, ...] = ()
    supersedes: int = 0
    by_model: bool = False
    provenance: Provenance = "user"

    @property
    def origin(self) -> str:
        return self.source

    @property
    def body(self) -> str:
        return f"{self.about}: {self.text}" if self.about else self.text


class Forgotten(Event, frozen=True, kw_only=True, tag="forgotten"):
    """Entries were deleted because somebody asked for it; only their numbers are left."""

    seqs: tuple[int, ...]
    provenance: Provenance = "user"

    @property
    def origin(self) -> str:
        return "user"


class SelfModel(Event, frozen=True, kw_only=True, tag="self_model"):
    """A version of what the mind knows of its world, its user's wishes, its own habits and errors: all of its text.

    version: counted from 1; why: what the change is for; by: who made it (`user`, `reflection`, `rollback`)
    evidence: the entries that the change rests on
    """

    version: int
    text: str
    why: str
    by: str
    evidence: tuple[int, ...] = ()
    provenance: Provenance = "model"

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return self.text


class Figures(Event, frozen=True, kw_only=True, tag="figures"):
    """What the measurements of one source came to; stands for them once they are dropped.

    at_ns, until_ns: the time that is told of, [at_ns, until_ns), cut into a row of minutes, hours or days by `span`
    counts: the measurements in each of these
    figures: for each number by name, for each of these: smallest, mean, largest, then the 5th, 50th and 95th
        percentile; nothing where it was not measured
    """

    source: str
    until_ns: int
    span: Literal["minute", "hour", "day"]
    counts: tuple[int, ...]
    figures: dict[str, tuple[tuple[float, ...], ...]]
    provenance: Provenance = "observed"

    @property
    def origin(self) -> str:
        return self.source
