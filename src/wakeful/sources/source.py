"""What every source is: a name, and an endless stream of observations that can be taken up where it ended."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from wakeful.events import Observation

Emit = Callable[[Sequence[Observation]], Awaitable[object]]
"""Takes a batch over; when it returns, the batch is safe. Awaiting it is the back-pressure."""

Clock = Callable[[], int]
"""UTC now in nanoseconds since the epoch; it may jump, so it dates observations and never measures."""


@runtime_checkable
class Source(Protocol):
    """Something that can be watched.

    name: unique among the sources of a mind; its observations' `source` is this name, unless it speaks for
        many (see `CompoundSource`)
    """

    @property
    def name(self) -> str:
        """What its observations are named by."""
        ...

    def observe(self, resume: str) -> AsyncIterator[Observation]:
        """Observations from now on, or from where `resume` says (the last `Observation.resume`, "" for none).

        An async generator. It raises when it can't go on (it is then started anew after a while) and returns
        when there will never be more. Cancelling it, or closing it, leaves nothing running or open behind.
        """
        ...


@runtime_checkable
class CompoundSource(Source, Protocol):
    """A source whose observations carry several names, each with its own place to go on from.

    Its `observe` gets all their places in one text, which `places` reads.
    """

    def speaks_as(self, origin: str) -> bool:
        """Whether observations named `origin` come from this source."""
        ...


@runtime_checkable
class ConfirmedSource(Source, Protocol):
    """A source that wants to know what is safe, because somebody waits for it."""

    def stored(self, batch: Sequence[Observation]) -> None:
        """The journal has taken over these observations, the very ones that the source made, in their order."""
        ...


def resume_for(source: Source, points: Mapping[str, str]) -> str:
    """Where `source` goes on, from the last `resume` of every name in the journal."""
    if isinstance(source, CompoundSource):
        own = {origin: point for origin, point in points.items() if point and source.speaks_as(origin)}
        return msgspec.json.encode(own).decode() if own else ""
    return points.get(source.name, "")


def places(resume: str) -> dict[str, str]:
    """The place of each name that a compound source speaks as; empty when `resume` is none."""
    if not resume:
        return {}
    try:
        return msgspec.json.decode(resume, type=dict[str, str])
    except msgspec.DecodeError:
        return {}
