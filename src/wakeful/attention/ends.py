"""How near a bounded resource is to its end, and when it will be there."""

import math

import msgspec

from wakeful.attention.kinds import Kind

_END_NATS = (7.0, 9.0, 11.0, 13.0)  # for each level near the end of a bounded resource, rising
_SOON_NATS = 9.0
_HYSTERESIS = 2.0
_SOON_H, _TOLD_H = 2.0, 48.0
_SOON_FROM = 60.0  # percent
_SLOPE_SPAN_S, _SLOPE_LEAST_S = 1800.0, 240.0
_SLOPE_LEAST = 1.0  # points that must have been filled before a pace is believed


class Ends(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a bounded resource.

    reached, soon: how many of its ends it stands above; whether it was told that it is soon full
    slope_s, slope_value, per_s: where the present measurement of its pace began, and the pace
    """

    reached: int = 0
    soon: bool = False
    slope_s: float = 0.0
    slope_value: float = 0.0
    per_s: float = 0.0

    def update(self, kind: Kind, value: float, at_s: float, *, first: bool) -> tuple[float, float]:
        """Nats for a bounded resource that comes nearer to its end, and hours until it is full."""
        hours = self._hours_left(value, at_s, first=first) if kind.fills else math.inf
        before = self.reached
        if not before and value < kind.ends[0] and not kind.fills:
            return 0.0, math.inf
        reached = sum(value >= end for end in kind.ends)
        if reached > before or value < kind.ends[max(before - 1, 0)] - _HYSTERESIS:
            self.reached = reached
        if first:
            return 0.0, math.inf
        nats = _END_NATS[min(reached, len(_END_NATS)) - 1] if reached > before else 0.0
        if hours > 2 * _SOON_H:
            self.soon = False
        elif hours < _SOON_H and value >= _SOON_FROM and not self.soon:
            self.soon = True
            nats = max(nats, _SOON_NATS)
        return nats, hours if hours < _TOLD_H else math.inf

    def _hours_left(self, value: float, at_s: float, *, first: bool) -> float:
        """Until it is full at its present pace; infinite where it does not fill."""
        span_s = at_s - self.slope_s
        if first or not 0.0 <= span_s < 10 * _SLOPE_SPAN_S:  # new, or the clock jumped
            self.slope_s, self.slope_value, self.per_s = at_s, value, 0.0
            return math.inf
        risen = value - self.slope_value
        if span_s >= _SLOPE_LEAST_S:
            self.per_s = risen / span_s
        if span_s > _SLOPE_SPAN_S:
            self.slope_s = at_s - _SLOPE_SPAN_S / 2
            self.slope_value = value - self.per_s * _SLOPE_SPAN_S / 2
        if span_s < _SLOPE_LEAST_S or risen < _SLOPE_LEAST:
            return math.inf
        return max(100.0 - value, 0.0) / self.per_s / 3600
