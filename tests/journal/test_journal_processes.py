"""The journal among processes: killed ones, second ones, watching ones."""

# ruff: noqa: ASYNC240  (files are looked at between the steps; nothing else runs in this loop)

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from store_conformance import seen

from wakeful.events import Observation
from wakeful.journal import Journal, JournalLocked, JournalMissing

CHILD = Path(__file__).with_name("journal_child.py")
DEADLINE_S = 20.0


@asynccontextmanager
async def child(*arguments: object) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, CHILD, *map(str, arguments), stdout=asyncio.subprocess.PIPE, limit=2**24
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        return (await process.stdout.readline()).decode().strip()


async def rest(process: asyncio.subprocess.Process) -> list[str]:
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        return (await process.stdout.read()).decode().split()


async def test_whatever_was_acknowledged_survives_a_kill_once(path: Path) -> None:
    chance = random.Random(11)
    acknowledged: list[str] = []
    for run in range(15):
        async with child("write", path, run) as process:
            assert await line(process) == "open"
            await asyncio.sleep(chance.uniform(0.0, 0.15))  # the moment of the kill is what is tried
            process.kill()
            acknowledged += await rest(process)
    async with await Journal.open(path) as journal:
        assert await journal.check() == []
        texts = Counter([entry.event.body for entry in await journal.read(limit=10**6)])
        resume = await journal.resume_points()
        newest = await journal.read(limit=1, newest_first=True)
    # The last line of a killed process may be cut off.
    whole = [text for text in acknowledged if text.count(".") == 3 and not text.endswith(".")]
    assert len(whole) > 500
    assert max(texts.values()) == 1
    assert not set(whole) - texts.keys()
    assert resume["log:/a"] == newest[0].event.body
    batches = Counter(text.rpartition(".")[0] for text in texts)
    assert all(size == 1 + int(batch.split(".")[2]) % 4 for batch, size in batches.items())


async def test_a_reader_opens_what_a_killed_mind_left(path: Path) -> None:
    async with child("write", path, 0) as process:
        for _ in range(20):
            await line(process)
        process.kill()
        await process.wait()
    assert path.with_name("journal.db-wal").stat().st_size > 0
    async with await Journal.open(path, read_only=True) as journal:
        assert len(await journal.read()) >= 19


async def test_a_second_mind_is_refused_and_told_who_and_since_when(path: Path) -> None:
    async with child("hold", path) as process:
        assert await line(process) == "open"
        with pytest.raises(JournalLocked) as caught:
            await Journal.open(path)
        assert caught.value.pid == process.pid
        assert caught.value.since_ns > 0
        assert f"process {process.pid} since 20" in str(caught.value)
        async with await Journal.open(path, read_only=True) as reader:  # readers may always
            assert await reader.read() == []
        process.kill()
        await process.wait()
    async with await Journal.open(path) as journal:  # freed by the kill
        await journal.append([seen("a")])


async def test_a_second_mind_in_this_process_is_refused_too(journal: Journal, path: Path) -> None:
    with pytest.raises(JournalLocked) as caught:
        await Journal.open(path)
    assert caught.value.pid == os.getpid()
    await journal.append([seen("a")])  # the first one is not disturbed


async def test_the_lock_is_free_after_close_and_after_a_failed_opening(path: Path) -> None:
    path.write_text("no journal")
    for _ in range(2):
        with pytest.raises(Exception, match="no journal"):
            await Journal.open(path)
    path.unlink()
    for _ in range(2):
        async with await Journal.open(path):
            pass


async def test_opening_that_is_cancelled_frees_what_it_took(path: Path) -> None:
    for turns in range(4):
        opening = asyncio.create_task(Journal.open(path))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    journal = await Journal.open(path)
                except JournalLocked:
                    await asyncio.sleep(0.01)  # the thread that was opening is still to finish
                    continue
                await journal.close()
                break


async def test_another_process_sees_what_is_appended(journal: Journal, path: Path) -> None:
    await journal.append([seen("before")])
    async with child("follow", path) as process:
        assert await line(process) == "before"
        for number in range(5):
            await journal.append([seen(f"{number}")])
            assert await line(process) == f"{number}"


async def test_this_process_sees_what_another_appends(path: Path) -> None:
    async with await Journal.open(path, lock=False) as journal:
        tail = journal.tail(await journal.end())
        waiting = asyncio.ensure_future(anext(tail))
        async with child("write", path, 0) as process:
            assert await line(process) == "open"
            async with asyncio.timeout(DEADLINE_S):
                entries = await waiting
        assert isinstance(entries[0].event, Observation)
        await tail.aclose()


async def test_there_is_nothing_to_read_before_the_first_mind(path: Path) -> None:
    with pytest.raises(JournalMissing, match="wakeful run"):
        await Journal.open(path, read_only=True)
    path.touch()
    with pytest.raises(JournalMissing):
        await Journal.open(path, read_only=True)


async def test_a_reader_that_comes_and_goes_leaves_the_writer_its_log(tmp_path: Path) -> None:
    """A process that opens and closes the file beside SQLite loses its locks; the next reader then deletes the log."""
    path = tmp_path / "journal.db"
    code = (
        "import asyncio, sys; from pathlib import Path; from wakeful.journal import Journal\n"
        "async def main():\n"
        "    async with await Journal.open(Path(sys.argv[1]), read_only=True) as journal:\n"
        "        print(len(await journal.read()))\n"
        "asyncio.run(main())"
    )
    async with await Journal.open(path) as journal:
        for round_ in range(1, 4):
            await journal.append([Observation(at_ns=round_, source="x", form="text", text=str(round_))])
            await journal.read()
            reader = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path), stdout=-1)
            out, _ = await reader.communicate()
            assert int(out) == round_
            assert path.with_name("journal.db-wal").stat().st_size > 0
    async with await Journal.open(path, read_only=True) as journal:
        assert len(await journal.read()) == 3
