import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.attention import Attention, AttentionSettings, WakeBudget
from wakeful.attention.numbers import WARM_UP, Metric, tail
from wakeful.attention.words import gravity
from wakeful.events import Observation, Salience

START_NS = 1_800_000_000 * 10**9
STEP_NS = 10 * 10**9


def metrics(step: int, **values: float) -> Observation:
    named = {name.replace("__", ":/"): value for name, value in values.items()}
    return Observation(at_ns=START_NS + step * STEP_NS, source="metrics", form="metrics", values=named)


def line(text: str, step: int = 0, source: str = "journald", **more: object) -> Observation:
    return Observation(at_ns=START_NS + step * STEP_NS, source=source, form="lines", text=text, **more)  # type: ignore[arg-type]


def routine(rng: random.Random) -> str:
    number = rng.randint(1, 9999)
    return rng.choice(
        [
            f"CRON[{number}]: (root) CMD (run-parts /etc/cron.hourly)",
            f"systemd[1]: Started Session {number} of User x.",
            f"sshd[{number}]: Accepted publickey for git from 10.0.0.{number % 250}",
            f"backup[{number}]: finished with 0 errors",
        ]
    )


def idle_machine(hours: float, attention: Attention | None = None) -> tuple[Attention, list[Salience]]:
    """A gate that has watched an idle machine, and what woke it."""
    rng = random.Random(3)
    attention = attention or Attention()
    woke: list[Salience] = []
    for step in range(int(hours * 360)):
        seen = [
            metrics(
                step,
                cpu_percent=max(0.3, rng.gauss(3, 1.5)) + (25.0 if step % 360 == 0 else 0.0),
                memory_percent=30 + rng.gauss(0, 0.2),
                load_1=max(0.0, rng.gauss(0.2, 0.1)),
                disk_percent__=50 + step / 86400,
                disk_write_bytes_per_s=rng.expovariate(1 / 2e5) * (30 if rng.random() < 0.01 else 1),
            )
        ]
        if step % 6 == 0:
            seen.append(line(routine(rng), step))
        for observation in seen:
            salience = attention.update(step, observation)
            if attention.wakes(salience):
                attention.budget.spent(salience.at_ns, 900)
                woke.append(salience)
    return attention, woke


def test_an_idle_machine_is_habituated() -> None:
    attention, woke = idle_machine(24)
    assert len(woke) <= 2
    assert attention.habituated / attention.observed > 0.995


def test_a_cpu_spike_wakes_at_once_and_once() -> None:
    attention, _ = idle_machine(1)
    woke = [attention.wakes(attention.update(9, metrics(400 + n, cpu_percent=97.0, load_1=6.0))) for n in range(30)]
    assert woke[0]
    assert sum(woke) == 1


def test_why_is_said_in_words() -> None:
    attention, _ = idle_machine(1)
    salience = attention.update(9, metrics(400, cpu_percent=97.4))
    assert salience.reasons[0].startswith("cpu 97.4%, usually ")


def test_a_filling_disk_wakes_before_it_is_full() -> None:
    attention, _ = idle_machine(1)
    woke: list[float] = []
    reasons: tuple[str, ...] = ()
    for step, percent in enumerate(range(50, 100)):
        salience = attention.update(9, metrics(400 + step * 6, disk_percent__=float(percent)))
        if attention.wakes(salience):
            woke.append(percent)
            reasons = salience.reasons
    assert any(percent <= 95 for percent in woke)
    assert "full in about" in reasons[0]


@pytest.mark.parametrize(
    "text",
    [
        "kernel: Out of memory: Killed process 33 (mysqld)",
        "kernel: I/O error, dev sda, sector 1234",
        "postgres[12]: FATAL: data directory has wrong ownership",
        "app: ERROR: connection refused to db",
    ],
)
def test_an_error_never_seen_before_wakes(text: str) -> None:
    attention, _ = idle_machine(1)
    salience = attention.update(9, line(text, 400))
    assert attention.wakes(salience)
    assert "never seen before" in salience.reasons
    again = attention.update(9, line(text, 401))
    assert not attention.wakes(again)


def test_an_error_in_a_young_source_wakes_but_its_first_words_do_not() -> None:
    attention = Attention()
    assert not attention.wakes(attention.update(1, line("hello, I am new here")))
    assert attention.wakes(attention.update(2, line("panic: it is all over")))


@pytest.mark.parametrize(
    "text", ["finished with 0 errors", "no error found", "error=0 status: 0", "container x is healthy"]
)
def test_denied_errors_are_none(text: str) -> None:
    assert gravity(text)[0] == 0.0


