"""LM Studio's own Python SDK, unchanged, does all it can do."""

import asyncio
import base64
import socket
from collections.abc import AsyncGenerator
from typing import Any

import lmstudio as lms
import pytest
from scripted_house import House, open_house

from wakeful.engine.native import discovery
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply
from wakeful.engine.server.settings import ServerSettings

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
TOKEN = "sk-lm-abcDEF78:abcDEF7890abcDEF7890"


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with open_house() as opened:
        yield opened


async def test_lists_what_is_there_and_what_is_loaded(house: House) -> None:
    def use() -> None:
        with lms.Client(house.host) as client:
            downloaded = client.system.list_downloaded_models()
            assert [each.model_key for each in downloaded] == ["chatty", "eyes", "vectors"]
            assert [each.model_key for each in client.llm.list_downloaded()] == ["chatty", "eyes"]
            assert [each.model_key for each in client.embedding.list_downloaded()] == ["vectors"]
            assert downloaded[0].info.display_name == "Chatty"
            assert client.llm.list_loaded() == []
            client.llm.load_new_instance("chatty")
            client.embedding.model("vectors")
            assert [each.identifier for each in client.list_loaded_models()] == ["chatty", "vectors"]

    await asyncio.to_thread(use)


async def test_loads_with_ttl_settings_and_progress(house: House) -> None:
    def use() -> None:
        told: list[float] = []
        with lms.Client(house.host) as client:
            config: Any = {
                "contextLength": 2048,
                "gpu": {"ratio": 0.5},
                "evalBatchSize": 128,
                "seed": 7,
                "tryMmap": False,
            }
            model = client.llm.load_new_instance("chatty", ttl=60, config=config, on_load_progress=told.append)
            assert told[0] == 0.0
            assert told[-1] == 1.0
            assert told == sorted(told)
            assert model.get_context_length() == 2048
            info = model.get_info().to_dict()
            assert (info["identifier"], info["modelKey"], info["contextLength"]) == ("chatty", "chatty", 2048)
            loaded: Any = model.get_load_config().to_dict()
            assert loaded["contextLength"] == 2048
            assert loaded["gpu"]["ratio"] == 0.5
            assert (loaded["evalBatchSize"], loaded["seed"], loaded["tryMmap"]) == (128, 7, False)
            assert client.llm.load_new_instance("chatty").identifier == "chatty:2"
            named = client.llm.load_new_instance("chatty", "mine", ttl=None)
            with pytest.raises(lms.LMStudioServerError, match="already exists"):
                client.llm.load_new_instance("chatty", "mine")
            named.unload()
            assert [each.identifier for each in client.llm.list_loaded()] == ["chatty", "chatty:2"]

    await asyncio.to_thread(use)
    (first, second) = house.models.loaded()
    assert (first.ttl_s, second.ttl_s) == (60.0, 3600.0)
    assert (house.loads[0].gpu, house.loads[0].eval_batch_size, house.loads[0].mmap) == (0.5, 128, False)


async def test_streams_with_every_callback(house: House) -> None:
    house.script = lambda _: Reply(text="Hello, world!", reasoning="hm, well", token_s=0.001)

    def use() -> None:
        progress: list[float] = []
        first: list[bool] = []
        fragments: list[Any] = []
        messages: list[Any] = []
        with lms.Client(house.host) as client:
            stream = client.llm.model("chatty").respond_stream(
                "Hi",
                config={"maxTokens": 50, "temperature": 0.3, "topKSampling": 9, "stopStrings": ["END"]},
                on_prompt_processing_progress=progress.append,
                on_first_token=lambda: first.append(True),
                on_prediction_fragment=fragments.append,
                on_message=messages.append,
            )
            pieces = [piece.content for piece in stream]
            result = stream.result()
        assert result.content == "".join(pieces) == "<think>hm, well</think>Hello, world!"
        assert (progress[0], progress[-1], first) == (0.0, 1.0, [True])
        kinds = [fragment.reasoning_type for fragment in fragments]
        assert kinds[0] == "reasoningStartTag"
        assert kinds.count("reasoningEndTag") == 1
        assert "".join(each.content for each in fragments if each.reasoning_type == "none") == "Hello, world!"
        assert len(messages) == 1
        stats = result.stats
        assert stats.stop_reason == "eosFound"
        assert stats.prompt_tokens_count is not None
        assert stats.predicted_tokens_count is not None
        assert stats.total_tokens_count == stats.prompt_tokens_count + stats.predicted_tokens_count
        assert result.model_info.model_key == "chatty"
        assert result.load_config.context_length == 8192
        assert result.prediction_config.max_tokens == 50

    await asyncio.to_thread(use)
    (asked,) = house.asked
    assert asked.messages == ({"role": "user", "content": "Hi"},)
    assert (asked.max_tokens, asked.sampling.temperature, asked.sampling.top_k, asked.stop) == (50, 0.3, 9, ("END",))


