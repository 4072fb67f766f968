"""What is asked of a person, what is about to be done, and what was told: the events of acting.

As in `model.py`, these are kept for ever: new fields get defaults, none is renamed.
"""

from wakeful.events.model import Event


class ActionRequest(Event, frozen=True, kw_only=True, tag="action_request"):
    """A thought asks for something to be done; `key` makes it happen at most once.

    tool, arguments: the tool that is to do it, "" where none was named, and its arguments, a JSON object as text
    """

    key: str
    cycle: str
    action: str
    details: str = ""
    tool: str = ""
    arguments: str = ""

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return self.details


class ActionResult(Event, frozen=True, kw_only=True, tag="action_result"):
    """What came of the action request with the same `key`.

    outcome: `done`, `failed`, `declined` (by the policy), `refused` (by a person), `expired`, `dry run`, or
        `unknown`: it was begun, and nobody can say how far it came
    """

    key: str
    outcome: str
    text: str = ""
    tool: str = ""

    @property
    def origin(self) -> str:
        return "actions"

    @property
    def body(self) -> str:
        return self.text


class ApprovalRequested(Event, frozen=True, kw_only=True, tag="approval_requested"):
    """The policy of a tool is `ask`: the request with the same `key` waits for a person.

    tool, arguments: what the model named, the arguments as JSON text
    shown: exactly what will run, which is what the person reads
    digest: of the key, the tool, its arguments and `shown`; the approval is for this and nothing else
    expires_ns: after this moment no approval counts
    """

    key: str
    tool: str
    arguments: str
    shown: str
    digest: str
    expires_ns: int
    details: str = ""

    @property
    def origin(self) -> str:
        return "actions"

    @property
    def body(self) -> str:
        return self.shown


class ApprovalDecided(Event, frozen=True, kw_only=True, tag="approval_decided"):
    """A person said yes or no to what `digest` stands for. by: how they said it, `terminal` or `page`."""

    key: str
    digest: str
    approved: bool
    by: str

    @property
    def origin(self) -> str:
        return "user"

    @property
    def body(self) -> str:
        return f"{'approved' if self.approved else 'refused'} {self.key}"


class ApprovalExpired(Event, frozen=True, kw_only=True, tag="approval_expired"):
    """Nobody decided in time; the request with the same `key` is over."""

    key: str
    digest: str

    @property
    def origin(self) -> str:
        return "actions"


class ActionClaimed(Event, frozen=True, kw_only=True, tag="action_claimed"):
    """The tool is about to run: written before it does, so that it never runs twice.

    shown: exactly what runs; repeatable: whether it only looks, so that it may run again after a crash
    """

    key: str
    tool: str
    arguments: str
    shown: str
    repeatable: bool = False

    @property
    def origin(self) -> str:
        return "actions"

    @property
    def body(self) -> str:
        return self.shown


class Brake(Event, frozen=True, kw_only=True, tag="brake"):
    """The kill switch: while it is on, nothing is done. by: who moved it; why: in their words."""

    on: bool
    by: str
    why: str = ""

    @property
    def origin(self) -> str:
        return "user"

    @property
    def body(self) -> str:
        return f"acting is {'paused' if self.on else 'resumed'}{': ' + self.why if self.why else ''}"


class DeliveryClaimed(Event, frozen=True, kw_only=True, tag="delivery_claimed"):
    """Notifications are about to be sent; without a `Delivery` for each place it is unknown whether they were.

    keys, seqs: which ones, told as one, and the numbers of their entries; places: where to, without their secrets
    escalated: whether this is because nobody had acknowledged the first; again: whether they may have been sent before
    """

    keys: tuple[str, ...]
    seqs: tuple[int, ...]
    places: tuple[str, ...]
    escalated: bool = False
    again: bool = False

    @property
    def origin(self) -> str:
        return "actions"


class Delivery(Event, frozen=True, kw_only=True, tag="delivery"):
    """Notifications were sent to one place outside of this program, or could not be.

    keys: which ones, told as one; place: where to, without its secrets; error: "" where it went well
    escalated: whether this was because nobody had acknowledged the first
    claim: number of the claim that it ends; unknown: whether it may have been sent all the same
    """

    keys: tuple[str, ...]
    place: str
    error: str = ""
    escalated: bool = False
    claim: int = 0
    unknown: bool = False

    @property
    def origin(self) -> str:
        return "actions"

    @property
    def body(self) -> str:
        return f"{self.place}: {'unknown whether it was sent: ' if self.unknown else ''}{self.error or 'sent'}"


class Acknowledged(Event, frozen=True, kw_only=True, tag="acknowledged"):
    """A person has seen the notifications up to the entry `through`, or only the one of the entry `about`."""

    about: int = 0
    through: int = 0
    by: str = "terminal"

    @property
    def origin(self) -> str:
        return "user"
