"""Our own client, `wakeful.lmstudio`, against our own server: each tells the other's mistakes."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest
from served import PieceRunner, Server, say, served, text

from wakeful.engine.errors import DoesNotFit, EngineError, ProcessDied, UnloadedMeanwhile
from wakeful.engine.life.settings import LifeSettings
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply, Script, ScriptedRunner
from wakeful.engine.server.settings import ServerSettings
from wakeful.lmstudio import (
    NO_RETRY,
    AsyncLMStudioClient,
    AuthError,
    BadRequest,
    ContextOverflow,
    LMStudioError,
    ModelCrashed,
    ModelNotFound,
    ModelUnloaded,
    NoModelLoaded,
    RouteMissing,
    Timeouts,
)
from wakeful.lmstudio.check import check_server

TIMEOUTS = Timeouts(first_token_s=10, between_tokens_s=10, whole_s=10, other_s=10)


class Sky(msgspec.Struct):
    colour: str
    clouds: int


def look(at: str) -> str:
    """Look at something.

    Args:
        at: what
    """
    return f"{at}: blue"


def clever(generation: Generation) -> Reply | str:
    """What a good model would say to the questions that are asked here, and in `check_server`."""
    last = generation.messages[-1]
    asked = json.dumps(generation.messages)
    if generation.schema is not None:
        if "colour" in json.dumps(generation.schema):
            return '{"colour": "blue", "clouds": 3}'
        return json.dumps({"name": "Paris", "country": "France", "rivers": ["Seine"]})
    if last["role"] == "tool":
        return f"It says {last['content']}."
    if generation.tools:
        name = generation.tools[0]["function"]["name"]
        return Reply(calls=(Call(name, {"at": "sky"} if name == "look" else {"a": 17, "b": 23}),))
    return "ready 391 1 2 3 4 5 blue" if "ready" in asked or "1" in asked else "Hello, world!"


@asynccontextmanager
async def opened(
    script: Script | None = None,
    *,
    runner: ScriptedRunner | None = None,
    settings: ServerSettings | None = None,
    life: LifeSettings | None = None,
    api_token: str = "",
) -> AsyncGenerator[tuple[AsyncLMStudioClient, Server]]:
    async with served(script, runner=runner, settings=settings, life=life) as server:
        async with AsyncLMStudioClient(
            server.url, timeouts=TIMEOUTS, retry=NO_RETRY, api_token=api_token or None
        ) as client:
            yield client, server


async def test_it_is_taken_for_lm_studio() -> None:
    async with opened() as (client, server):
        await server.models.load("m")
        health = await client.health()
        loaded = await client.loaded_model()
    assert (health.ok, health.kind) == (True, "lmstudio")
    assert {model.id for model in health.models} >= {"m", "other"}
    assert loaded.id == "m"


async def test_chat_whole_and_streamed() -> None:
    async with opened(say(reasoning="Hm.")) as (client, _):
        whole = await client.chat("Hi", model="m")
        streamed = await client.stream("Hi", model="m").collect()
    for result in (whole, streamed):
        assert (result.text, result.reasoning, result.finish_reason) == ("Hello, world!", "Hm.", "stop")
        assert result.model == "m"
        assert result.usage is not None
        assert result.usage.reasoning_tokens == 2
    assert streamed.usage is not None
    assert streamed.usage.cached_tokens is not None


async def test_structured_answers() -> None:
    async with opened(clever) as (client, server):
        result = await client.structured("What is the sky like?", Sky, model="m")
        assert server.last.schema is not None
    assert result.value == Sky("blue", 3)


async def test_tools() -> None:
    async with opened(clever) as (client, server):
        result = await client.act("How is the sky?", [look], model="m")
        turns = server.last.messages
    assert result.text == "It says sky: blue."
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool"]


async def test_embeddings() -> None:
    async with opened() as (client, _):
        vectors = await client.embeddings.create(["a fox", "a dog"], model="e")
    assert len(vectors) == 2
    assert vectors[0] != vectors[1]


async def test_completions() -> None:
    async with opened(say("there was")) as (client, _):
        whole = await client.completions.create("Once", model="m")
        async with client.completions.stream("Once", model="m") as stream:
            pieces = [event async for event in stream]
    assert whole.text == "there was"
    assert len(pieces) > 2


async def test_responses_that_are_gone_on_from() -> None:
    async with opened(say(reasoning="Hm.")) as (client, server):
        first = await client.responses.create("Hi", model="m")
        async with client.responses.stream("And?", model="m", previous_response_id=first.id) as stream:
            kinds = [event.type async for event in stream]
            second = stream.result
            assert second is not None
        assert [turn["content"] for turn in server.last.messages] == ["Hi", "Hello, world!", "And?"]
    assert (first.text, first.reasoning, second.text) == ("Hello, world!", "Hm.", "Hello, world!")
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


async def test_messages_in_anthropics_form() -> None:
    tool = {"name": "look", "input_schema": {"type": "object"}}
    async with opened(clever) as (client, _):
        whole = await client.messages.create("Hi", model="m", tools=[tool])
        async with client.messages.stream("Hi", model="m", tools=[tool]) as stream:
            kinds = [event.type async for event in stream]
            streamed = stream.result
    assert streamed is not None
    for answer in (whole, streamed):
        assert [use.input for use in answer.tool_uses] == [{"at": "sky"}]
        assert answer.stop_reason == "tool_use"
    assert kinds[-1] == "message_stop"


async def test_every_check_of_a_server_passes() -> None:
    async with opened(clever) as (client, server):
        await server.models.load("m")
        results = [result async for result in check_server(client)]
    assert {result.name: result.seen for result in results if result.status == "fail"} == {}
    assert not [result for result in results if result.status == "skip"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (DoesNotFit("x", prompt_tokens=9, context_tokens=5), ContextOverflow),
        (ProcessDied("x", exit_code=6), ModelCrashed),
        (UnloadedMeanwhile("x"), ModelUnloaded),
    ],
)
async def test_failures_of_a_model_are_told_apart(
    error: EngineError, raised: type[LMStudioError], stream: bool
) -> None:
    async with opened(runner=PieceRunner([*text("a"), error])) as (client, _):
        with pytest.raises(raised):
            await (client.stream("Hi", model="m").collect() if stream else client.chat("Hi", model="m"))
        with pytest.raises(raised):
            await client.responses.create("Hi", model="m")
        with pytest.raises(raised):
            await client.messages.create("Hi", model="m")


async def test_refusals_are_told_apart() -> None:
    async with opened() as (client, _):
        with pytest.raises(ModelNotFound):
            await client.chat("Hi", model="gpt-5")
        with pytest.raises(BadRequest):
            await client.responses.create("Hi", model="m", previous_response_id="resp_x")
        with pytest.raises(RouteMissing):
            await client.transport.json("GET", "/no/such/route")
    async with opened(settings=ServerSettings(port=0, exact=True)) as (client, _):
        with pytest.raises(RouteMissing):
            await client.transport.json("GET", "/no/such/route")
    async with opened(life=LifeSettings(jit=False)) as (client, _):
        with pytest.raises(NoModelLoaded):
            await client.chat("Hi", model="m")
    async with opened(settings=ServerSettings(port=0, tokens=("sk-lm-a:b",))) as (client, _):
        with pytest.raises(AuthError):
            await client.chat("Hi", model="m")
    async with opened(settings=ServerSettings(port=0, tokens=("sk-lm-a:b",)), api_token="sk-lm-a:b") as (client, _):
        assert (await client.chat("Hi", model="m")).text == "Hello, world!"
