import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest
from sources_conformance import check_source, collect, first, opened

from wakeful.events import Observation
from wakeful.sources import ProcessSource, SourceError
from wakeful.sources.running import RunningProcesses
from wakeful.sources.units import Unit, UnitsUnknown, show_units

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs by their file's name")

STAND_IN = """#!{python} -S
# Stands in for systemctl: `show` prints the blocks of a file, whichever units are asked for.
import sys, time
assert sys.argv[1] == 'show' and '--' in sys.argv, sys.argv
text = open({blocks!r}).read()
if text == 'no systemd':
    sys.exit('System has not been booted with systemd as init system (PID 1).')
if text == 'hangs':
    time.sleep(600)
sys.stdout.write(text)
"""


class Systemctl:
    def __init__(self, folder: Path) -> None:
        self.blocks = folder / "blocks"
        self.program = folder / "systemctl"
        self.program.write_text(STAND_IN.format(python=sys.executable, blocks=str(self.blocks)))
        self.program.chmod(0o755)

    def shows(self, *blocks: dict[str, object]) -> None:
        text = "\n".join("".join(f"{key}={value}\n" for key, value in block.items()) for block in blocks)
        whole = self.blocks.with_suffix(".new")
        whole.write_text(text)
        whole.replace(self.blocks)

    def fails(self, how: str) -> None:
        self.blocks.write_text(how)


def unit(state: str, **more: object) -> dict[str, object]:
    usual: dict[str, object] = {"Id": "web.service", "LoadState": "loaded", "ActiveState": state, "NRestarts": 0}
    return usual | {"MemoryCurrent": 12_500_000, "ExecMainStatus": 0, "Result": "success"} | more


@pytest.fixture
def systemctl(tmp_path: Path) -> Systemctl:
    return Systemctl(tmp_path)


@pytest.fixture
def napper(tmp_path: Path) -> Path:
    """A program of a name that nothing else here has."""
    return Path(shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / f"nap{os.getpid()}"))


