"""One streaming model per metric: what should come next, and how surprising is what came."""

import math

import msgspec

WARM_UP = 12
"""Samples before a metric's errors mean anything."""

_RATE = 0.03  # of learning once warmed up: about the last half hour at one sample in ten seconds
_CLIP = 3.0  # scales that one sample may teach at most, so that a spike does not widen what is usual
_SHIFT_AFTER = 8  # samples in a row on one side after which a new level is taken for real
_QUIET_S = 600.0  # after which the same departure is told again

# By the beginning of a metric's name: the least change that matters, in the metric's own unit.
_FLOORS = (
    ("cpu_percent", 4.0),
    ("memory_percent", 1.5),
    ("swap_percent", 2.0),
    ("disk_percent", 0.7),
    ("load_1", 0.5),
    ("temperature_c", 3.0),
    ("net_errors_per_s", 0.5),
)
_BYTES_FLOOR = 8e6  # bytes a second; less is background noise
_RELATIVE_FLOOR = 0.05

# Bounded resources are worth a look near their end whatever is usual: levels in percent or degrees.
_LEVELS = (
    ("disk_percent", (90.0, 95.0, 97.0, 99.0)),
    ("memory_percent", (92.0, 96.0, 99.0)),
    ("swap_percent", (70.0, 90.0)),
    ("temperature_c", (90.0, 97.0)),
)
_LEVEL_NATS = (7.0, 9.0, 11.0, 13.0)
_HYSTERESIS = 2.0
_FULL_SOON_H = 6.0
_SLOPE_SPAN_S = 1800.0


class Metric(msgspec.Struct, array_like=True):
    """What one metric has taught. Times in seconds since the epoch; everything else in the metric's unit.

    level, scale: what is usual, and the usual size of an error (mean absolute error)
    side: samples in a row that were far on one side, with its sign
    told, told_s: size of the departure that was last told, in scales, and when
    reached: how many of its levels it stands above
    slope_s, slope_value: where the present measurement of its slope began
    per_s: slope
    """

    n: int = 0
    level: float = 0.0
    scale: float = 0.0
    side: int = 0
    told: float = 0.0
    told_s: float = 0.0
    reached: int = 0
    slope_s: float = 0.0
    slope_value: float = 0.0
    per_s: float = 0.0

    def update(self, name: str, value: float, at_s: float) -> tuple[float, str]:
        """Surprise in nats at `value`, and why in words ("" when it is as expected); learns from it.

        Source of the tail: Student's t with four degrees of freedom, which allows for outliers.
        """
        usual = self.level
        z = self._z(name, value)
        nats, why = 0.0, ""
        if self.n >= WARM_UP and self._is_news(z, at_s):
            nats = -math.log(tail(z))
            why = f"{said(name, value)}, usually {said(name, usual, value_only=True)}"
        near, near_why = self._near_its_end(name, value, at_s)
        if near > nats:
            nats, why = near, near_why or f"{said(name, value)}, usually {said(name, usual, value_only=True)}"
        self._learn(name, value, z)
        return nats, why

    def _z(self, name: str, value: float) -> float:
        return (value - self.level) / max(self.scale * 1.25, self._floor(name))

    def _floor(self, name: str) -> float:
        for beginning, floor in _FLOORS:
            if name.startswith(beginning):
                return floor
        if "bytes" in name:
            return max(_BYTES_FLOOR, abs(self.level) * 0.5)
        return max(abs(self.level) * _RELATIVE_FLOOR, 1e-9)

    def _is_news(self, z: float, at_s: float) -> bool:
        """Whether this departure was not told just now; a much larger one always is."""
        size = abs(z)
        if size < 3.0:
            return True
        if size > 2.0 * self.told or not 0 <= at_s - self.told_s < _QUIET_S:
            self.told, self.told_s = size, at_s
            return True
        return False

    def _near_its_end(self, name: str, value: float, at_s: float) -> tuple[float, str]:
        levels = next((levels for beginning, levels in _LEVELS if name.startswith(beginning)), ())
        if not levels:
            return 0.0, ""
        reached = sum(value >= level for level in levels)
        before = self.reached
        if reached > before or value < levels[max(before - 1, 0)] - _HYSTERESIS:
            self.reached = reached
        hours = self._hours_left(name, value, at_s)
        if self.n == 0 or reached <= before:
            return 0.0, ""
        why = f"{said(name, value)}, full in about {hours:.1f} hours" if hours < _FULL_SOON_H * 8 else ""
        return _LEVEL_NATS[min(reached, len(_LEVEL_NATS)) - 1], why

    def _hours_left(self, name: str, value: float, at_s: float) -> float:
        """Until a disk is full at its present pace; infinite where it does not fill."""
        if not name.startswith("disk_percent"):
            return math.inf
        span_s = at_s - self.slope_s
        if self.slope_s == 0.0 or span_s < 0:
            self.slope_s, self.slope_value = at_s, value
        elif span_s > 0:
            self.per_s = (value - self.slope_value) / span_s
            if span_s > _SLOPE_SPAN_S:
                self.slope_s, self.slope_value = (
                    at_s - _SLOPE_SPAN_S / 2,
                    value - self.per_s * _SLOPE_SPAN_S / 2,
                )
        return (100.0 - value) / self.per_s / 3600 if self.per_s > 1e-9 else math.inf

    def _learn(self, name: str, value: float, z: float) -> None:
        self.n += 1
        error = value - self.level
        if self.n == 1:
            self.level = value
            return
        far = 0 if abs(z) < _CLIP else (1 if z > 0 else -1)
        self.side = self.side + far if far and far * self.side >= 0 else far
        if self.n > WARM_UP:
            most = _CLIP * max(self.scale * 1.25, self._floor(name))
            rate = 0.5 if abs(self.side) >= _SHIFT_AFTER else _RATE
            step = error if abs(self.side) >= _SHIFT_AFTER else max(-most, min(most, error))
        else:
            rate, step = 1.0 / self.n, error
        self.level += rate * step
        self.scale += min(rate, 0.1) * (min(abs(error), abs(step)) - self.scale)


def tail(z: float) -> float:
    """Probability that an error is at least `z` scales in size, either way, in (0, 1]."""
    size = abs(z)
    if size > 50.0:
        return 6.0 / size**4  # the closed form loses its digits here; this is its limit
    u = size / math.sqrt(1 + size * size / 4)
    return max(1 - 0.75 * u * (1 - u * u / 12), 6.0 / 50.0**4)


def said(name: str, value: float, *, value_only: bool = False) -> str:
    """A metric as sources write it: `cpu 97.4%`, `disk /home 71.0%`, `net eth0 errors 3.0/s`."""
    kind, _, subject = name.partition(":")
    text, label = _SAID.get(kind, ("{:.2f}", kind.replace("_", " ")))
    if "bytes_per_s" in kind:
        text, label = "{:.1f} MB/s", kind.removesuffix("_bytes_per_s").replace("_", " ")
        value /= 1e6
    number = text.format(value)
    if value_only:
        return number
    return f"{label.format(subject)} {number}" if "{}" in label else " ".join(filter(None, (label, subject, number)))


_SAID = {
    "cpu_percent": ("{:.1f}%", "cpu"),
    "memory_percent": ("{:.1f}%", "memory"),
    "swap_percent": ("{:.1f}%", "swap"),
    "load_1": ("{:.2f}", "load"),
    "disk_percent": ("{:.1f}%", "disk"),
    "temperature_c": ("{:.0f}C", "temperature"),
    "net_errors_per_s": ("{:.1f}/s", "net {} errors"),
}
