"""How many tokens is a text, when nobody can be asked? An estimate that learns from each answer. No I/O."""

import math
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from wakeful.lmstudio.chat.events import Message
from wakeful.lmstudio.http.wire import as_list, as_object

RECENT = 64
"""Answers whose counts are remembered for each model."""

_MARGIN = 0.21
_SURPRISE = 1.2
_SQRT = 1.5
_FEW = 3.0
"""What is added to be on the safe side: a share, more where it fell short before, and what chance does to short texts.

Chosen on five vocabularies (Qwen 2.5, Llama 3, DeepSeek V3, Gemma 2, GPT-4o) so that no text of prose, code, JSON,
logs or Chinese came out more than 2 % too low once 20 answers had been seen; `python -m bench estimate` measures it.
"""

_DOUBT = 2.0
"""Standard deviations of what is not yet known of the weights that a text's estimate rests on."""

_LEAST = 0.1
"""Of the usual that a weight is taken for, however little the answers say that it is."""

_NOISE = 0.004
_TRUST = 0.05
"""Variance of an answer's count around the best estimate, and of a weight around the usual, both relative."""


def _classes() -> bytes:
    """A letter for each byte of UTF-8: what kind of character it is, or begins."""
    table = bytearray(b"." * 256)
    for byte in range(256):
        character = chr(byte)
        if byte >= 0xE3 and byte < 0xF0:
            table[byte] = ord("C")  # mostly Chinese, Japanese and Korean
        elif byte >= 0xC0:
            table[byte] = ord("O")
        elif byte >= 0x80:
            table[byte] = ord("x")
        elif character.isalpha():
            table[byte] = ord("A" if character.isupper() else "a")
        elif character.isdigit():
            table[byte] = ord("0")
        elif character.isspace():
            table[byte] = ord(" " if character == " " else "n")
    return bytes(table)


_CLASSES = _classes()
_WORDS = re.compile(rb"[aA]+")
_CAPITALS = re.compile(rb"A+")
_MARKS = re.compile(rb"\.+")
_BLANKS = re.compile(rb"[ n]{2,}|n")
_CJK = re.compile(rb"Cxx")

Features = tuple[float, ...]

_USUAL: Features = (0.95, 0.36, 0.27, 0.9, 0.07, 0.9, 1.25, 0.75, 1.5, 6.0, 1000.0)
"""Tokens for each: word, four letters of a word beyond its fourth, run of capitals, digit, other mark, run of
marks, run of blanks or line, ideogram, other character beyond ASCII, message (what its template adds), image."""


def features(text: str | Sequence[Message]) -> Features:
    """What the tokens of a text depend on, see `_USUAL`; of messages, the sum over all that is text in them."""
    if isinstance(text, str):
        return (*_counts(text), 0, 0)
    texts, images = _texts(text)
    each = [_counts(part) for part in texts]
    return (*map(sum, zip(*each, strict=True)), len(text), images) if each else (*_counts(""), len(text), images)


def _counts(text: str) -> Features:
    """All but the last two of the features."""
    return _remembered(text) if len(text) <= _REMEMBERED_CHARS else _counted(text)


def _counted(text: str) -> Features:
    kinds = text.encode("utf-8", "replace").translate(_CLASSES)
    words = len(_WORDS.findall(kinds))
    letters = kinds.count(b"a") + kinds.count(b"A")
    return (
        words,
        max(0, letters - 4 * words) / 4,
        len(_CAPITALS.findall(kinds)),
        kinds.count(b"0"),
        kinds.count(b"."),
        len(_MARKS.findall(kinds)),
        len(_BLANKS.findall(kinds)),
        len(_CJK.findall(kinds)),
        kinds.count(b"O"),
    )


