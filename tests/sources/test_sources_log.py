import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sources_conformance import check_resume, check_source, collect, first, lines_of, opened

from wakeful.events import Observation
from wakeful.sources import LogSource, resume_for
from wakeful.sources.lines import Line, LineReader
from wakeful.sources.logfile import LogFile
from wakeful.sources.place import decode_places, is_rotation


def source_of(path: Path | str, *, from_start: bool = True) -> LogSource:
    return LogSource(path, from_start=from_start, poll_s=0.02)


def enough(count: int) -> Callable[[list[Observation]], bool]:
    return lambda seen: len(lines_of(seen)) >= count


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


async def test_it_holds_what_every_source_must(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("")

    async def stir(number: int) -> None:
        append(path, f"line {number}\n")

    await check_source(lambda: source_of(path), stir)
    path.unlink()
    path.write_text("")
    await check_resume(lambda: source_of(path), stir, lambda seen: lines_of([seen]))


async def test_a_pattern_holds_it_too(tmp_path: Path):
    (tmp_path / "a.log").write_text("")

    async def stir(number: int) -> None:
        append(tmp_path / "a.log", f"line {number}\n")

    await check_source(lambda: source_of(f"{tmp_path}/*.log"), stir)
    (tmp_path / "a.log").unlink()
    (tmp_path / "a.log").write_text("")
    await check_resume(lambda: source_of(f"{tmp_path}/*.log"), stir, lambda seen: lines_of([seen]))


async def test_it_begins_at_the_end(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("old\n")
    async with aclosing(opened(source_of(path, from_start=False))) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.2)
        append(path, "new\n")
        seen = await asyncio.wait_for(waiting, 5)
    assert (seen.text, seen.source, seen.form) == ("new", f"log:{path}", "lines")


async def test_a_missing_file_is_said_and_waited_for(tmp_path: Path):
    path = tmp_path / "later" / "a.log"
    async with asyncio.timeout(10), aclosing(opened(source_of(path))) as stream:
        missing = await anext(stream)
        assert missing.text == f"source log:{path} failed: no such file or directory; next try in 1 s"
        path.parent.mkdir()
        path.write_text("first\n")
        assert [(await anext(stream)).text for _ in range(2)] == [f"source log:{path} works again", "first"]


async def test_a_folder_in_its_place_is_a_failure(tmp_path: Path):
    seen = await first(source_of(tmp_path))
    assert seen.text == f"source log:{tmp_path} failed: is a directory; next try in 5 s"
    assert "*.log" in seen.attrs["hint"]


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_an_unreadable_file_is_a_failure(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("secret\n")
    path.chmod(0)
    file = LogFile(path, source="log:x")
    if os.geteuid() != 0:
        told, _ = file.step()
    else:
        # Root reads everything, so the effective user of this thread's calls is another one for a moment.
        tmp_path.chmod(0o755)
        for folder in tmp_path.parents[:2]:
            folder.chmod(0o755)
        os.seteuid(65534)
        try:
            told, _ = file.step()
        finally:
            os.seteuid(0)
    assert told[0].text == "source log:x failed: permission denied; next try in 5 s"
    assert "user that may read" in told[0].attrs["hint"]


async def test_partial_lines_wait_for_their_end(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("begin")
    file = LogFile(path, source="log", from_start=True)
    assert file.step() == ([], False)
    append(path, "ning\nrest")
    assert lines_of(file.step()[0]) == ["beginning"]
    assert file._current is not None
    assert file.step()[0] == []
    file._current.partial_since -= 5  # as if it had waited
    told, _ = file.step()
    assert lines_of(told) == ["rest"]
    assert decode_places(told[0].resume)[0].offset == len("beginning\nrest")
    file.close()


async def test_garbage_and_encodings(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_bytes(b"caf\xe9 \xff\xfe\nbinary \x00\x01\x02\x00\n\n" + b"\xef\xbb\xbf bom\n")
    seen = lines_of(await collect(source_of(path), enough(4)))
    assert seen == ["caf\ufffd \ufffd\ufffd", "binary \ufffd\x01\x02\ufffd", "", "\ufeff bom"]
    wide = tmp_path / "w.log"
    wide.write_bytes("\ufeffgrüße\nਊ next\n".encode("utf-16-le"))  # U+0A0A holds a newline's byte twice
    first_run = await collect(source_of(wide), enough(2))
    assert lines_of(first_run) == ["grüße", "ਊ next"]
    append(wide, "more\n".encode("utf-16-le"))
    again = await collect(
        source_of(wide), enough(1), resume=resume_for(source_of(wide), {f"log:{wide}": first_run[-1].resume})
    )
    assert lines_of(again) == ["more"]


async def test_a_ten_megabyte_line_is_cut(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_bytes(b"before\n" + b"x" * 10_000_000 + b"\nafter\n")
    seen = lines_of(await collect(source_of(path), enough(3)))
    assert seen[0] == "before"
    assert seen[1] == "x" * 65_536 + " … [9934464 bytes cut]"
    assert seen[2] == "after"


async def test_a_burst_becomes_blocks(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("".join(f"line {number}\n" for number in range(50_000)))
    seen = await collect(source_of(path), enough(50_000))
    assert lines_of(seen) == [f"line {number}" for number in range(50_000)]
    assert len(seen) < 100


class Writer(threading.Thread):
    """Writes numbered lines as fast as told and rotates the file now and then, as logrotate or the writer would."""

    def __init__(self, path: Path, *, lines: int, rotate_every: int, copytruncate: bool, per_s: int = 50_000):
        super().__init__()
        self._path, self._lines, self._rotate_every = path, lines, rotate_every
        self._copytruncate, self._per_s = copytruncate, per_s

    def run(self) -> None:
        file = self._path.open("ab", buffering=0)
        begun, rotations = time.monotonic(), 0
        for start in range(0, self._lines, 100):
            file.write(b"".join(b"line %d of the log\n" % n for n in range(start, start + 100)))
            if start // self._rotate_every > rotations:
                rotations += 1
                self._shift()
                if self._copytruncate:
                    # The writer stands still while the copy is made, as no copytruncate can do without loss.
                    Path(f"{self._path}.1").write_bytes(self._path.read_bytes())
                    os.truncate(self._path, 0)
                else:
                    self._path.rename(f"{self._path}.1")
                    file.write(b"".join(b"late %d\n" % n for n in range(rotations * 10, rotations * 10 + 10)))
                    file.close()
                    file = self._path.open("ab", buffering=0)
            ahead = begun + (start + 100) / self._per_s - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
        file.close()

    def _shift(self) -> None:
        for number in range(8, 0, -1):
            former = Path(f"{self._path}.{number}")
            if former.exists():
                former.rename(f"{self._path}.{number + 1}")


@pytest.mark.parametrize("copytruncate", [False, True])
async def test_every_line_once_through_rotations_under_load(tmp_path: Path, copytruncate: bool):
    path = tmp_path / "a.log"
    writer = Writer(path, lines=100_000, rotate_every=15_000, copytruncate=copytruncate)
    writer.start()

    def all_there(seen: list[Observation]) -> bool:
        counted = sum(observation.count for observation in seen if observation.form == "lines")
        return counted >= 100_000 + (0 if copytruncate else 60)

    lines = lines_of(await collect(source_of(path), all_there, deadline_s=60))
    writer.join()
    expected = [f"line {number} of the log" for number in range(100_000)]
    assert sorted(line for line in lines if line.startswith("line")) == sorted(expected)
    late = [line for line in lines if line.startswith("late")]
    assert sorted(late) == sorted(f"late {n}" for n in range(10, 70)) * (not copytruncate)


def test_a_file_that_is_copied_and_emptied_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.log"
    path.write_text("".join(f"first {number}\n" for number in range(100)))
    file = LogFile(path, source="log", from_start=True)
    feed = LineReader.feed

    def emptied_meanwhile(reader: LineReader, data: bytes) -> list[Line]:
        monkeypatch.setattr(LineReader, "feed", feed)
        append(path, "late\n")
        Path(f"{path}.1").write_bytes(path.read_bytes())
        os.truncate(path, 0)
        append(path, "second\n")
        return feed(reader, data)

    monkeypatch.setattr(LineReader, "feed", emptied_meanwhile)
    lines = [line for _ in range(4) for line in lines_of(file.step()[0])]
    file.close()
    assert lines == [*(f"first {number}" for number in range(100)), "late", "second"]


async def test_it_goes_on_across_rotations_while_it_was_off(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\n")
    seen = await collect(source_of(path), enough(2))
    points = {f"log:{path}": seen[-1].resume}
    append(path, "three\n")
    path.rename(tmp_path / "a.log.2")
    (tmp_path / "a.log.1").write_text("four\n")
    path.write_text("five\n")
    os.utime(tmp_path / "a.log.2", ns=(10**18, 10**18))
    again = await collect(source_of(path, from_start=False), enough(3), resume=resume_for(source_of(path), points))
    assert lines_of(again) == ["three", "four", "five"]


async def test_it_goes_on_when_only_the_copy_is_left(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\n")
    seen = await collect(source_of(path), enough(1))
    points = {f"log:{path}": seen[0].resume}  # after `one`
    (tmp_path / "a.log.1").write_bytes(path.read_bytes())
    path.write_text("three\n")
    again = await collect(source_of(path), enough(2), resume=resume_for(source_of(path), points))
    assert lines_of(again) == ["two", "three"]


async def test_a_replaced_file_of_the_same_number_is_read_from_its_start(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\n")
    file = LogFile(path, source="log", from_start=True)
    assert lines_of(file.step()[0]) == ["one", "two"]
    path.write_text("entirely other lines\nlonger than before\n")  # truncated and grown past our place
    assert lines_of(file.step()[0]) == ["entirely other lines", "longer than before"]
    file.close()


async def test_a_pattern_finds_new_files_and_reads_no_rotated_one_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("wakeful.sources.log.GLOB_S", 0.2)
    (tmp_path / "a.log").write_text("a1\n")
    (tmp_path / "a.log.1").write_text("old\n")
    (tmp_path / "a.log.2.gz").write_text("packed\n")
    source = LogSource(f"{tmp_path}/*.log*", from_start=True, poll_s=0.02)
    async with asyncio.timeout(15), aclosing(opened(source)) as stream:
        assert (await anext(stream)).text == "a1"
        (tmp_path / "b.log").write_text("b1\n")
        (tmp_path / "a.log").rename(tmp_path / "a.log.1")
        (tmp_path / "a.log").write_text("a2\n")
        seen = [await anext(stream), await anext(stream)]
    assert sorted((each.source, each.text) for each in seen) == [
        (f"log:{tmp_path}/a.log", "a2"),
        (f"log:{tmp_path}/b.log", "b1"),
    ]


async def test_a_pattern_without_files_says_so(tmp_path: Path):
    seen = await first(source_of(f"{tmp_path}/*.log"))
    assert "failed: no file matches" in seen.text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.log.1", True),
        ("app.log-20261120", True),
        ("app.log.2026-11-20", True),
        ("app-20261120.log", True),
        ("app-2026-11-20.log", True),
        ("app-8080.log", False),
        ("app.log.1.gz", False),
        ("app.log.bak", False),
        ("app.log", False),
        ("application.log", False),
    ],
)
def test_rotated_names_are_known(name: str, expected: bool):
    assert is_rotation(name, "app.log") is expected


steps = st.lists(
    st.sampled_from(["write", "burst", "partial", "rename", "copytruncate", "restart", "step"]), max_size=25
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_happens_every_line_is_told_once(tmp_path_factory: pytest.TempPathFactory, steps: list[str]):
    path = tmp_path_factory.mktemp("log") / "a.log"
    path.write_text("")
    written, told, resume = 0, list[str](), ""
    file = LogFile(path, source="log", from_start=True)

    def write(count: int, *, end: str = "\n") -> None:
        nonlocal written
        if not count:
            return
        append(path, "\n".join(f"line {written + n}" for n in range(count)) + end)
        written += count

    def step() -> None:
        nonlocal resume
        more = True
        while more:
            seen, more = file.step()
            told.extend(lines_of(seen))
            resume = next((each.resume for each in reversed(seen) if each.resume), resume)

    write(3)
    step()
    for number, action in enumerate(steps):
        if action == "write":
            write(1)
        elif action == "burst":
            write(80)
        elif action == "partial":
            append(path, f"line {written}")
            step()
            append(path, "\n")
            written += 1
        elif action == "rename":
            path.rename(f"{path}-{20260000 + number}")
            path.write_text("")
            write(number % 2)
        elif action == "copytruncate":
            Path(f"{path}-{20260000 + number}").write_bytes(path.read_bytes())
            os.truncate(path, 0)
            write(number % 2)
        elif action == "restart":
            file.close()
            file = LogFile(path, source="log", from_start=False, resume=resume)
        else:
            step()
    step()
    file.close()
    assert sorted(told) == sorted(f"line {n}" for n in range(written))
