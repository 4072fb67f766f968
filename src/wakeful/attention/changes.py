"""What one sample does not show: new levels, drifts, restlessness, and sensors that are stuck."""

import math
from typing import Literal, NamedTuple

import msgspec

from wakeful.attention.forecast import Foreseen
from wakeful.attention.tails import Calibration, Tail

Event = Literal["jump", "drop", "new level", "drift", "restless", "stuck", "off"]
"""What kind of change a surprise is."""

_FAST, _SLOW = 0.2, 0.05  # paces of the two sums: some five and twenty samples
_FAST_UNIT, _SLOW_UNIT = 1.0 / math.sqrt(_FAST), 1.0 / math.sqrt(_SLOW)
_MOST = 6.0  # nats that one sample may add to a sum, so that a lone spike is no new level
_SAME_RATE, _SAME_LEAST = 0.002, 0.01  # share of samples that repeat the one before, and the least that is believed
_RESTLESS_EVERY = 4
_MOVES = 20  # before standing still means anything
_LONGEST_RUN, _RUN_MOST = 64, 12.0  # samples after which a run was told or never will be; nats at most
_RUN_NATS = 0.5  # of look-elsewhere: lengths at which a run is asked about

_AGAIN = 50.0  # samples after which a change that was told is told again
_GROWN_NATS = 1.0  # by which a change must outgrow what was told before to be news
_NEWS_FROM = 3.0
_MOST_NATS = 60.0


class Change(NamedTuple):
    """What the sample and those just before it come to.

    surprise: nats; exp(-surprise) is uniform on what is unsurprising
    evidence: nats before that correction, in which the far tail keeps its size
    news: the evidence, or 0 where it is still the change that was told before
    """

    surprise: float
    evidence: float
    news: float
    event: Event


class Changes(msgspec.Struct, array_like=True):
    """Looks at the nats of one metric's samples from several sides; the rarest of them counts.

    fast, slow: running sums of nats with their side, two-sided CUSUMs that forget
    restless: running mean of nats without side
    run, run_told: samples in a row that did not move, and whether that was told
    same, moves: share of samples that did not move; how many did
    told, since: evidence of the change told last, and samples since then
    """

    fast: float = 0.0
    slow: float = 0.0
    restless: float = 1.0
    run: int = 0
    run_told: bool = False
    same: float = 0.5
    moves: int = 0
    told: float = 0.0
    since: float = 0.0
    point_tail: Tail = msgspec.field(default_factory=Tail)
    fast_tail: Tail = msgspec.field(default_factory=Tail)
    slow_tail: Tail = msgspec.field(default_factory=Tail)
    restless_tail: Tail = msgspec.field(default_factory=Tail)
    run_tail: Tail = msgspec.field(default_factory=Tail)
    off_tail: Tail = msgspec.field(default_factory=Tail)
    calibration: Calibration = msgspec.field(default_factory=Calibration)

    def update(self, foreseen: Foreseen, *, moved: bool) -> Change:
        """Judges one sample after what was foreseen of it; `moved`: whether its value differs from the last one."""
        nats, above = foreseen.nats, foreseen.above
        part = min(_MOST, nats)
        side = part if above else -part
        self.fast = fast = self.fast + _FAST * (side - self.fast)
        self.slow = slow = self.slow + _SLOW * (side - self.slow)
        self.restless = restless = self.restless + _SLOW * (part - self.restless)
        evidence = self.point_tail.nats(nats)
        event: Event = "jump" if above else "drop"
        other = self.fast_tail.nats((fast if fast > 0 else -fast) * _FAST_UNIT)
        if other > evidence:
            evidence, event = other, "new level"
        other = self.slow_tail.nats((slow if slow > 0 else -slow) * _SLOW_UNIT)
        if other > evidence:
            evidence, event = other, "drift"
        if not int(self.since) % _RESTLESS_EVERY:  # it changes slowly, and this is dear
            other = self.restless_tail.nats((restless - 1.0) * _SLOW_UNIT if restless > 1.0 else 0.0)
            if other > evidence:
                evidence, event = other, "restless"
        if foreseen.off > 0.0:
            other = self.off_tail.nats(foreseen.off)
            if other > evidence:
                evidence, event = other, "off"
        stuck = False
        if not moved:
            other = self._stuck()
            if other > evidence:
                evidence, event, stuck = other, "stuck", True
        else:
            self.moves += 1
            self.same -= max(_SAME_RATE, 1.0 / (self.moves + 20)) * self.same
            if self.run:
                self.run, self.run_told = 0, False
        if evidence > _MOST_NATS:
            evidence = _MOST_NATS
        surprise = self.calibration.nats(evidence)
        self.since = since = self.since + 1.0
        if evidence < _NEWS_FROM:
            return Change(surprise, evidence, evidence, event)
        still = self.told * (1.0 - since / _AGAIN) if since < _AGAIN else 0.0
        if stuck and not self.run_told:
            self.run_told = True
        elif evidence <= still + _GROWN_NATS or stuck:
            return Change(surprise, evidence, 0.0, event)
        self.told, self.since = evidence, 0.0
        return Change(surprise, evidence, evidence, event)

    def _stuck(self) -> float:
        """Evidence from a run of equal values; asked only at lengths that double, so that one run is one finding."""
        self.run = run = self.run + 1
        self.same += _SAME_RATE * (1.0 - self.same)
        if run < 2 or run & (run - 1) or self.moves < _MOVES:
            return 0.0
        chance = max(_SAME_LEAST, self.same)
        nats = self.run_tail.nats(-run * math.log(chance)) - _RUN_NATS
        return max(min(nats, _RUN_MOST), 0.0) if run <= _LONGEST_RUN else 0.0
