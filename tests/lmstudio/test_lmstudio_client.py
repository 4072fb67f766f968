"""The client against servers that behave, and what it sends."""

import asyncio
import json
from typing import Any

import pytest
from raw_server import DONE, GOOD_STREAM, Behaviour, Exchange, RawServer, delta, good, serving

from wakeful.lmstudio import (
    AsyncLMStudioClient,
    ChatResult,
    ClientClosed,
    ContentDelta,
    Finished,
    ReasoningDelta,
    ServerUnreachable,
    Timeouts,
    Usage,
    UsageEvent,
    normalise_base_url,
)

MESSAGES = [{"role": "user", "content": "Grüß Gott"}]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("localhost:1234", "http://localhost:1234"),
        ("http://localhost:1234/", "http://localhost:1234"),
        ("http://localhost:1234/v1", "http://localhost:1234"),
        ("http://localhost:1234/v1/", "http://localhost:1234"),
        ("http://localhost:1234/api/v0", "http://localhost:1234"),
        ("https://Host.example/lm/api/v1/", "https://host.example/lm"),
        ("192.168.1.5:80", "http://192.168.1.5:80"),
        ("http://[::1]:1234/v1", "http://[::1]:1234"),
        ("0.0.0.0:1234", "http://127.0.0.1:1234"),
        (" myhost ", "http://myhost"),
    ],
)
def test_base_urls_as_people_write_them(written: str, meant: str) -> None:
    assert normalise_base_url(written) == meant


@pytest.mark.parametrize("written", ["", "ftp://a", "http://", "localhost:99999", "localhost:abc", "http://[::1"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        AsyncLMStudioClient(written)


async def test_a_streamed_answer() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url, api_token="sk-x") as client:
        schema = {"type": "object"}
        stream = client.stream(
            MESSAGES, model="m", json_schema=schema, max_tokens=9, temperature=0.5, extra={"seed": 1}
        )
        events = [event async for event in stream]
    *deltas, usage, finished = events
    assert deltas == [ContentDelta("Grüße, "), ContentDelta("Welt")]
    assert usage == UsageEvent(Usage(prompt_tokens=7, completion_tokens=2))
    assert isinstance(finished, Finished)
    result = finished.result
    assert (result.text, result.finish_reason, result.model) == ("Grüße, Welt", "stop", "m")
    assert result.usage == Usage(prompt_tokens=7, completion_tokens=2)
    assert result.evaluated_tokens is None
    assert 0 < result.first_token_s <= result.duration_s
    assert stream.result is result
    request = server.requests[0]
    assert request.headers["authorization"] == "Bearer sk-x"
    assert json.loads(request.body) == {
        "messages": MESSAGES,
        "max_tokens": 9,
        "stream": True,
        "model": "m",
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        },
        "seed": 1,
    }


async def test_a_whole_answer() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        result = await client.chat(MESSAGES, max_tokens=9, cache_prompt=False)
    assert (result.text, result.finish_reason) == ("Grüße, Welt", "stop")
    assert json.loads(server.requests[0].body) == {
        "messages": MESSAGES,
        "max_tokens": 9,
        "stream": False,
        "cache_prompt": False,
    }


async def collect(client: AsyncLMStudioClient, **more: Any) -> ChatResult:
    async for event in client.stream(MESSAGES, **more):
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("the stream ended without an end")


def streaming(*chunks: bytes) -> Behaviour:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        for chunk in chunks:
            await exchange.chunk(chunk)
        await exchange.end()

    return behaviour


async def test_the_stream_cut_at_every_byte() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        for byte in GOOD_STREAM:
            await exchange.chunk(bytes([byte]))
            await asyncio.sleep(0)
        await exchange.end()

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        assert (await collect(client)).text == "Grüße, Welt"


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(delta(finish="stop"), id="no DONE"),
        pytest.param(delta(finish="stop") + b"data: [DONE]", id="no last blank line"),
        pytest.param(delta(finish="stop").rstrip(), id="nothing after the last frame"),
    ],
)
async def test_a_stream_may_end_sloppily_after_its_finish_reason(tail: bytes) -> None:
    async with serving(streaming(delta("a"), tail)) as server, AsyncLMStudioClient(server.url) as client:
        assert (await collect(client)).text == "a"


