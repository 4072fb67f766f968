"""A full disk, a read-only one, damaged files: clear errors, nothing acknowledged lost, and on it goes."""

# ruff: noqa: ASYNC221, ASYNC240  (files are looked at between the steps; nothing else runs in this loop)

import asyncio
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_conformance import START, seen

from wakeful.journal import (
    Journal,
    JournalBusy,
    JournalClosed,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalIndex,
    JournalReadOnly,
    connection,
    store,
)

CHILD = Path(__file__).with_name("journal_child.py")
DEADLINE_S = 20.0
BIG = "x" * 50_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB of its own, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("needs the right to mount")
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def fill(journal: Journal) -> list[str]:
    """Appends until there is no space, and returns what was acknowledged."""
    texts: list[str] = []
    while True:
        text = f"{len(texts)} {BIG}"
        try:
            await journal.append([seen(text)])
        except JournalFull:
            return texts
        texts.append(text)


async def read_all(path: Path) -> None:
    async with await Journal.open(path, read_only=True) as journal:
        assert await journal.check() != []
        await journal.read(limit=10**6)


async def texts_of(journal: Journal) -> list[str]:
    return [entry.event.body for entry in await journal.read(limit=10**6)]


async def test_a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_space(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 2_000_000)
    path = small_disk / "journal.db"
    async with await Journal.open(path) as journal:
        acknowledged = await fill(journal)
        for _ in range(3):  # no crash, no harm, however often it is tried
            with pytest.raises(JournalFull, match="Free some space"):
                await journal.append([seen(BIG * 20)])
        assert await texts_of(journal) == acknowledged
        ballast.unlink()
        await journal.append([seen("after")])
        assert await texts_of(journal) == [*acknowledged, "after"]
        assert await journal.check() == []
    async with await Journal.open(path) as journal:
        assert await texts_of(journal) == [*acknowledged, "after"]


