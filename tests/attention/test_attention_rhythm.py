"""What is no silence: a burst's end, a night, a weekend, a slower pace. A real stop is told all the same."""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeful.attention import Attention
from wakeful.attention.rhythm import SILENT_NATS, Rhythm
from wakeful.events import Observation

START_S = 1_800_000_000 - 1_800_000_000 % 604_800 + 4 * 86_400  # a Monday, midnight UTC
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
SOURCE = "log:x"


def line(text: str, at_s: float, source: str = SOURCE) -> Observation:
    return Observation(at_ns=int((START_S + at_s) * 1e9), source=source, form="lines", text=text)


def told(times: Iterable[float], until_s: float, *, look_every_s: float = MINUTE_S) -> list[float]:
    """When it was said of a source that it was silent, in seconds since the begin, in a gate that always hears another.

    times: when the source says its line, rising; until_s: how long there is listened
    """
    attention, said = Attention(), list[float]()
    lines = itertools.chain(times, [until_s])
    due_s = next(lines)
    for look in range(int(until_s / look_every_s)):
        now_s = look * look_every_s
        while due_s <= now_s:
            attention.update(1, line(f"job {int(due_s)} done", due_s))
            due_s = next(lines, until_s)
        attention.update(2, line("tick", now_s, "log:clock"))
        told = attention.silences(int((START_S + now_s) * 1e9))
        said += [now_s for each in told if SOURCE in each.text]
    return said


def every(gap_s: float, from_s: float, until_s: float, jitter: float, rng: random.Random) -> Iterator[float]:
    """Times from `from_s` on, each late by up to a share of the gap."""
    for n in range(math.ceil((until_s - from_s) / gap_s)):
        yield from_s + n * gap_s + rng.random() * jitter * gap_s


def by_chance(gap_s: float, from_s: float, until_s: float, rng: random.Random) -> Iterator[float]:
    at_s = from_s
    while (at_s := at_s + rng.expovariate(1 / gap_s)) < until_s:
        yield at_s


def days(count: int, begin_h: float, end_h: float, *, weekends: bool = True) -> Iterator[tuple[float, float]]:
    for day in range(count):
        if weekends or day % 7 < 5:
            yield day * DAY_S + begin_h * HOUR_S, day * DAY_S + end_h * HOUR_S


def test_the_end_of_a_burst_is_no_silence_and_a_stop_after_it_is_told() -> None:
    rng = random.Random(1)
    times = [
        *every(8 * MINUTE_S, 0, DAY_S, 0.0, rng),
        *every(8, DAY_S, DAY_S + HOUR_S, 0.0, rng),
        *every(8 * MINUTE_S, DAY_S + HOUR_S, 2 * DAY_S, 0.0, rng),
    ]
    said = told(times, 2 * DAY_S + 6 * HOUR_S)
    assert said
    assert times[-1] < said[0] < times[-1] + HOUR_S


def test_a_stop_right_after_a_burst_is_told_within_an_hour() -> None:
    rng = random.Random(1)
    times = [*every(8 * MINUTE_S, 0, DAY_S, 0.0, rng), *every(8, DAY_S, DAY_S + HOUR_S, 0.0, rng)]
    said = told(times, DAY_S + 6 * HOUR_S)
    assert said
    assert times[-1] < said[0] < times[-1] + HOUR_S


@settings(max_examples=60, deadline=None)
@given(
    gap_s=st.floats(240, 1200),
    faster=st.floats(5, 50),
    burst_s=st.floats(300, 2 * HOUR_S),
    jitter=st.floats(0, 0.9),
    seed=st.integers(0, 99),
)
def test_after_any_burst_the_old_pace_is_no_silence(
    gap_s: float, faster: float, burst_s: float, jitter: float, seed: int
) -> None:
    rng, rhythm = random.Random(seed), Rhythm()
    end_s = DAY_S + burst_s
    times = [
        *every(gap_s, 0, DAY_S, jitter, rng),
        *every(gap_s / faster, DAY_S, end_s, jitter, rng),
        *every(gap_s, end_s, end_s + 40 * gap_s, jitter, rng),
    ]
    for at_s in sorted(times):
        assert rhythm.silence(START_S + at_s) < SILENT_NATS  # it only grows until then
        rhythm.came(START_S + at_s)
    assert rhythm.silence(START_S + max(times) + 16 * gap_s) >= SILENT_NATS


def test_what_comes_by_chance_is_rarely_silent_after_a_burst_and_its_stop_is_told() -> None:
    wrong = 0
    for seed in range(20):
        rng = random.Random(seed)
        times = [
            *by_chance(8 * MINUTE_S, 0, DAY_S, rng),
            *by_chance(8, DAY_S, DAY_S + HOUR_S, rng),
            *by_chance(8 * MINUTE_S, DAY_S + HOUR_S, 2 * DAY_S, rng),
        ]
        said = told(times, 2 * DAY_S + 6 * HOUR_S)
        wrong += sum(at_s < times[-1] for at_s in said)
        assert times[-1] < said[-1] < times[-1] + 3 * HOUR_S
    assert wrong <= 2