@pytest.mark.parametrize("end", ["reset", "silence"])
async def test_nothing_after_the_finish_reason_can_spoil_the_answer(end: str) -> None:
    read = asyncio.Event()

    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("a") + delta(finish="stop"))
        await read.wait()
        if end == "reset":
            exchange.reset()
        else:
            await exchange.gone()

    timeouts = Timeouts(between_tokens_s=0.1)
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url, timeouts=timeouts) as client:
        stream = client.stream(MESSAGES)
        assert await anext(stream) == ContentDelta("a")
        read.set()
        finished = await anext(stream)
    assert isinstance(finished, Finished)
    assert finished.result.finish_reason == "stop"


async def test_crlf_comments_and_a_missing_space() -> None:
    data = (b": ping\n\n" + delta("a") + delta(finish="length") + DONE).replace(b"\n", b"\r\n")
    data = data.replace(b"data: ", b"data:")
    async with serving(streaming(data)) as server, AsyncLMStudioClient(server.url) as client:
        result = await collect(client)
    assert (result.text, result.finish_reason) == ("a", "length")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_by_both_its_names(name: str) -> None:
    thought = b'data: {"choices":[{"delta":{"%s":"hm"}}]}\n\n' % name.encode()
    behaviour = streaming(thought, delta("a"), delta(finish="stop"), DONE)
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        events = [event async for event in client.stream(MESSAGES)]
    assert events[:2] == [ReasoningDelta("hm"), ContentDelta("a")]
    assert isinstance(events[-1], Finished)
    assert events[-1].result.reasoning == "hm"


async def test_json_in_the_reasoning_is_taken_for_the_answer_when_a_schema_was_sent() -> None:
    thought = b'data: {"choices":[{"delta":{"reasoning_content":"{\\"a\\":1}"},"finish_reason":"stop"}]}\n\n'
    async with serving(streaming(thought, DONE)) as server, AsyncLMStudioClient(server.url) as client:
        result = await collect(client, json_schema={"type": "object"})
    assert (result.text, result.reasoning) == ('{"a":1}', "")


