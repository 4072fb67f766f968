"""Whether something grows for good, at which pace, and so when it has filled what is left."""

import math
import statistics
from itertools import combinations

MAX_POINTS = 64
MIN_POINTS = 12
MIN_SPAN_S = 1800.0
"""Before so many points over so long a time nothing is said."""

SURE = 3.0
"""How many standard deviations the order of the points must be from chance (Mann-Kendall)."""

STEADY = 0.4
"""The pace of each half, as a share of the whole's, below which it is no steady growth: what warms up, levels off."""


class Growth:
    """Sizes over time, thinned as they become many, so that a day and a month take the same memory."""

    def __init__(self, *, every_s: float = 60.0) -> None:
        self._every_s = every_s
        self._points: list[tuple[float, float]] = []

    def add(self, at_s: float, size: float) -> None:
        """A size at a time, in seconds that never go back; what comes too soon after the last point is passed over."""
        if self._points and at_s - self._points[-1][0] < self._every_s:
            return
        self._points.append((at_s, size))
        if len(self._points) > MAX_POINTS:
            self._points = self._points[::2]
            self._every_s *= 2

    def pace(self) -> float | None:
        """Growth a second, > 0; None where it does not clearly and steadily grow.

        The median of the slopes between all pairs of points (Theil 1950, Sen 1968), which a few odd points do not
        move, where the order of the points is no chance (Mann 1945, Kendall 1975) and both halves grow alike.
        """
        points = self._points
        if len(points) < MIN_POINTS or points[-1][0] - points[0][0] < MIN_SPAN_S:
            return None
        pace = _slope(points)
        middle = len(points) // 2
        halves = min(_slope(points[:middle]), _slope(points[middle:]))
        if pace <= 0 or halves < STEADY * pace or _order(points) < SURE:
            return None
        return pace


def _slope(points: list[tuple[float, float]]) -> float:
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2)]
    return statistics.median(slopes)


def _order(points: list[tuple[float, float]]) -> float:
    """Mann and Kendall's statistic, in standard deviations."""
    count = len(points)
    rises = sum((b[1] > a[1]) - (b[1] < a[1]) for a, b in combinations(points, 2))
    return rises / math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