async def test_completes_without_a_template(house: House) -> None:
    def use() -> None:
        with lms.Client(house.host) as client:
            assert client.llm.model("chatty").complete("Once upon").content == "Hello, world! How are you?"

    await asyncio.to_thread(use)
    assert house.asked[0].prompt == "Once upon"


async def test_calls_tools_round_by_round(house: House) -> None:
    def script(generation: Generation) -> Reply:
        if generation.messages[-1]["role"] == "tool":
            return Reply(text=f"It is {generation.messages[-1]['content']}.")
        return Reply(text="Let me see.", calls=(Call("add", {"a": 123, "b": 3210}), Call("add", {"a": 1, "b": 1})))

    house.script = script
    told: list[Any] = []

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    def use() -> Any:
        with lms.Client(house.host) as client:
            return client.llm.model("chatty").act("What is 123 + 3210?", [add], on_message=told.append)

    assert (await asyncio.to_thread(use)).rounds == 2
    assert told[-1].content[0].text.startswith("It is ")
    first, second = house.asked
    assert first.tools[0]["function"]["name"] == "add"
    roles = [turn["role"] for turn in second.messages]
    assert roles == ["user", "assistant", "tool", "tool"]
    calls = second.messages[1]["tool_calls"]
    results = {turn["tool_call_id"]: turn["content"] for turn in second.messages[2:]}  # as they were ready
    assert results == {calls[0]["id"]: "3333", calls[1]["id"]: "2"}


async def test_a_call_that_is_no_json_is_told_as_failed(house: House) -> None:
    house.script = lambda _: Reply(calls=(Call("add", "{not json"),))

    def add(a: int) -> int:
        """Add."""
        return a

    def use() -> None:
        with lms.Client(house.host) as client, pytest.raises(lms.LMStudioPredictionError, match="parse tool call"):
            client.llm.model("chatty").act("Go", [add], max_prediction_rounds=2)

    await asyncio.to_thread(use)


@pytest.mark.parametrize("form", [{"type": "object", "properties": {"a": {"type": "integer"}}}, None])
async def test_keeps_to_a_schema_or_a_grammar(house: House, form: dict[str, Any] | None) -> None:
    house.script = lambda _: '{"a": 42}'

    def use() -> Any:
        grammar = {"type": "gbnf", "gbnfGrammar": 'root ::= "x"'}
        with lms.Client(house.host) as client:
            return client.llm.model("chatty").respond("Hi", response_format=form or grammar).parsed

    assert await asyncio.to_thread(use) == {"a": 42}
    assert house.asked[0].schema == form
    assert house.asked[0].grammar == (None if form else 'root ::= "x"')


async def test_counts_tokenizes_lays_out_and_embeds(house: House) -> None:
    def use() -> None:
        with lms.Client(house.host) as client:
            model = client.llm.model("chatty")
            tokens = model.tokenize("hello world")
            assert len(tokens) == model.count_tokens("hello world") == 2
            assert model.tokenize(["hello world", "you"])[0] == tokens
            assert model.apply_prompt_template("Hi") == "<|user|>Hi\n<|assistant|>"
            vectors = client.embedding.model("vectors")
            one = vectors.embed("hello world")
            many = vectors.embed(["hello world", *(str(number) for number in range(300))])
            assert len(one) == 32
            assert len(many) == 301
            assert many[0] == one
            assert vectors.count_tokens("hello world") == 2

    await asyncio.to_thread(use)


