"""Which vectors are near? One bit for each number of a vector, compared with all that there are, in steps.

Signs are a coarse picture of a vector, and a small one: 96 bytes for 768 numbers, 96 MB for a million. They are
compared by counting the bits that differ (the Hamming distance). A first look at few bits leaves a hundredth, all bits
leave some hundreds, and those are compared exactly. Source: binary codes with exact rescoring, as in Charikar 2002,
doi:10.1145/509907.509965 (signs of projections estimate the angle).
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

_CHUNK = 1 << 16
"""Vectors that are compared at once: their first words fit into a core's cache."""

_SKETCH_WORDS = 2
_ALL_BITS_UP_TO = 20_000
_KEPT_SHARE = 100


def numpy() -> Any:
    """numpy, which only this needs. Raises ImportError where it isn't installed."""
    return import_module("numpy")


class Codes:
    """The codes of all vectors, in memory, with the numbers of their entries.

    dims: numbers of a vector
    """

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self.last_id = 0
        self._np = numpy()
        self._words = (dims + 63) // 64
        self._sketches: list[Any] = []  # of (words, vectors) each, so that a word of all vectors lies together
        self._rows: list[Any] = []  # of (vectors, words) each, so that all words of a vector do
        self._ids: list[Any] = []
        self._seqs: list[Any] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, ids: Sequence[int], seqs: Sequence[int], codes: Sequence[bytes]) -> None:
        """Takes codes in; ids grow."""
        np = self._np
        padded = self._words * 8
        rows = np.frombuffer(b"".join(code.ljust(padded, b"\0") for code in codes), np.uint64).reshape(-1, self._words)
        done = 0
        while done < len(rows):
            at = self._count % _CHUNK
            if at == 0:
                self._sketches.append(np.empty((min(_SKETCH_WORDS, self._words), _CHUNK), np.uint64))
                self._rows.append(np.empty((_CHUNK, self._words), np.uint64))
                self._ids.append(np.empty(_CHUNK, np.int64))
                self._seqs.append(np.empty(_CHUNK, np.int64))
            size = min(_CHUNK - at, len(rows) - done)
            self._sketches[-1][:, at : at + size] = rows[done : done + size, :_SKETCH_WORDS].T
            self._rows[-1][at : at + size] = rows[done : done + size]
            self._ids[-1][at : at + size] = ids[done : done + size]
            self._seqs[-1][at : at + size] = seqs[done : done + size]
            self._count += size
            done += size
        self.last_id = int(ids[-1]) if len(ids) else self.last_id

    def nearest(self, query: Any, limit: int) -> dict[int, int]:
        """The `limit` vectors whose codes differ least from the query's: entries by id, in no order."""
        np = self._np
        code = self.code(query)
        if self._count <= _ALL_BITS_UP_TO:
            places = np.arange(self._count)
        else:
            places = self._sketched(code[:_SKETCH_WORDS], self._count // _KEPT_SHARE)
        return self._closest(code, places, limit)

    def nearest_of(self, query: Any, seqs: Sequence[int], limit: int) -> dict[int, int]:
        """The same among the vectors of these entries only."""
        np = self._np
        if not self._count or not seqs:
            return {}
        wanted = np.asarray(sorted(seqs), np.int64)
        places: list[Any] = []
        for number, chunk in enumerate(self._seqs):
            there = chunk[: self._size(number)]
            at = np.searchsorted(wanted, there).clip(max=len(wanted) - 1)
            places.append(np.flatnonzero(wanted[at] == there) + number * _CHUNK)
        return self._closest(self.code(query), np.concatenate(places), limit)

    def code(self, vector: Any) -> Any:
        """The signs of a vector's numbers as words of 64 bits."""
        np = self._np
        bits = np.packbits(vector > 0)
        return np.frombuffer(bits.tobytes().ljust(self._words * 8, b"\0"), np.uint64)

    def _size(self, number: int) -> int:
        return min(_CHUNK, self._count - number * _CHUNK)

    def _sketched(self, words: Any, least: int) -> Any:
        """Places of at least `least` vectors (many more at most) whose first words differ least."""
        np = self._np
        distances = np.empty(self._count, np.uint8)
        differing, bits = np.empty(_CHUNK, np.uint64), np.empty(_CHUNK, np.uint8)
        for number, chunk in enumerate(self._sketches):
            size = self._size(number)
            here = distances[number * _CHUNK : number * _CHUNK + size]
            for at, word in enumerate(words):
                np.bitwise_xor(chunk[at, :size], word, out=differing[:size])
                if at == 0:
                    np.bitwise_count(differing[:size], out=here)
                else:
                    np.bitwise_count(differing[:size], out=bits[:size])
                    here += bits[:size]
        step = max(1, self._count // 50_000)  # a sample tells well enough where to cut
        counts = np.cumsum(np.bincount(distances[::step], minlength=64 * len(words) + 1))
        cut = int(np.searchsorted(counts, least / step))
        return np.flatnonzero(distances <= cut)

    def _closest(self, code: Any, places: Any, limit: int) -> dict[int, int]:
        np = self._np
        distances = np.empty(len(places), np.uint16)
        for number, rows in enumerate(self._rows):
            begin, end = np.searchsorted(places, (number * _CHUNK, (number + 1) * _CHUNK))
            if begin == end:
                continue
            here = places[begin:end] - number * _CHUNK
            differing = np.bitwise_count(rows.take(here, axis=0) ^ code)
            distances[begin:end] = differing.sum(axis=1, dtype=np.uint16)
        if len(places) > limit:
            places = places[np.argpartition(distances, limit)[:limit]]
        chunks = [(int(place) // _CHUNK, int(place) % _CHUNK) for place in places]
        return {int(self._ids[number][at]): int(self._seqs[number][at]) for number, at in chunks}