def test_a_block_claims_what_its_worst_line_does() -> None:
    attention, _ = idle_machine(1)
    rng = random.Random(1)
    lines = [routine(rng) for _ in range(1199)] + ["kernel: EXT4-fs error (device sda1): corrupt inode"]
    salience = attention.update(9, line("\n".join(lines), 400, count=1200))
    assert attention.wakes(salience)
    assert salience.reasons[0].startswith("most surprising of 1200 lines: kernel: EXT4-fs error")


def test_a_command_that_begins_to_fail_wakes() -> None:
    attention = Attention()

    def output(status: str) -> Observation:
        return Observation(
            at_ns=START_NS, source="command:backup", form="output", text="backup exited", attrs={"exit_status": status}
        )

    assert not attention.wakes(attention.update(1, output("0")))
    salience = attention.update(2, output("1"))
    assert attention.wakes(salience)
    assert "exit code 1, was 0" in salience.reasons
    assert not attention.wakes(attention.update(3, output("1")))


def test_a_file_that_guards_access_wakes_and_others_do_not() -> None:
    attention = Attention()

    def change(path: str) -> Observation:
        return Observation(at_ns=START_NS, source="files:/", form="change", subject=path, text=f"modified {path}")

    assert not attention.wakes(attention.update(1, change("/home/x/notes.md")))
    assert attention.wakes(attention.update(2, change("/etc/shadow")))


def test_what_was_learnt_survives_a_restart() -> None:
    attention, _ = idle_machine(1)
    other = Attention.load(attention.dump())
    for step in range(400, 420):
        for observation in (metrics(step, cpu_percent=50.0 + step, load_1=1.0), line(f"new {step} failed", step)):
            assert attention.update(step, observation) == other.update(step, observation)
    assert len(attention.dump()) < 4096 * 10


@pytest.mark.parametrize("data", [b"", b"\x00" * 50, b"{}", b"\x81\xa7version\x63"])
def test_a_state_that_can_not_be_read_begins_anew(data: bytes) -> None:
    assert Attention.load(data).observed == 0


def test_surprise_is_calibrated_on_what_is_unsurprising() -> None:
    rng = random.Random(5)
    metric = Metric()
    surprises = [metric.update("x", rng.gauss(100, 10), n * 10.0)[0] for n in range(20_000)][WARM_UP * 10 :]
    for nats in (3.0, 5.0):
        share = sum(each > nats for each in surprises) / len(surprises)
        assert share < 2.0 * math.exp(-nats)


def test_the_tail_is_a_probability_that_falls() -> None:
    values = [tail(z / 10) for z in range(2000)]
    assert values[0] == 1.0
    assert all(0 < later <= earlier for earlier, later in itertools.pairwise(values))


def test_a_storm_is_bounded_by_the_budget() -> None:
    attention = Attention(AttentionSettings(thoughts_per_hour=6))
    thoughts = 0
    for number in range(10_000):
        source = f"log:/{number % 50}"
        salience = attention.update(number, line(f"panic {number:x}x: fatal {'abcdefgh'[number % 8]}", source=source))
        if attention.wakes(salience):
            attention.budget.spent(salience.at_ns, 900)
            thoughts += 1
    assert thoughts <= 12


def test_the_budget_fills_again_with_time_and_survives_a_clock_set_back() -> None:
    budget = WakeBudget(AttentionSettings(thoughts_per_hour=6))
    for _ in range(20):
        budget.spent(START_NS, 1000)
    assert budget.threshold(START_NS) > 1.0
    assert budget.threshold(START_NS - 10**9) > 1.0
    assert budget.threshold(START_NS + 3600 * 10**9) < 0.72
    assert budget.threshold(0) <= 1.01


@given(
    st.lists(
        st.builds(
            Observation,
            at_ns=st.integers(-(2**60), 2**60),
            source=st.sampled_from(["a", "b"]),
            form=st.sampled_from(["metrics", "lines", "change", "output", "state", "text"]),
            text=st.text(max_size=300),
            values=st.dictionaries(st.sampled_from(["cpu_percent", "x", "disk_percent:/"]), st.floats(), max_size=3),
            attrs=st.dictionaries(st.sampled_from(["exit_status", "priority"]), st.text(max_size=5), max_size=2),
            count=st.integers(1, 100),
        ),
        max_size=40,
    )
)
def test_any_observation_has_a_salience(observations: list[Observation]) -> None:
    attention = Attention()
    for number, observation in enumerate(observations):
        salience = attention.update(number, observation)
        assert 0.0 <= salience.salience <= 1.0
        assert salience.surprise_nats >= 0.0
        assert attention.wakes(salience) in (True, False)
    assert Attention.load(attention.dump()).observed == len(observations)
