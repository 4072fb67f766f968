"""LM Studio's known troubles: a test for each that a client can do something about, by its number in the bug tracker.

The page `docs/client/known-troubles.md` has a line for each of them.
"""

import asyncio
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from raw_server import DONE, Exchange, delta, good, serving
from scripted import answering, asked, said

from tests.engine.scripted_house import open_house
from wakeful.engine.server.settings import ServerSettings
from wakeful.lmstudio import (
    NO_RETRY,
    AsyncLMStudioClient,
    ChatOptions,
    CircuitBreaker,
    EmptyAnswer,
    Manners,
    ModelCrashed,
    ModelUnloaded,
    ServerUnreachable,
    StreamBroken,
    Timeouts,
)

PAGE = Path(__file__).parents[2] / "docs" / "client" / "known-troubles.md"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"joke": {"type": "string"}}, "required": ["joke"]}
STORY = "Once upon a time there was a small server in a corner, and it was nearly full."


class Joke(msgspec.Struct):
    joke: str


def test_each_has_a_line_and_each_line_a_test() -> None:
    lines = set(re.findall(r"^\| \[(\d+)\]", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    tests = {name.split("_")[1] for name in globals() if re.match(r"test_\d+_", name)}
    assert lines == tests


def breaking_off(error: bytes = b"") -> Any:
    """Half of the story, then an error or a clean end; the rest when it is asked for."""

    async def behaviour(exchange: Exchange) -> None:
        if exchange.path == "/slots":
            await exchange.answer(200, {"error": "Unexpected endpoint or method. (GET /slots)"})
            return
        last = asked(exchange)["messages"][-1]
        await exchange.head()
        if last["role"] == "assistant":
            await exchange.chunk(delta(STORY[len(last["content"]) :]) + delta(finish="stop") + DONE)
        else:
            await exchange.chunk(delta(STORY[:40]))
            await exchange.chunk(error or b": bye\n\n")
        await exchange.end()

    return behaviour


async def test_575_thinking_tags_before_the_json() -> None:
    text = '<think>\nA joke about {"json"}?\n</think>\n\n{"joke": "knock knock"}'
    async with serving(answering(said(text))) as server, AsyncLMStudioClient(server.url) as client:
        got = await client.structured("Tell me a joke.", Joke)
        streamed = await client.stream("Tell me a joke.", json_schema=SCHEMA).collect()
    assert (got.value, got.repaired) == (Joke("knock knock"), False)
    assert "about" in got.result.reasoning
    assert json.loads(streamed.text) == {"joke": "knock knock"}


async def test_671_the_model_is_pushed_out_while_it_writes() -> None:
    gone = b'event: error\ndata: {"error":{"message":"Model unloaded."}}\n\n'
    async with serving(breaking_off(gone)) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(ModelUnloaded) as caught:
            await client.stream("tell").collect()
        assert caught.value.partial == STORY[:40]
        assert (await client.stream("tell", resume=True).collect()).text == STORY


async def test_907_the_sdk_does_not_connect_again(free_port: int) -> None:
    settings = ServerSettings(port=free_port)
    async with AsyncLMStudioClient(f"127.0.0.1:{free_port}") as client:
        async with AsyncExitStack() as stack:
            async with open_house(settings=settings):
                native = await stack.enter_async_context(client.native())
                assert await native.count_tokens("one two three", model="chatty") == 3
            async with open_house(settings=settings):
                with pytest.raises(StreamBroken):
                    await native.count_tokens("one two three", model="chatty")
        async with open_house(settings=settings), client.native() as native:
            assert await native.count_tokens("one two three", model="chatty") == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_942_a_tool_call_that_was_left_out_is_no_answer(stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    async with serving(answering(said(""))) as server, AsyncLMStudioClient(server.url) as client:
        asking = client.stream("call f", tools=tools).collect() if stream else client.chat("call f", tools=tools)
        with pytest.raises(EmptyAnswer):
            await asking


async def test_944_nothing_ends_after_five_minutes() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        await client.chat("x")
        limits = client.transport._open_session().timeout
        deadlines = client.experience.expect("m", b"x" * 400_000)
    assert (limits.total, limits.sock_read, limits.connect) == (None, None, None)
    assert deadlines.first_token_s >= 900
    assert deadlines.whole_s >= 1800


async def test_1013_the_app_dies_after_hours_and_comes_back(free_port: int) -> None:
    breaker = CircuitBreaker(failures=2, open_s=60)
    async with AsyncLMStudioClient(f"127.0.0.1:{free_port}", retry=NO_RETRY, breaker=breaker) as client:
        for _ in range(3):
            with pytest.raises(ServerUnreachable):
                await client.chat("x")
        waiting = asyncio.create_task(client.wait_until_up(first_wait_s=0.01))
        async with serving(good, free_port):
            await asyncio.wait_for(waiting, 10)
            assert (await client.chat("x")).text == "Grüße, Welt"


async def test_1143_the_stream_ends_in_the_middle() -> None:
    async with serving(breaking_off()) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        with pytest.raises(StreamBroken) as caught:
            await client.stream("tell").collect()
        assert caught.value.partial == STORY[:40]
        assert (await client.stream("tell", resume=True).collect()).text == STORY


async def test_1203_a_cancelled_answer_may_go_on() -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("one "))
        await exchange.gone()

    async with serving(endless) as server, AsyncLMStudioClient(server.url) as client:
        before_s = client.experience.expect("", b"").first_token_s
        async with client.stream("count", max_tokens=1000) as stream:
            await anext(stream)
            stream.cancel()
        assert client.experience.expect("", b"").first_token_s > before_s + 60


async def test_1620_a_crash_where_the_context_ends_is_not_sent_again() -> None:
    crash = "The model has crashed without additional information. (Exit code: 18446744072635810000)"

    async def crashing(exchange: Exchange) -> None:
        await exchange.answer(400, {"error": crash})

    async with serving(crashing) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(ModelCrashed, match="18446744072635810000") as caught:
            await client.chat("x")
    assert "context" in caught.value.hint
    assert len(server.requests) == 1


async def test_1684_no_dollar_schema_is_sent() -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMA}
    async with serving(answering(said('{"joke": "knock knock"}'))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            assert (await client.structured("Tell me a joke.", schema)).value == {"joke": "knock knock"}
    assert asked(server.requests[0])["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize("stream", [False, True])
async def test_1698_the_json_is_in_the_reasoning(stream: bool) -> None:
    answer = said("")
    answer["choices"][0]["message"]["reasoning_content"] = '{"joke": "knock knock"}'
    async with serving(answering(answer)) as server, AsyncLMStudioClient(server.url) as client:
        if stream:
            result = await client.stream("Tell me a joke.", json_schema=SCHEMA).collect()
        else:
            result = await client.chat("Tell me a joke.", json_schema=SCHEMA)
    assert (json.loads(result.text), result.reasoning) == ({"joke": "knock knock"}, "")


async def test_1773_a_schema_that_takes_the_thinking_away() -> None:
    thought = said("A joke, then.")
    thought["choices"][0]["message"]["reasoning_content"] = "What is funny?"
    async with serving(answering(thought, said('{"joke": "knock knock"}'))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            client.manners = Manners({"m": "suppressed"})
            result = await client.think_then_constrain("Tell me a joke.", SCHEMA, model="m")
    assert (json.loads(result.text), result.reasoning) == ({"joke": "knock knock"}, "What is funny?")
    assert ["response_format" in asked(exchange) for exchange in server.requests] == [False, True]


async def test_1806_a_tool_s_long_result_is_cut_without_a_word() -> None:
    answer = said("Bee", usage={"prompt_tokens": 1500, "completion_tokens": 2})
    async with serving(answering(answer)) as server, AsyncLMStudioClient(server.url) as client:
        result = await client.chat(STORY * 600, model="m")
        assert result.prompt_shortfall > 4000
        assert client.experience.limits == {"m": 1500}


async def test_1967_nothing_is_polled() -> None:
    async with serving(good) as server:
        async with AsyncLMStudioClient(server.url, timeouts=Timeouts()) as client:
            for _ in range(10):
                await client.chat("x")
                await client.stream("x").collect()
        assert {exchange.path for exchange in server.requests} == {"/v1/chat/completions"}
        assert len(server.requests) == 20


async def test_2105_an_answer_is_taken_up_only_when_told_to_and_never_with_logprobs() -> None:
    for options in (ChatOptions(), ChatOptions(resume=True, logprobs=True)):
        async with serving(breaking_off()) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
            with pytest.raises(StreamBroken):
                await client.stream("tell", **options).collect()
        assert len(server.requests) == 1
