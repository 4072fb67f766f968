"""What LM Studio's own SDK gives behind our interface, against our own server, which speaks its protocol."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.engine.scripted_house import House, open_house
from wakeful.engine.errors import ProcessDied
from wakeful.engine.runner.pieces import Piece, Text
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply
from wakeful.engine.server.settings import ServerSettings
from wakeful.lmstudio import (
    AsyncLMStudioClient,
    ContentDelta,
    MissingExtra,
    ModelCrashed,
    ModelNotFound,
    ReasoningDelta,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)

MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello there"}]


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with open_house() as opened:
        yield opened


async def test_exact_counts_templates_and_settings(house: House) -> None:
    async with AsyncLMStudioClient(house.url) as client, client.native() as native:
        assert await native.count_tokens("one two three", model="chatty") == 3
        assert await native.count_tokens("one two") == 2
        laid_out = await native.apply_template(MESSAGES, "chatty")
        assert laid_out == "<|system|>be brief\n<|user|>hello there\n<|assistant|>"
        assert await native.count_tokens(MESSAGES, "chatty") == await native.count_tokens(laid_out)
        assert len(await native.tokenize("one three", "chatty")) == 2
        assert await native.context_length("chatty") == 8192
        assert (await native.load_config("chatty"))["contextLength"] == 8192


async def test_loading_tells_how_far_it_is(house: House) -> None:
    seen: list[float] = []
    async with AsyncLMStudioClient(house.url) as client, client.native() as native:
        assert await native.load("chatty") == "chatty"
        config = {"contextLength": 4096}
        assert await native.load("chatty", config=config, ttl_s=60, on_progress=seen.append) == "chatty:2"
        with pytest.raises(ModelNotFound):
            await native.load("none")
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
    assert house.loads[1].context_length == 4096
    assert [each.ttl_s for each in house.models.loaded()] == [3600, 60]


async def test_an_answer_with_all_that_can_be_told_on_the_way(house: House) -> None:
    house.script = lambda _: Reply(text="Grüße, Welt", reasoning="hm")
    progress: list[float] = []
    firsts: list[str] = []
    pieces: list[ContentDelta | ReasoningDelta] = []
    async with AsyncLMStudioClient(house.url) as client, client.native() as native:
        result = await native.respond(
            MESSAGES,
            model="chatty",
            config={"maxTokens": 9},
            on_prompt_processing_progress=progress.append,
            on_first_token=lambda: firsts.append("first"),
            on_fragment=pieces.append,
        )
        assert (await native.respond("x")).model == "chatty"
    assert (result.text, result.reasoning, result.finish_reason) == ("Grüße, Welt", "hm", "stop")
    assert (result.usage.completion_tokens, result.model) == (4, "chatty")
    assert result.usage.prompt_tokens
    assert progress[-1] == 1.0
    assert firsts == ["first"]
    assert pieces[0] == ReasoningDelta("hm")
    assert "".join(piece.text for piece in pieces[1:]) == "Grüße, Welt"
    assert all(isinstance(piece, ContentDelta) for piece in pieces[1:])


async def test_acting_goes_through_the_sdk(house: House) -> None:
    def weather(city: str) -> str:
        """What the weather is like."""
        return f"rain in {city}"

    def script(generation: Generation) -> Reply:
        if generation.messages[-1]["role"] == "tool":
            return Reply(text=f"There is {generation.messages[-1]['content']}.")
        return Reply(calls=(Call("weather", {"city": "Bern"}),))

    house.script = script
    heard: list[str] = []
    async with AsyncLMStudioClient(house.url) as client, client.native() as native:
        said = await native.act("weather?", [weather], model="chatty", on_message=heard.append)
    assert said == 'There is "rain in Bern".'  # the SDK tells the model results as JSON
    assert len(heard) == 3


async def test_failures_are_errors_of_ours(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crashes(_: Any) -> AsyncGenerator[Piece]:
        yield Text("Grüße, ")
        yield Text("Welt")
        raise ProcessDied("It died.", exit_code=6)

    async with AsyncLMStudioClient(house.url) as client, client.native() as native:
        with pytest.raises(ModelNotFound):
            await native.count_tokens("x", "none")
        await native.load("chatty")
        house.script = lambda _: Reply(text="late", first_token_s=60)
        with pytest.raises(ServerTooSlow):
            await native.respond("x", model="chatty", limit_s=0.2)
        assert await native.count_tokens("still there", "chatty") == 2
        monkeypatch.setattr(house.runners[0], "generate", crashes)
        with pytest.raises(ModelCrashed) as crashed:
            await native.respond("x", model="chatty")
        assert crashed.value.partial == "Grüße, Welt"


async def test_a_server_that_goes_away_breaks_the_answer_off() -> None:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(settings=ServerSettings(port=0, stop_wait_s=0.1)))
        house.script = lambda _: Reply(text="word " * 5000, token_s=0.01)
        async with AsyncLMStudioClient(house.url) as client, client.native() as native:
            closing: list[Any] = []

            def close(_: object) -> None:
                if not closing:
                    closing.append(asyncio.create_task(stack.aclose()))

            with pytest.raises(StreamBroken) as broken:
                await native.respond("x", model="chatty", on_fragment=close)
            assert broken.value.partial.startswith("word")
            await closing[0]


async def test_without_a_server_and_without_the_package(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncLMStudioClient(f"127.0.0.1:{free_port}") as client:
        with pytest.raises(ServerUnreachable):
            async with client.native():
                pass
        monkeypatch.setitem(sys.modules, "lmstudio", None)
        with pytest.raises(MissingExtra, match=r"wakeful\[native\]"):
            async with client.native():
                pass
