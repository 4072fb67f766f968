"""Novelty of text: which shape a line has, how often this source said such a thing, and how fast it says it now."""

import math

import msgspec

from wakeful.attention.shape import shape
from wakeful.attention.words import CRITICAL_NATS, ERROR_NATS, gravity

MAX_TEMPLATES = 2000
"""Shapes remembered of one source; the one that was not seen for longest is forgotten."""

MAX_NATS = 15.0
"""No text surprises more."""

_YOUNG = 40  # lines before "never seen" means something by itself
_NOVEL_NATS = 5.0  # most that being new is worth without a grave word
_NOVEL_GRAVE_NATS = 1.5  # least that it is worth with one, so that a young source can raise an alarm
_RARE_NATS, _RARE_BELOW, _RARE_FROM = 2.0, 4, 500
_KEPT = 4000  # lines, then the counts behind the chance of a new shape are halved
_FORGOTTEN_S, _FORGOTTEN_GAPS = 6 * 3600.0, 4.0  # after which an error that was seen before is news again
_RECENT_S = 1800.0  # over which several new errors of one source are likely one cause
_WORN_BY_RECENT, _CRITICAL_WORN_BY_RECENT = 0.2, 0.1
_WINDOW_S = 60.0
_BURST, _BURST_TIMES = 20, 8.0  # of one shape in a window, and times the usual, before its rate can surprise
_BURST_WINDOWS = 5
_BURST_NATS = 9.0


class Template(msgspec.Struct, array_like=True):
    """One shape of line. Times in seconds since the epoch.

    count, last_s, gap_s: how often and when last seen, and the usual time between
    grave, why: what `gravity` said of its first line
    window_s, in_window: the present window and what came in it; per_window, windows: what usually does, over how many
    """

    count: int = 0
    last_s: float = 0.0
    gap_s: float = 0.0
    grave: float = 0.0
    why: str = ""
    window_s: float = 0.0
    in_window: int = 0
    per_window: float = 0.0
    windows: int = 0


class Speaker(msgspec.Struct, array_like=True):
    """What one source has said so far.

    lines: in all; of, new: lines lately, and how many of them had a new shape
    alarms, alarm_s: new grave lines lately (fading), and when the last one came
    shapes: by hash, the one seen last at the end
    """

    lines: int = 0
    of: int = 0
    new: float = 0.0
    alarms: float = 0.0
    alarm_s: float = 0.0
    shapes: dict[int, Template] = msgspec.field(default_factory=dict[int, Template])

    def update(
        self, line: str, at_s: float, *, grave: tuple[float, str] = (0.0, ""), times: int = 1, key: int | None = None
    ) -> tuple[float, tuple[str, ...]]:
        """Surprise in nats at a line, and why, strongest first; learns from it.

        grave: what the caller knows about its gravity beyond its words, and why
        times: how many lines of this shape it stands for; key: its shape where the caller has it
        """
        key = shape(line) if key is None else key
        template = self.shapes.pop(key, None)
        if template is None:
            template = Template(0, at_s, 0.0, *gravity(line), window_s=at_s)
            nats, reasons = self._new(template, grave, at_s)
            self.new += 1.0
        else:
            nats, reasons = self._known(template, grave, at_s)
            gap_s = max(at_s - template.last_s, 0.0)
            template.gap_s += (gap_s - template.gap_s) / min(template.count, 20)
        self.lines += times
        self.of += times
        if self.of > _KEPT:
            self.new *= _KEPT / 2 / self.of
            self.of = _KEPT // 2
        burst, told = _rate(template, at_s, times)
        if burst > nats:
            nats, reasons = burst, (told, *reasons)
        template.count += times
        template.last_s = at_s
        self.shapes[key] = template
        if len(self.shapes) > MAX_TEMPLATES:
            self.forget_oldest()
        return min(nats, MAX_NATS), tuple(reason for reason in reasons if reason)

    def forget_oldest(self) -> int:
        """Drops the shape that was not seen for longest; returns how many were dropped, 1 or 0."""
        if not self.shapes:
            return 0
        del self.shapes[next(iter(self.shapes))]
        return 1

    def _new(self, template: Template, grave: tuple[float, str], at_s: float) -> tuple[float, tuple[str, ...]]:
        """The share of lines of a new shape so far is the probability of one more."""
        chance = -math.log((self.new + 1.0) / (self.of + 2.0))
        novel = min(chance, _NOVEL_NATS) if self.lines >= _YOUNG else min(chance, 0.5)
        weight, why = max((template.grave, template.why), grave)
        if weight < ERROR_NATS:
            return novel + weight, ("never seen before", why)
        passed_s = at_s - self.alarm_s
        self.alarms *= math.exp(-passed_s / _RECENT_S) if passed_s > 0 else 1.0
        worn = _CRITICAL_WORN_BY_RECENT if weight >= CRITICAL_NATS else _WORN_BY_RECENT
        nats = (weight + max(novel, _NOVEL_GRAVE_NATS)) / (1.0 + worn * self.alarms)
        self.alarms += 1.0
        self.alarm_s = at_s
        return nats, ("never seen before", why)

    def _known(self, template: Template, grave: tuple[float, str], at_s: float) -> tuple[float, tuple[str, ...]]:
        weight, why = max((template.grave, template.why), grave)
        silent_s = at_s - template.last_s
        if weight < ERROR_NATS or silent_s < max(_FORGOTTEN_S, _FORGOTTEN_GAPS * template.gap_s):
            weight /= 1.0 + math.log1p(template.count)
        if template.count >= _RARE_BELOW or self.lines < _RARE_FROM:
            return weight, (why,)
        rare = min(-math.log(template.count / self.lines), _RARE_NATS)
        return weight + rare, (f"rare: {template.count + 1} in {self.lines + 1} lines", why)


def _rate(template: Template, at_s: float, times: int) -> tuple[float, str]:
    """Surprise at how often this shape comes now; told when the count of a window doubled."""
    age_s = at_s - template.window_s
    if not 0 <= age_s < _WINDOW_S:
        if template.in_window:
            pull = max(0.1, 1.0 / (template.windows + 1))
            template.per_window += pull * (template.in_window - template.per_window)
            template.windows += 1
        template.window_s, template.in_window = at_s, 0
    before = template.in_window
    template.in_window = now = before + times
    usual = max(template.per_window, 0.5)
    known = template.windows >= _BURST_WINDOWS
    if not known or now < _BURST or now < _BURST_TIMES * usual or now.bit_length() == before.bit_length():
        return 0.0, ""
    nats = now * math.log(now / usual) - now + usual  # Chernoff's bound for a Poisson tail
    return min(nats, _BURST_NATS), f"rate {now:.1f}/min, usually {template.per_window:.1f}/min"
