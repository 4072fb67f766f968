"""An open prediction: fed with what is seen, it says when its claim is decided, and how."""

from dataclasses import dataclass

import msgspec

from wakeful.events import Claim, Outcome


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a claim, the observations that decided it, and why, in a few words."""

    outcome: Outcome
    evidence: tuple[int, ...]
    why: str


class Open(msgspec.Struct):
    """A claim that is not decided yet.

    seq: of the prediction; words: its claim in words; made_ns, due_ns: its time
    base: what the base-rate forecaster said when it was made
    heard_ns: when somebody last watched within its time: anything was seen, or the metric measured
    latest: the last observation that bears on it, 0 for none
    holds: whether the metric compared true then
    """

    seq: int
    cycle: str
    words: str
    claim: Claim
    probability: float
    made_ns: int
    due_ns: int
    base: float
    heard_ns: int = 0
    latest: int = 0
    holds: bool = False

    def observe(self, seq: int, at_ns: int, bears: bool | None) -> Decided | None:
        """Takes in one observation, in the order of the journal; decides the claim where that is enough.

        bears: what the observation says about the claim, as `bearing` gives it
        """
        if not self.made_ns <= at_ns <= self.due_ns:
            return None
        if self.claim.metric:
            return None if bears is None else self._measured(seq, at_ns, bears)
        self.heard_ns = max(self.heard_ns, at_ns)
        if not bears:
            return None
        return Decided("true" if self.claim.form == "comes" else "false", (seq,), "it came")

    def at_deadline(self) -> Decided:
        """How it turned out, once all that was seen in its time has been taken in.

        What did not show can only be told by somebody who watched: where nothing at all (for a metric: nothing of it)
        was seen in the second half of the time, the claim is unverified.
        """
        if self.claim.metric:
            evidence = (self.latest,) if self.latest else ()
            if self.heard_ns < self._half_ns:
                return Decided("unverified", evidence, "it was not measured in the second half of the time")
            if self.claim.form == "ends":
                return Decided("true" if self.holds else "false", evidence, "its last value in time")
            if self.claim.form == "stays":
                return Decided("true", evidence, "it stayed so")
            return Decided("false", evidence, "it did not get there in time")
        if self.heard_ns < self._half_ns:
            return Decided("unverified", (), "nothing was seen in the second half of the time")
        return Decided("false" if self.claim.form == "comes" else "true", (), "it did not come in time")

    def _measured(self, seq: int, at_ns: int, holds: bool) -> Decided | None:
        self.heard_ns = max(self.heard_ns, at_ns)
        self.latest, self.holds = seq, holds
        if self.claim.form == "reaches" and holds:
            return Decided("true", (seq,), "it got there")
        if self.claim.form == "stays" and not holds:
            return Decided("false", (seq,), "it did not stay so")
        return None

    @property
    def _half_ns(self) -> int:
        return self.made_ns + (self.due_ns - self.made_ns) // 2