@pytest.mark.parametrize(
    ("more", "evaluated", "cached"),
    [
        ({"timings": {"prompt_n": 3, "cache_n": 97}, "usage": {"prompt_tokens": 100}}, 3, 97),
        ({"usage": {"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 60}}}, 40, 60),
        ({"usage": {"prompt_tokens": 100, "prompt_tokens_details": None}}, None, None),
        ({}, None, None),
    ],
)
async def test_how_many_tokens_were_read(more: dict[str, Any], evaluated: int | None, cached: int | None) -> None:
    behaviour = streaming(delta("a"), delta(finish="stop", **more), DONE)
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        result = await collect(client)
    assert (result.evaluated_tokens, result.usage.cached_tokens) == (evaluated, cached)


async def test_a_server_that_does_not_stream_answers_anyway() -> None:
    async def behaviour(exchange: Exchange) -> None:
        body = {"choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}]}
        await exchange.answer(200, body)

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        events = [event async for event in client.stream(MESSAGES)]
    assert events[0] == ContentDelta("all at once")
    assert isinstance(events[1], Finished)


async def test_one_connection_serves_many_requests() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        for _ in range(5):
            await collect(client)
            await client.chat(MESSAGES)
    assert (len(server.requests), server.connections) == (10, 1)


async def test_a_closed_client_says_so() -> None:
    client = AsyncLMStudioClient()
    await client.close()
    await client.close()
    with pytest.raises(ClientClosed):
        await client.list_models()


def routes(answers: dict[str, tuple[int, dict[str, Any]]]) -> Behaviour:
    async def behaviour(exchange: Exchange) -> None:
        missing = {"error": f"Unexpected endpoint or method. ({exchange.method} {exchange.path})"}
        status, body = answers.get(exchange.path, (200, missing))
        await exchange.answer(status, body)

    return behaviour


V1 = {"models": [{"key": "a", "type": "llm", "loaded_instances": [{"id": "a", "config": {"context_length": 5}}]}]}
V0 = {"data": [{"id": "a", "type": "llm", "state": "loaded", "loaded_context_length": 6}]}
OPENAI = {"data": [{"id": "a", "owned_by": "llamacpp", "meta": {"n_ctx": 7}}]}


@pytest.mark.parametrize(
    ("answers", "context"),
    [
        ({"/api/v1/models": (200, V1), "/api/v0/models": (200, V0)}, 5),
        ({"/api/v0/models": (200, V0), "/v1/models": (200, OPENAI)}, 6),
        ({"/v1/models": (200, OPENAI), "/api/v1/models": (404, {"error": {"message": "File Not Found"}})}, 7),
        (
            {
                "/v1/models": (200, {"data": [{"id": "a"}]}),
                "/props": (200, {"default_generation_settings": {"n_ctx": 8}}),
            },
            8,
        ),
    ],
)
async def test_the_list_that_tells_most_is_taken(answers: dict[str, Any], context: int) -> None:
    async with serving(routes(answers)) as server, AsyncLMStudioClient(server.url) as client:
        model = await client.loaded_model()
    assert (model.id, model.context_length) == ("a", context)


async def test_health_of_lm_studio() -> None:
    answers = {"/lmstudio-greeting": (200, {"lmstudio": True}), "/api/v1/models": (200, V1)}
    async with serving(routes(answers)) as server, AsyncLMStudioClient(server.url) as client:
        health = await client.health()
    assert (health.ok, health.kind, health.models[0].key) == (True, "lmstudio", "a")


async def test_health_of_llama_cpp() -> None:
    async with (
        serving(routes({"/v1/models": (200, OPENAI)})) as server,
        AsyncLMStudioClient(server.url) as client,
    ):
        assert (await client.health()).kind == "llama.cpp"


async def test_health_of_nobody(free_port: int) -> None:
    async with AsyncLMStudioClient(f"127.0.0.1:{free_port}") as client:
        health = await client.health()
    assert not health.ok
    assert isinstance(health.error, ServerUnreachable)


async def test_tokens_are_counted_where_the_server_can() -> None:
    answers = {
        "/apply-template": (200, {"prompt": "<|im_start|>"}),
        "/tokenize": (200, {"tokens": [1, 2, 3]}),
    }
    async with serving(routes(answers)) as server, AsyncLMStudioClient(server.url) as client:
        assert await client.count_tokens("abc") == 3
        assert await client.count_tokens(MESSAGES) == 3
    assert json.loads(server.requests[2].body)["content"] == "<|im_start|>"


async def test_a_server_that_can_not_count_is_asked_once() -> None:
    async with serving(routes({})) as server, AsyncLMStudioClient(server.url) as client:
        assert await client.count_tokens("abc") is None
        assert await client.count_tokens("abc") is None
    assert len(server.requests) == 1


async def test_waiting_for_a_server_that_comes_up(free_port: int) -> None:
    waits: list[float] = []
    came_up = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = "503 Loading" if len(waits) < 4 else "404 Not Found"
        body = b'{"error":{"message":"Loading model"}}'
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async def start() -> None:
        await came_up.wait()
        listener = await asyncio.start_server(greet, "127.0.0.1", free_port)
        try:
            await asyncio.Event().wait()
        finally:
            listener.close()

    def on_wait(_error: Exception, wait_s: float) -> None:
        waits.append(wait_s)
        if len(waits) == 2:
            came_up.set()

    server = asyncio.create_task(start())
    async with AsyncLMStudioClient(f"127.0.0.1:{free_port}") as client:
        await client.wait_until_up(first_wait_s=0.01, longest_wait_s=0.04, on_wait=on_wait, limit_s=20)
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)
    assert len(waits) >= 4
    assert waits[0] < 0.013
    assert max(waits) <= 0.04 * 1.2


async def test_waiting_in_vain_ends_with_the_reason(free_port: int) -> None:
    async with AsyncLMStudioClient(f"127.0.0.1:{free_port}") as client:
        with pytest.raises(ServerUnreachable):
            await client.wait_until_up(first_wait_s=0.01, limit_s=0.1)


async def test_a_server_that_moved() -> None:
    async with serving(good) as one, serving(good) as two, AsyncLMStudioClient(one.url) as client:
        await client.chat(MESSAGES)
        client.base_url = two.url + "/v1"
        await client.chat(MESSAGES)
    assert (len(one.requests), len(two.requests)) == (1, 1)


async def test_many_streams_at_once() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url, timeouts=Timeouts()) as client:
        results = await asyncio.gather(*(collect(client) for _ in range(50)))
    assert {result.text for result in results} == {"Grüße, Welt"}
    assert isinstance(server, RawServer)
