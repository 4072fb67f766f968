"""The `anthropic` package against our server, its helpers included."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam
from served import PieceRunner, Server, say, served, text

from wakeful.engine.errors import ProcessDied
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply, Script, ScriptedRunner
from wakeful.engine.server.settings import ServerSettings

HI: list[MessageParam] = [{"role": "user", "content": "Hi"}]
LOOK: ToolParam = {"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}
TOKEN = "sk-lm-AbCd1234:0123456789abcdefghij"


def looking(generation: Generation) -> Reply | str:
    """Calls the tool, and tells what it gave."""
    last = generation.messages[-1]
    if last["role"] == "tool":
        return f"It is {last['content']}."
    return Reply(text="I look.", reasoning="Hm.", calls=(Call("look", {"at": "sky"}),))


@asynccontextmanager
async def opened(
    script: Script | None = None, *, runner: ScriptedRunner | None = None, settings: ServerSettings | None = None
) -> AsyncGenerator[tuple[anthropic.AsyncAnthropic, Server]]:
    async with served(script, runner=runner, settings=settings) as server:
        async with anthropic.AsyncAnthropic(base_url=server.url, api_key=TOKEN, max_retries=0) as client:
            yield client, server


async def test_a_message() -> None:
    async with opened() as (client, _):
        message = await client.messages.create(model="m", max_tokens=50, messages=HI, system="Be kind.")
    assert [(block.type, block.text) for block in message.content if block.type == "text"] == [
        ("text", "Hello, world!")
    ]
    assert (message.stop_reason, message.model, message.usage.output_tokens) == ("end_turn", "m", 4)


async def test_a_stream() -> None:
    async with opened() as (client, _):
        async with client.messages.stream(model="m", max_tokens=50, messages=HI) as stream:
            heard = "".join([each async for each in stream.text_stream])
            final = await stream.get_final_message()
    assert heard == "Hello, world!"
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 4)


async def test_tools_in_a_stream_and_their_results() -> None:
    async with opened(looking) as (client, server):
        async with client.messages.stream(model="m", max_tokens=50, messages=HI, tools=[LOOK]) as stream:
            kinds = [event.type async for event in stream]
            first = await stream.get_final_message()
        [call] = [block for block in first.content if block.type == "tool_use"]
        result: MessageParam = {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "blue"}],
        }
        messages: list[MessageParam] = [*HI, {"role": "assistant", "content": first.content}, result]
        second = await client.messages.create(model="m", max_tokens=50, messages=messages, tools=[LOOK])
        _, said, told = server.last.messages
    assert [block.type for block in first.content] == ["thinking", "text", "tool_use"]
    assert (first.stop_reason, call.input) == ("tool_use", {"at": "sky"})
    assert {"thinking", "text", "input_json"} <= set(kinds)
    assert said["content"] == "I look."
    assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"at": "sky"}
    assert (told["tool_call_id"], told["content"]) == (call.id, "blue")
    assert [block.text for block in second.content if block.type == "text"] == ["It is blue."]


async def test_errors() -> None:
    async with opened() as (client, _):
        with pytest.raises(anthropic.BadRequestError, match="at least one message"):
            await client.messages.create(model="m", max_tokens=5, messages=[])
        with pytest.raises(anthropic.NotFoundError, match="Invalid model identifier"):
            await client.messages.create(model="claude", max_tokens=5, messages=HI)
    async with opened(runner=PieceRunner([*text("a"), ProcessDied("x", exit_code=6)])) as (client, _):
        with pytest.raises(anthropic.InternalServerError, match="The model has crashed"):
            await client.messages.create(model="m", max_tokens=5, messages=HI)
        with pytest.raises(anthropic.APIStatusError, match="The model has crashed"):
            async with client.messages.stream(model="m", max_tokens=5, messages=HI) as stream:
                await stream.until_done()


async def test_its_token() -> None:
    async with opened(settings=ServerSettings(port=0, tokens=(TOKEN,))) as (client, _):
        assert (await client.messages.create(model="m", max_tokens=5, messages=HI)).type == "message"
        with pytest.raises(anthropic.AuthenticationError):
            await client.with_options(api_key="sk-ant-x").messages.create(model="m", max_tokens=5, messages=HI)


async def test_the_blocking_client_too() -> None:
    def ask(url: str) -> str:
        with anthropic.Anthropic(base_url=url, api_key="x", max_retries=0) as client:
            with client.messages.stream(model="m", max_tokens=5, messages=HI) as stream:
                return "".join(stream.text_stream)

    async with served(say("Hi")) as server:
        assert await asyncio.to_thread(ask, server.url) == "Hi"
