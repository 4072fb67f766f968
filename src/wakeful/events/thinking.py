"""The events of thinking that came after the first version: what became of predictions, intentions, changes of itself.

Kept for ever like all others, see `wakeful.events.model`.
"""

from typing import Literal

from wakeful.events.claims import Claim, ClaimForm, Outcome
from wakeful.events.model import Event
from wakeful.events.words import Provenance, WakeReason

IntentionForm = Literal["watch", "schedule", "remind"]
"""What an intention waits for: something seen, the hours of a schedule, one moment."""


class PredictionResolved(Event, frozen=True, kw_only=True, tag="prediction_resolved"):
    """How a prediction turned out, as the program found it in the journal.

    prediction: its number; cycle: of the thought that made it; claim: its words; form: of its condition
    probability: what the mind had said; base: what the base-rate forecaster would have said at that time
    brier: squared error of `probability`; log_score_nats: negative log of the probability that was given to what came
        (both None where unverified)
    evidence: the observations that decided it
    """

    prediction: int
    cycle: str
    claim: str
    form: ClaimForm
    outcome: Outcome
    why: str
    probability: float
    base: float
    brier: float | None = None
    log_score_nats: float | None = None
    evidence: tuple[int, ...] = ()

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return f"{self.claim}: {self.why}"


class ThoughtYielded(Event, frozen=True, kw_only=True, tag="thought_yielded"):
    """A thought was broken off for something that matters more; its evidence goes on waiting."""

    cycle: str
    reason: WakeReason
    to: WakeReason
    evidence: tuple[int, ...] = ()

    @property
    def origin(self) -> str:
        return "mind"


class Intention(Event, frozen=True, kw_only=True, tag="intention"):
    """Something that the user wants kept in mind, or the mind itself; a later one of the same `key` takes its place.

    text: as it was said; told: what is told, or asked of the journal, when its time has come
    claim: of a `watch`; cron: of a `schedule`, in local time; due_ns: of a `remind`
    asks: whether the model answers `told` from the journal (a report), or it is only told as it stands
    active: false where the user took it back
    evidence: what the mind wants to think about again, where it is its own (`provenance` is then `model`)
    """

    key: str
    text: str
    form: IntentionForm
    told: str
    claim: Claim | None = None
    cron: str = ""
    due_ns: int = 0
    asks: bool = False
    active: bool = True
    evidence: tuple[int, ...] = ()
    provenance: Provenance = "user"

    @property
    def origin(self) -> str:
        return "user" if self.provenance == "user" else "mind"

    @property
    def body(self) -> str:
        return self.text


class IntentionMet(Event, frozen=True, kw_only=True, tag="intention_met"):
    """What an intention waited for has come.

    intention: its number; key: its name; due_ns: the moment that was due, 0 for what was seen
    """

    intention: int
    key: str
    due_ns: int = 0
    evidence: tuple[int, ...] = ()

    @property
    def origin(self) -> str:
        return "mind"


class ParameterChange(Event, frozen=True, kw_only=True, tag="parameter_change"):
    """The mind changed something about itself, within the bounds that the user set.

    measure: the figure that should get better for it; expected: whether by rising or by falling; was: what it was
    undoes: number of the change that is taken back by this one, 0 for none
    before_name, after_name: of what has names instead of a size, such as a stance; "" for what has a size
    """

    parameter: str
    before: float
    after: float
    reason: str
    measure: str
    expected: Literal["higher", "lower"]
    was: float
    undoes: int = 0
    before_name: str = ""
    after_name: str = ""

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        before, after = self.before_name or f"{self.before:g}", self.after_name or f"{self.after:g}"
        return f"{self.parameter} from {before} to {after}: {self.reason}"


class ParameterVerdict(Event, frozen=True, kw_only=True, tag="parameter_verdict"):
    """Whether a change of itself helped. change: its number; was, now: the figure before and since."""

    change: int
    kept: bool
    was: float
    now: float

    @property
    def origin(self) -> str:
        return "mind"


class Compaction(Event, frozen=True, kw_only=True, tag="compaction"):
    """What the prompt begins with from here on, after its rules; so that a mind which starts again goes on with the
    same bytes.

    through: number of the newest thought that has left the prompt, 0 for none
    summed_through: of the newest one that `summary` tells of; it may still stand in the prompt
    known: the lines of the self-model that it holds; summary: what stands for what left long ago, in short
    gists: what it says of what left since then, a line each
    """

    through: int
    summed_through: int = 0
    known: tuple[str, ...] = ()
    summary: str = ""
    gists: tuple[str, ...] = ()
    provenance: Provenance = "recalled"

    @property
    def origin(self) -> str:
        return "mind"
