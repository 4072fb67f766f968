"""The intentions that stand: fed with the journal's entries in order, they say what has come. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cronsim import CronSim
from msgspec.structs import replace

from wakeful.context import observation_line
from wakeful.events import Claim, Entry, Event, Forgotten, Intention, IntentionMet, Notification, Observation
from wakeful.mind.predictions.matching import bearing, line_of

KINDS = ("intention", "intention_met", "forgotten")
"""What it has to know besides observations."""

AGAIN_NS = 3600 * 10**9
"""How long a watch that was met stays silent, so that a storm is told once."""

MAX_OWN = 5
"""Reminders that the mind itself may have set at a time."""

LATE = timedelta(hours=12)
"""How late a schedule that was missed is still kept; of several that were missed, only the last."""

_TITLE = {"watch": "you asked to watch for it", "remind": "reminder", "schedule": "reminder"}

OnReport = Callable[[Entry, int], None]
"""Is told that a report is due: the intention's entry, and the moment that was due."""


@dataclass(slots=True)
class _Kept:
    """An intention with what became of it so far.

    met_ns: when it was last met, 0 for never; due_ns: the last moment of its schedule that was met
    asked_ns: the moment for which a report was asked for already
    """

    entry: Entry
    intention: Intention
    met_ns: int = 0
    due_ns: int = 0
    asked_ns: int = 0


class Standing:
    """Keeps intentions until the user takes them back.

    on_report: a report is due, which the model has to write
    on_again: something that the mind itself wanted to think about again is due
    on_change: the intentions are other ones now
    """

    def __init__(
        self,
        on_report: OnReport,
        on_change: Callable[[], None] = lambda: None,
        on_again: Callable[[Entry], None] = lambda _: None,
    ) -> None:
        self._kept: dict[str, _Kept] = {}
        self._on_report = on_report
        self._on_change = on_change
        self._on_again = on_again
        self._known = 0

    @property
    def words(self) -> list[str]:
        """What is watched for, in words."""
        claims = [kept.intention.claim for kept in self._kept.values()]
        return [word for claim in claims if claim is not None and not claim.metric for word in claim.text.split()]

    @property
    def oldest(self) -> int | None:
        """None: a watch begins where checking left off."""
        return None

    @property
    def first(self) -> int | None:
        """Number of the oldest intention that stands."""
        return min((kept.entry.seq for kept in self._kept.values()), default=None)

    @property
    def next_due_ns(self) -> int | None:
        """When the next reminder or report is due."""
        return min((due for kept in self._kept.values() if (due := _next_ns(kept)) is not None), default=None)

    def learn(self, entry: Entry) -> list[Event]:
        """Takes in one entry; gives what it meets. An entry that was taken in before changes nothing."""
        event = entry.event
        if isinstance(event, Observation):
            return [more for kept in self._kept.values() for more in _watched(kept, entry.seq, event)]
        if entry.seq <= self._known:
            return []
        if isinstance(event, Intention):
            self._known = entry.seq
            if event.active:
                self._kept[event.key] = _Kept(entry, event)
                self._bound_own()
            else:
                self._kept.pop(event.key, None)
            self._on_change()
        elif isinstance(event, Forgotten):
            self._known = entry.seq
            gone = set(event.seqs)
            self._kept = {key: kept for key, kept in self._kept.items() if kept.entry.seq not in gone}
            self._on_change()
        elif isinstance(event, IntentionMet):
            self._known = entry.seq
            kept = self._kept.get(event.key)
            if kept is not None and kept.entry.seq == event.intention:
                kept.met_ns, kept.due_ns = max(kept.met_ns, event.at_ns), max(kept.due_ns, event.due_ns)
        return []

    def _bound_own(self) -> None:
        """Lets the oldest of what the mind itself wanted go, where that is too much."""
        own = [key for key, kept in self._kept.items() if kept.intention.provenance != "user" and not kept.due_ns]
        for key in own[: max(len(own) - MAX_OWN, 0)]:
            del self._kept[key]

    def due(self, now_ns: int) -> list[Event]:
        """What is met because its moment has come. A report is only asked for: it is met once it is written."""
        events: list[Event] = []
        for kept in self._kept.values():
            due_ns = _missed_ns(kept, now_ns)
            if due_ns is None:
                continue
            if due_ns == 0:  # missed too long ago to be of use to anybody
                kept.asked_ns = now_ns
                continue
            if kept.intention.asks:
                if kept.asked_ns < due_ns:
                    kept.asked_ns = due_ns
                    self._on_report(kept.entry, due_ns)
                continue
            kept.met_ns, kept.due_ns = now_ns, due_ns
            if kept.intention.provenance == "user":
                events += met(kept.entry, now_ns, kept.intention.told, due_ns=due_ns)
            else:
                self._on_again(kept.entry)
                events += met(kept.entry, now_ns, "", due_ns=due_ns)[:1]
        return events