@contextmanager
def running(program: Path) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([str(program), "600"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Watched:
    """A source's stream, read on until it says something."""

    def __init__(self, stream: AsyncGenerator[Observation, None]) -> None:
        self.stream = stream
        self.last: Observation | None = None

    async def says(self, text: str) -> Observation:
        async with asyncio.timeout(10):
            async for seen in self.stream:
                self.last = seen
                if text in seen.text:
                    return seen
        raise AssertionError(text)


async def test_it_holds_what_every_source_must(napper: Path, systemctl: Systemctl) -> None:
    systemctl.shows(unit("active"))
    with running(napper):
        await check_source(lambda: ProcessSource([napper.name], every_s=0.01, figures_s=0.02))
    await check_source(
        lambda: ProcessSource(units=["web"], every_s=0.01, figures_s=0.02, systemctl=str(systemctl.program))
    )


async def test_down_up_and_restarted_are_told(napper: Path) -> None:
    source = ProcessSource([napper.name], every_s=0.02, figures_s=3600)
    async with aclosing(opened(source)) as stream:
        watched = Watched(stream)
        await watched.says(f"process {napper.name} does not run")
        with running(napper):
            up = await watched.says(f"process {napper.name} is up")
            assert (up.form, up.subject) == ("state", napper.name)
        down = await watched.says(f"process {napper.name} is down")
    with running(napper) as first_one:
        async with aclosing(opened(source, down.resume)) as stream:
            watched = Watched(stream)
            await watched.says(f"process {napper.name} is up")
            left = (await watched.says("MB")).resume
    with running(napper) as second_one:
        seen = await first(source, resume=left, match="was restarted")
        assert f"(pid {first_one.pid}, now {second_one.pid})" in seen.text
        assert seen.attrs["pid"] == str(second_one.pid)


async def test_a_program_that_ends_is_told_before_the_next_look(napper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeful.sources.process.PEEK_S", 0.05)
    async with aclosing(opened(ProcessSource([napper.name], every_s=3600, figures_s=3600))) as stream:
        watched = Watched(stream)
        with running(napper) as process:  # which is a zombie after its end, since nobody waits for it
            await watched.says("MB")
            telling = asyncio.create_task(watched.says(f"process {napper.name} is down"))
            await asyncio.sleep(0.2)
            assert not telling.done()
            process.kill()
            await telling


async def test_figures(napper: Path) -> None:
    with running(napper), running(napper):
        seen = await collect(
            ProcessSource([napper.name, "no-such-program"], every_s=0.02, figures_s=0.03),
            lambda seen: sum(each.form == "metrics" for each in seen) >= 2,
        )
    figures = [each for each in seen if each.form == "metrics"][-1]
    assert figures.values[f"processes:{napper.name}"] == 2
    assert figures.values[f"memory_bytes:{napper.name}"] > 100_000
    assert figures.values[f"cpu_percent:{napper.name}"] >= 0
    assert figures.values["processes:no-such-program"] == 0
    assert f"{napper.name} 2 processes, " in figures.text
    assert "no-such-program down" in figures.text


def test_patterns_whatever_their_case(napper: Path) -> None:
    with running(napper) as process:
        found = RunningProcesses([napper.name[:5].upper() + "*", napper.name]).look()
    assert [each.first[0] for each in found.values()] == [process.pid, process.pid]


async def test_a_zombie_does_not_run(napper: Path) -> None:
    looked_for = RunningProcesses([napper.name])
    with running(napper) as process:  # which waits for it, and so takes the zombie away, at its end only
        assert looked_for.look()[napper.name].count == 1
        process.kill()
        async with asyncio.timeout(5):
            while looked_for.look()[napper.name].count:
                await asyncio.sleep(0.01)


async def test_units_change(systemctl: Systemctl) -> None:
    systemctl.shows(unit("active"))
    source = ProcessSource(units=["web"], every_s=0.02, figures_s=0.02, systemctl=str(systemctl.program))
    async with aclosing(opened(source)) as stream:
        watched = Watched(stream)
        figures = await watched.says("web active, 12.5 MB")
        assert figures.values == {"active:web": 1.0, "restarts:web": 0.0, "memory_bytes:web": 12.5e6}
        systemctl.shows(unit("failed", Result="exit-code", ExecMainStatus=203, MemoryCurrent="[not set]"))
        failed = await watched.says("unit web is failed (exit-code, status 203) (was active)")
        assert failed.attrs == {"unit": "web", "state": "failed"}
        systemctl.shows(unit("active", NRestarts=1))
        await watched.says("unit web is active (was failed)")
        systemctl.shows(unit("active", NRestarts=2, MemoryCurrent=2**64 - 1))
        left = await watched.says("unit web was restarted, 2 times in all")
    systemctl.shows(unit("inactive", NRestarts=2))
    seen = await first(source, resume=left.resume)
    assert seen.text == "unit web is inactive (was active)"


async def test_a_unit_that_is_not_there_is_said_once(systemctl: Systemctl) -> None:
    systemctl.shows(unit("inactive", LoadState="not-found"))
    source = ProcessSource(units=["web"], every_s=0.01, figures_s=0.01, systemctl=str(systemctl.program))
    seen = await collect(source, lambda seen: len(seen) >= 4)
    assert [each.text for each in seen if each.form == "state"] == ["unit web is not-found"]


@pytest.mark.parametrize("how", ["no systemd", "no program"])
async def test_without_systemd_nothing_is_said_of_units(systemctl: Systemctl, napper: Path, how: str) -> None:
    systemctl.fails(how)
    program = str(systemctl.program) if how != "no program" else "/no/such/systemctl"
    with pytest.raises(UnitsUnknown):
        await show_units(["web"], program=program)
    source = ProcessSource([napper.name], units=["web"], every_s=0.01, figures_s=0.01, systemctl=program)
    seen = await collect(source, lambda seen: len(seen) >= 3)
    assert not any("web" in each.text for each in seen)


async def test_a_systemctl_that_hangs_is_given_up(systemctl: Systemctl, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl.fails("hangs")
    monkeypatch.setattr("wakeful.sources.units.LIMIT_S", 0.3)
    with pytest.raises(UnitsUnknown, match="did not answer"):
        await show_units(["web"], program=str(systemctl.program))


async def test_the_real_systemctl_is_understood_or_says_why() -> None:
    if shutil.which("systemctl") is None:
        pytest.skip("no systemctl on this machine")
    with contextlib.suppress(UnitsUnknown):
        shown = await show_units(["wakeful-no-such-unit"])
        assert shown == {"wakeful-no-such-unit": Unit("not-found", sub_state="dead", result="success")}


def test_nothing_or_too_much_is_refused() -> None:
    with pytest.raises(SourceError, match="names nothing"):
        ProcessSource()
    with pytest.raises(SourceError, match="too many"):
        ProcessSource([f"p{number}" for number in range(51)])


async def test_a_place_of_nonsense_is_passed_over(napper: Path) -> None:
    seen = await first(ProcessSource([napper.name], every_s=0.01), resume="{]")
    assert "does not run" in seen.text
