"""When what is to be told is sent, and as what: grouped, not in quiet hours, not twice, again if nobody saw it.

Decided on values alone; `notifier` does what this says.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from wakeful.events import SEVERITIES, Notification, Severity

MAX_WAITING = 500
"""Notifications kept while they may not be sent; then the mildest and oldest go first, and are counted."""

_CRITICAL_TIMES = 2  # what is critical may be sent so many times as often
_MAX_TOLD = 5
_MAX_SENT = 2000
_HOUR_NS = 3600 * 10**9
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Manners:
    """How the user wants to be told; seconds, and minutes of the local day for quiet hours."""

    group_s: float = 30.0
    per_hour: int = 12
    again_s: float = 3600.0
    quiet: tuple[int, int] | None = None
    escalate_after_s: float = 0.0

    def is_quiet(self, at_ns: int) -> bool:
        """Whether it is the user's quiet hours."""
        if self.quiet is None:
            return False
        begin, end = self.quiet
        clock = datetime.fromtimestamp(at_ns / 1e9)
        minute = clock.hour * 60 + clock.minute
        return begin <= minute < end if begin <= end else minute >= begin or minute < end


def quiet_hours(text: str) -> tuple[int, int] | None:
    """`22:00-07:00` in minutes of the day; None for "" and for hours that never begin."""
    if not text:
        return None
    begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    return (begin, end) if begin != end else None


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent as one. seqs: numbers of the entries that it tells

    escalated: to those who are told when nobody acknowledged; again: it may have been sent before
    """

    keys: tuple[str, ...]
    severity: Severity
    title: str
    lines: tuple[str, ...]
    escalated: bool = False
    seqs: tuple[int, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting:
    seq: int
    came_ns: int
    told: Notification

    @property
    def critical(self) -> bool:
        return self.told.severity == "critical"


class Notices:
    """What waits to be sent, and what was."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._waiting: list[_Waiting] = []
        self._sent: dict[str, int] = {}
        self._sent_keys: dict[str, None] = {}
        self._unseen: list[_Waiting] = []
        self._times: deque[int] = deque(maxlen=1000)
        self._repeats = self._dropped = 0

    @property
    def oldest(self) -> int:
        """Number of the oldest entry that waits, 0 for none."""
        return min((each.seq for each in self._waiting), default=0)

    def was_sent(self, keys: Sequence[str]) -> None:
        """These were sent before, perhaps by an earlier run."""
        for key in keys:
            self._sent_keys[key] = None
            if len(self._sent_keys) > _MAX_SENT:
                del self._sent_keys[next(iter(self._sent_keys))]

    def add(self, seq: int, told: Notification, now_ns: int) -> None:
        """Takes a notification in; one that was sent, or that says what was just sent, is passed over."""
        if told.key in self._sent_keys or any(each.told.key == told.key for each in self._waiting):
            return
        said_ns = self._sent.get(_gist(told))
        if said_ns is not None and now_ns - said_ns < self._manners.again_s * 1e9:
            self._repeats += 1
            return
        self._waiting.append(_Waiting(seq, now_ns, told))
        if len(self._waiting) > MAX_WAITING:
            self._waiting.remove(min(self._waiting, key=lambda each: (_rank(each), each.seq)))
            self._dropped += 1

    def acknowledge(self, *, about: int = 0, through: int = 0) -> None:
        """The person has seen these; nobody else needs to be told."""
        self._unseen = [each for each in self._unseen if each.seq != about and each.seq > through]
        self._waiting = [each for each in self._waiting if each.seq != about and each.seq > through]

    def forget(self, key: str) -> None:
        """What this was about is over."""
        self._waiting = [each for each in self._waiting if each.told.key != key]

    def once_more(self, told: Sequence[tuple[int, Notification]], *, escalated: bool) -> Message:
        """What may have been sent before, to be sent again."""
        message = self._message([_Waiting(seq, 0, each) for seq, each in told])
        return replace(message, escalated=escalated, again=True)

    def due(self, now_ns: int) -> Message | None:
        """What is to be sent now, None for nothing. It counts as sent."""
        late = [each for each in self._unseen if now_ns - each.came_ns >= self._manners.escalate_after_s * 1e9]
        if late:
            self._unseen = [each for each in self._unseen if each not in late]
            return replace(self._message(late), escalated=True)
        ready = [each for each in self._waiting if each.critical or not self._manners.is_quiet(now_ns)]
        if not ready or not self._may_send(now_ns, critical=any(each.critical for each in ready)):
            return None
        first_ns = min(each.came_ns for each in ready)
        if now_ns - first_ns < self._manners.group_s * 1e9 and not any(each.critical for each in ready):
            return None
        self._waiting = [each for each in self._waiting if each not in ready]
        self._note(ready, now_ns)
        return self._message(ready)

    def wait_s(self, now_ns: int) -> float:
        """Seconds until it is worth looking again, at most a minute."""
        ends = [each.came_ns + self._manners.group_s * 1e9 for each in self._waiting]
        ends += [each.came_ns + self._manners.escalate_after_s * 1e9 for each in self._unseen]
        later = [(end - now_ns) / 1e9 for end in ends if end > now_ns]
        return min(60.0, *later) if later else 60.0

    def _may_send(self, now_ns: int, *, critical: bool) -> bool:
        lately = sum(now_ns - at_ns < _HOUR_NS for at_ns in self._times)
        return lately < self._manners.per_hour * (_CRITICAL_TIMES if critical else 1)

    def _note(self, sent: Sequence[_Waiting], now_ns: int) -> None:
        self._times.append(now_ns)
        self.was_sent([each.told.key for each in sent])
        for each in sent:
            self._sent[_gist(each.told)] = now_ns
        while len(self._sent) > _MAX_SENT:
            del self._sent[next(iter(self._sent))]
        if self._manners.escalate_after_s > 0:
            self._unseen += [replace(each, came_ns=now_ns) for each in sent if each.critical]
            del self._unseen[:-MAX_WAITING]

    def _message(self, told: Sequence[_Waiting]) -> Message:
        told = sorted(told, key=lambda each: (-_rank(each), each.seq))
        severity = told[0].told.severity
        lines = [
            f"{each.told.severity}: {each.told.title}: {each.told.text} (#{each.seq})" for each in told[:_MAX_TOLD]
        ]
        if len(told) > _MAX_TOLD:
            lines.append(f"and {len(told) - _MAX_TOLD} more")
        if self._dropped:
            lines.append(f"and {self._dropped} that were too many to keep: see `wakeful journal -k notification`")
        if self._repeats:
            lines.append(f"and {self._repeats} that said again what was said before")
        self._dropped = self._repeats = 0
        title = told[0].told.title if len(told) == 1 else f"{len(told)} things, the gravest: {told[0].told.title}"
        keys, seqs = tuple(each.told.key for each in told), tuple(each.seq for each in told)
        return Message(keys, severity, title, tuple(lines), seqs=seqs)


def _gist(told: Notification) -> str:
    """What it says, whatever the numbers in it."""
    return _NUMBERS.sub("0", f"{told.severity} {told.title} {told.text}".casefold())


def _rank(each: _Waiting) -> int:
    return SEVERITIES.index(each.told.severity)
