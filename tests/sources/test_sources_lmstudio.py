import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import aclosing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources_conformance import check_source, collect, opened

from wakeful.events import Observation
from wakeful.sources import LMStudioSource
from wakeful.sources.growth import MAX_POINTS, Growth
from wakeful.sources.lmstudio import _Forecast, _hours
from wakeful.sources.lmstudio_log import LogFiles, LogReader
from wakeful.sources.lmstudio_memory import Held, ServerProcesses, home

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs by their file's name")

ALLOCATE = "import sys; held = []\nfor line in sys.stdin: held.append(b'x' * int(line)); print('done', flush=True)"


@contextmanager
def program(name: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """Python under another name, as LM Studio's processes are other programs under theirs."""
    name.parent.mkdir(parents=True, exist_ok=True)
    if not name.exists():
        name.symlink_to(sys.executable)
    process = subprocess.Popen(
        [str(name), "-S", "-c", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONHOME": sys.base_prefix},
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def allocate(process: subprocess.Popen[str], size: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{size}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


class Log:
    """LM Studio's folder, with the log that it writes."""

    def __init__(self, folder: Path) -> None:
        self.home = folder

    def write(self, text: str, *, month: str = "2026-11", file: str = "2026-11-26.1.log") -> None:
        path = self.home / "server-logs" / month / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as opened:
            opened.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "home")


# Written after what people quote of their logs; a real LM Studio was not at hand.
ANSWER = """\
[2026-11-26 03:12:07][DEBUG] Received request: POST to /v1/chat/completions with body {
  "messages": [
    {
      "role": "user",
      "content": "SECRET [2026-11-26 03:12:07][ERROR] Failed to load model \\"tokens_per_second\\": 1"
    }
  ]
}
[2026-11-26 03:12:07][INFO][qwen3-8b] Running chat completion on conversation with 1 messages.
[2026-11-26 03:12:08][INFO][qwen3-8b] Prompt processing progress: 100.0%
[2026-11-26 03:12:25][INFO][qwen3-8b] Generated prediction: {
  "model": "qwen3-8b",
  "choices": [{"message": {"role": "assistant", "content": "SECRET-ANSWER eval time = 1 ms / 99 tokens"}}],
  "usage": {
    "completion_tokens": 300
  },
  "stats": {
    "tokens_per_second": 17.9289,
    "time_to_first_token": 1.162136
  }
}
"""
TIMINGS = """\
[2026-11-26 04:00:00][DEBUG][qwen3-8b] slot print_timing: id  0 | task 1896 |
prompt eval time =    8571.75 ms / 11756 tokens (    0.73 ms per token,  1371.48 tokens per second)
       eval time =    1531.81 ms /    40 tokens (   38.30 ms per token,    26.11 tokens per second)
      total time =   10103.56 ms / 11796 tokens
[2026-11-26 04:00:01][DEBUG] slot print_timing: id 0 | task 7 | eval time = 9 ms / 40 tokens (400.0 tokens per second)
[2026-11-26 04:00:02][INFO] slot print_timing: id 0 | task 7 | prompt eval time = 1 ms / 9 tokens (99 tokens per second)
"""
FAILURES = """\
[2026-11-26 05:00:00][ERROR]
 Failed to load model "unsloth/gpt-oss-20b". Error: Utility process is not defined.
[2026-11-26 05:00:01][ERROR][qwen] Failed to load model "qwen". Error: out of memory
[2026-11-26 05:00:02][ERROR][qwen] Generation failed
[2026-11-26 05:00:03][INFO][LM STUDIO SERVER] Client disconnected. Stopping generation...
"""


def read(text: str) -> LogReader:
    reader = LogReader()
    for line in text.splitlines():
        reader.read(line)
    return reader


def test_what_the_log_tells() -> None:
    heard = read(ANSWER + TIMINGS + FAILURES).heard
    assert heard.speeds == [17.9289, 26.11, 400.0]
    assert heard.requests == [3]
    assert heard.load_failures == [
        'Failed to load model "unsloth/gpt-oss-20b". Error: Utility process is not defined.',
        'Failed to load model "qwen". Error: out of memory',
    ]
    assert (heard.broken, heard.left) == (1, 1)


def test_nothing_that_is_asked_or_answered_is_heard() -> None:
    heard = read(ANSWER).heard
    assert "SECRET" not in str(heard)
    assert heard.load_failures == []


def test_failures_are_bounded() -> None:
    heard = read(f"[2026-11-26 05:00:01][ERROR] Failed to load model {'x' * 9000}\n" * 50).heard
    assert len(heard.load_failures) == 5
    assert max(map(len, heard.load_failures)) <= 200


@given(st.text(max_size=300))
def test_any_line_is_read(text: str) -> None:
    reader = read(text)
    assert all(speed >= 0 for speed in reader.heard.speeds)


def test_the_newest_log_is_followed(log: Log) -> None:
    log.write(ANSWER)
    files = LogFiles(log.home)
    assert files.look().speeds == []  # what was there before is not told
    log.write(ANSWER)
    assert files.look().speeds == [17.9289]
    log.write(ANSWER[:-30])
    files.look()
    log.write(ANSWER[-30:])
    log.write(ANSWER, file="2026-11-26.10.log")
    log.write("[2026-11-26 01:00:00][INFO] old\n", file="2026-11-26.9.log")
    assert len(files.look().requests) == 1
    assert files.file == "2026-11/2026-11-26.10.log"
    log.write(ANSWER, month="2026-12", file="2026-12-01.1.log")
    assert files.look().requests == [3]
    again = LogFiles(log.home, file=files.file, offset=files.offset)
    assert again.look().requests == []
    log.write(ANSWER, month="2026-12", file="2026-12-01.1.log")
    assert again.look().requests == [3]


def test_a_log_far_ahead_is_taken_up_near_its_end(log: Log) -> None:
    log.write("[2026-11-26 01:00:00][INFO] begin\n")
    files = LogFiles(log.home)
    files.look()
    log.write((ANSWER + "x" * 100_000 + "\n") * 60)
    assert 30 < len(files.look().requests) < 45
    log.write(ANSWER)
    assert len(files.look().requests) == 1


def test_a_log_that_is_truncated_or_gone(log: Log) -> None:
    log.write(ANSWER)
    files = LogFiles(log.home)
    files.look()
    (log.home / "server-logs/2026-11/2026-11-26.1.log").write_text(ANSWER[:-1] + "\n[2026-11-26 03:12:25][INFO] x\n")
    files.look()
    (log.home / "server-logs/2026-11/2026-11-26.1.log").write_text(FAILURES)
    assert len(files.look().load_failures) == 2
    shutil.rmtree(log.home)
    assert files.look().requests == []


# Processes


def test_the_folder_is_found_as_lm_studio_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".lmstudio"
    (tmp_path / ".cache/lm-studio").mkdir(parents=True)
    assert home() == tmp_path / ".cache/lm-studio"
    (tmp_path / ".lmstudio-home-pointer").write_text(f"{tmp_path}/elsewhere\n")
    assert home() == tmp_path / "elsewhere"


@pytest.mark.parametrize("place", ["bin/llmster", "LM Studio", "lm-studio", "LM Studio Helper"])
def test_processes_by_their_name(tmp_path: Path, place: str) -> None:
    looking = ServerProcesses()
    before = looking.look()["LM Studio"].processes
    with program(tmp_path / place, ALLOCATE) as process:
        allocate(process, 1)
        found = looking.look()["LM Studio"]
    assert [pid for pid, _ in found.processes - before] == [process.pid]
    assert found.memory_bytes >= found.own_bytes > 1_000_000


def test_processes_by_their_place(tmp_path: Path) -> None:
    node = tmp_path / ".lmstudio/.internal/utils/node"
    node.parent.mkdir(parents=True)
    shutil.copy(shutil.which("sleep") or "/bin/sleep", node)
    process = subprocess.Popen([str(node), "60"])
    try:
        assert process.pid in {pid for pid, _ in ServerProcesses().look()["LM Studio"].processes}
    finally:
        process.kill()
        process.wait()


def test_the_built_in_engine_is_known_and_those_who_only_name_it_are_not(tmp_path: Path) -> None:
    engine = tmp_path / "wakeful" / "engine" / "child.py"
    engine.parent.mkdir(parents=True)
    engine.write_text("import time; time.sleep(60)")
    waits = "import time; time.sleep(60)"
    commands = [[sys.executable, "-P", str(engine)], [sys.executable, "-c", waits, str(engine), "llmster"]]
    processes = [subprocess.Popen(command) for command in commands]
    try:
        found = {pid for pid, _ in ServerProcesses().look()["built-in engine"].processes}
        assert processes[0].pid in found
        assert processes[1].pid not in found
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_what_a_process_takes_of_its_own_shows(tmp_path: Path) -> None:
    looking = ServerProcesses()
    with program(tmp_path / "llmster", ALLOCATE) as process:
        allocate(process, 1)
        before = looking.look()["LM Studio"]
        allocate(process, 50_000_000)
        after = looking.look()["LM Studio"]
    assert 45e6 < after.own_bytes - before.own_bytes < 60e6


# The source


def source_of(log: Log) -> LMStudioSource:
    return LMStudioSource(folder=str(log.home), every_s=0.02)


async def test_it_holds_what_every_source_must(tmp_path: Path, log: Log) -> None:
    with program(tmp_path / "llmster", ALLOCATE):
        await check_source(lambda: LMStudioSource(folder=str(log.home), every_s=0.01))


async def until(source: LMStudioSource, text: str, *, resume: str = "") -> list[Observation]:
    return await collect(source, lambda seen: any(text in each.text for each in seen), resume=resume)


async def test_it_is_told_what_runs_how_fast_and_what_failed(tmp_path: Path, log: Log) -> None:
    log.write("[2026-11-26 01:00:00][INFO] begin\n")
    with program(tmp_path / "llmster", ALLOCATE) as process:
        allocate(process, 1)
        async with aclosing(opened(source_of(log))) as stream:
            first = await anext(stream)
            log.write(ANSWER + FAILURES)
            told = [first]
            async with asyncio.timeout(10):
                while not any("tokens a second" in each.text for each in told):
                    told.append(await anext(stream))
    assert first.form == "metrics"
    assert "LM Studio holds 0.0 GB in 1 processes" in first.text
    assert first.values["processes:lmstudio"] == 1
    assert first.values["memory_bytes:lmstudio"] > 1e6
    failures = [each.text for each in told if "could not load" in each.text]
    assert failures[-1] == 'LM Studio could not load a model: Failed to load model "qwen". Error: out of memory'
    assert told[-1].text.endswith("17.9 tokens a second, 1 requests")
    assert told[-1].values["tokens_per_s"] == 17.93
    assert any(each.text == "LM Studio broke off 1 answers" for each in told)
    assert "SECRET" not in str(told)


async def test_its_end_and_its_return_are_told(tmp_path: Path, log: Log) -> None:
    async with aclosing(opened(source_of(log))) as stream:
        with program(tmp_path / "llmster", ALLOCATE):
            await anext(stream)
        async with asyncio.timeout(10):
            while (await anext(stream)).text != "LM Studio is gone":
                pass
            with program(tmp_path / "llmster", ALLOCATE):
                while (await anext(stream)).text != "LM Studio is up":
                    pass


async def test_where_the_log_was_left_is_kept(tmp_path: Path, log: Log) -> None:
    log.write("[2026-11-26 01:00:00][INFO] begin\n")
    with program(tmp_path / "llmster", ALLOCATE):
        seen = await collect(source_of(log), lambda seen: len(seen) >= 1)
        log.write(ANSWER)
        after = await until(source_of(log), "1 requests", resume=seen[-1].resume)
    assert after[0].values["requests"] == 1


async def test_the_clients_own_answers_tell_the_speed(log: Log) -> None:
    source = source_of(log)
    for speed in (10.0, 20.0, 90.0):
        source.answered(speed)
    seen = await collect(source, lambda seen: True)
    assert seen[0].values["tokens_per_s"] == 20.0


# Growth


def sizes(growth: Growth, pace: float, *, minutes: int, noise: float = 0.0, begin: float = 5e9) -> None:
    rng = random.Random(1)
    for minute in range(minutes):
        growth.add(minute * 60.0, begin + pace * minute * 60 + rng.gauss(0, noise))


def test_a_leak_is_measured_through_noise() -> None:
    growth = Growth()
    sizes(growth, 60_000, minutes=300, noise=2e7)
    pace = growth.pace()
    assert pace is not None
    assert pace == pytest.approx(60_000, rel=0.15)


def test_what_does_not_grow_for_good_is_no_leak() -> None:
    for pace, noise in ((0.0, 0.0), (0.0, 2e7), (-50_000, 1e7)):
        growth = Growth()
        sizes(growth, pace, minutes=300, noise=noise)
        assert growth.pace() is None
    warm_up = Growth()
    for minute in range(300):
        warm_up.add(minute * 60.0, 1e9 + min(minute, 60) * 1e7)
    assert warm_up.pace() is None
    saw = Growth()
    for minute in range(300):
        saw.add(minute * 60.0, 1e9 + (minute % 30) * 1e7)
    assert saw.pace() is None


def test_too_little_is_too_early() -> None:
    growth = Growth()
    sizes(growth, 60_000, minutes=20)
    assert growth.pace() is None


def test_months_take_no_more_memory_than_hours() -> None:
    growth = Growth()
    sizes(growth, 100, minutes=50_000)
    assert len(growth._points) <= MAX_POINTS
    assert growth.pace() == pytest.approx(100, rel=0.01)


class Day:
    """A forecast through made-up hours; a look each minute."""

    def __init__(self, *, told_h: int = 0) -> None:
        self.now_s = 0.0
        self.forecast = _Forecast("LM Studio", told_h, 30.0, lambda: self.now_s)
        self.begin = datetime(2026, 11, 26, 12, 0)
        self.told: list[str] = []
        self.processes = frozenset({(1, 1.0)})

    def pass_minutes(self, minutes: int, *, begin: float, pace: float, total: float) -> None:
        for minute in range(minutes):
            self.now_s += 60
            own = begin + pace * minute * 60
            self.forecast.look(Held(self.processes, int(own), int(own)), int(total - own))
            at = self.begin + timedelta(seconds=self.now_s)
            text = self.forecast.tells(int(at.timestamp() * 1e9), lambda now, until: "it has been idle for 42 minutes")
            if text is not None:
                self.told.append(text)


def test_the_forecast_is_told_at_each_step_and_proposes_a_reload() -> None:
    day = Day()
    day.pass_minutes(9 * 60 + 30, begin=10e9, pace=1e9 / 3600, total=20e9)
    hours = [text.partition(" is full in ")[2].split(",")[0] for text in day.told]
    assert hours == ["10 hours", "6 hours", "3 hours", "59 minutes"]
    assert day.told[0] == (
        "LM Studio grows by 1000 MB an hour and holds 10.5 GB of its own: memory is full in 10 hours, about 22:00. "
        "Reload the model at an idle moment before that; it has been idle for 42 minutes"
    )
    assert day.forecast.values()["growth_bytes_per_h"] == pytest.approx(1e9, rel=0.01)
    assert 0 < day.forecast.values()["hours_left"] <= 1


def test_after_a_reload_it_is_judged_anew() -> None:
    day = Day()
    day.pass_minutes(60, begin=10e9, pace=1e9 / 3600, total=20e9)
    assert len(day.told) == 1
    day.processes = frozenset({(2, 2.0)})
    day.pass_minutes(20, begin=5e9, pace=1e9 / 3600, total=12e9)
    assert day.forecast.values() == {}
    day.pass_minutes(20, begin=5.34e9, pace=1e9 / 3600, total=12e9)
    assert len(day.told) == 2
    day.pass_minutes(30, begin=5.67e9, pace=1e9 / 3600, total=12.4e9)
    assert len(day.told) == 2


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    day = Day(told_h=12)
    day.pass_minutes(60, begin=10e9, pace=1e9 / 3600, total=20e9)
    assert day.told == []


def test_slow_growth_is_no_forecast_yet() -> None:
    day = Day()
    day.pass_minutes(120, begin=10e9, pace=1e6 / 3600, total=20e9)
    assert day.told == []


@pytest.mark.parametrize(("left_s", "text"), [(10, "1 minutes"), (3600, "60 minutes"), (86_400, "24 hours")])
def test_time_left_in_words(left_s: float, text: str) -> None:
    assert _hours(left_s) == text


def test_the_folder_decides_whether_it_is_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not LMStudioSource.available()
    (tmp_path / ".lmstudio").mkdir()
    assert LMStudioSource.available()
