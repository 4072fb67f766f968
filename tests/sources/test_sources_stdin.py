import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sources_conformance import check_source, collect, lines_of

from wakeful.sources import StdinSource


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    try:
        os.close(write)
    except OSError:
        return


async def test_it_holds_what_every_source_must(pipe: tuple[int, int]):
    async def stir(number: int) -> None:
        os.write(pipe[1], b"line %d\n" % number)

    await check_source(lambda: StdinSource(fd=pipe[0]), stir)


async def test_lines_until_the_end_which_is_said_once(pipe: tuple[int, int]):
    os.write(pipe[1], b"one\ntwo \xff\nlast")
    os.close(pipe[1])
    seen = await collect(StdinSource(fd=pipe[0]), lambda _: False)
    assert lines_of(seen) == ["one", "two \ufffd", "last"]
    assert [each.text for each in seen if each.form == "state"] == ["source stdin ended"]


async def test_a_file_as_input_is_read_in_blocks(tmp_path: Path):
    path = tmp_path / "input"
    path.write_text("".join(f"line {n}\n" for n in range(20_000)))
    with path.open("rb") as file:
        seen = await collect(StdinSource(fd=file.fileno()), lambda _: False)
    assert lines_of(seen) == [f"line {n}" for n in range(20_000)]
    assert len(seen) < 50


async def test_an_incomplete_line_is_told_after_a_while(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wakeful.sources.stdin.PARTIAL_S", 0.05)
    os.write(pipe[1], b"prompt> ")
    seen = await collect(StdinSource(fd=pipe[0]), lambda seen: len(seen) == 1)
    assert seen[0].text == "prompt> "
