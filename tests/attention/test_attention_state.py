"""What was learnt, across restarts and versions."""

import math
import random
from pathlib import Path

import pytest

from wakeful.attention import Attention
from wakeful.attention.kinds import kind_of
from wakeful.attention.numbers import Metric
from wakeful.attention.state import encode
from wakeful.events import Observation

DATA = Path(__file__).parent / "data"
START_NS = 1_800_000_000 * 10**9
STEP_NS = 300 * 10**9


def sample(n: int, value: float) -> Observation:
    return Observation(at_ns=START_NS + n * STEP_NS, source="metrics", form="metrics", values={"x": value})


def test_a_gate_goes_on_after_a_restart_as_if_there_had_been_none() -> None:
    rng = random.Random(1)
    values = [50 + 20 * math.sin(n / 288 * 2 * math.pi) + rng.gauss(0, 1) for n in range(2500)]
    values[2300] = 95.0
    one, other = Attention(), Attention()
    for n, value in enumerate(values):
        if n % 700 == 0:
            other = Attention.load(other.dump())
        assert one.update(n, sample(n, value)) == other.update(n, sample(n, value))


def test_a_state_of_version_3_keeps_all_but_the_models_of_metrics() -> None:
    gate = Attention.load((DATA / "state-3.msgpack").read_bytes())
    assert gate.observed == 400
    assert gate.precision("journald") < 0.9
    assert gate.budget.thoughts_left(START_NS + 2000 * 10**9) == pytest.approx(5, abs=0.01)
    known = Observation(
        at_ns=START_NS + 2010 * 10**9, source="journald", form="lines", text="CRON[999]: (root) CMD (run-parts)"
    )
    assert gate.update(1, known).surprise_nats == 0
    assert gate.update(2, sample(10, 4.0)).salience < 0.3
    assert Attention.load(gate.dump()).observed == gate.observed


@pytest.mark.parametrize("heavy", [False, True])
def test_a_metric_takes_under_four_kilobytes_whatever_it_saw(heavy: bool) -> None:
    rng, metric, kind = random.Random(9), Metric(), kind_of("disk_percent:/")
    for n in range(12_000):
        value = rng.lognormvariate(0, 3) if heavy else rng.random()
        metric.update(kind, value + 60.0 * (rng.random() < 0.01), n * 300.0)
    assert len(encode(metric)) < 4096
