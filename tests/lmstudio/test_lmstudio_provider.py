"""The OpenAI-style object, without the `openai` package."""

import json

import pytest
from raw_server import GOOD_WHOLE, Exchange, delta, good, serving

from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient
from wakeful.lmstudio.interop.adapter import AdapterError
from wakeful.lmstudio.interop.provider import LMStudioProvider

MESSAGES = [{"role": "user", "content": "x"}]


async def test_a_whole_answer_has_openai_s_attributes() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        provider = LMStudioProvider(client, "m")
        answer = await provider.chat.completions.create(messages=MESSAGES, temperature=0, seed=None, timeout=300)
    message = answer.choices[0].message
    assert (message.content, message.tool_calls, answer.usage.prompt_tokens) == ("Grüße, Welt", None, 7)
    assert not hasattr(answer, "unheard_of")
    assert answer.model_dump()["choices"][0]["finish_reason"] == "stop"
    assert json.loads(server.requests[0].body) == {
        "temperature": 0,
        "messages": MESSAGES,
        "stream": False,
        "model": "m",
    }


async def test_a_streamed_answer() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        stream = await LMStudioProvider(client).chat.completions.create(messages=MESSAGES, stream=True)
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Grüße, Welt"
    assert chunks[-1].usage.completion_tokens == 2


async def test_parameters_that_are_no_fields_of_a_request() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        completions = LMStudioProvider(client).chat.completions
        first = (await completions.create(messages=MESSAGES, top_k=1, extra_body={"top_k": 5})).choices[0].message
        await completions.create(messages=[first, *MESSAGES])
        with pytest.raises(TypeError, match="extra_headers"):
            await completions.create(messages=MESSAGES, extra_headers={"a": "b"})
    assert json.loads(server.requests[0].body) == {"messages": MESSAGES, "stream": False, "top_k": 5}
    said = {"role": "assistant", "content": "Grüße, Welt"}
    assert json.loads(server.requests[1].body)["messages"] == [said, *MESSAGES]


async def test_a_stream_is_an_iterator_and_its_chunks_can_be_dumped() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        async with await LMStudioProvider(client).chat.completions.create(messages=MESSAGES, stream=True) as stream:
            chunk = await anext(stream)
    assert chunk.model_dump(exclude_none=True)["choices"] == [{"index": 0, "delta": {"content": "Grüße, "}}]
    assert json.loads(chunk.model_dump_json()) == chunk


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        (delta("half"), "MODEL_INTERRUPTED"),
        (b'event: error\ndata: {"error": {"message": "The model has crashed"}}\n\n', "MODEL_UNAVAILABLE"),
        (b"data: {no json\n\n", "MODEL_INVALID_ANSWER"),
    ],
)
async def test_streams_that_fail(pieces: bytes, code: str) -> None:
    async def failing(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(pieces)
        await exchange.end()

    async with serving(failing) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        stream = await LMStudioProvider(client).chat.completions.create(messages=MESSAGES, stream=True)
        with pytest.raises(AdapterError) as caught:
            async for _ in stream:
                pass
    assert caught.value.code == code


async def test_leaving_a_stream_makes_the_server_stop() -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("a"))
        await exchange.gone()

    async with serving(endless) as server, AsyncLMStudioClient(server.url) as client:
        async with await LMStudioProvider(client).chat.completions.create(messages=MESSAGES, stream=True) as stream:
            async for _ in stream:
                break
        await server.gone.wait()


async def test_discovery() -> None:
    async def listing(exchange: Exchange) -> None:
        instance = {"id": "m", "config": {"context_length": 4096}}
        model = {"key": "m", "type": "llm", "loaded_instances": [instance], "max_context_length": 8192}
        await exchange.answer(200, {"models": [model]})

    async with serving(listing) as server, AsyncLMStudioClient(server.url) as client:
        provider = LMStudioProvider(client)
        assert [model.key for model in await provider.models()] == ["m"]
        found = await provider.capabilities()
        with pytest.raises(AdapterError) as caught:
            await provider.capabilities("unheard-of")
    assert (found.model, found.chat, found.loaded, found.context_length) == ("m", True, True, 4096)
    assert caught.value.code == "MODEL_NOT_FOUND"


async def test_a_refusal() -> None:
    async def refusing(exchange: Exchange) -> None:
        await exchange.answer(200, {"error": "Unexpected endpoint"} if exchange.number == 1 else GOOD_WHOLE)

    async with serving(refusing) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(AdapterError, match="endpoint"):
            await LMStudioProvider(client).chat.completions.create(messages=MESSAGES)
