import os
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources_conformance import check_source, collect, opened

from wakeful.sources import MetricsSource
from wakeful.sources.machine import Counters, Machine, Peek, Sample
from wakeful.sources.metrics import jumped, observation_of
from wakeful.sources.processes import Processes, Top, called


def sample(**changes: object) -> Sample:
    fields: dict[str, object] = {
        "cpu_percent": 97.42,
        "memory_percent": 41.0,
        "swap_percent": 2.0,
        "load_1": 8.8,
        "disks_percent": {"/home": 71.0, "/": 50.1},
        "temperatures_c": {"acpitz": 40.0, "coretemp": 84.2},
    }
    return Sample(**{**fields, **changes})  # pyright: ignore[reportArgumentType]


async def test_it_holds_what_every_source_must():
    await check_source(lambda: MetricsSource(interval_s=0.05))


async def test_the_machine_is_told():
    first, second = await collect(MetricsSource(interval_s=0.05), lambda seen: len(seen) == 2)
    assert first.form == "metrics"
    assert first.text.startswith("cpu ")
    assert 0 <= first.values["cpu_percent"] <= 100
    assert 0 < first.values["memory_percent"] < 100
    assert "disk_percent:/" in first.values or psutil.WINDOWS
    assert not any("per_s" in name for name in first.values)
    assert "largest" in first.attrs
    assert any("bytes_per_s" in name for name in second.values) or not psutil.disk_io_counters()


def test_the_text_is_the_one_that_models_were_trained_on():
    rates = {"rx_bytes_per_s:eth0": 1.0, "net_errors_per_s:eth0": 3.0, "net_errors_per_s:eth1": 0.0}
    seen = observation_of(sample(), rates, Top("mysqld", 91.0, "chrome", 2_100_000_000), source="metrics", at_ns=1)
    assert seen.text == (
        "cpu 97.4%, memory 41.0%, swap 2.0%, load 8.80, disk / 50.1%, disk /home 71.0%, temperature coretemp 84C, "
        "net eth0 errors 3.0/s, busiest mysqld 91.0% cpu, largest chrome 2.1 GB"
    )
    assert seen.values["disk_percent:/home"] == 71.0
    assert seen.values["temperature_c:coretemp"] == 84.2
    assert seen.values["net_errors_per_s:eth0"] == 3.0
    assert seen.attrs == {"busiest": "mysqld", "largest": "chrome"}


def test_what_is_not_there_is_not_said():
    bare = sample(swap_percent=0.0, load_1=None, temperatures_c={}, disks_percent={})
    assert observation_of(bare, {}, Top(), source="metrics", at_ns=1).text == "cpu 97.4%, memory 41.0%"


totals = st.dictionaries(st.sampled_from("abc"), st.integers(0, 1000))


@given(totals, totals, st.floats(-5, 5))
def test_a_counter_that_goes_back_has_no_rate(before: dict[str, int], after: dict[str, int], took_s: float):
    rates = Counters(10 + took_s, after).rates_since(Counters(10, before))
    assert all(rate >= 0 for rate in rates.values())
    assert all(after[name] >= before[name] for name in rates)
    assert took_s > 0 or not rates


async def test_a_wall_clock_that_jumps_back_breaks_no_rate():
    times = iter([10**18, 10**18 - 10**15, 10**18 - 2 * 10**15])
    seen = await collect(MetricsSource(interval_s=0.05, now_ns=lambda: next(times)), lambda seen: len(seen) == 3)
    assert all(value >= 0 for each in seen for value in each.values.values())


def test_a_jump_is_a_jump_to_something_high():
    assert jumped(sample(cpu_percent=20.0), Peek(95.0, 41.0, {}))
    assert jumped(sample(cpu_percent=20.0), Peek(20.0, 95.0, {}))
    assert not jumped(sample(cpu_percent=90.0), Peek(99.0, 41.0, {}))
    assert not jumped(sample(cpu_percent=5.0), Peek(60.0, 41.0, {}))


@pytest.mark.parametrize(
    ("before", "now", "told"), [(50.0, 100.0, True), (88.0, 92.0, True), (91.0, 92.0, False), (40.0, 80.0, False)]
)
def test_a_disk_that_fills_is_a_jump_and_so_is_a_full_one_that_is_new(before: float, now: float, told: bool):
    was = sample(cpu_percent=5.0, disks_percent={"/data": before})
    assert jumped(was, Peek(5.0, 41.0, {"/data": now})) is told
    assert jumped(was, Peek(5.0, 41.0, {"/data": before, "/new": now})) is (now >= 90)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux, and the right to mount")
def test_what_is_mounted_is_seen_at_once(tmp_path: Path):
    image, mount = tmp_path / "image", tmp_path / "disk"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(16 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    machine = Machine()
    assert str(mount) not in machine.peek().disks_percent
    if subprocess.run(["mount", "-o", "loop", image, mount], check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        assert str(mount) in machine.peek().disks_percent
    finally:
        subprocess.run(["umount", mount], check=True)
    assert str(mount) not in machine.peek().disks_percent


async def test_a_jump_is_told_before_its_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wakeful.sources.metrics.PEEK_S", 0.02)

    def calm(_: Machine) -> Sample:
        return sample(cpu_percent=5.0)

    def high(_: Machine) -> Peek:
        return Peek(99.0, 41.0, {})

    monkeypatch.setattr(Machine, "sample", calm)
    monkeypatch.setattr(Machine, "peek", high)
    async with aclosing(opened(MetricsSource(interval_s=3600, processes=False))) as stream:
        await anext(stream)
        await anext(stream)


def test_busy_and_large_processes_are_found():
    processes = Processes()
    assert processes.look().busiest_percent == -1
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    top = processes.look()
    assert top.busiest_percent > 0
    assert top.largest_bytes > 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes a thread's name for the process's")
def test_a_process_that_calls_itself_main_thread_is_called_by_its_program() -> None:
    code = "open('/proc/self/comm', 'w').write('MainThread'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        process = psutil.Process(child.pid)
        assert process.name() == "MainThread"
        assert called(process) == Path(sys.executable).name
        child.communicate("\n")
