"""How much of a longer text did its source never say before? By shingles: words that stand next to each other."""

import re
from zlib import crc32

import msgspec

from wakeful.attention.tails import Tail

FROM_WORDS = 12
"""Shorter texts are judged by their shape alone."""

_MOST_WORDS = 1000
_SHINGLE = 3  # words
_BITS = 1 << 14
_FULL = _BITS // 4  # shingles after which the older half of them is forgotten
_YOUNG = 20  # texts before a share of new shingles means something
_UNIT = 10.0  # sizes that a text of which nothing was said before has
_LEAST = 0.05  # share of new shingles below which a text is as before
_DIGITS = re.compile(r"\d+")


class Novelty(msgspec.Struct, array_like=True):
    """What was said, as two Bloom filters of one hash each: shingles since some time, and those of the time before.

    count: shingles in the present one; texts: seen; tail: of the share of new shingles
    """

    present: bytearray = msgspec.field(default_factory=lambda: bytearray(_BITS // 8))
    before: bytearray = msgspec.field(default_factory=lambda: bytearray(_BITS // 8))
    count: int = 0
    texts: int = 0
    tail: Tail = msgspec.field(default_factory=Tail)

    def update(self, text: str) -> tuple[float, float]:
        """Nats of so much being new, as of this source, and the share of shingles that are; learns from it."""
        words = _DIGITS.sub("#", text).split(None, _MOST_WORDS)[:_MOST_WORDS]
        if len(words) < FROM_WORDS:
            return 0.0, 0.0
        shingles = {
            crc32(" ".join(words[n : n + _SHINGLE]).encode("utf-8", "surrogatepass")) % _BITS
            for n in range(len(words) - _SHINGLE + 1)
        }
        new = sum(not self._said(shingle) for shingle in shingles)
        share = new / len(shingles)
        if self.count > _FULL:
            self.before, self.present, self.count = self.present, bytearray(_BITS // 8), 0
        self.texts += 1
        nats = self.tail.nats(_UNIT * share)
        return (nats, share) if self.texts > _YOUNG and share > _LEAST else (0.0, share)

    def _said(self, shingle: int) -> bool:
        """Whether it was said before; it is from now on."""
        place, bit = shingle >> 3, 1 << (shingle & 7)
        present = self.present
        if present[place] & bit:
            return True
        present[place] |= bit
        self.count += 1
        return bool(self.before[place] & bit)
