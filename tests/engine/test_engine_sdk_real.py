"""LM Studio's own SDK, and our client over it, against llama.cpp and the pilot model: no script in between."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import lmstudio as lms
import pytest
from native_line import line
from scripted_house import House

from wakeful.engine.files.library import Library
from wakeful.engine.life.models import Models
from wakeful.engine.llama.load import load_llama
from wakeful.engine.server.app import serving
from wakeful.engine.server.settings import ServerSettings
from wakeful.lmstudio import AsyncLMStudioClient

SHORT: Any = {"maxTokens": 12, "temperature": 0}


@pytest.fixture
async def url() -> AsyncGenerator[str]:
    models = Models(Library(lmstudio=False).known, load_llama)
    async with serving(models, ServerSettings(port=0)) as address:
        try:
            yield address
        finally:
            await models.close()


async def test_the_sdk_loads_asks_and_unloads_a_real_model(url: str) -> None:
    async with lms.AsyncClient(url.removeprefix("http://")) as client:
        (found,) = await client.llm.list_downloaded()
        progress: list[float] = []
        model = await client.llm.load_new_instance(
            found.model_key, ttl=600, config={"contextLength": 1024}, on_load_progress=progress.append
        )
        assert (progress[0], progress[-1]) == (0.0, 1.0)
        assert await model.get_context_length() == 1024
        text = "The disk of the database is full."
        assert len(await model.tokenize(text)) == await model.count_tokens(text) > 3
        assert text in await model.apply_prompt_template(text)

        first: list[bool] = []
        stream = await model.respond_stream("What is wrong?", config=SHORT, on_first_token=lambda: first.append(True))
        async with stream:
            pieces = [piece.content async for piece in stream]
        result = stream.result()
        assert result.content == "".join(pieces)
        assert first == [True]
        stats = result.stats
        assert stats.stop_reason in ("maxPredictedTokensReached", "eosFound")
        assert 0 < (stats.predicted_tokens_count or 0) <= 12
        assert (stats.prompt_tokens_count or 0) > 3

        for form in ({"type": "string", "enum": ["red"]}, {"type": "gbnf", "gbnfGrammar": 'root ::= "\\"red\\""'}):
            assert (await model.respond("Which?", response_format=form, config={"maxTokens": 100})).content == '"red"'
        assert (await model.complete("2026-11-26 kernel: ", config=SHORT)).content
        answers = await asyncio.gather(*(model.respond(f"Say {number}.", config=SHORT) for number in range(6)))
        assert all(answer.content for answer in answers)

        endless = {"type": "gbnf", "gbnfGrammar": 'root ::= "a" root'}  # whatever the model would rather say
        going = await model.respond_stream("Go on and on.", response_format=endless, config={"maxTokens": 900})
        async with going:
            async for _ in going:
                await going.cancel()
        assert going.result().stats.stop_reason == "userStopped"
        with pytest.raises(lms.LMStudioServerError, match="context the overflows"):
            await model.respond("word " * 5000, config={"contextOverflowPolicy": "stopAtLimit"})
        await model.unload()
        with pytest.raises(lms.LMStudioModelNotFoundError):
            await model.get_info()


async def test_our_client_over_the_sdk_asks_a_real_model(url: str) -> None:
    async with AsyncLMStudioClient(url) as client, client.native() as native:
        key = (await client.list_models())[0].key
        progress: list[float] = []
        made = await native.load(key, config={"contextLength": 1024}, ttl_s=60, on_progress=progress.append)
        assert (made, progress[-1]) == (key, 1.0)
        assert await native.context_length() == 1024
        assert (await native.load_config())["contextLength"] == 1024
        text = "Disk full."
        assert len(await native.tokenize(text)) == await native.count_tokens(text)
        turn: Any = {"role": "user", "content": text}
        assert await native.count_tokens([turn]) > await native.count_tokens(text)
        result = await native.respond(text, config=SHORT)
        assert result.text
        assert result.usage.completion_tokens


async def test_what_a_model_will_take_is_estimated() -> None:
    models = Models(Library(lmstudio=False).known, load_llama)
    (pilot,) = await models.known()
    layers = [{"layerName": "apiOverride", "config": {"fields": [{"key": "llm.load.contextLength", "value": 512}]}}]
    async with serving(models, ServerSettings(port=0)) as url, line(House(models, url)) as opened:
        answer = await opened.call("estimateModelUsage", {"modelKey": pilot.key, "loadConfigStack": {"layers": layers}})
    memory = answer["result"]["memory"]
    assert memory["modelBytes"] == pilot.size_bytes
    assert memory["totalBytes"] == memory["modelBytes"] + memory["contextBytes"]
    assert memory["confidence"] == "high"
    assert answer["result"]["passesGuardrails"] is True
