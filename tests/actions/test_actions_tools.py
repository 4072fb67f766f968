import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeful.actions import (
    ActionError,
    ArgumentsWrong,
    Call,
    Command,
    Tool,
    ToolFailed,
    command_tool,
    file_tools,
    probe_tools,
    unit_tools,
    web_tools,
)
from wakeful.actions import arguments as args
from wakeful.actions.child import run_program
from wakeful.actions.files import Places
from wakeful.actions.web import Sites

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell and links")


async def call(tool: Tool, **given_arguments: Any) -> str:
    text = args.written(given_arguments)
    return await tool.run(Call("k", "k", args.read(tool, text)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "app.log").write_text("first\n" + "line\n" * 10_000 + "last, token=abcdef123\n")
    (tmp_path / "outside.txt").write_text("CANARY")
    (folder / "out").symlink_to(tmp_path / "outside.txt")
    (folder / "up").symlink_to(tmp_path)
    (folder / ".env").write_text("CANARY")
    os.mkfifo(folder / "pipe")
    (folder / "data.bin").write_bytes(b"a\0b")
    return folder


async def test_the_end_of_a_file_is_read_without_its_secrets(root: Path) -> None:
    reading, listing = file_tools([str(root)])
    text = await call(reading, path=str(root / "app.log"))
    assert text.startswith("(the last ")
    assert text.endswith("last, token=(secret)\n")
    assert "app.log" in await call(listing, path=str(root))


@pytest.mark.parametrize(
    "path", ["out", "up/outside.txt", "../outside.txt", ".env", "x/../../outside.txt", "pipe", "data.bin", "none", ""]
)
async def test_nothing_outside_of_the_allowed_folders_is_read(root: Path, path: str) -> None:
    reading, _ = file_tools([str(root)])
    with pytest.raises((ArgumentsWrong, ToolFailed)) as refused:
        async with asyncio.timeout(5):
            await call(reading, path=str(root / path) if path else "app.log")
    assert "CANARY" not in str(refused.value)


async def test_a_link_that_is_put_in_the_way_meanwhile_is_not_followed(root: Path, tmp_path: Path) -> None:
    places = Places([str(root)])
    (root / "swapped").write_text("fine")
    real = places._real(str(root / "swapped"))
    (root / "swapped").unlink()
    (root / "swapped").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(ToolFailed):
        os.close(places._open(real, os.O_RDONLY))


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["..", ".", "up", "out", "a", "/", "allowed", "\u2025", "%2e%2e", "x\0"]), max_size=8))
def test_no_path_leads_outside(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    top = tmp_path_factory.mktemp("top")
    root = top / "allowed"
    root.mkdir()
    (top / "outside.txt").write_text("CANARY")
    (root / "up").symlink_to(top)
    (root / "out").symlink_to(top / "outside.txt")
    places = Places([str(root)])
    given_path = f"{root}/{'/'.join(parts)}"
    if not places.wrong({"path": given_path}):
        assert Path(os.path.realpath(given_path)).is_relative_to(root)


async def test_a_command_runs_as_declared_in_a_bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_API_TOKEN", "CANARY")
    show = ["/bin/sh", "-c", "echo $1 $MINE; env", "-", "{name}"]
    declared = Command("show", show, choices={"name": ["a b", "; id"]}, env={"MINE": "own"})
    tool = command_tool(declared)
    output = await call(tool, name="; id")
    assert output.startswith("; id own\n")
    assert "uid=" not in output
    assert "CANARY" not in output
    assert args.shown(tool, {"name": "a b"}) == "/bin/sh -c 'echo $1 $MINE; env' - 'a b'"
    with pytest.raises(ArgumentsWrong):
        await call(tool, name="made up")
    with pytest.raises(ToolFailed, match="status 3"):
        await call(command_tool(Command("fail", ["/bin/sh", "-c", "exit 3"])))
    with pytest.raises(ToolFailed, match="can't be started"):
        await call(command_tool(Command("none", ["/nowhere/to/be/found"])))


def test_declarations_that_can_not_be_are_refused() -> None:
    for command in (Command("a b", ["x"]), Command("a", ["x", "{y}"]), Command("a", ["x"], choices={"y": ["1"]})):
        with pytest.raises(ActionError):
            command_tool(command)
    with pytest.raises(ActionError):
        unit_tools(["--now"])
    with pytest.raises(ActionError):
        web_tools(["ftp://x"])


async def test_output_is_bounded_and_what_was_started_ends_with_it(tmp_path: Path) -> None:
    ended = await run_program(
        ["/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo end"]
    )
    assert len(ended.output) <= 64 * 1024
    assert ended.output.endswith("end\n")
    pid_file = tmp_path / "pid"
    running = asyncio.create_task(run_program(["/bin/sh", "-c", f"sleep 100 & echo $! > {pid_file}; wait"]))
    async with asyncio.timeout(5):
        while not pid_file.exists() or not pid_file.read_text().strip():
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(5):
        while _lives(int(pid_file.read_text())):
            await asyncio.sleep(0.01)


async def test_what_was_started_ends_with_it_also_when_it_is_cancelled_while_it_starts(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    running = asyncio.create_task(run_program(["/bin/sh", "-c", f"sleep 100 & echo $! > {pid_file}; wait"]))
    begun_s = time.monotonic()
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert time.monotonic() - begun_s < 5
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251  (the loop must not come to notice that the program runs)
    running.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await running
        while _lives(int(pid_file.read_text())):
            await asyncio.sleep(0.01)


def _lives(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_units_are_started_by_their_declared_names_alone() -> None:
    tools = {tool.name: tool for tool in unit_tools(["nginx", "backup.timer"], systemctl=["/bin/echo"])}
    assert await call(tools["unit_restart"], unit="nginx.service") == "--no-ask-password restart -- nginx.service"
    assert tools["unit_status"].risk == "read"
    assert tools["unit_stop"].risk == "change"
    with pytest.raises(ArgumentsWrong):
        await call(tools["unit_stop"], unit="sshd.service")
    with pytest.raises(ArgumentsWrong):
        await call(tools["unit_stop"], unit="nginx.service; id")


@asynccontextmanager
async def site(**pages: Any) -> AsyncGenerator[str]:
    """A site; a page is its text, or where it leads."""

    async def answer(asked: web.Request) -> web.Response:
        page = pages[asked.path.strip("/") or "home"]
        if page.startswith("http"):
            return web.Response(status=302, headers={"Location": page})
        return web.Response(text=page)

    app = web.Application()
    app.router.add_get("/{name:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_only_listed_addresses_are_asked_and_redirects_keep_to_listed_hosts() -> None:
    async with site(home="all is well", secret="CANARY") as url:
        port = url.rpartition(":")[2]
        async with site(away=f"http://localhost:{port}/secret", home=f"{url}/", loop="http://127.0.0.1:1/") as first:
            check, look_up = web_tools([f"{first}/home", f"{first}/away", "http://127.0.0.1:9/"])
            assert "all is well" in await call(check, url=f"{first}/home")
            with pytest.raises(ToolFailed, match="not on the list"):
                await call(check, url=f"{first}/away")
            with pytest.raises(ToolFailed, match="does not answer"):
                await call(check, url="http://127.0.0.1:9/")
            for url_ in (f"{first}/secret", f"{first}/home?d=CANARY", f"http://a@{first[7:]}/home"):
                with pytest.raises(ArgumentsWrong):
                    await call(check, url=url_)
            assert "127.0.0.1" in await call(look_up, host="127.0.0.1")


async def test_a_public_name_at_a_private_address_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a name that is rebound, or an attacker's DNS, would do."""
    async with site(home="CANARY") as url:
        port = int(url.rpartition(":")[2])

        async def getaddrinfo(*_: Any, **__: Any) -> Any:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        public, named = f"http://public.example:{port}/home", f"http://nas.lan:{port}/home"
        sites = Sites([public, named])
        with pytest.raises(ToolFailed, match="of this network"):
            await sites.ask(public)
        assert "CANARY" in await sites.ask(named)


async def test_probes_look_and_do_not_fail() -> None:
    for tool in probe_tools():
        assert await call(tool)
    assert all(tool.risk == "read" for tool in probe_tools())
