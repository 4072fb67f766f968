"""Sends what is to be told, and journals where it went.

A claim is on the disk before anything is sent. What was claimed when Wakeful ended, or got no answer, may have been
sent: that is journaled as unknown, and it is sent once more, marked as such, since being told twice is better than not
at all.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from wakeful.actions.clean import plain
from wakeful.actions.errors import ActionError, ToolUnsure
from wakeful.actions.notices import Manners, Message, Notices
from wakeful.actions.places import Place
from wakeful.events import (
    Acknowledged,
    ActionClaimed,
    ActionResult,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalRequested,
    Cursor,
    Delivery,
    DeliveryClaimed,
    Entry,
    Event,
    Notification,
)
from wakeful.journal import Journal

CONSUMER = "notify"
"""The notifier's name among the journal's consumers."""

_OVER = ("approval_decided", "approval_expired", "action_claimed", "action_result")
"""After these a request for approval is over."""

KINDS = ("notification", "acknowledged", "approval_requested", *_OVER)
_REMEMBERED = 1000
_PAUSES_S = (5.0, 30.0)


class Notifier:
    """Tells the user of what the journal holds for them.

    places: where everything goes; escalation: where it goes when nobody acknowledged it
    """

    def __init__(
        self,
        journal: Journal,
        manners: Manners,
        places: Sequence[Place],
        escalation: Sequence[Place] = (),
        *,
        now_ns: Callable[[], int] = time.time_ns,
        pauses_s: Sequence[float] = _PAUSES_S,
    ) -> None:
        self._journal = journal
        self._notices = Notices(manners)
        self._places = places
        self._escalation = escalation
        self._now_ns = now_ns
        self._pauses_s = pauses_s
        self._before: dict[int, Cursor] = {}
        self._place = self._through = Cursor("")
        self._changed = asyncio.Event()
        self._moving = asyncio.Lock()

    async def run(self) -> None:
        """Follows the journal for ever; cancel to stop."""
        self._place = await self._journal.cursor(CONSUMER)
        if self._place == "":  # the first time: what was told before is no news
            await self._move(await self._journal.end(), [])
        left = await self._restore()
        self._through = self._place
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_what_was_left(left))
            tasks.create_task(self._send_what_is_due())
            async for entries in self._journal.tail(self._place, kinds=KINDS):
                for entry in entries:
                    self._take(entry)
                self._changed.set()

    async def _restore(self) -> list[tuple[int, DeliveryClaimed]]:
        """Learns what was sent before; gives the claims that did not come to their end, by their numbers."""
        left: dict[int, DeliveryClaimed] = {}
        kinds = ("delivery", "delivery_claimed")
        for entry in reversed(await self._journal.read(kinds=kinds, limit=_REMEMBERED, newest_first=True)):
            match entry.event:
                case DeliveryClaimed() as claim:
                    self._notices.was_sent(claim.keys)
                    left[entry.seq] = claim
                case Delivery() as done:
                    self._notices.was_sent(done.keys)
                    if claim := left.pop(done.claim, None):
                        places = tuple(name for name in claim.places if name != done.place)
                        left |= {done.claim: msgspec.structs.replace(claim, places=places)} if places else {}
                case _:
                    pass
        return list(left.items())

    async def _send_what_was_left(self, left: Sequence[tuple[int, DeliveryClaimed]]) -> None:
        """Says of what an earlier run had begun to send that it is unknown, and sends it once more."""
        over = await self._journal.read(kinds=_OVER, limit=_REMEMBERED, newest_first=True) if left else []
        ended_keys = {_approval_key(str(getattr(entry.event, "key", ""))) for entry in over}
        for seq, claim in left:
            ended = "Wakeful ended while it was being sent"
            unknown = [self._delivery(seq, claim, name, ended, unknown=True) for name in claim.places]
            entries = await self._journal.get(claim.seqs)
            still = [(entry.seq, each) for entry in entries if (each := self._still_told(entry))]
            told = [(number, each) for number, each in still if each.key not in ended_keys]
            known = {place.name: place for place in (*self._places, *self._escalation) if place.name in claim.places}
            if claim.again or not told or not known:
                await self._journal.append(unknown)
            else:
                message = self._notices.once_more(told, escalated=claim.escalated)
                await self._send(message, list(known.values()), with_these=unknown)

    def _still_told(self, entry: Entry) -> Notification | None:
        """What an entry tells, None where it is over by now."""
        match entry.event:
            case Notification() as told:
                return told
            case ApprovalRequested() as asked if asked.expires_ns > self._now_ns():
                return _asking(asked)
            case _:
                return None

    def _take(self, entry: Entry) -> None:
        before, self._through = self._through, entry.cursor
        if (told := self._still_told(entry)) is not None:
            self._before[entry.seq] = before
            self._notices.add(entry.seq, told, self._now_ns())
        match entry.event:
            case ApprovalDecided() | ApprovalExpired() | ActionClaimed() | ActionResult() as over:
                self._notices.forget(_approval_key(over.key))
            case Acknowledged() as seen:
                self._notices.acknowledge(about=seen.about, through=seen.through)
            case _:
                pass

    async def _send_what_is_due(self) -> None:
        while True:
            self._changed.clear()
            message = self._notices.due(self._now_ns())
            if message is not None:
                await self._send(message, self._escalation if message.escalated else self._places)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._notices.wait_s(self._now_ns()) + 0.01):
                    await self._changed.wait()

    async def _send(self, message: Message, places: Sequence[Place], *, with_these: Sequence[Event] = ()) -> None:
        """Claims a message for its places, sends it, and journals of each what came of it."""
        claim = self._claim(message, places)
        entries = await self._move(None, [*with_these, claim])
        await asyncio.gather(*(self._deliver(place, message, entries[-1].seq, claim) for place in places))

    async def _deliver(self, place: Place, message: Message, seq: int, claim: DeliveryClaimed) -> None:
        """Sends to one place: again where it did not arrive, and at most once more where it may have."""
        pauses_s = iter(self._pauses_s)
        while True:
            error, unsure = await self._attempt(place, message)
            pause_s = next(pauses_s, None)
            done = self._delivery(seq, claim, place.name, error, unknown=unsure)
            if not error or pause_s is None or (unsure and message.again):
                await self._journal.append([done])
                return
            if unsure:
                message = replace(message, again=True)
                claim = self._claim(message, [place])
                seq = (await self._journal.append([done, claim]))[-1].seq
            await asyncio.sleep(pause_s)

    async def _attempt(self, place: Place, message: Message) -> tuple[str, bool]:
        """Why it did not arrive, "" where it did; and whether it may have all the same."""
        try:
            await place.send(message)
        except ToolUnsure as failed:
            return str(failed), True
        except ActionError as failed:
            return str(failed), False
        except Exception as failed:  # a fence around somebody else's library; its words may hold the address
            return f"{place.name}: {type(failed).__name__}", True
        return "", False

    def _claim(self, message: Message, places: Sequence[Place]) -> DeliveryClaimed:
        return DeliveryClaimed(
            at_ns=self._now_ns(),
            keys=message.keys,
            seqs=message.seqs,
            places=tuple(place.name for place in places),
            escalated=message.escalated,
            again=message.again,
        )

    def _delivery(self, seq: int, claim: DeliveryClaimed, place: str, error: str, *, unknown: bool) -> Delivery:
        return Delivery(
            at_ns=self._now_ns(),
            keys=claim.keys,
            place=place,
            error=plain(error)[:300],
            escalated=claim.escalated,
            claim=seq,
            unknown=unknown,
        )

    def _low(self) -> Cursor:
        """The place before the oldest that waits: a restart begins there."""
        oldest = self._notices.oldest
        for seq in [seq for seq in self._before if seq < oldest or not oldest]:
            del self._before[seq]
        return self._before.get(oldest, self._through)

    async def _move(self, place: Cursor | None, events: Sequence[Event]) -> list[Entry]:
        """Journals events, and that a restart begins at a place: by default before the oldest that waits."""
        async with self._moving:
            goal = self._low() if place is None else place
            entries = await self._journal.commit(events, consumer=CONSUMER, expected=self._place, cursor=goal)
            self._place = goal
        return entries


def _approval_key(key: str) -> str:
    return f"approval:{key}"


def _asking(asked: ApprovalRequested) -> Notification:
    """A request for approval, told as a notification: what will run, and how to say yes."""
    return Notification(
        at_ns=asked.at_ns,
        key=_approval_key(asked.key),
        severity="warning",
        title=f"asks to run {asked.tool}",
        text=f"{asked.shown} (wakeful approve {asked.digest[:8]})",
    )