async def test_a_journal_on_a_full_disk_can_be_opened(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    async with await Journal.open(path) as journal:
        await journal.append([seen("before")])
    free = shutil.disk_usage(small_disk).free
    (small_disk / "ballast").write_bytes(b"x" * (free - free % 4096))
    try:
        async with await Journal.open(path) as journal:
            assert await texts_of(journal) == ["before"]
            with pytest.raises(JournalFull):
                await journal.append([seen(BIG)])
    except JournalFull:  # where not even the memory shared with readers has space
        pass
    (small_disk / "ballast").unlink()
    async with await Journal.open(path) as journal:
        assert await texts_of(journal) == ["before"]


async def test_a_patient_journal_waits_for_space_and_says_so(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_FIRST_RETRY_S", 0.01)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 3_000_000)
    async with await Journal.open(small_disk / "journal.db", patience_s=math.inf) as journal:
        writing = asyncio.create_task(journal.append([seen(BIG * 30)]))
        async with asyncio.timeout(DEADLINE_S):
            while journal.trouble is None:
                await asyncio.sleep(0.01)
            assert isinstance(journal.trouble, JournalFull)
            assert not writing.done()
            ballast.unlink()
            assert len(await writing) == 1
        assert journal.trouble is None


async def test_a_patient_journal_can_be_closed_while_it_waits(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_FIRST_RETRY_S", 0.01)
    journal = await Journal.open(small_disk / "journal.db", patience_s=math.inf)
    writing = asyncio.create_task(journal.append([seen("x" * 8_000_000)]))
    async with asyncio.timeout(DEADLINE_S):
        while journal.trouble is None:
            await asyncio.sleep(0.01)
        await journal.close()
        with pytest.raises(JournalClosed):
            await writing


async def test_an_index_on_a_full_disk_says_so_and_goes_on_later(path: Path, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 3_900_000)
    async with await Journal.open(path) as journal, JournalIndex(journal, small_disk / "index.db") as index:
        await journal.append([seen(f"line {at} {at * 7919 % 100_003:x}") for at in range(4000)])
        with pytest.raises(JournalFull):
            await index.search("line")
        ballast.unlink()
        assert len(await index.search("line")) == 20


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
async def test_the_limit_on_a_files_size_is_no_space_too(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, CHILD, "starve", path, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE_S):
        said = (await process.communicate())[0].decode().split()
    assert process.returncode == 0
    assert said.count("full") == 3
    acknowledged = [word for word in said if word != "full"]
    assert said[-1] == acknowledged[-1]  # it went on when there was space
    async with await Journal.open(path) as journal:
        assert [text.strip() for text in await texts_of(journal)] == acknowledged
        assert await journal.check() == []


async def test_a_batch_that_is_too_large_fails_alone(path: Path) -> None:
    async with await Journal.open(path) as journal:
        limit = await journal._readers.run(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await journal._write(
            change=lambda db: db.execute(f"PRAGMA max_page_count = {limit + 50}").fetchone()  # SQLite's own 'full'
        )
        outcomes = await asyncio.gather(
            journal.append([seen("a")]),
            journal.append([seen("x" * 1_000_000)]),
            journal.append([seen("b")]),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], JournalFull)
        assert await texts_of(journal) == ["a", "b"]


async def test_a_read_only_disk_can_be_read_and_says_why_it_cannot_be_written(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    async with await Journal.open(path) as journal:
        await journal.append([seen("a")])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(JournalReadOnly, match="can't be written"):
        await Journal.open(path)
    with pytest.raises(JournalReadOnly):
        await Journal.open(path, lock=False)
    async with await Journal.open(path, read_only=True) as journal:
        assert await texts_of(journal) == ["a"]
        with pytest.raises(JournalReadOnly):
            await journal.append([seen("b")])
        with pytest.raises(JournalReadOnly):
            await journal.save_state("a", b"")
        with pytest.raises(JournalReadOnly):
            await journal.backup(small_disk / "copy.db")


@pytest.mark.parametrize("content", [b"no database, just some text\n" * 1000, b"x", b"\0" * 8192, os.urandom(10_000)])
async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for read_only in (False, True):
        with pytest.raises(JournalCorrupt) as caught:
            await Journal.open(path, read_only=read_only)
        assert str(path) in str(caught.value)
        assert caught.value.hint
    assert path.read_bytes() == content


async def test_the_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE event (a)")
        other.execute("PRAGMA user_version = 1")
    other.close()
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(JournalCorrupt, match="no journal of Wakeful"):
            await Journal.open(path, read_only=read_only)
    assert path.read_bytes() == before


async def test_damage_within_the_file_is_reported(path: Path) -> None:
    async with await Journal.open(path) as journal:
        await journal.append([seen(f"{at} {BIG[:500]}") for at in range(2000)])
    data = bytearray(path.read_bytes())
    page = data.find(b'"text":"1000 ') // 4096 * 4096
    data[page : page + 4096] = os.urandom(4096)
    path.write_bytes(data)
    async with await Journal.open(path) as journal:
        assert await journal.check() != []
        with pytest.raises(JournalCorrupt, match="damaged"):
            await journal.read(limit=10**6)
        # What is not damaged can still be read, and the journal goes on.
        assert len(await journal.read(limit=10)) == 10
        [entry] = await journal.append([seen("after")])
        assert await journal.read(newest_first=True, limit=1) == [entry]


async def test_a_cut_file_is_reported(path: Path) -> None:
    async with await Journal.open(path) as journal:
        await journal.append([seen(f"{at} {BIG[:500]}") for at in range(2000)])
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(JournalCorrupt):
        await read_all(path)


async def test_a_folder_in_place_of_the_file_is_an_error_that_names_it(path: Path) -> None:
    path.mkdir()
    with pytest.raises(JournalError, match=r"journal\.db can't be opened"):
        await Journal.open(path)


async def test_a_file_in_place_of_the_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(JournalError, match="data"):
        await Journal.open(tmp_path / "data" / "journal.db")


async def test_missing_folders_are_made(tmp_path: Path) -> None:
    async with await Journal.open(tmp_path / "a" / "b" / "journal.db") as journal:
        await journal.append([seen("a")])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
async def test_nobody_else_can_read_what_was_seen(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    async with await Journal.open(folder / "journal.db") as journal:
        async with JournalIndex(journal, folder / "index.db") as index:
            await journal.append([seen("password: hunter2")])
            assert len(await index.search("hunter2")) == 1
            files = list(folder.iterdir())
            assert len(files) >= 6
            assert {file.stat().st_mode & 0o077 for file in files} == {0}
    assert folder.stat().st_mode & 0o077 == 0


async def test_another_writer_that_never_ends_is_an_error_not_a_hang(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_BUSY_MS", 50)
    async with await Journal.open(path) as journal:
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalBusy):
                await journal.append([seen("a")])
            other.execute("ROLLBACK")
        other.close()
        await journal.append([seen("b")])
        assert await texts_of(journal) == ["b"]


async def test_a_statement_that_fails_does_not_end_the_writer(path: Path) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    async with await Journal.open(path) as journal:
        with pytest.raises(ZeroDivisionError):
            await journal._write(change=fail)
        assert len(await journal.append([seen("a")])) == 1
        assert await journal.read(START) != []
