import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest
from sources_conformance import check_source, collect, first, opened

from wakeful.events import Observation
from wakeful.sources import CommandSource, SourceError, SourceMissing

PY = sys.executable


def python(code: str) -> list[str]:
    return [PY, "-S", "-c", code]


async def runs(source: CommandSource, count: int, *, resume: str = "") -> list[Observation]:
    return await collect(source, lambda seen: len(seen) == count, resume=resume)


async def test_it_holds_what_every_source_must():
    await check_source(lambda: CommandSource("c", python("print(1)"), every_s=0.01))
    await check_source(lambda: CommandSource("c", "echo 1; sleep 0.01", every_s=0.01))


async def test_status_and_output_and_what_changed(tmp_path: Path):
    count = tmp_path / "count"
    code = (
        f"import pathlib, sys; p = pathlib.Path({str(count)!r}); n = len(p.read_text()) if p.exists() else 0\n"
        "p.write_text('x' * (n + 1)); print('out', [1, 1, 2, 2, 2][n], flush=True); print('err', file=sys.stderr)\n"
        "sys.exit([0, 0, 0, 3, 0][n])"
    )
    source = CommandSource("backup", python(code), every_s=0.01)
    seen = await runs(source, 4)
    assert [each.text for each in seen] == [
        "backup exited 0: out 1\nerr",
        "backup exited 0, output unchanged",
        "backup exited 0, output changed: out 2\nerr",
        "backup exited 3 (was 0): out 2\nerr",
    ]
    assert [each.attrs["exit_status"] for each in seen] == ["0", "0", "0", "3"]
    assert seen[0].source == "command:backup"
    assert seen[0].form == "output"
    [after_restart] = await runs(source, 1, resume=seen[-1].resume)
    assert after_restart.text == "backup exited 0 (was 3): out 2\nerr"


async def test_a_timeout_kills_all_that_was_started(tmp_path: Path):
    pid_file = tmp_path / "pid"
    grandchild = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    start = f"subprocess.run([sys.executable, '-S', '-c', {grandchild!r}])"
    code = f"import subprocess, sys; print('begun', flush=True); {start}"
    seen = await first(CommandSource("slow", python(code), timeout_s=1))
    assert seen.text == "slow timed out after 1 s"
    assert seen.attrs["output"] == "begun"
    assert "exit_status" not in seen.values
    pid = int(pid_file.read_text())
    async with asyncio.timeout(5):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)


async def test_what_it_leaves_running_does_not_hold_it_up():
    seen = await first(CommandSource("leaver", "sleep 600 & echo done", timeout_s=30))
    assert seen.text == "leaver exited 0: done"


async def test_much_output_is_bounded_and_its_end_kept():
    code = "import sys\nfor n in range(300_000): sys.stdout.write(f'line {n}\\n')"
    seen = await first(CommandSource("chatty", python(code)))
    assert seen.text.endswith("line 299998\nline 299999")
    assert len(seen.text) < 5000
    assert seen.values["output_bytes"] > 3_000_000


async def test_binary_output_and_signals():
    seen = await first(
        CommandSource("odd", python(r"import os; os.write(1, b'\xff\x00\xfe'); os.kill(os.getpid(), 9)"))
    )
    assert seen.text.startswith("odd exited 137: \ufffd")


async def test_no_such_program_is_a_failure(tmp_path: Path):
    with pytest.raises(SourceMissing, match="no such program"):
        await first(CommandSource("x", ["/no/such/program"]))
    with pytest.raises(SourceMissing, match="gone"):
        await first(CommandSource("x", python("1"), cwd=tmp_path / "gone"))
    with pytest.raises(SourceError, match="empty"):
        CommandSource("x", [])


async def test_runs_never_overlap(tmp_path: Path):
    log = tmp_path / "log"
    code = f"import time; f = open({str(log)!r}, 'a'); f.write('('); f.flush(); time.sleep(0.05); f.write(')')"
    async with aclosing(opened(CommandSource("c", python(code), every_s=0.001))) as stream:
        for _ in range(3):
            await anext(stream)
    assert log.read_text().startswith("()()()")


async def test_environment_and_folder(tmp_path: Path):
    seen = await first(CommandSource("e", "echo $WHERE; pwd", env={"WHERE": "here"}, cwd=tmp_path))
    assert seen.text == f"e exited 0: here\n{tmp_path}"
