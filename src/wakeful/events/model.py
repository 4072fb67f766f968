"""The events themselves.

Events are kept for ever, so their shapes only grow: a new field gets a default, a field is never renamed or
given another meaning, and a reader passes over fields that it does not know. A change that can't be made that
way becomes a new kind. `schema` counts the shapes of one kind, for the reader's information.
"""

import msgspec

from wakeful.events.claims import Claim
from wakeful.events.words import (
    ActionType,
    Form,
    HealthState,
    Provenance,
    Severity,
    WakeReason,
)


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """Anything that happened.

    at_ns: when it happened, UTC, nanoseconds since the epoch (not when it was written)
    schema: version of this kind's shape
    """

    at_ns: int
    schema: int = 1

    @property
    def origin(self) -> str:
        """The source or part that this event speaks of; "" where it speaks of the whole mind."""
        return ""

    @property
    def body(self) -> str:
        """The text that full-text search finds this event by."""
        return ""


class Observation(Event, frozen=True, kw_only=True, tag="observation"):
    """What a source saw.

    source: the source's name, such as `metrics` or `log:/var/log/syslog`
    form: what it is made of
    text: what was seen, in words; for `lines` the raw lines, joined by newlines
    values: numbers by name, units in the name's ending (`cpu_percent`, `rx_bytes_per_s`)
    attrs: short facts by name (`path`, `container`, `exit_status`)
    count: how many raw items this stands for (lines of a block, samples of a roll-up)
    subject: what it is about within the source (a path, a container, an interface), "" for the source itself
    resume: where the source would go on after this observation, in the source's own words (a file offset,
        a journald cursor); committed with the observation, so nothing is read twice or skipped after a crash
    """

    source: str
    form: Form
    text: str = ""
    values: dict[str, float] = {}
    attrs: dict[str, str] = {}
    count: int = 1
    subject: str = ""
    resume: str = ""
    provenance: Provenance = "observed"

    @property
    def origin(self) -> str:
        return self.source

    @property
    def body(self) -> str:
        return f"{self.subject} {self.text}" if self.subject else self.text


class Salience(Event, frozen=True, kw_only=True, tag="salience"):
    """How strongly one observation claims attention.

    about: sequence number of the observation
    surprise_nats: prediction error as negative log probability, >= 0
    precision: how much this source's errors are trusted, in [0, 1]
    salience: the claim on attention, in [0, 1]
    threshold: the salience that was needed to wake at that moment
    reasons: why, strongest first, in words a thought can use (`cpu 97.4 %, usually 12.1 %`)
    """

    about: int
    source: str
    surprise_nats: float
    precision: float
    salience: float
    threshold: float
    reasons: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        return self.source


class ThoughtStarted(Event, frozen=True, kw_only=True, tag="thought_started"):
    """The mind begins to think; without an event of the same `cycle` that concludes it, it was interrupted.

    attempt: 1 for the first time that this evidence is thought about, counted over restarts
    evidence: the observations that the prompt holds
    """

    cycle: str
    attempt: int
    reason: WakeReason
    evidence: tuple[int, ...] = ()


class Thought(Event, frozen=True, kw_only=True, tag="thought"):
    """What one cycle of thinking came to. Sequence numbers cite entries of the journal.

    evidence: the observations that it rests on, all of which were shown to the model
    severity: how much a person would want to know
    expected: what the mind had expected of this moment; prediction_error: how wrong that was, in [0, 1]
    confidence: probability in [0, 1] that `next_prediction` comes true
    attention_*: how the model divided its attention, each in [0, 1]
    prompt_tokens, evaluated_tokens, completion_tokens: what it cost; evaluated_tokens is how many prompt tokens
        the engine had to read anew, -1 where the server does not say
    model: the model that answered; pilot: whether that was Wakeful's own small stand-in
    shown, said: the moment and the answer exactly as they stand in the prompt from then on, so that a mind which
        starts again goes on with the same bytes, which the server may still have in its prefix cache
    """

    cycle: str
    reason: WakeReason
    focus: str
    observed: str
    assessment: str
    severity: Severity
    evidence: tuple[int, ...]
    expected: str
    prediction_error: float
    confidence: float
    next_prediction: str
    attention_internal: float
    attention_external: float
    attention_memory: float
    action_needed: bool
    action_type: ActionType
    action_details: str
    self_assessment: str
    model: str
    prompt_version: str
    pilot: bool = False
    repaired: bool = False
    prompt_tokens: int = 0
    evaluated_tokens: int = -1
    completion_tokens: int = 0
    duration_s: float = 0.0
    shown: str = ""
    said: str = ""
    provenance: Provenance = "model"

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return f"{self.focus}. {self.assessment}"


