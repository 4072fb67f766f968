"""The first look: the machine as it is, so that a person sees at once that the mind works."""

from wakeful.context import Seen
from wakeful.events import Entry, Observation, Salience
from wakeful.journal import Journal
from wakeful.mind.readings import reasons

_SOURCE = "metrics"


async def newest_metrics(journal: Journal) -> Entry:
    """The first observation of the machine's metrics that comes from now on."""
    async for entries in journal.tail(await journal.end(), kinds=("observation",)):
        found = [entry for entry in entries if isinstance(entry.event, Observation) and entry.event.source == _SOURCE]
        if found:
            return found[-1]
    raise AssertionError("a tail never ends: please report this")


def as_seen(entry: Entry, reason: str = "", salience: float = 0.0) -> Seen:
    """An observation that is shown for another reason than that it surprised: by default, to look at the machine."""
    observation = entry.event
    assert isinstance(observation, Observation)
    look = Salience(
        at_ns=observation.at_ns,
        about=entry.seq,
        source=observation.source,
        surprise_nats=0.0,
        precision=1.0,
        salience=salience,
        threshold=0.0,
        reasons=(reason,) if reason else reasons(observation.values),
    )
    return Seen(entry.seq, observation, look)
