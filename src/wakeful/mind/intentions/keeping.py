"""Intentions as a person keeps them: what stands, when it comes next, and how one is added, changed or taken back."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from msgspec.structs import replace

from wakeful.events import Cursor, Entry, Intention, IntentionForm, IntentionMet, Observation, WakefulError
from wakeful.journal import Journal
from wakeful.mind.intentions.plain import understood
from wakeful.mind.intentions.standing import moments
from wakeful.mind.predictions.matching import in_words

_RECENT = 2000  # observations by which metrics and sources are known
_BATCH = 2000


class NoSuchIntention(WakefulError):
    """No intention of this name stands."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no intention {key}", hint="`wakeful intentions` lists them.")


@dataclass(frozen=True, slots=True)
class Kept:
    """One that stands. meaning: what was understood; met: how often it was; next_ns: when it comes next, 0 for what is
    watched for; own: whether the mind itself wanted it.
    """

    key: str
    text: str
    form: IntentionForm
    meaning: str
    met: int
    next_ns: int
    own: bool
    intention: Intention


class Intentions:
    """The intentions of a journal, for the terminal and the page alike."""

    def __init__(self, journal: Journal, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._journal = journal
        self._now_ns = now_ns

    async def kept(self) -> list[Kept]:
        """What stands, oldest first; a reminder that was given is over."""
        standing = await self._standing()
        times = [each async for each in self._met()]
        met = Counter(each.key for each in times if each.key in standing and each.at_ns >= standing[each.key].at_ns)
        now_ns = self._now_ns()
        return [
            Kept(
                key=key,
                text=each.text,
                form=each.form,
                meaning=meaning(each, now_ns),
                met=met[key],
                next_ns=_next_ns(each, now_ns),
                own=each.provenance != "user",
                intention=each,
            )
            for key, each in standing.items()
            if each.form != "remind" or not met[key]
        ]

    async def meant(self, text: str, key: str = "") -> Intention:
        """What a sentence means, without keeping it; key: the one whose place it would take.

        Raises NotUnderstood, which says what could be said instead, or NoSuchIntention.
        """
        if key and key not in await self._standing():
            raise NoSuchIntention(key)
        newest = await self._journal.read(kinds=("observation",), limit=_RECENT, newest_first=True)
        known = [entry.event for entry in newest if isinstance(entry.event, Observation)]
        return understood(text, key or await self._new_key(), now_ns=self._now_ns(), known=known)

    async def take_back(self, key: str) -> Intention:
        """Ends one. Raises NoSuchIntention."""
        standing = await self._standing()
        if key not in standing:
            raise NoSuchIntention(key)
        gone = replace(standing[key], at_ns=self._now_ns(), active=False)
        await self._journal.append([gone])
        return gone

    async def _standing(self) -> dict[str, Intention]:
        """The intentions that were not taken back, by key, oldest first."""
        standing: dict[str, Intention] = {}
        async for entry in self._all("intention"):
            if isinstance(intention := entry.event, Intention):
                standing.pop(intention.key, None)
                if intention.active:
                    standing[intention.key] = intention
        return standing

    async def _new_key(self) -> str:
        """A name that no intention ever had."""
        keys = {entry.event.key async for entry in self._all("intention") if isinstance(entry.event, Intention)}
        return f"i{len(keys) + 1}"

    async def _met(self) -> AsyncIterator[IntentionMet]:
        async for entry in self._all("intention_met"):
            if isinstance(entry.event, IntentionMet):
                yield entry.event

    async def _all(self, kind: str) -> AsyncIterator[Entry]:
        cursor = Cursor("")
        while entries := await self._journal.read(cursor, kinds=(kind,), limit=_BATCH):
            for entry in entries:
                yield entry
            cursor = entries[-1].cursor


def meaning(intention: Intention, now_ns: int) -> str:
    """What was understood, for the person to see whether it was meant so."""
    if intention.claim is not None:
        return f"tells you when {in_words(intention.claim)}"
    if intention.form == "remind":
        whom = "you" if intention.provenance == "user" else "itself"
        when = datetime.fromtimestamp(intention.due_ns / 1e9).strftime("%a %d %b %Y %H:%M")
        return f"reminds {whom} at {when}: {intention.told}"
    following = islice(moments(intention.cron, datetime.fromtimestamp(now_ns / 1e9)), 3)
    times = ", ".join(moment.strftime("%a %d %b %H:%M") for moment in following)
    does = "reports" if intention.asks else "reminds you"
    return f"{does} by the schedule {intention.cron!r} ({times}, …): {intention.told}"


def _next_ns(intention: Intention, now_ns: int) -> int:
    if intention.form != "schedule":
        return intention.due_ns
    following = islice(moments(intention.cron, datetime.fromtimestamp(now_ns / 1e9)), 1)
    return next((int(moment.timestamp() * 1e9) for moment in following), 0)