def met(
    entry: Entry, now_ns: int, text: str, *, title: str = "", due_ns: int = 0, evidence: tuple[int, ...] = ()
) -> list[Event]:
    """That an intention was met, and what the user is told."""
    intention = entry.event
    assert isinstance(intention, Intention)
    return [
        IntentionMet(at_ns=now_ns, intention=entry.seq, key=intention.key, due_ns=due_ns, evidence=evidence),
        Notification(
            at_ns=now_ns,
            key=f"{intention.key}:{due_ns or (evidence[0] if evidence else now_ns)}",
            severity="warning" if intention.form == "watch" else "info",
            title=title or f"{_TITLE[intention.form]}: {intention.told}",
            text=text,
            evidence=evidence,
            intention=intention.key,
        ),
    ]


def holds(claim: Claim, observation: Observation) -> bool:
    """Whether an observation is what a watch waits for."""
    return bool(bearing(claim, observation))


def moments(cron: str, after: datetime) -> "CronSim":
    """The moments of a schedule after a naive local time, in order. Raises CronSimError for no valid schedule."""
    return CronSim(cron, after)


def _watched(kept: _Kept, seq: int, observation: Observation) -> list[Event]:
    claim = kept.intention.claim
    if claim is None or seq <= kept.entry.seq or not holds(claim, observation):
        return []
    if kept.met_ns and 0 <= observation.at_ns - kept.met_ns < AGAIN_NS:
        return []
    kept.met_ns = observation.at_ns
    line = None if claim.metric else line_of(claim, observation)
    shown = observation if line is None else replace(observation, text=line, count=1)
    return met(kept.entry, observation.at_ns, observation_line(seq, shown), evidence=(seq,))


def _next_ns(kept: _Kept) -> int | None:
    """The next moment of a reminder or a schedule that was not met yet."""
    intention = kept.intention
    if intention.form == "remind":
        return None if kept.due_ns else intention.due_ns
    if intention.form != "schedule":
        return None
    last_ns = max(kept.due_ns, kept.asked_ns, intention.at_ns)
    try:
        return int(next(moments(intention.cron, datetime.fromtimestamp(last_ns / 1e9))).timestamp() * 1e9)
    except StopIteration:  # such as the 30th of February
        return None


def _missed_ns(kept: _Kept, now_ns: int) -> int | None:
    """The latest moment that has come and was not met yet; None where there is none, 0 where it is too long ago."""
    due_ns = _next_ns(kept)
    if due_ns is None or due_ns > now_ns:
        return None
    if kept.intention.form == "remind":
        return due_ns
    now = datetime.fromtimestamp(now_ns / 1e9)
    latest = 0
    for moment in moments(kept.intention.cron, max(now - LATE, datetime.fromtimestamp(due_ns / 1e9 - 60))):
        if moment > now:
            break
        latest = int(moment.timestamp() * 1e9)
    return latest
