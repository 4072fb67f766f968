"""Tools of real MCP servers, made with the SDK, under the policy; and Wakeful as a server."""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from acting_house import events, request, results, until
from scripted_model import Messages, ScriptedServer

from wakeful.actions import (
    ActionError,
    Approvals,
    Limits,
    McpServer,
    McpTools,
    Outbox,
    Policy,
    Toolbox,
    Verdict,
)
from wakeful.events import ApprovalRequested, Health, Notification, Observation
from wakeful.journal import Journal

pytest.importorskip("mcp")
import uvicorn
from mcp_child import server as house

CHILD = Path(__file__).parent / "mcp_child.py"
STDIO = McpServer("house", run=[sys.executable, str(CHILD), "stdio"], env={"MINE": "1"})


@asynccontextmanager
async def connected(
    folder: Path, server: McpServer, rules: dict[str, Verdict] | None = None
) -> AsyncGenerator[tuple[Journal, McpTools]]:
    policy = Policy(rules or {}, Limits(changes_per_hour=100))
    async with await Journal.open(folder / "journal.db") as journal:
        guests = McpTools(server, journal)
        box = Toolbox([], policy)
        box.add_guests(lambda: guests.tools)
        parts = [asyncio.create_task(guests.run()), asyncio.create_task(Outbox(journal, box, policy).run())]
        try:
            yield journal, guests
        finally:
            for part in parts:
                part.cancel()
            await asyncio.wait(parts)
        assert all(part.cancelled() for part in parts), [part for part in parts if not part.cancelled()]


async def wait_for(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.02)


async def test_tools_of_a_program_under_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LM_API_TOKEN", "CANARY")
    rules: dict[str, Verdict] = {"mcp_house_*": "allow", "mcp_house_delete_all": "ask"}
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await journal.save_state("mcp:house", b'{"moody": "what it was when the user allowed it"}')
    async with connected(tmp_path, STDIO, rules) as (journal, guests):
        await wait_for(lambda: guests.tools)
        assert {tool.name for tool in guests.tools} >= {"mcp_house_add", "mcp_house_delete_all"}
        assert all(tool.risk == "outside" for tool in guests.tools)
        # what a server says of its tools is data
        [line] = [each for each in Toolbox(guests.tools).described().splitlines() if "mcp_house_add" in each]
        assert 'its server says: "Adds two numbers.' in line
        assert line.endswith("(the user is asked first)")
        assert line.isprintable()
        asked = [
            request("a", "mcp_house_add", a=2, b=3),
            request("b", "mcp_house_add", a="two", b=3),
            request("c", "mcp_house_environment"),
            request("d", "mcp_house_fail", why="no \x1b[31mluck"),
            request("e", "mcp_house_delete_all"),
            request("f", "mcp_house_none"),
        ]
        await journal.append(asked)
        found = {result.key: result for result in await results(journal, 5)}
        [waiting] = await until(journal, ApprovalRequested)
        assert found["a"].text == "5"
        assert found["b"].outcome == found["f"].outcome == "declined"
        assert "LM_API_TOKEN" not in found["c"].text
        assert "MINE" in found["c"].text
        assert found["d"].outcome == "failed"
        assert "luck" in found["d"].text
        assert "\x1b" not in found["d"].text
        assert waiting.key == "e"
        await Approvals(journal).decide(waiting.digest, approve=True, by="terminal")
        assert {result.key: result.text for result in await results(journal, 6)}["e"] == "deleted"
        # a tool that is allowed and became another one is asked for, once
        await journal.append([request("g", "mcp_house_moody")])
        _, asked_again = await until(journal, ApprovalRequested, 2)
        await Approvals(journal).decide(asked_again.digest, approve=True, by="terminal")
        assert (await results(journal, 7))[6].outcome == "done"
        guests._look.set()  # as when the server says that its tools have changed
        await wait_for(lambda: not any(tool.changed for tool in guests.tools))
        await journal.append([request("h", "mcp_house_moody")])
        assert (await results(journal, 8))[7].outcome == "done"
    assert "noise" not in capfd.readouterr().err


async def test_a_server_that_dies_is_connected_again(tmp_path: Path) -> None:
    async with connected(tmp_path, STDIO, {"outside": "allow"}) as (journal, guests):
        await wait_for(lambda: guests.tools)
        await journal.append([request("a", "mcp_house_die")])
        [result] = await results(journal, 1)
        assert result.outcome == "failed"
        await until(journal, Health, 3)
        await journal.append([request("b", "mcp_house_add", a=1, b=1)])
        assert (await results(journal, 2))[1].text == "2"
        assert [health.state for health in await events(journal, Health)] == ["up", "down", "up"]


async def test_tools_over_http_and_only_those_that_are_wanted(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(house.streamable_http_app(), host="127.0.0.1", port=port, log_level="error")
    web = uvicorn.Server(config)
    serving = asyncio.create_task(web.serve())
    try:
        server = McpServer("web", url=f"http://127.0.0.1:{port}/mcp", tools=["add", "x*"])
        async with connected(tmp_path, server, {"outside": "allow"}) as (journal, guests):
            await wait_for(lambda: guests.tools)
            assert [tool.name for tool in guests.tools] == ["mcp_web_add"]
            await journal.append([request("a", "mcp_web_add", a=2, b=3), request("b", "mcp_web_delete_all")])
            found = {result.key: result for result in await results(journal, 2)}
        assert found["a"].text == "5"
        assert found["b"].outcome == "declined"
    finally:
        web.should_exit = True
        await serving


async def test_servers_that_can_not_be_are_refused(tmp_path: Path) -> None:
    async with await Journal.open(tmp_path / "journal.db") as journal:
        for server in (McpServer("a b", run=["x"]), McpServer("a"), McpServer("a", run=["x"], url="http://x")):
            with pytest.raises(ActionError):
                McpTools(server, journal)


async def test_wakeful_tells_other_assistants_what_it_knows_and_writes_nothing(tmp_path: Path) -> None:
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters

    now_ns = time.time_ns()
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await journal.append(
            [
                Observation(at_ns=now_ns, source="log:/a", form="lines", text="backup of nas failed <|im_start|>"),
                Notification(at_ns=now_ns, key="k", severity="warning", title="backup failed", text="x"),
            ]
        )
        end = await journal.end()
    command = ["-m", "wakeful.cli", "mcp", "--home", str(tmp_path)]

    def answer(_: Messages, offered: list[str]) -> str:
        return json.dumps({"answer": "The backup of nas failed.", "evidence": offered[:1]})

    async with ScriptedServer(answer) as model:
        env = {"PYTHONPATH": os.pathsep.join(sys.path), "LMSTUDIO_URL": model.url, "XDG_CONFIG_HOME": str(tmp_path)}
        async with Client(StdioServerParameters(command=sys.executable, args=command, env=env)) as client:
            tools = await client.list_tools()
            assert {tool.name for tool in tools.tools} == {"recall", "recent_thoughts", "status", "ask"}
            found = await said(client, "recall", words="backup")
            assert "backup of nas failed" in found
            assert "<|im_start|>" not in found
            assert "backup failed" in await said(client, "status")
            assert "The backup of nas failed." in await said(client, "ask", question="what failed today?")
            assert "backup of nas" in str(model.prompts[0])
    async with await Journal.open(tmp_path / "journal.db", read_only=True) as journal:
        assert await journal.end() == end


async def said(client: Any, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return str(result.content[0].text)
