"""What one sample does not show: new levels, drifts, restlessness, and sensors that are stuck."""

import math
from math import log
from typing import Literal

import msgspec

from wakeful.attention.tails import Calibration, Tail

Event = Literal["jump", "drop", "new level", "drift", "restless", "stuck", "off"]
"""What kind of change a surprise is."""

Change = tuple[float, float, float, Event]
"""What the sample and those just before it come to: surprise in nats (exp(-surprise) is uniform on what is
unsurprising), evidence (nats before that correction, in which the far tail keeps its size), news (the evidence, or 0
where it is still the change that was told before), and the kind of change."""

_FAST, _SLOW = 0.2, 0.05  # paces of the two sums: some five and twenty samples
_FAST_UNIT, _SLOW_UNIT = 1.0 / math.sqrt(_FAST), 1.0 / math.sqrt(_SLOW)
_MOST = 6.0  # nats that one sample may add to a sum, so that a lone spike is no new level
_SAME_RATE, _SAME_LEAST = 0.002, 0.01  # share of samples that repeat the one before, and the least that is believed
_MOVES = 20  # before standing still means anything
_LENGTHS = 7  # that are counted: runs of 1, 2, 4, … 64 samples; longer ones were told or never will be
_STAYS_NATS = log(2.0)  # of the chance that a value which came again will come once more
_RUN_MOST = 12.0  # nats
_RUN_NATS = 0.5  # of look-elsewhere: lengths at which a run is asked about
_ELSEWHERE_NATS = 0.7  # likewise: sides from which a sample is looked at besides its own error

_AGAIN = 50.0  # samples after which a change that was told is told again
_GROWN_NATS = 1.0  # by which a change must outgrow what was told before to be news
_NEWS_FROM = 3.0
_MOST_NATS = 60.0


class Changes(msgspec.Struct, array_like=True, gc=False):
    """Looks at the nats of one metric's samples from several sides; the rarest of them counts.

    fast, slow: running sums of nats with their side, two-sided CUSUMs that forget
    restless: running mean of nats without side
    run, run_told: samples in a row that did not move, and whether that was told
    same, moves: share of samples that did not move; how many did
    runs: how many runs reached each length
    told, since: evidence of the change told last, and samples since then
    """

    fast: float = 0.0
    slow: float = 0.0
    restless: float = 1.0
    run: int = 0
    run_told: bool = False
    same: float = 0.5
    moves: int = 0
    runs: list[int] = msgspec.field(default_factory=lambda: [0] * _LENGTHS)
    told: float = 0.0
    since: int = 0
    point_tail: Tail = msgspec.field(default_factory=lambda: Tail(edge=1.8))  # where edges are of normal noise
    fast_tail: Tail = msgspec.field(default_factory=lambda: Tail(edge=1.3))
    slow_tail: Tail = msgspec.field(default_factory=lambda: Tail(edge=1.2))
    restless_tail: Tail = msgspec.field(default_factory=lambda: Tail(edge=0.5))
    off_tail: Tail = msgspec.field(default_factory=lambda: Tail(edge=2.1))
    calibration: Calibration = msgspec.field(default_factory=Calibration)

    def update(self, nats: float, above: bool, off: float, moved: bool) -> Change:
        """Judges one sample by the nats of its tail, the side it is on, and how far off its season's profile it is.

        moved: whether its value differs from the last one. What changes slowly is looked at in turns.
        """
        part = nats
        if part > _MOST:  # a third of the cost of `min`, as below and elsewhere
            part = _MOST
        side = part if above else -part
        self.fast = fast = self.fast + _FAST * (side - self.fast)
        self.slow = slow = self.slow + _SLOW * (side - self.slow)
        self.restless = restless = self.restless + _SLOW * (part - self.restless)
        self.since = since = self.since + 1
        evidence = self.point_tail.nats(nats)
        event: Event = "jump" if above else "drop"
        other = self.fast_tail.nats((fast if fast > 0.0 else -fast) * _FAST_UNIT)
        if other > evidence + _ELSEWHERE_NATS:
            evidence, event = other - _ELSEWHERE_NATS, "new level"
        if since & 1:
            other = self.slow_tail.nats((slow if slow > 0.0 else -slow) * _SLOW_UNIT)
            if other > evidence + _ELSEWHERE_NATS:
                evidence, event = other - _ELSEWHERE_NATS, "drift"
        else:
            if off > 0.0:
                other = self.off_tail.nats(off)
                if other > evidence + _ELSEWHERE_NATS:
                    evidence, event = other - _ELSEWHERE_NATS, "off"
            if not since & 2:
                other = self.restless_tail.nats((restless - 1.0) * _SLOW_UNIT if restless > 1.0 else 0.0)
                if other > evidence + _ELSEWHERE_NATS:
                    evidence, event = other - _ELSEWHERE_NATS, "restless"
        stuck = False
        if not moved:
            other = self._stuck()
            if other > evidence:
                evidence, event, stuck = other, "stuck", True
        else:
            self.moves = moves = self.moves + 1
            self.same -= (_SAME_RATE if moves > 480 else 1.0 / (moves + 20)) * self.same
            if self.run:
                self.run, self.run_told = 0, False
        if evidence > _MOST_NATS:
            evidence = _MOST_NATS
        surprise = self.calibration.nats(evidence)
        if evidence < _NEWS_FROM:
            return surprise, evidence, evidence, event
        still = self.told * (1.0 - since / _AGAIN) if since < _AGAIN else 0.0
        if stuck and not self.run_told:
            self.run_told = True
        elif evidence <= still + _GROWN_NATS or stuck:
            return surprise, evidence, 0.0, event
        self.told, self.since = evidence, 0
        return surprise, evidence, evidence, event

    def _stuck(self) -> float:
        """Evidence from a run of equal values; asked only at lengths that double, so that one run is one finding."""
        self.run = run = self.run + 1
        self.same += _SAME_RATE * (1.0 - self.same)
        length = run.bit_length() - 1
        if run & (run - 1) or length >= _LENGTHS or self.moves < _MOVES:
            return 0.0
        runs, moves = self.runs, self.moves + 1.0
        seen = runs[length]
        runs[length] = seen + 1
        if run < 2:
            return 0.0
        by_share = -run * log(max(_SAME_LEAST, self.same))
        # A sensor that is often stuck is so by nature; and who stood still once will do so again, as at a bound.
        by_count = min(log(moves / (seen + 0.5)), log(moves / runs[0]) + (run - 1) * _STAYS_NATS)
        return max(min(by_share, by_count, _RUN_MOST) - _RUN_NATS, 0.0)
