"""Whatever is sent to whichever route: no answer of 5xx, no hang, and the server lives on."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import HI, Server, served

from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply
from wakeful.engine.server.settings import Limits, ServerSettings

LIMIT_S = 20.0
ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages")
FIELDS = [
    "model",
    "messages",
    "input",
    "prompt",
    "system",
    "instructions",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "response_format",
    "text",
    "reasoning",
    "reasoning_effort",
    "thinking",
    "max_tokens",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_k",
    "logit_bias",
    "seed",
    "stop",
    "stop_sequences",
    "include",
    "top_logprobs",
    "previous_response_id",
    "store",
    "metadata",
    "truncation",
    "encoding_format",
    "ttl",
]
WORDS = [
    "m",
    "e",
    "user",
    "assistant",
    "system",
    "tool",
    "text",
    "image_url",
    "input_text",
    "message",
    "function",
    "function_call",
    "function_call_output",
    "tool_use",
    "tool_result",
    "image",
    "auto",
    "any",
    "required",
    "none",
    "json_schema",
    "json_object",
    "enabled",
    "base64",
    "data:image/png;base64,AAAA",
    "message.output_text.logprobs",
    "\x00",
    "é",
    "😀",
]
INNER = [
    "role",
    "content",
    "type",
    "text",
    "name",
    "id",
    "function",
    "parameters",
    "arguments",
    "image_url",
    "url",
    "source",
    "data",
    "media_type",
    "tool_calls",
    "tool_call_id",
    "call_id",
    "output",
    "schema",
    "json_schema",
    "format",
    "effort",
    "input_schema",
    "input",
    "tool_use_id",
    "include_usage",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(INNER) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8)
GOOD: dict[str, Any] = {"model": "m", "messages": HI, "input": "Hi", "prompt": "Hi", "max_tokens": 20}


def script(generation: Generation) -> Reply:
    calls = (Call("f", {"a": 1}),) if generation.tools else ()
    return Reply(text="Hello, world!", reasoning="Hm.", calls=calls)


class Running:
    """A server in an event loop of its own, since hypothesis runs many examples in one test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.server: Server | None = None
        self._stop = asyncio.Event()

    def run(self, ready: Any) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve(ready))
        self.loop.close()

    async def _serve(self, ready: Any) -> None:
        limits = Limits(body_bytes=1 << 20, body_s=5)
        async with served(script, settings=ServerSettings(port=0, limits=limits)) as self.server:
            ready.set_result(None)
            await self._stop.wait()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)

    def do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(LIMIT_S)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    running = Running()
    ready: Future[None] = Future()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(running.run, ready)
        ready.result(LIMIT_S)
        yield running
        running.stop()


async def lives(server: Server) -> bool:
    answer = await server.chat(max_tokens=1)
    idle = all(each.users == 0 and each.waiting == 0 for each in server.models.loaded())
    return answer.status == 200 and idle


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(route=st.sampled_from(ROUTES), body=BODIES, good=st.booleans())
def test_any_json_body_gets_an_answer(running: Running, route: str, body: dict[str, Any], good: bool) -> None:
    """good: what is wrong is put into a request that would be right otherwise."""
    assert running.server is not None
    sent = {**GOOD, **body} if good else body
    answer = running.do(running.server.post(route, sent))
    assert answer.status < 500, answer.text
    streamed = answer.headers["Content-Type"] == "text/event-stream"
    assert answer.events if streamed else isinstance(answer.json, dict)
    if answer.status >= 400:
        assert "error" in answer.json


@settings(max_examples=150, deadline=None)
@given(route=st.sampled_from(ROUTES), raw=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_as_a_body_get_an_answer(running: Running, route: str, raw: bytes) -> None:
    assert running.server is not None
    answer = running.do(running.server.post(route, raw=raw))
    assert answer.status < 500
    assert running.do(lives(running.server))


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(min_size=1, max_size=300))
def test_any_bytes_at_the_socket_do_no_harm(running: Running, raw: bytes) -> None:
    async def send(server: Server) -> None:
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(raw)
        writer.write_eof()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    assert running.server is not None
    running.do(send(running.server))
    assert running.do(lives(running.server))


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400), route=st.sampled_from(ROUTES), stream=st.booleans())
def test_a_client_may_hang_up_after_any_byte(running: Running, cut: int, route: str, stream: bool) -> None:
    async def hang_up(server: Server) -> None:
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        body = json.dumps({**GOOD, "stream": stream}).encode()
        head = f"POST {route} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        writer.write((head + body)[:cut])
        with suppress(ConnectionError):
            await writer.drain()
        writer.transport.abort()

    assert running.server is not None
    running.do(hang_up(running.server))

    async def settles(server: Server) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not await lives(server):
                await asyncio.sleep(0.01)

    running.do(settles(running.server))
