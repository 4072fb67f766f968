"""The scoring of Lavin & Ahmad 2015 (doi:10.1109/ICMLA.2015.141), standard profile, written anew.

The first detection in a window earns more the earlier it comes; a window without one costs 1; a detection outside
costs up to 0.11, less shortly after a window. One threshold holds for all streams. 0 is what a detector gets that says
nothing, 100 what a perfect one gets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.streams import Stream

FALSE_WEIGHT, MISSED_WEIGHT = 0.11, 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """score in [.., 100] at `threshold`; windows found, of how many; rows flagged outside windows."""

    score: float
    threshold: float
    found: int
    windows: int
    false: int


def sigmoid(position: float) -> float:
    """Worth of a detection at `position`: -1 at a window's begin, 0 at its end, positive after it."""
    return 2.0 / (1.0 + math.exp(min(5.0 * position, 500.0))) - 1.0


def best(streams: Sequence[Stream], scores: Sequence[Sequence[float]]) -> Result:
    """The result at the best single threshold over all streams."""
    rows = _events(streams, scores)
    windows = sum(len(stream.windows) for stream in streams)
    perfect = windows * sigmoid(-1.0)
    total = -MISSED_WEIGHT * windows
    taken: dict[tuple[int, int], tuple[int, float]] = {}
    top = Result(0.0, math.inf, 0, windows, 0)
    false = 0
    order = sorted(rows, key=lambda row: -row[0])
    for place, (score, stream, window, row, worth) in enumerate(order):
        if window < 0:
            total += FALSE_WEIGHT * worth
            false += 1
        else:
            before = taken.get((stream, window))
            if before is None:
                total += MISSED_WEIGHT + worth
                taken[stream, window] = row, worth
            elif row < before[0]:
                total += worth - before[1]
                taken[stream, window] = row, worth
        if place + 1 < len(order) and order[place + 1][0] == score:
            continue
        scaled = 100.0 * (total + windows) / (perfect + windows) if windows else 0.0
        if scaled > top.score:
            top = Result(scaled, score, len(taken), windows, false)
    return top


def at_threshold(streams: Sequence[Stream], scores: Sequence[Sequence[float]], threshold: float) -> Result:
    """The result at a threshold that was chosen elsewhere."""
    flagged = [[score if score >= threshold else 0.0 for score in each] for each in scores]
    rows = _events(streams, flagged)
    windows = sum(len(stream.windows) for stream in streams)
    perfect = windows * sigmoid(-1.0)
    total, false = -MISSED_WEIGHT * windows, 0
    taken: set[tuple[int, int]] = set()
    for score, stream, window, _, worth in rows:
        if score < threshold:
            continue
        if window < 0:
            total += FALSE_WEIGHT * worth
            false += 1
        elif (stream, window) not in taken:
            taken.add((stream, window))
            total += MISSED_WEIGHT + worth
    scaled = 100.0 * (total + windows) / (perfect + windows) if windows else 0.0
    return Result(scaled, threshold, len(taken), windows, false)


def _events(streams: Sequence[Stream], scores: Sequence[Sequence[float]]) -> list[tuple[float, int, int, int, float]]:
    """Every row that could be flagged: score, stream, window or -1, row, worth."""
    rows: list[tuple[float, int, int, int, float]] = []
    for number, (stream, each) in enumerate(zip(streams, scores, strict=True)):
        windows = stream.windows
        at = 0
        for row in range(stream.probation, len(each)):
            if each[row] <= 0.0:
                continue
            while at < len(windows) and row > windows[at][1]:
                at += 1
            if at < len(windows) and row >= windows[at][0]:
                first, last = windows[at]
                wide = max(last - first + 1, 1)
                rows.append((each[row], number, at, row, sigmoid(-(last - row + 1) / wide)))
                continue
            worth = -1.0
            if at > 0:
                first, last = windows[at - 1]
                wide = max(last - first, 1)
                worth = sigmoid(min((row - last) / wide, 3.0)) if (row - last) / wide <= 3.0 else -1.0
            rows.append((each[row], number, -1, row, worth))
    return rows
