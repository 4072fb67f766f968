"""One streaming model per metric: what should come next, and how surprising is what came."""

import math

import msgspec

from wakeful.attention.changes import Change, Changes, Event
from wakeful.attention.ends import Ends
from wakeful.attention.forecast import WARM_UP, Forecast
from wakeful.attention.kinds import Kind

__all__ = ["MAX_NATS", "WARM_UP", "Judged", "Metric", "tail"]

MAX_NATS = 20.0
"""No number surprises more."""

_MATTERS_FROM = 3.0
_TAIL_LIMIT = 1000.0
_BY_SEASON = 0.4  # trust from which on a prediction is said to be one for an hour or a weekday
_LEVELS = ("jump", "drop", "new level", "drift", "off")
_SETTLES = 100  # samples within which the same departure is not told again
_GROWN = 2.0  # times as far away as what was told, to be told again at once
_BACK, _BACK_WITHIN_S = 3.0, 86_400.0  # mean errors from what was usual, and time, that make a return
_GROWN_UNTOLD, _GROWN_TOLD = 1.25, 1.75  # times the nats that a change was worth, to be judged again
_RANGE = 2.0  # standard deviations that make the usual range
_FADES = 0.95  # of the sum of errors, a sample
_MEAN_TO_DEVIATION = 1.2533


class Judged(msgspec.Struct, frozen=True, gc=False):
    """What came of one sample.

    nats: surprise that is news; end_nats, full_in_h: nearness to an end
    surprise: of the sample and those just before it, news or not; exp(-surprise) is uniform
    evidence: of a change, whether or not it is news; in it the far tail keeps its size
    matters: the most that a change of this size is worth, however unusual it is
    value, usual: what was judged, and what was expected; times: how many times the usual range lies between
    event: what kind of change it is; season: `day` or `week` where that is what the prediction rests on
    known: whether there were enough samples to say what is usual
    """

    nats: float
    value: float
    usual: float
    end_nats: float = 0.0
    full_in_h: float = math.inf
    surprise: float = 0.0
    evidence: float = 0.0
    matters: float = MAX_NATS
    times: float = 0.0
    event: Event = "jump"
    season: str = ""
    known: bool = True


