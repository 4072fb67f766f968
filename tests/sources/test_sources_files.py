import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources_conformance import check_source, first, opened

from wakeful.events import Observation
from wakeful.sources import FilesSource
from wakeful.sources.contents import Contents, changed_lines, is_secret
from wakeful.sources.files import size_of
from wakeful.sources.tree import Tree


async def told(folder: Path, act: Callable[[], object], *, count: int = 1) -> list[Observation]:
    """What is told of `act`, which happens once the source watches (a marker was told)."""
    async with asyncio.timeout(20), aclosing(watched(folder)) as stream:
        await anext(stream)
        act()
        return [await anext(stream) for _ in range(count)]


async def watched(folder: Path) -> AsyncGenerator[Observation, None]:
    """First a marker, when the source watches, then what is not about markers."""
    async with aclosing(opened(FilesSource(folder))) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        number = 0
        while not waiting.done():
            (folder / f"marker{number}").write_text("")
            number += 1
            await asyncio.wait([waiting], timeout=0.3)
        yield waiting.result()
        async for observation in stream:
            if "marker" not in observation.subject:
                yield observation


async def test_it_holds_what_every_source_must(tmp_path: Path):
    async def stir(number: int) -> None:
        (tmp_path / f"{number}.txt").write_text("x")

    await check_source(lambda: FilesSource(tmp_path), stir)


async def test_a_missing_folder_is_said_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wakeful.sources.files.WAIT_S", 0.05)
    folder = tmp_path / "later"
    async with asyncio.timeout(20), aclosing(opened(FilesSource(folder))) as stream:
        missing = await anext(stream)
        assert missing.text == f"source files:{folder} failed: no such folder; next try in 1 s"
        folder.mkdir()
        assert (await anext(stream)).text == f"source files:{folder} works again"


async def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "x").write_text("")
    assert "failed: not a folder" in (await first(FilesSource(tmp_path / "x"))).text


async def test_modified_with_the_lines_that_changed(tmp_path: Path):
    path = tmp_path / "sshd_config"
    path.write_text("Port 22\nPermitRootLogin no\nUsePAM yes\n")
    path.chmod(0o644)
    [seen] = await told(tmp_path, lambda: _write(path, "Port 22\nPermitRootLogin yes\nUsePAM yes\n"))
    assert seen.text == f"modified {path} (39 B): -PermitRootLogin no; +PermitRootLogin yes"
    assert (seen.form, seen.subject, seen.source) == ("change", str(path), f"files:{tmp_path}")


async def test_created_moved_deleted(tmp_path: Path):
    path = tmp_path / "a.txt"
    [created] = await told(tmp_path, lambda: _write(path, "x" * 1200))
    assert created.text == f"created {path} (1.2 kB)"
    [moved] = await told(tmp_path, lambda: path.rename(tmp_path / "b.txt"))
    assert moved.text == f"moved {path} to {tmp_path / 'b.txt'}"
    [deleted] = await told(tmp_path, (tmp_path / "b.txt").unlink)
    assert deleted.text == f"deleted {tmp_path / 'b.txt'}"


async def test_a_burst_is_one_observation(tmp_path: Path):
    def burst() -> None:
        (tmp_path / "new").mkdir()
        for number in range(200):
            (tmp_path / "new" / f"{number}.txt").write_text("x")

    seen: list[Observation] = []
    async with asyncio.timeout(20), aclosing(watched(tmp_path)) as stream:
        await anext(stream)
        burst()
        while sum(each.count for each in seen) < 201:
            seen.append(await anext(stream))
    lines = {line for each in seen for line in each.text.split("\n")}
    assert {f"created {tmp_path / 'new' / str(n)}.txt (1 B)" for n in range(200)} <= lines
    assert len(seen) < 60


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def tree(folder: Path) -> Tree:
    return Tree(str(folder), recursive=True)


def changes(tree: Tree) -> list[tuple[str, str, str]]:
    return sorted(
        (change.verb, os.path.relpath(change.path, tree.root), change.diff) for change in tree.changes([tree.root])
    )