_REMEMBERED_CHARS = 10_000
_remembered = lru_cache(maxsize=500)(_counted)
"""A conversation is counted again with each of its turns: what it is made of is the same."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """tokens: on the safe side, so rather too many; likely: as near as can be told; answers: it was learnt from."""

    tokens: int
    likely: float
    answers: int


@dataclass(slots=True)
class _Calibration:
    """What one model's tokens are worth. Weights by recursive least squares of the relative error."""

    weights: list[float] = field(default_factory=lambda: list(_USUAL))
    covariance: list[list[float]] = field(
        default_factory=lambda: [
            [_TRUST * usual * usual if row == column else 0.0 for column in range(len(_USUAL))]
            for row, usual in enumerate(_USUAL)
        ]
    )
    seen: "deque[tuple[Features, int]]" = field(default_factory=lambda: deque[tuple[Features, int]](maxlen=RECENT))
    answers: int = 0
    margin: float = _MARGIN

    def likely(self, found: Features) -> float:
        # No feature makes a text shorter; the recursion itself must not be bent to that, it would never settle.
        return math.fsum(
            max(_LEAST * usual, weight) * count
            for usual, weight, count in zip(_USUAL, self.weights, found, strict=True)
        )

    def doubt(self, found: Features) -> float:
        """Standard deviation of `likely` for what the weights may still be wrong, in tokens."""
        spread = [math.fsum(each * one for each, one in zip(row, found, strict=True)) for row in self.covariance]
        return math.sqrt(max(0.0, math.fsum(each * one for each, one in zip(spread, found, strict=True))))

    def learn(self, found: Features, tokens: int) -> None:
        # Source: A. H. Sayed, 'Adaptive Filters', 2008, section 30.2 (RLS without forgetting), inputs divided by the
        # tokens so that long texts do not drown short ones.
        inputs = [count / tokens for count in found]
        spread = [math.fsum(each * one for each, one in zip(row, inputs, strict=True)) for row in self.covariance]
        total = _NOISE + math.fsum(each * one for each, one in zip(spread, inputs, strict=True))
        error = 1 - math.fsum(each * one for each, one in zip(self.weights, inputs, strict=True))
        self.weights = [weight + each * error / total for weight, each in zip(self.weights, spread, strict=True)]
        self.covariance = [
            [value - spread[row] * spread[column] / total for column, value in enumerate(values)]
            for row, values in enumerate(self.covariance)
        ]
        self.answers += 1
        self.seen.append((found, tokens))
        self.margin = max(_MARGIN, max(_SURPRISE * self._shortfall(*each) for each in self.seen))

    def _shortfall(self, found: Features, tokens: int) -> float:
        likely = self.likely(found)
        return (tokens - likely - _SQRT * math.sqrt(likely) - _FEW) / likely if likely else 0.0


class TokenEstimator:
    """Estimates tokens for each model, better with every answer whose count it learns."""

    def __init__(self) -> None:
        self._models: dict[str, _Calibration] = {}

    def estimate(self, text: str | Sequence[Message], model: str = "") -> Estimate:
        """The tokens of a text, or of messages laid out in the model's template."""
        calibration = self._models.get(model) or _Calibration()
        found = features(text)
        likely = calibration.likely(found)
        safe = likely * (1 + calibration.margin) + _DOUBT * calibration.doubt(found) + _SQRT * math.sqrt(likely) + _FEW
        return Estimate(math.ceil(safe) if likely else 0, likely, calibration.answers)

    def learn(self, text: str | Sequence[Message], tokens: int, model: str = "") -> None:
        """Take in how many tokens a text really had, by the server's count. Counts below 1 say nothing."""
        if tokens > 0:
            self._models.setdefault(model, _Calibration()).learn(features(text), tokens)


def _texts(messages: Sequence[Message]) -> tuple[list[str], int]:
    """All that is text in the messages, and how many images there are."""
    texts: list[str] = []
    images = 0
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        else:
            for part in as_list(content):
                fields = as_object(part)
                texts.append(str(fields.get("text") or ""))
                images += "image_url" in fields or fields.get("type") == "image"
        if calls := message.get("tool_calls"):
            texts.append(msgspec.json.encode(calls).decode())
    return texts, images