class Metric(msgspec.Struct, array_like=True, gc=False):
    """What one metric has taught, in its own unit.

    drifted: sum of the latest errors, fading over some twenty samples
    muted: nats that the latest change was worth where it was too small for more, -1 where it was told whole
    count_s, count: when a counter was last seen, and what it said
    left_s, left_n, left, left_scale, gone: when it last left what was usual (time and sample), what that was, how
        wide, and how far it went
    """

    forecast: Forecast = msgspec.field(default_factory=Forecast)
    changes: Changes | None = None
    ends: Ends | None = None
    drifted: float = 0.0
    muted: float = -1.0
    count_s: float = -math.inf
    count: float = 0.0
    left_s: float = -math.inf
    left: float = 0.0
    left_scale: float = 0.0
    gone: float = 0.0
    left_n: int = -1000

    def update(self, kind: Kind, value: float, at_s: float) -> Judged:
        """Judges a finite sample, |value| <= 1e100, by those before it, then learns from it."""
        if kind.counter:
            since_s, before = at_s - self.count_s, self.count
            self.count_s, self.count = at_s, value
            if not 0.0 < since_s < math.inf or value < before:  # the first one, a reset, or time stood still
                return Judged(0.0, value, value)
            value = (value - before) / since_s
        forecast = self.forecast
        last, first = forecast.last, not forecast.n
        nats, above, usual, width, off = forecast.update(value, at_s)
        end_nats, full_in_h = 0.0, math.inf
        if kind.ends:
            if self.ends is None:
                self.ends = Ends()
            end_nats, full_in_h = self.ends.update(kind, value, at_s, first=first)
        changes = self.changes
        if changes is None:
            if forecast.n <= WARM_UP:
                return Judged(0.0, value, usual, end_nats, full_in_h, known=False)
            changes = self.changes = Changes()
        self.drifted = _FADES * self.drifted + value - usual
        change = changes.update(nats, above, off, value != last)
        if change[1] <= _MATTERS_FROM:
            return Judged(change[2], value, usual, end_nats, full_in_h, change[0], change[1])
        return self._judged(kind, value, at_s, change, (usual, width, off, end_nats, full_in_h))

    def _judged(
        self, kind: Kind, value: float, at_s: float, change: Change, foreseen: tuple[float, float, float, float, float]
    ) -> Judged:
        """A sample that is unusual, by whether that is news and matters."""
        surprise, evidence, nats, event = change
        usual, width, off, end_nats, full_in_h = foreseen
        forecast = self.forecast
        if event in _LEVELS:
            nats = self._left(value, at_s, nats, evidence)
        if event == "stuck" and self.changes is not None and forecast.n - self.left_n <= self.changes.run + 1:
            nats = 0.0  # it went away and stayed: one cause
        if nats <= _MATTERS_FROM and (self.muted < 0.0 or event == "stuck"):
            return Judged(nats, value, usual, end_nats, full_in_h, surprise, evidence)
        matters = MAX_NATS
        if event != "stuck":  # however unusual, it may be too small to mean anything
            far = min(abs(value - usual), abs(value - forecast.slow))
            # Forecasts follow what goes on; what matters is how far it has come since it began.
            far = max(far, min(abs(self.drifted), abs(value - forecast.earlier)))
            if event == "off" and forecast.day is not None:
                far = max(far, off * forecast.day.error)
            matters = -math.log(tail(far / kind.least_change(usual)))
        if nats <= _MATTERS_FROM:
            if matters <= self.muted * (_GROWN_UNTOLD if self.muted < _MATTERS_FROM else _GROWN_TOLD):
                return Judged(nats, value, usual, end_nats, full_in_h, surprise, evidence)
            nats = evidence  # what was too small to tell has grown
        self.muted = matters if matters < nats else -1.0
        if event in ("new level", "drift"):
            usual = forecast.earlier
        times = abs(value - usual) / (_RANGE * width)
        return Judged(
            min(nats, MAX_NATS), value, usual, end_nats, full_in_h, surprise, evidence, matters, times, event,
            self._season(),
        )  # fmt: skip

    def _left(self, value: float, at_s: float, news: float, evidence: float) -> float:
        """Nats of a change as news: one that leads back is none, one that leads much farther away is again."""
        away = abs(value - self.left)
        if 0.0 <= at_s - self.left_s < _BACK_WITHIN_S:
            if away < _BACK * self.left_scale:
                self.muted, self.drifted = -1.0, 0.0
                return 0.0
            if away > _GROWN * self.gone:
                self.gone, self.left_n = away, self.forecast.n
                return evidence
            if self.forecast.n - self.left_n < _SETTLES:
                return 0.0
        if news:
            forecast = self.forecast
            slow = forecast.slow
            self.left_s, self.left, self.gone = at_s, slow, abs(value - slow)
            self.left_n = forecast.n
            self.left_scale = max(forecast.scales[2] / _MEAN_TO_DEVIATION, forecast.grain, 1e-12)
        return news

    def _season(self) -> str:
        day, week = self.forecast.trust[4], self.forecast.trust[5]
        return "" if day + week < _BY_SEASON else ("week" if week > day else "day")


def tail(z: float) -> float:
    """Probability that an error is at least `z` scales in size, either way, in (0, 1].

    Student's t with four degrees of freedom, which allows for outliers, scaled to a standard deviation near one.
    """
    size = min(abs(z), _TAIL_LIMIT)
    if size > 50.0:
        return 6.0 / size**4  # the closed form loses its digits here; this is its limit
    u = size / math.sqrt(1 + size * size / 4)
    return min(max(1 - 0.75 * u * (1 - u * u / 12), 6.0 / _TAIL_LIMIT**4), 1.0)