def test_secrets_are_never_read(tmp_path: Path):
    names = ["shadow", "id_ed25519", "server.key", "cert.pem", ".env", "prod.env", "private.txt"]
    for name in names:
        (tmp_path / name).write_text("hunter1\n")
        (tmp_path / name).chmod(0o600 if name == "private.txt" else 0o644)
    seen = tree(tmp_path)
    for name in names:
        (tmp_path / name).write_text("hunter22\n")
    assert changes(seen) == sorted(("modified", name, "") for name in names)
    assert "hunter" not in str(seen._contents.__dict__ if seen._contents else "")


@pytest.mark.parametrize(
    ("path", "mode", "secret"),
    [
        ("/etc/shadow", 0o644, True),
        ("/home/u/.ssh/config", 0o644, True),
        ("/srv/TLS.KEY", 0o644, True),
        ("/srv/app.conf", 0o600, True),
        ("/srv/app.conf", 0o640, False),
        ("/etc/hosts", 0o644, False),
    ],
)
def test_what_is_secret(path: str, mode: int, secret: bool):
    assert is_secret(path, mode) is secret


def test_values_of_passwords_are_hidden_in_diffs():
    assert changed_lines("db_password = old\nport=1\n", "db_password = hunter2\nport=2\n") == (
        "-db_password = …; -port=1; +db_password = …; +port=2"
    )
    assert changed_lines("-- a\n", "++ b\n") == "--- a; +++ b"


def test_a_long_diff_is_shortened():
    diff = changed_lines("", "".join(f"line {n}\n" for n in range(1000)))
    assert diff.endswith("+line 39; … 960 more changed lines")
    assert len(changed_lines("", "x" * 60_000)) < 2100


@given(st.text(), st.text())
def test_any_two_texts_have_a_bounded_diff(before: str, after: str):
    assert len(changed_lines(before, after)) < 2200


def test_contents_are_bounded(tmp_path: Path):
    contents = Contents(max_total_bytes=1000)
    for number in range(10):
        path = tmp_path / f"{number}.txt"
        path.write_text("x" * 300)
        path.chmod(0o644)
        contents.diff(str(path), 300, path.stat().st_mode)
    assert contents._total == 900
    assert len(contents._texts) == 3


def test_binary_big_and_latin_files_have_no_diff(tmp_path: Path):
    for name, data in {"bin": b"\0\1", "latin": b"caf\xe9", "big": b"x" * 70_000}.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o644)
    seen = tree(tmp_path)
    for name in ("bin", "latin", "big"):
        with (tmp_path / name).open("ab") as file:
            file.write(b"more\n")
    assert changes(seen) == [("modified", "big", ""), ("modified", "bin", ""), ("modified", "latin", "")]


def test_what_editors_and_tools_leave_is_ignored(tmp_path: Path):
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "a.txt").chmod(0o644)
    seen = tree(tmp_path)
    for name in (".a.txt.swp", "a.txt~", "4913", ".git/index", "x/__pycache__/m.pyc", "node_modules/m.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "new").write_text("two\n")
    (tmp_path / "new").chmod(0o644)
    os.replace(tmp_path / "new", tmp_path / "a.txt")  # as editors save
    assert changes(seen) == [("created", "x", ""), ("modified", "a.txt", "-one; +two")]
    assert changes(seen) == []


def test_folders_that_come_and_go_take_their_files_with_them(tmp_path: Path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("x")
    seen = tree(tmp_path)
    shutil.rmtree(tmp_path / "d")
    gone = seen.changes([str(tmp_path / "d")])
    assert sorted((c.verb, c.path) for c in gone) == [("deleted", f"{tmp_path}/d"), ("deleted", f"{tmp_path}/d/f")]
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "g").write_text("x")
    came = seen.changes([str(tmp_path / "e")])
    assert sorted((c.verb, c.path) for c in came) == [("created", f"{tmp_path}/e"), ("created", f"{tmp_path}/e/g")]


def test_links_are_not_followed(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("x")
    inside = tmp_path / "inside"
    inside.mkdir()
    seen = tree(inside)
    (inside / "link").symlink_to(outside)
    assert changes(seen) == [("created", "link", "")]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (3200, "3.2 kB"),
        (999_949, "999.9 kB"),
        (1_200_000, "1.2 MB"),
        (4 * 10**12, "4.0 TB"),
    ],
)
def test_sizes_in_words(size: int, text: str):
    assert size_of(size) == text