@pytest.mark.parametrize("gap_s", [20.0, 480.0, 1200.0])
@pytest.mark.parametrize("chance", [False, True])
def test_nights_are_no_silence_after_the_first_ones(gap_s: float, chance: bool) -> None:
    rng = random.Random(2)
    times: list[float] = []
    for begin_s, end_s in days(15, 8.2, 18.4):
        begin_s += rng.uniform(0, 600)
        times += by_chance(gap_s, begin_s, end_s, rng) if chance else every(gap_s, begin_s, end_s, 0.2, rng)
    stop_s = 14 * DAY_S + 11 * HOUR_S
    said = told((at_s for at_s in times if at_s < stop_s), 16 * DAY_S)
    nights = {int((at_s - 8 * HOUR_S) // DAY_S) for at_s in said if at_s < stop_s}
    assert nights <= {0, 1, 2}
    assert any(stop_s < at_s < stop_s + 4 * HOUR_S for at_s in said) or (
        chance and gap_s > 300 and any(stop_s < at_s < stop_s + 26 * HOUR_S for at_s in said)
    )


@pytest.mark.parametrize("gap_s", [60.0, 480.0])
def test_weekends_are_no_silence_from_the_second_one_on(gap_s: float) -> None:
    rng = random.Random(3)
    times: list[float] = []
    for begin_s, end_s in days(28, 8.0, 18.0, weekends=False):
        times += every(gap_s, begin_s, end_s, 0.2, rng)
    said = told(times, 28 * DAY_S)
    assert [at_s for at_s in said if at_s > 7 * DAY_S] == []


def test_a_clock_that_is_put_back_an_hour_is_told_on_one_day_at_most() -> None:
    rng = random.Random(4)
    times: list[float] = []
    for day, (begin_s, end_s) in enumerate(days(21, 7.0, 17.0)):
        later_s = HOUR_S if day >= 10 else 0.0
        times += every(60, begin_s + later_s, end_s + later_s, 0.2, rng)
    said = [at_s for at_s in told(times, 21 * DAY_S) if at_s > 3 * DAY_S]
    assert len({at_s // DAY_S for at_s in said}) <= 1


def test_a_slower_pace_for_good_is_told_twice_at_most() -> None:
    rng = random.Random(5)
    times = [*every(10, 0, 2 * DAY_S, 0.0, rng), *every(8 * MINUTE_S, 2 * DAY_S, 4 * DAY_S, 0.0, rng)]
    said = told(times, 4 * DAY_S)
    assert 1 <= len({at_s // (8 * MINUTE_S) for at_s in said}) <= 2


def test_an_outage_does_not_dull_the_ear_for_the_next_one() -> None:
    rng = random.Random(6)
    first_s, second_s = 3 * DAY_S, 5 * DAY_S + 3 * HOUR_S
    times = [
        *every(60, 0, first_s, 0.1, rng),
        *every(60, first_s + 12 * HOUR_S, second_s, 0.1, rng),
    ]
    said = told(times, second_s + 4 * HOUR_S)
    assert first_s < said[0] < first_s + 5 * MINUTE_S
    assert any(second_s < at_s < second_s + 5 * MINUTE_S for at_s in said)


def test_nights_when_nobody_listened_are_nobodys_silence() -> None:
    attention, said = Attention(), list[float]()
    stop_s = 6 * DAY_S + 12 * HOUR_S
    for begin_s, end_s in days(7, 7.0, 23.0):
        for minute in range(int((end_s - begin_s) / MINUTE_S)):
            now_s = begin_s + minute * MINUTE_S
            attention.update(1, line("tick", now_s, "log:clock"))
            if now_s < stop_s:
                attention.update(2, line(f"job {minute} done", now_s))
            for each in attention.silences(int((START_S + now_s) * 1e9)):
                said.append(now_s) if SOURCE in each.text else None
    assert said
    assert stop_s < said[0] < stop_s + 5 * MINUTE_S


def missing(present: Callable[[float], bool], until_s: float, *, every_s: float = 5 * MINUTE_S) -> list[float]:
    """When it was said that one number of a source is missing, which has a fellow that always comes."""
    attention, said = Attention(), list[float]()
    for step in range(int(until_s / every_s)):
        now_s = step * every_s
        values = {"always": float(step % 7), **({"sun": float(step % 5)} if present(now_s) else {})}
        at_ns = int((START_S + now_s) * 1e9)
        attention.update(1, Observation(at_ns=at_ns, source="m", form="metrics", values=values))
        said += [now_s for each in attention.silences(at_ns) if "sun" in each.text]
    return said


def test_a_number_that_comes_by_day_is_missed_on_the_first_nights_only_and_told_when_it_stops() -> None:
    stop_s = 14 * DAY_S + 11 * HOUR_S
    said = missing(lambda at_s: 7 <= at_s % DAY_S / HOUR_S < 19 and at_s < stop_s, 15 * DAY_S)
    assert {int((at_s - 8 * HOUR_S) // DAY_S) for at_s in said if at_s < stop_s} <= {0, 1, 2}
    assert any(stop_s < at_s < stop_s + 3 * HOUR_S for at_s in said)


def test_a_number_that_comes_less_often_again_after_a_burst_is_not_missing() -> None:
    def present(at_s: float) -> bool:
        return at_s < 2.5 * DAY_S and (DAY_S <= at_s < DAY_S + 2 * HOUR_S or at_s % (20 * MINUTE_S) < 10)

    said = missing(present, 3 * DAY_S, every_s=10.0)
    assert said
    assert 2.5 * DAY_S < said[0] < 2.5 * DAY_S + 4 * HOUR_S
