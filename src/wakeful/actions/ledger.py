"""How every request stands: a projection of the journal, without a clock or a file."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from wakeful.actions.policy import Ran
from wakeful.events import (
    ActionClaimed,
    ActionRequest,
    ActionResult,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalRequested,
    Brake,
    Cursor,
    Entry,
)

KINDS = (
    "action_request",
    "action_result",
    "action_claimed",
    "approval_requested",
    "approval_decided",
    "approval_expired",
    "brake",
)
"""What the ledger is made of."""

_MAX_DONE = 10_000
_MAX_RAN = 10_000


@dataclass(slots=True)
class Open:
    """A request without a result. before: the place in the journal before it; place: the one just after it.

    claims: how often it was begun
    decided: the first word of a person on exactly what was asked, given in time; a later one changes nothing
    """

    request: ActionRequest
    before: Cursor
    place: Cursor
    asked: ApprovalRequested | None = None
    decided: ApprovalDecided | None = None
    expired: bool = False
    claimed: ActionClaimed | None = None
    claims: int = 0

    @property
    def waits(self) -> bool:
        """Whether it is a person's turn."""
        return self.asked is not None and self.decided is None and not self.expired and self.claimed is None


class Ledger:
    """Takes in entries in the order of the journal; one that comes twice changes nothing.

    begin: the place that they follow; done: keys that have had their result before; brake: as it was at `begin`
    through: the place after the last entry that was taken in
    """

    def __init__(self, begin: Cursor = Cursor(""), *, done: Sequence[str] = (), brake: bool = False) -> None:  # noqa: B008
        self.open: dict[str, Open] = {}
        self.brake = brake
        self.through = begin
        self._ran: dict[int, Ran] = {}
        self._seq = 0
        self._done = dict.fromkeys(done)

    @property
    def low(self) -> Cursor:
        """The place before which every request has its result."""
        for each in self.open.values():
            return each.before
        return self.through

    def low_without(self, key: str) -> Cursor:
        """What `low` will be when the request of this key has its result."""
        for each in self.open.values():
            if each.request.key != key:
                return each.before
        return self.through

    @property
    def ran(self) -> Collection[Ran]:
        """What was begun lately."""
        return self._ran.values()

    def remember(self, entry: Entry) -> None:
        """Counts a claim, also one from before `begin`; one that comes twice counts once."""
        if isinstance(entry.event, ActionClaimed):
            self._ran[entry.seq] = Ran(entry.event.at_ns, entry.event.tool, entry.event.repeatable)
            if len(self._ran) > _MAX_RAN:
                del self._ran[next(iter(self._ran))]

    def add(self, entry: Entry) -> None:
        """Takes one entry in."""
        if entry.seq <= self._seq:
            return
        self._seq = entry.seq
        self._apply(entry)
        self.through = entry.cursor

    def _apply(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, Brake):
            self.brake = event.on
            return
        if isinstance(event, ActionRequest):
            if event.key not in self._done and event.key not in self.open:
                self.open[event.key] = Open(event, self.through, entry.cursor)
            return
        self.remember(entry)
        key = getattr(event, "key", "")
        state = self.open.get(key)
        if state is None:
            return
        match event:
            case ActionClaimed():
                state.claimed = event
                state.claims += 1
            case ApprovalRequested():
                state.asked = state.asked or event
            case ApprovalDecided():
                if state.asked is not None and _counts(event, state.asked):
                    state.decided = state.decided or event
            case ApprovalExpired():
                state.expired = state.decided is None
            case ActionResult():
                del self.open[key]
                self._done[key] = None
                if len(self._done) > _MAX_DONE:
                    del self._done[next(iter(self._done))]
            case _:
                pass


def _counts(decided: ApprovalDecided, asked: ApprovalRequested) -> bool:
    return decided.digest == asked.digest and asked.at_ns <= decided.at_ns < asked.expires_ns
