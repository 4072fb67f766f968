import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.attention import Attention, AttentionSettings, WakeBudget
from wakeful.attention.precision import Record
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


def test_of_a_disk_that_was_mounted_a_moment_ago_nothing_is_said_to_be_usual() -> None:
    attention, _ = idle_machine(1)
    assert not attention.wakes(attention.update(9, metrics(400, **{"disk_percent:/mnt/usb": 0.0})))
    salience = attention.update(9, metrics(401, **{"disk_percent:/mnt/usb": 100.0}))
    assert attention.wakes(salience)
    assert salience.reasons == ("disk /mnt/usb 100.0% is high",)


def test_a_filling_disk_wakes_before_it_is_full() -> None:
    attention, _ = idle_machine(1)
    woke: list[tuple[float, str]] = []
    for step, percent in enumerate(range(50, 100)):
        salience = attention.update(9, metrics(400 + step * 6, disk_percent__=float(percent)))
        if attention.wakes(salience):
            woke.append((percent, salience.reasons[0]))
    assert woke[0][0] <= 95
    assert "full in about" in woke[0][1]


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


def woken(attention: Attention, observations: list[Observation]) -> int:
    """How often the mind would have thought, each thought being paid for at once."""
    thoughts = 0
    for seq, observation in enumerate(observations):
        salience = attention.update(seq, observation)
        if attention.wakes(salience):
            attention.budget.spent(salience.at_ns, 900)
            thoughts += 1
    return thoughts


