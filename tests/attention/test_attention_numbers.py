import itertools
import math
import random
from collections.abc import Callable

import pytest

from wakeful.attention.forecast import WARM_UP
from wakeful.attention.kinds import kind_of, said
from wakeful.attention.numbers import Metric, tail

VALUE = kind_of("value")


def surprises(
    draw: Callable[[], float], samples: int, name: str = "value", metric: Metric | None = None
) -> list[float]:
    metric = metric or Metric()
    return [metric.update(kind_of(name), draw(), n * 10.0).nats for n in range(samples)]


def draws(kind: str, rng: random.Random) -> Callable[[], float]:
    state = 0.0

    def autoregressive() -> float:
        nonlocal state
        state = 0.9 * state + rng.gauss(0, 1)
        return 200 + 5 * state

    def heavy() -> float:
        return 50 + rng.gauss(0, 1) / math.sqrt(sum(rng.gauss(0, 1) ** 2 for _ in range(3)) / 3)

    return {
        "normal": lambda: rng.gauss(100, 10),
        "heavy": heavy,
        "autoregressive": autoregressive,
        "exponential": lambda: rng.expovariate(1),
        "uniform": rng.random,
    }[kind]


@pytest.mark.parametrize("kind", ["normal", "heavy", "autoregressive", "exponential", "uniform"])
def test_surprise_is_calibrated_on_what_is_unsurprising(kind: str) -> None:
    """The tail probability exp(-surprise) is near uniform, and the far tail is not claimed too often."""
    metric, draw = Metric(), draws(kind, random.Random(5))
    found = [metric.update(VALUE, draw(), n * 10.0).surprise for n in range(12_000)][2000:]
    for p in (0.9, 0.7, 0.5, 0.3, 0.1):
        share = sum(math.exp(-nats) <= p for nats in found) / len(found)
        assert share == pytest.approx(p, rel=0.15 if p > 0.1 else 0.3)
    for nats in (3.0, 5.0, 7.0):
        assert sum(each > nats for each in found) / len(found) < 2.5 * math.exp(-nats) + 2 / len(found)


def test_tail_probabilities_are_uniform_on_many_generated_streams() -> None:
    """By Kolmogorov & Smirnov's distance, the greatest between the shares that came and those that were claimed."""
    distances: list[float] = []
    for number, kind in enumerate(["normal", "heavy", "autoregressive", "exponential", "uniform"] * 6):
        metric, draw = Metric(), draws(kind, random.Random(number))
        found = [math.exp(-metric.update(VALUE, draw(), n * 60.0).surprise) for n in range(2500)][500:]
        found.sort()
        distances.append(max(abs((n + 1) / len(found) - chance) for n, chance in enumerate(found)))
    assert max(distances) < 0.08
    assert sum(distances) / len(distances) < 0.04


@pytest.mark.parametrize(
    ("name", "usual", "noise"), [("cpu_percent", 3.0, 1.5), ("value", 1e6, 10.0), ("x", 0.5, 0.01)]
)
def test_a_step_far_out_surprises_at_once_and_once(name: str, usual: float, noise: float) -> None:
    rng = random.Random(1)
    metric = Metric()
    assert max(surprises(lambda: rng.gauss(usual, noise), 500, name, metric)) < 9
    least = max(kind_of(name).least_change(usual), noise)
    told = [metric.update(kind_of(name), usual + 30 * least, 5000.0 + 10 * n).nats > 4 for n in range(200)]
    assert told[0]
    assert sum(told) == 1


def test_a_return_to_what_was_usual_for_long_is_no_news() -> None:
    rng = random.Random(2)
    metric = Metric()
    surprises(lambda: rng.gauss(3, 1), 2000, "cpu_percent", metric)
    for n in range(200):
        metric.update(kind_of("cpu_percent"), rng.gauss(80, 1), 20_000.0 + 10 * n)
    back = [metric.update(kind_of("cpu_percent"), rng.gauss(3, 1), 22_000.0 + 10 * n) for n in range(100)]
    assert max(min(each.nats, each.matters) for each in back) < 4


def test_a_departure_that_grows_notably_or_comes_back_after_quiet_is_told_again() -> None:
    metric, cpu = Metric(), kind_of("cpu_percent")
    for n in range(400):
        metric.update(cpu, 2.0 + n % 3 * 0.2, n * 10.0)
    assert metric.update(cpu, 40.0, 4000.0).nats > 6
    assert metric.update(cpu, 42.0, 4010.0).nats < 1
    assert metric.update(cpu, 95.0, 4020.0).nats > 6
    for n in range(100):
        metric.update(cpu, 2.0 + n % 3 * 0.2, 4030.0 + n * 10)
    assert metric.update(cpu, 95.0, 5100.0).nats > 6


def test_one_spike_does_not_widen_what_is_usual() -> None:
    rng = random.Random(3)
    metric = Metric()
    surprises(lambda: rng.gauss(10, 1), 300, "value", metric)
    before = list(metric.forecast.scales)
    metric.update(VALUE, 1e9, 3000.0)
    assert all(now < 1.2 * then for now, then in zip(metric.forecast.scales, before, strict=True))
    assert metric.forecast.level == pytest.approx(10, abs=1)
    assert metric.update(VALUE, 10.0, 3010.0).nats < 4