async def test_images_reach_models_that_see(house: House) -> None:
    def use() -> None:
        with lms.Client(house.host) as client:
            image = client.files.prepare_image(PIXEL, "pixel.png")
            assert (image.file_type, image.size_bytes) == ("image", len(PIXEL))
            chat = lms.Chat()
            chat.add_user_message("What is it?", images=[image])
            assert client.llm.model("eyes").respond(chat).content
            with pytest.raises(lms.LMStudioServerError, match="does not support images"):
                client.llm.model("chatty").respond(chat)

    await asyncio.to_thread(use)
    (asked,) = house.asked
    text, image = asked.messages[0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert image["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"


async def test_a_cancelled_answer_ends_as_stopped_by_the_user(house: House) -> None:
    house.script = lambda _: Reply(text="word " * 200, token_s=0.01)

    def use() -> None:
        with lms.Client(house.host) as client:
            stream = client.llm.model("chatty").respond_stream("Go on")
            for piece in stream:
                assert piece.content
                stream.cancel()
            assert stream.result().stats.stop_reason == "userStopped"
            assert 1 <= (stream.result().stats.predicted_tokens_count or 0) < 200

    await asyncio.to_thread(use)
    assert house.models.loaded()[0].users == 0


async def test_what_is_not_there_is_told_by_the_exceptions_of_the_sdk(house: House) -> None:
    def use() -> None:
        with lms.Client(house.host) as client:
            with pytest.raises(lms.LMStudioClientError, match="no models are currently loaded"):
                client.llm.model()
            with pytest.raises(lms.LMStudioServerError, match="pathNotFound"):
                client.llm.model("none")
            with pytest.raises(lms.LMStudioServerError, match="domainMismatch"):
                client.llm.model("vectors")
            with pytest.raises(lms.LMStudioModelNotFoundError):
                client.llm.unload("none")
            model = client.llm.model("chatty")
            with pytest.raises(lms.LMStudioPresetNotFoundError):
                model.respond("Hi", preset="none")
            model.unload()
            for ask in (model.get_info, lambda: model.count_tokens("x"), lambda: model.respond("x"), model.unload):
                with pytest.raises(lms.LMStudioModelNotFoundError):
                    ask()

    await asyncio.to_thread(use)


async def test_the_async_client_does_many_things_at_once(house: House) -> None:
    house.script = lambda generation: f"You said {generation.messages[-1]['content']}."
    async with lms.AsyncClient(house.host) as client:
        model = await client.llm.model("chatty")
        answers = await asyncio.gather(*(model.respond(str(number)) for number in range(20)))
        assert [answer.content for answer in answers] == [f"You said {number}." for number in range(20)]
        vectors = await client.embedding.load_new_instance("vectors")
        assert len(await vectors.embed(["a", "b"])) == 2
        stream = await model.respond_stream("more")
        async with stream:
            assert "".join([piece.content async for piece in stream]) == "You said more."
        await model.unload()
    assert [each.identifier for each in house.models.loaded()] == ["vectors"]


async def test_a_getting_of_one_model_evicts_the_one_got_before(house: House) -> None:
    async with lms.AsyncClient(house.host) as client:
        await client.embedding.model("vectors", ttl=300)
        await client.llm.model("chatty", ttl=300)
        assert [each.identifier for each in house.models.loaded()] == ["chatty"]
        await asyncio.gather(*(client.llm.model("eyes") for _ in range(5)))
        assert [each.identifier for each in house.models.loaded()] == ["eyes"]


async def test_with_tokens_guests_are_turned_away() -> None:
    class Known(lms.AsyncClient):
        def _create_auth_message(self, *_: Any, **__: Any) -> Any:
            return {"authVersion": 1, "clientIdentifier": "abcDEF78", "clientPasskey": "abcDEF7890abcDEF7890"}

    async with open_house(settings=ServerSettings(port=0, tokens=(TOKEN,))) as house:
        with pytest.raises(ValueError):  # noqa: PT011 - 1.5 fails to read the refusal, whose error is a text
            async with lms.AsyncClient(house.host):
                raise AssertionError
        async with Known(house.host) as client:
            assert (await client.llm.model("chatty")).identifier == "chatty"


async def test_a_client_without_an_address_finds_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tuple(lms.Client._DEFAULT_API_PORTS) == discovery.PORTS
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as freed:
        port = freed.getsockname()[1]
        freed.close()
        monkeypatch.setattr(discovery, "PORTS", (taken.getsockname()[1], port))
        async with open_house(settings=ServerSettings(port=0, discoverable=True)):
            monkeypatch.setattr(lms.AsyncClient, "_DEFAULT_API_PORTS", (port,))
            async with lms.AsyncClient() as client:
                assert [each.model_key for each in await client.llm.list_downloaded()] == ["chatty", "eyes"]


async def test_no_free_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(discovery, "PORTS", (taken.getsockname()[1],))
        with pytest.raises(OSError, match="None of the ports"):
            async with open_house(settings=ServerSettings(port=0, discoverable=True)):
                raise AssertionError
