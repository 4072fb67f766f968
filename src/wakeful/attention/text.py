"""Novelty of text: which shape a line has, how often this source said such a thing, and how fast it says it now."""

import math
from math import log, log1p

import msgspec

from wakeful.attention.novelty import Novelty
from wakeful.attention.rhythm import Rhythm
from wakeful.attention.shape import look
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
_VOTES, _ORDERED_FROM, _ORDERED_SHARE, _ORDER_NATS = 400, 40, 0.9, 5.0
_SIZES_FROM, _SIZES_KEPT, _LEAST_SPREAD = 30, 200, 0.1
_LEAST_RATIO = log(3.0)  # a number less than three times off is no news
_AMOUNT_FREE, _AMOUNT_NATS = 3.0, 6.5  # mean errors off that are no surprise; most nats that a number is worth
_EXAMPLE = 80
_DIGITS = 15

Scored = tuple[float, tuple[str, ...]]
"""Surprise in nats, and why, strongest first."""


class Template(msgspec.Struct, array_like=True, gc=False):
    """One shape of line. Times in seconds since the epoch.

    count, last_s, gap_s: how often and when last seen, and the usual time between
    grave, why: what `gravity` said of its first line
    window_s, in_window: the present window and what came in it; per_window, windows: what usually does, over how many
    rhythm, example: when it should come again, and, where it keeps time, one such line
    after, votes, followed: the shape that usually comes next (a majority vote), and how many were followed at all
    size, spread, sizes: of the first measured number in it, the usual logarithm, its mean error, and how many came
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
    rhythm: Rhythm = msgspec.field(default_factory=Rhythm)
    example: str = ""
    after: int = 0
    votes: int = 0
    followed: int = 0
    size: float = 0.0
    spread: float = 0.0
    sizes: int = 0


class Speaker(msgspec.Struct, array_like=True, gc=False):
    """What one source has said so far.

    lines: in all; of, new: lines lately, and how many of them had a new shape
    alarms, alarm_s: new grave lines lately (fading), and when the last one came
    shapes: by hash, the one seen last at the end; before: the shape of the last line
    novelty: of what says more than a line, such as a command's output
    since_s: when it first spoke; awake_s: since when there is listened without a break
    """

    lines: int = 0
    of: int = 0
    new: float = 0.0
    alarms: float = 0.0
    alarm_s: float = 0.0
    shapes: dict[int, Template] = msgspec.field(default_factory=dict[int, Template])
    before: int = 0
    novelty: Novelty | None = None
    since_s: float = 0.0
    awake_s: float = 0.0

    def update(
        self, line: str, at_s: float, *, grave: tuple[float, str] = (0.0, ""), times: int = 1, key: int | None = None
    ) -> Scored:
        """Surprise in nats at a line, and why, strongest first; learns from it.

        grave: what the caller knows about its gravity beyond its words, and why
        times: how many lines of this shape it stands for; key: its shape where the caller has it
        """
        seen, begin, end = look(line)
        if key is None:
            key = seen
        shapes = self.shapes
        template = shapes.pop(key, None)
        if template is None:
            template = Template(0, at_s, 0.0, *gravity(line), window_s=at_s)
            nats, reasons = self._new(template, grave, at_s)
            self.new += 1.0
        else:
            count = template.count
            if template.grave or grave[0] or count < _RARE_BELOW:
                nats, reasons = self._known(template, grave, at_s)
            else:
                nats, reasons = 0.0, ()
            gap_s = at_s - template.last_s
            template.gap_s += ((max(0.0, gap_s)) - template.gap_s) / (min(20, count))
        if not self.lines:
            self.since_s = at_s
        self.lines += times
        self.of = of = self.of + times
        if of > _KEPT:
            self.new *= _KEPT / 2 / of
            self.of = _KEPT // 2
        # How often it comes, what it follows, and what it measures.
        age_s = at_s - template.window_s
        now = template.in_window + times
        if now < _BURST and 0.0 <= age_s < _WINDOW_S:
            template.in_window = now
        else:
            nats, reasons = _stronger(nats, reasons, _rate(template, at_s, times, self))
        before, self.before = shapes.get(self.before), key
        if before is not None:
            before.followed += 1
            if key == before.after and before.votes < _VOTES:
                before.votes += 1
            else:
                nats, reasons = _stronger(nats, reasons, _order(before, key))
        if end:
            nats, reasons = _stronger(nats, reasons, _amount(template, line[begin:end]))
        template.rhythm.came(at_s, self.awake_s)
        template.count += times
        if not template.example and not template.rhythm.n & 3 and template.rhythm.regular:
            template.example = line[:_EXAMPLE]
        template.last_s = at_s
        shapes[key] = template
        if len(shapes) > MAX_TEMPLATES:
            self.forget_oldest()
        return (min(MAX_NATS, nats)), reasons

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
            return novel + weight, _said("never seen before", why)
        passed_s = at_s - self.alarm_s
        self.alarms *= math.exp(-passed_s / _RECENT_S) if passed_s > 0 else 1.0
        worn = _CRITICAL_WORN_BY_RECENT if weight >= CRITICAL_NATS else _WORN_BY_RECENT
        nats = (weight + max(novel, _NOVEL_GRAVE_NATS)) / (1.0 + worn * self.alarms)
        self.alarms += 1.0
        self.alarm_s = at_s
        return nats, _said("never seen before", why)

    def _known(self, template: Template, grave: tuple[float, str], at_s: float) -> tuple[float, tuple[str, ...]]:
        weight, why = max((template.grave, template.why), grave)
        silent_s = at_s - template.last_s
        if weight < ERROR_NATS or silent_s < max(_FORGOTTEN_S, _FORGOTTEN_GAPS * template.gap_s):
            weight /= 1.0 + math.log1p(template.count)
        if template.count >= _RARE_BELOW or self.lines < _RARE_FROM:
            return weight, _said(why)
        rare = min(-math.log(template.count / self.lines), _RARE_NATS)
        return weight + rare, _said(f"rare: {template.count + 1} in {self.lines + 1} lines", why)


def _said(*reasons: str) -> tuple[str, ...]:
    return tuple(reason for reason in reasons if reason)


def _stronger(nats: float, reasons: tuple[str, ...], other: tuple[float, str]) -> Scored:
    return (other[0], (other[1], *reasons)) if other[0] > nats else (nats, reasons)


def _order(before: Template, key: int) -> tuple[float, str]:
    """Surprise at what follows the line before; learns which shape usually does (Boyer & Moore's vote)."""
    followed = before.followed
    if key == before.after:  # so that a new order is learnt in time
        before.votes, before.followed = _VOTES // 2, followed // 2
        return 0.0, ""
    sure = followed > _ORDERED_FROM and before.votes > _ORDERED_SHARE * followed
    before.votes -= 1
    if before.votes <= 0:
        before.after, before.votes = key, 1
    if not sure:
        return 0.0, ""
    return min(log(followed / (followed - before.votes) * 2.0), _ORDER_NATS), "out of its usual order"


def _amount(template: Template, text: str) -> tuple[float, str]:
    """Surprise at the first measured number of a line, such as the 93 of `took 93 ms`, on a scale of ratios."""
    size = log1p(float(text[:_DIGITS]))
    n = template.sizes = template.sizes + 1
    error = size - template.size
    away = error if error >= 0 else -error
    pull = 1.0 / n if n < _SIZES_KEPT else 1.0 / _SIZES_KEPT
    usual, spread = template.size, max(template.spread, _LEAST_SPREAD)
    limit = 3.0 * spread if n > _SIZES_FROM else away
    template.size += pull * (max(-limit, min(limit, error)))
    template.spread += pull * (min(away, limit) - template.spread)
    if n <= _SIZES_FROM or away < _LEAST_RATIO:
        return 0.0, ""
    nats = min(away / spread - _AMOUNT_FREE, _AMOUNT_NATS)
    return (nats, f"says {text[:_DIGITS]}, usually {math.expm1(usual):.3g}") if nats > 0 else (0.0, "")


def _rate(template: Template, at_s: float, times: int, speaker: Speaker) -> tuple[float, str]:
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
    if now < _BURST or now.bit_length() == before.bit_length():
        return 0.0, ""
    usual = template.per_window
    if template.windows < _BURST_WINDOWS:  # too new for a rate of its own: the source as a whole has one
        heard_s = at_s - speaker.since_s
        if heard_s < _BURST_WINDOWS * _WINDOW_S and template.grave < ERROR_NATS:
            return 0.0, ""
        usual = (speaker.lines - now) * _WINDOW_S / max(heard_s, _WINDOW_S)
    usual = max(usual, 0.5)
    if now < _BURST_TIMES * usual:
        return 0.0, ""
    nats = now * math.log(now / usual) - now + usual  # Chernoff's bound for a Poisson tail
    return min(nats, _BURST_NATS), f"rate {now:.1f}/min, usually {usual:.1f}/min"