def test_a_flat_line_that_moves_surprises() -> None:
    metric = Metric()
    assert max(surprises(lambda: 5.0, 1000, "value", metric)) == 0
    assert metric.update(VALUE, 6.0, 10_000.0).nats > 7


def test_a_small_change_is_too_small_however_unusual() -> None:
    metric = Metric()
    surprises(lambda: 1.0, 5000, "cpu_percent", metric)
    assert metric.update(kind_of("cpu_percent"), 6.0, 50_000.0).matters < 3


def test_a_trend_becomes_usual() -> None:
    rng = random.Random(4)
    metric = Metric()
    slope = [metric.update(VALUE, n + rng.gauss(0, 1), n * 10.0).nats for n in range(2000)]
    assert sum(nats > 6 for nats in slope) == 0
    assert metric.forecast.trend == pytest.approx(1.0, rel=0.3)


def test_irregular_samples_gaps_and_a_clock_set_back_are_no_news() -> None:
    rng = random.Random(6)
    metric = Metric()
    at_s, found = 1e9, list[float]()
    for n in range(2000):
        at_s += rng.choice([1.5, 10.0, 10.0, 60.0]) + (86_400.0 if n == 900 else 0.0) - (7200.0 if n == 1500 else 0.0)
        found.append(metric.update(VALUE, rng.gauss(50, 2), at_s).nats)
    assert sum(nats > 7 for nats in found) <= 3


def test_a_counter_is_judged_by_its_rate_and_a_reset_is_no_news() -> None:
    rng = random.Random(8)
    metric, kind = Metric(), kind_of("requests_total")
    total, found = 1e6, list[float]()
    for n in range(1000):
        total = 0.0 if n == 500 else total + rng.gauss(100, 5)
        found.append(metric.update(kind, total, n * 10.0).nats)
    assert max(found) < 9
    judged = metric.update(kind, total + 5000, 10_000.0)
    assert judged.nats > 8
    assert judged.value == pytest.approx(500)


def test_the_first_samples_are_no_news_by_themselves() -> None:
    metric = Metric()
    assert [metric.update(VALUE, value, value) for value in (1.0, 900.0, -5.0)]
    assert all(Metric().update(VALUE, float(n), n * 1.0).nats == 0 for n in range(WARM_UP))


def test_a_filling_disk_is_told_with_the_hours_left_before_any_level() -> None:
    metric, disk = Metric(), kind_of("disk_percent:/")
    for n in range(500):
        metric.update(disk, 62.0, n * 10.0)
    told = [(n, judged) for n in range(900) if (judged := metric.update(disk, 62 + n * 0.03, 5000 + n * 10.0)).end_nats]
    first, judged = told[0]
    left_h = (100 - judged.value) / 0.003 / 3600
    assert judged.value < 80
    assert judged.full_in_h == pytest.approx(left_h, rel=0.4)
    assert [value.end_nats for _, value in told] == [9.0]
    assert first > 24


def test_a_disk_at_its_levels_is_told_once_each_and_hovering_is_not() -> None:
    metric, disk = Metric(), kind_of("disk_percent:/")
    for n in range(100):
        metric.update(disk, 89.5, n * 3600.0)
    ends = [
        metric.update(disk, value, 4e5 + n * 3600.0).end_nats for n, value in enumerate([90.1, 89.9, 90.2, 89.8, 95.5])
    ]
    assert ends == [7.0, 0.0, 0.0, 0.0, 9.0]


@pytest.mark.parametrize("value", [1e100, -1e100, 5e-324, 0.0])
def test_any_number_is_judged(value: float) -> None:
    metric = Metric()
    for n in range(50):
        judged = metric.update(VALUE, value if n % 7 else 1.0, n * 10.0)
        assert 0 <= judged.nats <= 20
        assert all(map(math.isfinite, (metric.forecast.level, metric.forecast.slow)))
        assert all(map(math.isfinite, metric.forecast.scales))


def test_the_tail_is_a_probability_that_falls() -> None:
    values = [tail(z / 10) for z in range(20_000)]
    assert values[0] == 1.0
    assert all(0 < later <= earlier for earlier, later in itertools.pairwise(values))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cpu_percent", 97.4, "cpu 97.4%"),
        ("load_1", 8.8, "load 8.80"),
        ("disk_percent:/home", 71.0, "disk /home 71.0%"),
        ("temperature_c:coretemp", 84.0, "temperature coretemp 84C"),
        ("net_errors_per_s:eth0", 3.0, "net eth0 errors 3.0/s"),
        ("rx_bytes_per_s:eth0", 12_300_000.0, "rx eth0 12.3 MB/s"),
        ("disk_write_bytes_per_s", 4e7, "disk write 40.0 MB/s"),
        ("memory_bytes", 1.2e8, "memory 120.0 MB"),
        ("queue_length", 7.0, "queue length 7.00"),
    ],
)
def test_a_metric_is_said_as_sources_write_it(name: str, value: float, words: str) -> None:
    assert said(name, value) == words