def panics(count: int, sources: int, every_ns: int, rng: random.Random) -> list[Observation]:
    """New shapes without end, each as grave as can be."""
    return [
        Observation(
            at_ns=START_NS + number * every_ns,
            source=f"log:/{number % sources}",
            form="lines",
            text=f"panic: {''.join(rng.choices('ghijklmnop', k=12))} is corrupt",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("sources", [1, 50])
def test_a_storm_is_bounded_by_the_budget(sources: int) -> None:
    storm = panics(10_000, sources, 100_000, random.Random(1))
    assert 1 <= woken(Attention(AttentionSettings(thoughts_per_hour=6)), storm) <= 12


def test_a_storm_of_a_day_costs_at_most_twice_the_budget() -> None:
    storm = panics(8640, 50, STEP_NS, random.Random(2))
    assert woken(Attention(AttentionSettings(thoughts_per_hour=2)), storm) <= 2 * 24 * 2 + 4


def test_a_storm_in_one_source_does_not_silence_the_others() -> None:
    attention = Attention()
    woken(attention, panics(10_000, 1, 100_000, random.Random(3)))
    salience = attention.update(1, line("postgres: FATAL: data directory is corrupt", 1, source="log:/quiet"))
    assert attention.wakes(salience)


def test_the_budget_fills_again_with_time_and_survives_a_clock_set_back() -> None:
    budget = WakeBudget(AttentionSettings(thoughts_per_hour=6))
    for _ in range(20):
        budget.spent(START_NS, 1000)
    assert budget.threshold(START_NS) > 1.0
    assert budget.threshold(START_NS - 10**9) > 1.0
    assert budget.threshold(START_NS + 3600 * 10**9) < 0.72
    assert budget.threshold(0) <= 1.01


def test_leaps_through_time_do_not_fill_the_budget_twice() -> None:
    budget = WakeBudget(AttentionSettings(thoughts_per_hour=6))
    thoughts = 0
    for number in range(1000):
        at_ns = START_NS + (number % 2) * 86_400 * 10**9
        if budget.threshold(at_ns) <= 1.0:
            budget.spent(at_ns, 900)
            thoughts += 1
    assert thoughts <= 24


def test_tokens_are_a_budget_too() -> None:
    budget = WakeBudget(AttentionSettings(thoughts_per_hour=60, tokens_per_hour=2000))
    assert budget.threshold(START_NS) == 0.5
    budget.spent(START_NS, 2000)
    assert budget.threshold(START_NS) == 0.72
    assert budget.threshold(START_NS + 3600 * 10**9) == 0.5


@given(st.lists(st.tuples(st.integers(0, 2**61), st.booleans()), max_size=60))
def test_the_threshold_stays_between_its_ends(moments: list[tuple[int, bool]]) -> None:
    budget = WakeBudget(AttentionSettings())
    for at_ns, thinks in moments:
        assert 0.5 <= budget.threshold(at_ns) <= 1.01
        assert -0.001 <= budget.thoughts_left(at_ns) <= 6
        if thinks:
            budget.spent(at_ns, 1)


def test_a_block_of_fifty_thousand_lines_is_one_observation_and_remembers_little() -> None:
    rng = random.Random(4)
    attention, _ = idle_machine(1)
    lines = [routine(rng) for _ in range(49_999)]
    lines.insert(25_000, "kernel: EXT4-fs error (device sda1): corrupt inode")
    salience = attention.update(9, line("\n".join(lines), 400, count=50_000))
    assert attention.wakes(salience)
    assert salience.reasons[0].startswith("most surprising of 50000 lines: kernel: EXT4-fs error")
    assert len(attention.dump()) < 25_000


def test_what_is_remembered_is_bounded() -> None:
    rng = random.Random(5)
    attention = Attention()
    for number in range(30_000):
        text = "".join(rng.choices("ghijklmnop ", k=20))
        attention.update(number, line(text, number, source=f"log:/{number % 30}"))
    for number in range(6000):
        values = {f"metric_{number % 7}": 1.0}
        attention.update(number, Observation(at_ns=START_NS, source=f"m{number}", form="metrics", values=values))
    assert len(attention.dump()) < 5_000_000
    assert sum(len(speaker.shapes) for speaker in attention._state.speakers.values()) <= 20_000
    assert sum(len(series.metrics) for series in attention._state.series.values()) <= 5000
    assert len(attention.sources) <= 1000


def test_a_metric_takes_little_room() -> None:
    attention = Attention()
    rng = random.Random(6)
    for step in range(1500):
        attention.update(step, metrics(step, **{f"metric_{n}": rng.random() for n in range(20)}))
    assert len(attention.dump()) / 20 < 4096


def test_a_source_that_cries_all_the_time_is_trusted_less() -> None:
    record = Record()
    assert record.precision == 1.0
    for _ in range(5):
        record.learn(9.0, habituated=False)
    assert record.precision > 0.95
    for _ in range(300):
        record.learn(9.0, habituated=False)
    assert record.precision == 0.3
    for _ in range(1000):
        record.learn(0.0, habituated=True)
    assert record.precision == 1.0


def test_each_source_is_counted() -> None:
    attention, woke = idle_machine(1)
    assert attention.observed == sum(record.observed for record in attention.sources.values())
    assert attention.habituated == sum(record.habituated for record in attention.sources.values())
    assert attention.sources["metrics"].observed == 360
    assert attention.precision("metrics") == 1.0
    assert attention.threshold >= 0.5 + 0.03 * len(woke)


@pytest.mark.parametrize("busy_samples", [0, 1, 2])
def test_a_machine_that_is_watched_for_a_minute_can_already_surprise(busy_samples: int) -> None:
    attention = Attention()
    rng = random.Random(8)
    for step in range(8):
        cpu = 99.0 if step < busy_samples else rng.gauss(5, 1)  # the mind's own first look
        salience = attention.update(step, metrics(step, cpu_percent=cpu, load_1=0.2, memory_percent=40.0))
        assert not attention.wakes(salience)
    assert attention.wakes(attention.update(9, metrics(9, cpu_percent=98.0, load_1=0.9, memory_percent=40.5)))


def test_what_journald_calls_an_error_is_one() -> None:
    attention, _ = idle_machine(1)
    plain = attention.update(1, line("nvme0: queue 3 was reset", 400))
    grave = attention.update(2, line("nvme1a: queue was reset by peer", 401, attrs={"priority": "2"}))
    assert not attention.wakes(plain)
    assert attention.wakes(grave)
    assert grave.reasons == ("never seen before", "says error")


@pytest.mark.parametrize(
    "text",
    [
        "container db exited with code 137",
        "container db was killed for memory",
        "container db is unhealthy",
        "source log:/var/log/x failed: permission denied; next try in 8 s",
    ],
)
def test_a_bad_state_wakes_even_in_a_young_source(text: str) -> None:
    attention = Attention()
    salience = attention.update(1, Observation(at_ns=START_NS, source="containers", form="state", text=text))
    assert attention.wakes(salience)


@pytest.mark.parametrize(
    "text",
    ["container db started", "container db is healthy", "container db exited with code 0", "source x works again"],
)
def test_a_good_state_does_not_wake(text: str) -> None:
    attention = Attention()
    salience = attention.update(1, Observation(at_ns=START_NS, source="containers", form="state", text=text))
    assert not attention.wakes(salience)


def test_a_file_that_is_moved_to_where_access_is_guarded_wakes() -> None:
    moved = Observation(
        at_ns=START_NS,
        source="files:/",
        form="change",
        subject="/tmp/x",
        text="moved /tmp/x to /etc/sudoers",
        attrs={"to": "/etc/sudoers"},
    )
    attention = Attention()
    assert attention.wakes(attention.update(1, moved))


def test_files_in_a_block_of_changes_are_looked_at_one_by_one() -> None:
    attention = Attention()
    text = "\n".join([f"modified /srv/{n}.jpg (3.2 kB)" for n in range(50)] + ["modified /etc/sudoers (1.0 kB): +x"])
    salience = attention.update(1, Observation(at_ns=START_NS, source="files:/", form="change", text=text, count=51))
    assert attention.wakes(salience)


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
