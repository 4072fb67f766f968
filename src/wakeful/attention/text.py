"""Novelty of text: which shape a line has, how often this source said such a thing, and how fast it says it now."""

import math
import re
from hashlib import blake2b

import msgspec

from wakeful.attention.words import gravity

MAX_TEMPLATES = 2000
"""Shapes remembered of one source; the one that was not seen for longest is forgotten."""

_MAX_WORDS = 16
_YOUNG = 40  # lines before "never seen" means something
_VARIABLE = re.compile(r"\S*\d\S*|/\S+|\"[^\"]*\"|'[^']*'|\b[0-9a-fA-F]{8,}\b")
_FORGOTTEN_S = 6 * 3600.0  # after which an error that was seen before is news again
_WINDOW_S = 60.0
_BURST = 20  # of one shape in a window, before its rate can surprise
_MAX_NATS = 15.0


class Template(msgspec.Struct, array_like=True):
    """One shape of line: how often and when last seen (seconds since the epoch), and its rate."""

    count: int = 0
    last_s: float = 0.0
    window_s: float = 0.0
    in_window: int = 0
    per_window: float = 0.0
    windows: int = 0


class Speaker(msgspec.Struct, array_like=True):
    """What one source has said so far; shapes by hash, the one seen last at the end."""

    lines: int = 0
    novelty: float = 0.5
    shapes: dict[int, Template] = {}

    def update(self, line: str, at_s: float, extra_nats: float = 0.0) -> tuple[float, tuple[str, ...]]:
        """Surprise in nats at a line, and why, strongest first; learns from it.

        extra_nats: what the caller knows about its gravity beyond its words
        """
        self.lines += 1
        key = shape(line)
        template = self.shapes.pop(key, None)
        grave, why = gravity(line)
        grave = max(grave, extra_nats)
        reasons: list[str] = []
        if template is None:
            template = Template(window_s=at_s)
            # The share of lines of a new shape so far is the probability of one more.
            nats = -math.log(self.novelty) if self.lines > _YOUNG else 0.5
            if grave:
                nats += grave + 1.0
            reasons += ["never seen before", why]
            self.novelty += 0.02 * (1.0 - self.novelty)
        else:
            silent_s = at_s - template.last_s
            worn = 1.0 if silent_s > _FORGOTTEN_S else 1.0 / (1.0 + math.log1p(template.count))
            nats = grave * worn
            share = template.count / self.lines
            if template.count < 4 and self.lines > 500:
                nats += min(-math.log(share), 3.0)
                reasons.append(f"rare: {template.count + 1} in {self.lines} lines")
            reasons.append(why)
            self.novelty += 0.02 * (0.002 - self.novelty)
        burst, told = _rate(template, at_s)
        if burst > nats:
            nats, reasons = burst, [told, *reasons]
        template.count += 1
        template.last_s = at_s
        self.shapes[key] = template
        if len(self.shapes) > MAX_TEMPLATES:
            del self.shapes[next(iter(self.shapes))]
        return min(nats, _MAX_NATS), tuple(reason for reason in reasons if reason)


def shape(line: str) -> int:
    """A number for the line's shape: its words, with whatever holds a digit, a path or a quotation left out."""
    words = _VARIABLE.sub("#", line[:600]).split()
    text = " ".join(words[:_MAX_WORDS])
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7).digest(), "big")


def _rate(template: Template, at_s: float) -> tuple[float, str]:
    """Surprise at how often this shape comes now; each window surprises once."""
    age_s = at_s - template.window_s
    if not 0 <= age_s < _WINDOW_S:
        if template.in_window:
            pull = max(0.1, 1.0 / (template.windows + 1))
            template.per_window += pull * (template.in_window - template.per_window)
            template.windows += 1
        template.window_s, template.in_window = at_s, 0
    template.in_window += 1
    usual = max(template.per_window, 0.5)
    now = template.in_window
    if template.windows < 5 or now < _BURST or now < 8 * usual or now & (now - 1):
        return 0.0, ""  # told at powers of two only
    nats = now * math.log(now / usual) - now + usual  # Chernoff's bound for a Poisson tail
    return min(nats, 9.0), f"rate {now:.1f}/min, usually {template.per_window:.1f}/min"
