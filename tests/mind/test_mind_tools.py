"""A model names a tool in its thought; what comes of it is told to it at the next one. The pilot knows of none."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripted_model import Messages, ScriptedServer, thought
from test_mind_loop import awake, events, line, until

from wakeful.actions import Outbox, Policy, Toolbox, probe_tools, unit_tools
from wakeful.engine import Engine
from wakeful.events import ActionRequest, ActionResult, Thought, ThoughtFailed
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.mind import MindSettings
from wakeful.mind.schema import CallReply

SETTINGS = MindSettings(first_look=False)


def wants(**call: Any) -> Any:
    def answer(messages: Messages, offered: list[str]) -> str:
        return thought(messages, offered, action_needed=True, action_details="how full are they?", call=call)

    return answer


async def test_a_tool_is_named_run_and_its_result_told(tmp_path: Path) -> None:
    policy = Policy()
    box = Toolbox(probe_tools(), policy)
    async with (
        ScriptedServer(wants(tool="disk_use", arguments={})) as server,
        awake(tmp_path, server, SETTINGS, tools=box) as (_, journal),
    ):
        outbox = asyncio.create_task(Outbox(journal, box, policy).run())
        await journal.append([line("ERROR one: panic")])
        [result] = await until(journal, ActionResult)
        [request] = await events(journal, ActionRequest)
        assert (request.tool, request.arguments) == ("disk_use", "{}")
        assert (result.outcome, result.tool) == ("done", "disk_use")
        server.answer = thought
        await journal.append([line("FATAL two: corrupt", "log:/other")])
        await until(journal, Thought, 2)
        outbox.cancel()
        await asyncio.wait([outbox])
        schema, rules = server.schemas[0]["properties"], server.prompts[0][0]["content"]
        names = [each["properties"]["tool"]["enum"][0] for each in schema["call"]["anyOf"]]
        assert names == ["", "look_closer", "processes", "disk_use", "sockets"]
        assert list(schema).index("call") == list(schema).index("action_details") + 1
        assert "- disk_use(): how full each disk is" in rules
        told = server.prompts[-1][-1]["content"]
        assert "disk_use" in told
        assert "% of" in told


async def test_a_tool_that_does_not_exist_is_repaired_and_then_a_failed_thought(tmp_path: Path) -> None:
    async with (
        ScriptedServer(wants(tool="rm", arguments={"path": "/"})) as server,
        awake(tmp_path, server, SETTINGS, tools=Toolbox(probe_tools())) as (_, journal),
    ):
        await journal.append([line("ERROR one: panic")])
        [failed] = await until(journal, ThoughtFailed)
        assert "a tool that does not exist" in failed.error
        assert not await events(journal, ActionRequest)


async def test_the_pilot_is_told_of_no_tools(tmp_path: Path) -> None:
    async with (
        ScriptedServer() as server,
        awake(tmp_path, server, SETTINGS, tools=Toolbox(probe_tools()), pilot=True) as (_, journal),
    ):
        await journal.append([line("ERROR one: panic")])
        await until(journal, Thought)
        assert "call" not in server.schemas[0]["properties"]
        assert "disk_use" not in server.prompts[0][0]["content"]


async def test_the_engine_holds_a_model_to_a_call_that_fits() -> None:
    """llama.cpp makes a grammar of the schema, in which the pilot, which knows of no tools, can't but name one."""
    pytest.importorskip("xllamacpp")
    box = Toolbox([*probe_tools(), *unit_tools(["nginx"])])
    async with Engine() as engine, AsyncLMStudioClient(engine.base_url, api_token=engine.api_token) as client:
        result = await client.chat("Which?", json_schema=box.schema(), max_tokens=200)
    call = msgspec.json.decode(result.text, type=CallReply)
    assert call.tool in ("", *(tool.name for tool in box.tools))
