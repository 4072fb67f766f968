"""All open predictions, and what the base-rate forecaster knows: pure, fed with the journal's entries in order."""

from collections import deque
from collections.abc import Callable

from wakeful.events import Claim, ClaimForm, Entry, Event, Forgotten, Observation, Prediction, PredictionResolved
from wakeful.mind.predictions.matching import bearing
from wakeful.mind.predictions.open import Decided, Open
from wakeful.mind.predictions.scores import base_rate, brier, log_score_nats
from wakeful.mind.predictions.told import RECENT

KINDS = ("prediction", "prediction_resolved", "forgotten")
"""What it has to know besides observations."""

MAX_OPEN = 200
"""Predictions that are open at a time; with more, the oldest is given up as unverified."""

GRACE_NS = 2 * 10**9
"""How long after its deadline a claim waits for what was seen in time and is still on its way to the journal."""


class Ledger:
    """Keeps predictions until they are decided."""

    def __init__(self) -> None:
        self.open: dict[int, Open] = {}
        self.recent: deque[PredictionResolved] = deque(maxlen=RECENT)
        self._tally: dict[ClaimForm, tuple[int, int]] = {}
        self._known = 0

    def learn(self, entry: Entry) -> list[Event]:
        """Takes in one entry; gives what it decides. An entry that was taken in before changes nothing."""
        event = entry.event
        if isinstance(event, Observation):
            return self._observed(entry.seq, event)
        if entry.seq <= self._known or not isinstance(event, Prediction | PredictionResolved | Forgotten):
            return []
        self._known = entry.seq
        if isinstance(event, Forgotten):
            for seq in event.seqs:
                self.open.pop(seq, None)
            return []
        if isinstance(event, PredictionResolved):
            self.open.pop(event.prediction, None)
            self.recent.append(event)
            if event.outcome != "unverified":
                true, resolved = self._tally.get(event.form, (0, 0))
                self._tally[event.form] = true + (event.outcome == "true"), resolved + 1
            return []
        return self._opened(entry.seq, event)

    def due(self, now_ns: int) -> list[Event]:
        """What is decided because its time is over; to be asked once all entries so far are taken in."""
        return self._decide(lambda each: each.at_deadline() if each.due_ns + GRACE_NS <= now_ns else None)

    @property
    def next_due_ns(self) -> int | None:
        """When `due` has something to decide next; None where nothing is open."""
        return min((each.due_ns + GRACE_NS for each in self.open.values()), default=None)

    @property
    def oldest(self) -> int | None:
        """Number of the oldest prediction that is open."""
        return next(iter(self.open), None)

    @property
    def first(self) -> int | None:
        """The same: a prediction is decided by what came after it."""
        return self.oldest

    def _opened(self, seq: int, prediction: Prediction) -> list[Event]:
        claim = prediction.condition
        if claim is None:
            return []
        self.open[seq] = Open(
            seq=seq,
            cycle=prediction.cycle,
            words=prediction.claim,
            claim=claim,
            probability=prediction.probability,
            made_ns=prediction.at_ns,
            due_ns=prediction.due_ns,
            base=base_rate(*self._tally.get(claim.form, (0, 0))),
        )
        if len(self.open) <= MAX_OPEN:
            return []
        oldest = self.open.pop(next(iter(self.open)))
        return [_resolved(oldest, Decided("unverified", (), "too many predictions were open"), prediction.at_ns)]

    def _observed(self, seq: int, observation: Observation) -> list[Event]:
        bearings: dict[Claim, bool | None] = {}  # many open predictions claim the same

        def judge(each: Open) -> Decided | None:
            if each.seq >= seq:
                return None
            claim = each.claim
            if claim not in bearings:
                bearings[claim] = bearing(claim, observation)
            return each.observe(seq, observation.at_ns, bearings[claim])

        return self._decide(judge, observation.at_ns) if self.open else []

    def _decide(self, judge: Callable[[Open], Decided | None], at_ns: int | None = None) -> list[Event]:
        """Closes what is decided; it happened at `at_ns`, or at each one's own deadline."""
        events: list[Event] = []
        for each in list(self.open.values()):
            decided = judge(each)
            if decided is not None:
                del self.open[each.seq]
                events.append(_resolved(each, decided, each.due_ns if at_ns is None else at_ns))
        return events


def _resolved(each: Open, decided: Decided, at_ns: int) -> PredictionResolved:
    judged = decided.outcome != "unverified"
    happened = decided.outcome == "true"
    return PredictionResolved(
        at_ns=at_ns,
        prediction=each.seq,
        cycle=each.cycle,
        claim=each.words,
        form=each.claim.form,
        outcome=decided.outcome,
        why=decided.why,
        probability=each.probability,
        base=each.base,
        brier=brier(each.probability, happened) if judged else None,
        log_score_nats=log_score_nats(each.probability, happened) if judged else None,
        evidence=decided.evidence,
    )