class ThoughtFailed(Event, frozen=True, kw_only=True, tag="thought_failed"):
    """A cycle ended without a thought: the answer was unusable, or the model server failed.

    error: what happened, in one sentence; raw: what the model had said, cut to a bounded length
    retried: whether the same evidence will be thought about again
    interrupted: whether the answer broke off, which counts towards setting the evidence aside
    """

    cycle: str
    reason: WakeReason
    error: str
    raw: str = ""
    evidence: tuple[int, ...] = ()
    retried: bool = False
    interrupted: bool = False

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return self.error


class SetAside(Event, frozen=True, kw_only=True, tag="set_aside"):
    """Evidence that interrupted its thought too often is no longer thought about, but kept for a person."""

    cycle: str
    evidence: tuple[int, ...]
    attempts: int
    why: str

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return self.why


class Prediction(Event, frozen=True, kw_only=True, tag="prediction"):
    """What the mind expects next: a claim in words, its probability in [0, 1], and by when.

    condition: the claim in a form that a program can check; None where it is in words only, and so stays unverified
    """

    cycle: str
    claim: str
    probability: float
    due_ns: int
    condition: Claim | None = None
    provenance: Provenance = "model"

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return self.claim


class Notification(Event, frozen=True, kw_only=True, tag="notification"):
    """What is said to the user: two lines, and the entries behind them. `key` is said at most once.

    intention: the key of the user's intention that asked for it, "" where a thought did
    """

    key: str
    severity: Severity
    title: str
    text: str
    evidence: tuple[int, ...] = ()
    intention: str = ""

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return f"{self.title}. {self.text}"


class Health(Event, frozen=True, kw_only=True, tag="health"):
    """A part of Wakeful, or the model server, changed its state."""

    part: str
    state: HealthState
    text: str = ""

    @property
    def origin(self) -> str:
        return self.part

    @property
    def body(self) -> str:
        return self.text


class Quiet(Event, frozen=True, kw_only=True, tag="quiet"):
    """Proof of being awake while nothing happens: counts that can be checked against the journal.

    since_ns: begin of the period that is counted
    observations, habituated: how many were seen, how many of them were as expected
    last_seen_ns: when each living source last spoke
    thoughts_left: thoughts that the budget still allows this hour
    """

    since_ns: int
    observations: int
    habituated: int
    last_seen_ns: dict[str, int]
    thoughts_left: int


class Summary(Event, frozen=True, kw_only=True, tag="summary"):
    """What left the prompt, or is about to, in short; `by_model` is false for an extractive stand-in.

    from_seq, to_seq: the first and the last thought that it stands for; it tells of what was told of earlier as well
    earlier: in older journals, what `Compaction.gists` is now
    """

    text: str
    from_seq: int
    to_seq: int
    by_model: bool = False
    earlier: tuple[str, ...] = ()
    provenance: Provenance = "model"

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return self.text


class Session(Event, frozen=True, kw_only=True, tag="session"):
    """The mind was started or stopped; `text` says what it found or left."""

    state: str
    version: str
    text: str = ""

    @property
    def body(self) -> str:
        return self.text
