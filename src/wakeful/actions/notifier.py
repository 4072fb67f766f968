"""Sends what is to be told, and journals where it went.

A crash between sending and journaling sends once more: being told twice is better than not at all.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from wakeful.actions.clean import plain
from wakeful.actions.errors import ActionError
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
    Entry,
    Notification,
)
from wakeful.journal import Journal

CONSUMER = "notify"
"""The notifier's name among the journal's consumers."""

KINDS = (
    "notification",
    "acknowledged",
    "approval_requested",
    "approval_decided",
    "approval_expired",
    "action_claimed",
    "action_result",
)
_REMEMBERED = 500
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

    async def run(self) -> None:
        """Follows the journal for ever; cancel to stop."""
        self._place = await self._journal.cursor(CONSUMER)
        if self._place == "":  # the first time: what was told before is no news
            await self._move(await self._journal.end(), [])
        sent = await self._journal.read(kinds=("delivery",), limit=_REMEMBERED, newest_first=True)
        for entry in reversed(sent):
            if isinstance(entry.event, Delivery):
                self._notices.was_sent(entry.event.keys)
        self._through = self._place
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_what_is_due())
            async for entries in self._journal.tail(self._place, kinds=KINDS):
                for entry in entries:
                    self._take(entry)
                self._changed.set()

    def _take(self, entry: Entry) -> None:
        before, self._through = self._through, entry.cursor
        match entry.event:
            case Notification() as told:
                self._before[entry.seq] = before
                self._notices.add(entry.seq, told, self._now_ns())
            case ApprovalRequested() as asked if asked.expires_ns > self._now_ns():
                self._before[entry.seq] = before
                self._notices.add(entry.seq, _asking(asked), self._now_ns())
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
                places = self._escalation if message.escalated else self._places
                deliveries = await asyncio.gather(*(self._deliver(place, message) for place in places))
                await self._move(self._low(), deliveries)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._notices.wait_s(self._now_ns()) + 0.01):
                    await self._changed.wait()

    async def _deliver(self, place: Place, message: Message) -> Delivery:
        error = ""
        for pause_s in (*self._pauses_s, None):
            try:
                await place.send(message)
            except ActionError as failed:
                error = str(failed)
            except Exception as failed:  # a fence around somebody else's library; its words may hold the address
                error = f"{place.name}: {type(failed).__name__}"
            else:
                error = ""
            if not error or pause_s is None:
                break
            await asyncio.sleep(pause_s)
        return Delivery(
            at_ns=self._now_ns(),
            keys=message.keys,
            place=place.name,
            error=plain(error)[:300],
            escalated=message.escalated,
        )

    def _low(self) -> Cursor:
        """The place before the oldest that waits: a restart begins there."""
        oldest = self._notices.oldest
        for seq in [seq for seq in self._before if seq < oldest or not oldest]:
            del self._before[seq]
        return self._before.get(oldest, self._through)

    async def _move(self, place: Cursor, deliveries: Sequence[Delivery]) -> None:
        await self._journal.commit(deliveries, consumer=CONSUMER, expected=self._place, cursor=place)
        self._place = place


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
