"""What LM Studio's own SDK gives behind our interface, against a server that speaks its protocol."""

import sys

import pytest
from native_server import serving_native

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


async def test_exact_counts_templates_and_settings() -> None:
    async with serving_native() as server, AsyncLMStudioClient(server.url) as client, client.native() as native:
        assert await native.count_tokens("one two three", model="m") == 3
        assert await native.count_tokens("one two") == 2
        assert await native.apply_template(MESSAGES, "m") == "<system> be brief <user> hello there"
        assert await native.count_tokens(MESSAGES, "m") == 6
        assert await native.tokenize("one three", "m") == [3, 5]
        assert await native.context_length("m") == 4096
        assert "contextLength" in await native.load_config("m")


async def test_loading_tells_how_far_it_is() -> None:
    seen: list[float] = []
    async with serving_native() as server, AsyncLMStudioClient(server.url) as client, client.native() as native:
        assert await native.load("m", config={"contextLength": 8192}, on_progress=seen.append) == "m:2"
        with pytest.raises(ModelNotFound):
            await native.load("none")
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
    assert "8192" in str(server.channels[0]["creationParameter"])


async def test_an_answer_with_all_that_can_be_told_on_the_way() -> None:
    progress: list[float] = []
    firsts: list[str] = []
    pieces: list[ContentDelta | ReasoningDelta] = []
    async with serving_native() as server, AsyncLMStudioClient(server.url) as client, client.native() as native:
        result = await native.respond(
            MESSAGES,
            model="m",
            config={"maxTokens": 9},
            on_prompt_processing_progress=progress.append,
            on_first_token=lambda: firsts.append("first"),
            on_fragment=pieces.append,
        )
    assert (result.text, result.reasoning, result.finish_reason) == ("Grüße, Welt", "hm", "stop")
    assert (result.usage.prompt_tokens, result.usage.completion_tokens, result.model) == (7, 3, "m")
    assert progress[-1] == 1.0
    assert firsts == ["first"]
    assert pieces == [ReasoningDelta("hm"), ContentDelta("Grüße, "), ContentDelta("Welt")]


async def test_acting_goes_through_the_sdk() -> None:
    def weather(city: str) -> str:
        """What the weather is like."""
        return f"rain in {city}"

    heard: list[str] = []
    async with serving_native() as server, AsyncLMStudioClient(server.url) as client, client.native() as native:
        assert "Welt" in await native.act("weather?", [weather], model="m", on_message=heard.append)
    assert len(heard) == 1
    assert "weather" in str(server.channels[-1]["creationParameter"])


async def test_failures_are_errors_of_ours() -> None:
    async with serving_native() as server, AsyncLMStudioClient(server.url) as client, client.native() as native:
        with pytest.raises(ModelNotFound):
            await native.count_tokens("x", "none")
        with pytest.raises(ModelCrashed) as crashed:
            await native.respond("x", model="crashes")
        assert crashed.value.partial == "Grüße, Welt"
        with pytest.raises(ServerTooSlow):
            await native.respond("x", model="silent", limit_s=0.2)
        assert await native.count_tokens("still there", "m") == 2
        with pytest.raises(StreamBroken) as broken:
            await native.respond("x", model="vanishes")
        assert broken.value.partial == "Grüße, Welt"


async def test_without_a_server_and_without_the_package(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncLMStudioClient(f"127.0.0.1:{free_port}") as client:
        with pytest.raises(ServerUnreachable):
            async with client.native():
                pass
        monkeypatch.setitem(sys.modules, "lmstudio", None)
        with pytest.raises(MissingExtra, match=r"wakeful\[native\]"):
            async with client.native():
                pass
