"""Codes find what is near: in steps as well as all at once, across chunks, and among some only."""

import numpy as np
import pytest

from wakeful.memory import codes
from wakeful.memory.codes import Codes


@pytest.fixture
def rows() -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    rng = np.random.default_rng(3)
    centres = rng.normal(0, 1, (50, 100))  # 100: no whole number of words
    return (centres[rng.integers(0, 50, 3000)] + rng.normal(0, 0.3, (3000, 100))).astype(np.float32)


def held(rows: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> Codes:
    made = Codes(100)
    for begin in range(0, len(rows), 700):
        part = rows[begin : begin + 700]
        ids = range(begin + 1, begin + len(part) + 1)
        made.add(ids, [10 * each for each in ids], [row.tobytes() for row in np.packbits(part > 0, axis=1)])
    return made


@pytest.mark.parametrize(("at_once", "chunk"), [(20_000, 1 << 16), (100, 1 << 16), (100, 512)])
def test_the_nearest_are_found(
    rows: "np.ndarray[tuple[int, int], np.dtype[np.float32]]", at_once: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "_ALL_BITS_UP_TO", at_once)
    monkeypatch.setattr(codes, "_CHUNK", chunk)
    monkeypatch.setattr(codes, "_KEPT_SHARE", 10)
    made = held(rows)
    assert len(made) == 3000
    assert made.last_id == 3000
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for at in range(0, 3000, 300):
        nearest = set((np.argsort(-(unit @ unit[at]))[:10] + 1).tolist())
        found = made.nearest(rows[at], 60)
        assert len(found) == 60
        assert all(seq == 10 * each for each, seq in found.items())
        assert len(nearest & found.keys()) >= 8
        some = [10 * each for each in nearest]
        assert made.nearest_of(rows[at], some, 5).keys() <= nearest
        assert set(made.nearest_of(rows[at], some, 50)) == nearest


def test_among_none_there_is_none(rows: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> None:
    assert held(rows).nearest_of(rows[0], [], 5) == {}
    assert held(rows).nearest_of(rows[0], [7], 5) == {}
    assert Codes(100).nearest(rows[0], 5) == {}
