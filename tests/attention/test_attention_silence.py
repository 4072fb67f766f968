"""Silence, canaries, interests, outcomes, and who may wake when thoughts are few."""

import random

import pytest

from wakeful.attention import CANARY, Attention, AttentionSettings, canary
from wakeful.events import Observation

START_NS = 1_800_000_000 * 10**9
SECOND_NS = 10**9


def line(text: str, at_s: float, source: str = "log:x") -> Observation:
    return Observation(at_ns=START_NS + int(at_s * SECOND_NS), source=source, form="lines", text=text)


def beats(attention: Attention, until_s: int, *, but: range = range(0)) -> list[Observation]:
    """A clock that always ticks and a heartbeat each minute, but for some seconds; what was said of silences."""
    said: list[Observation] = []
    for second in range(0, until_s, 10):
        attention.update(second, line(f"tick {second}", second, "log:clock"))
        if second % 60 == 0 and second not in but:
            attention.update(second, line(f"heartbeat {second} ok", second))
        said += attention.silences(START_NS + second * SECOND_NS)
    return said


def test_a_heartbeat_that_stops_is_told_once_and_wakes() -> None:
    attention = Attention()
    said = beats(attention, 7200, but=range(3600, 7200))
    assert 1 <= len(said) <= 2  # the source, and its line
    assert all("log:x" in each.text for each in said)
    assert 3600 < (said[0].at_ns - START_NS) / SECOND_NS < 3900
    assert attention.wakes(attention.update(1, said[0]))


def test_a_heartbeat_that_goes_on_is_no_news() -> None:
    assert beats(Attention(), 7200) == []


def test_while_nobody_listened_nothing_was_silent() -> None:
    attention = Attention()
    beats(attention, 3600)
    later_s = 3600 + 86_400
    attention = Attention.load(attention.dump())
    attention.update(1, line("tick", later_s, "log:clock"))
    assert attention.silences(START_NS + (later_s + 5) * SECOND_NS) == []


def test_a_sensor_that_is_missing_among_its_fellows_is_told_once() -> None:
    attention = Attention()
    said: list[Observation] = []
    for n in range(120):
        values = {"cpu_percent": 5.0, **({"temperature_c:cpu": 40.0} if n < 60 else {})}
        at_ns = START_NS + n * 10 * SECOND_NS
        attention.update(n, Observation(at_ns=at_ns, source="metrics", form="metrics", values=values))
        said += attention.silences(at_ns)
    assert ["temperature cpu" in each.text for each in said] == [True]


def test_canaries_would_wake_every_time_and_are_not_counted() -> None:
    attention = Attention()
    rng = random.Random(1)
    for hour in range(48):
        salience = attention.update(hour, canary(START_NS + hour * 1800 * SECOND_NS, rng))
        assert salience.salience >= salience.threshold
        assert not attention.wakes(salience)
    assert attention.observed == 0
    assert CANARY not in attention.sources


def test_an_interest_raises_what_has_to_do_with_it() -> None:
    plain, keen = Attention(), Attention(AttentionSettings(interests=("backups",)))
    for n in range(300):
        for attention in (plain, keen):
            attention.update(n, line(f"job {n} done", n))
    text = "restic: backup took another way today"
    usual, raised = plain.update(1, line(text, 301)), keen.update(1, line(text, 301))
    assert raised.salience > usual.salience
    assert "you asked about backups" in raised.reasons
    assert not keen.wakes(keen.update(2, line("job 7 done", 302)))


def test_what_came_of_wakings_moves_precision() -> None:
    attention = Attention()
    attention.update(1, line("hello", 0))
    for _ in range(10):
        attention.outcome("log:x", useful=False)
    assert attention.precision("log:x") < 0.7
    for _ in range(30):
        attention.outcome("log:x", useful=True)
    assert attention.precision("log:x") == 1.0
    attention.outcome("nobody", useful=True)


def test_the_hours_last_thought_is_kept_for_a_quiet_source() -> None:
    attention = Attention(AttentionSettings(thoughts_per_hour=3))
    woke: list[bool] = []
    for n in range(3):
        salience = attention.update(n, line(f"ERROR {'ghjk'[n] * 5} failed", n * 120, "log:loud"))
        woke.append(attention.wakes(salience))
        if woke[-1]:
            attention.budget.spent(salience.at_ns, 900)
    assert woke[0]
    assert not woke[2]
    assert attention.wakes(attention.update(9, line("the disk has an I/O error", 400, "log:quiet")))


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_a_share_of_observations_wakes_where_that_is_the_budget(share: float) -> None:
    attention = Attention(AttentionSettings(share=share))
    rng = random.Random(4)
    woke = 0
    for n in range(12_000):
        values = {"queue": rng.gauss(10, 3), "value": rng.expovariate(1)}
        seen = Observation(at_ns=START_NS + n * 60 * SECOND_NS, source="m", form="metrics", values=values)
        woke += attention.wakes(attention.update(n, seen))
    assert woke / 12_000 == pytest.approx(share, rel=0.2)
