"""The server itself: its greeting, unknown routes, limits, slow and vanished readers, and its end."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web
from served import CHAT, HI, PieceRunner, Server, done, say, served, text

import wakeful
from wakeful.engine.life.settings import LifeSettings
from wakeful.engine.runner.pieces import Piece, PromptProgress
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import ScriptedRunner
from wakeful.engine.server.answers import WIRE, Wire
from wakeful.engine.server.app import create_app, listening
from wakeful.engine.server.keys import CLOCK
from wakeful.engine.server.settings import KeepSettings, Limits, ServerSettings

LIMIT_S = 10.0


@asynccontextmanager
async def socket_to(server: Server) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def request(body: dict[str, Any], path: str = CHAT, version: str = "1.1") -> bytes:
    raw = json.dumps(body).encode()
    head = f"POST {path} HTTP/{version}\r\nHost: localhost\r\nContent-Length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


async def until(condition: Any) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_greeting() -> None:
    async with served() as server:
        greeting = await server.get("/lmstudio-greeting")
        status = await server.get("/lms-status")
    assert (greeting.status, greeting.json) == (200, {"lmstudio": True})
    assert status.json == {"package": "wakeful", "version": wakeful.__version__}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/foo"),
        ("POST", "/chat/completions"),
        ("GET", CHAT),
        ("PUT", "/v1/models"),
        ("GET", "/v1/models/m"),
        ("GET", "/health"),
        ("OPTIONS", CHAT),
        ("POST", "/v1/tokenize"),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
async def test_unknown_routes(method: str, path: str, exact: bool) -> None:
    async with served(settings=ServerSettings(port=0, exact=exact)) as server:
        answer = await server.request(method, path)
    assert answer.status == (200 if exact else 404)
    assert answer.json == {"error": f"Unexpected endpoint or method. ({method} {path})"}
    assert answer.headers["Keep-Alive"] == "timeout=5"
    assert answer.headers.get("X-Powered-By") == ("Express" if exact else None)


async def test_an_idle_connection_is_closed_after_its_time_and_not_before_the_next_request() -> None:
    async with served(settings=ServerSettings(port=0, keepalive_s=0.5)) as server:
        async with socket_to(server) as (reader, writer):
            for _ in range(2):
                writer.write(b"GET /lmstudio-greeting HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
                await reader.readuntil(b"}")
            async with asyncio.timeout(LIMIT_S):
                assert await reader.read() == b""


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "Invalid JSON in the request's body: Input data was truncated"),
        (b"sense", "Invalid JSON in the request's body: JSON is malformed: invalid character (byte 0)"),
        (b'{"model": "\xff"}', "Invalid JSON in the request's body: "),
        (b'{"model": "\\ud800"}', "Invalid JSON in the request's body: "),
        (b"[1]", "The request's body must be a JSON object."),
        (b'"x"', "The request's body must be a JSON object."),
        (b"", "'messages' field is required"),
        (b"  \n", "'messages' field is required"),
        (b'{"messages": ' + b"[" * 200 + b"]" * 200 + b"}", "The request's JSON is nested deeper than 100 levels."),
        (b"[" * 100_000, "The request's JSON is nested deeper than 100 levels."),
        (b'{"seed": 1e999}', "Invalid JSON in the request's body: "),
        (b'{"seed": 123456789012345678901234567890}', "Invalid 'seed': expected integer"),
    ],
)
async def test_bodies_that_are_no_request(raw: bytes, said: str) -> None:
    async with served() as server:
        answer = await server.post(CHAT, raw=raw)
    assert answer.status == 400
    assert answer.json["error"].startswith(said)


@pytest.mark.parametrize(
    ("limits", "given", "said"),
    [
        (Limits(messages=1), {"messages": HI * 2}, "'messages' has 2 entries; at most 1 are allowed."),
        (Limits(stop_strings=1), {"stop": ["a", "b"]}, "'stop' has 2 entries; at most 1 are allowed."),
        (
            Limits(tools=1),
            {"tools": [{"type": "function", "function": {"name": "f"}}] * 2},
            "'tools' has 2 entries; at most 1 are allowed.",
        ),
        (
            Limits(images=1),
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AAAA"}] * 2}
                ]
            },
            "The request has more than 1 images.",
        ),
        (
            Limits(image_bytes=2),
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AAAA"}]}
                ]
            },
            "The image at 'messages.0.content.0.image_url.url' is larger than 2 bytes.",
        ),
        (Limits(depth=3), {"x": [[[[]]]]}, ""),
        (Limits(depth=3), {"x": [[[[1]]]]}, "The request's JSON is nested deeper than 3 levels."),
    ],
)
async def test_limits(limits: Limits, given: dict[str, Any], said: str) -> None:
    async with served(settings=ServerSettings(port=0, limits=limits)) as server:
        answer = await server.chat(**given)
    assert (answer.status, answer.json.get("error", "")) == (400 if said else 200, said)


@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/messages"])
async def test_a_body_that_is_too_large(path: str) -> None:
    async with served(settings=ServerSettings(port=0, limits=Limits(body_bytes=1000))) as server:
        answer = await server.post(path, {"x": "y" * 1000})
    assert answer.status == 413
    assert "error" in answer.json


async def test_a_body_that_does_not_come() -> None:
    async with served(settings=ServerSettings(port=0, limits=Limits(body_s=0.1))) as server:
        async with socket_to(server) as (reader, writer):
            writer.write(request({"messages": HI})[:-3])
            async with asyncio.timeout(LIMIT_S):
                assert b" 408 " in await reader.readline()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_away_frees_model_and_slot(stream: bool) -> None:
    closed = asyncio.Event()

    class Endless(ScriptedRunner):
        async def generate(self, generation: Generation) -> AsyncGenerator[Piece]:
            try:
                while True:
                    yield text("x")[0]
                    await asyncio.sleep(0.01)
            finally:
                closed.set()

    async with served(runner=Endless(say())) as server:
        async with socket_to(server) as (_, writer):
            writer.write(request({"model": "m", "messages": HI, "stream": stream}))
            await until(lambda: [each for each in server.models.loaded() if each.users])
        async with asyncio.timeout(LIMIT_S):
            await closed.wait()
        [instance] = server.models.loaded()
        await until(lambda: instance.users == 0)
        assert not instance.slots.locked()


async def test_a_client_that_goes_away_while_it_waits_leaves_the_queue() -> None:
    async with served(say(first_token_s=60), life=LifeSettings(parallel=1, queue=1)) as server:
        first = asyncio.create_task(server.chat())
        await until(lambda: [each for each in server.models.loaded() if each.users])
        [instance] = server.models.loaded()
        async with socket_to(server) as (_, writer):
            writer.write(request({"model": "m", "messages": HI}))
            await until(lambda: instance.waiting == 1)
            refused = await server.chat()
        await until(lambda: instance.waiting == 0)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        await until(lambda: instance.users == 0)
    assert (refused.status, refused.json["error"]["type"]) == (429, "rate_limit_error")


async def test_a_slow_reader_holds_up_its_model_and_fills_no_memory() -> None:
    written = 0

    class Fast(ScriptedRunner):
        async def generate(self, generation: Generation) -> AsyncGenerator[Piece]:
            nonlocal written
            for piece in text("x" * 10_000) * 5000:
                written += 1
                yield piece
            yield done()

    async with served(runner=Fast(say())) as server:
        async with socket_to(server) as (reader, writer):
            writer.write(request({"model": "m", "messages": HI, "stream": True}))
            await reader.readuntil(b"data: ")
            before = -1
            while before != written:  # it stands still once all buffers are full
                before = written
                await asyncio.sleep(0.2)
            assert written < 2500  # of 5,000: sockets of loopback take some megabytes
            while b"[DONE]" not in await reader.read(1 << 20):
                pass
    assert written == 5000


async def test_what_is_ready_together_goes_out_together() -> None:
    writes: list[bytes] = []

    class Counting(Wire):
        def write(self, data: bytes) -> bool:
            writes.append(data)
            return super().write(data)

    async with served() as server:
        app = create_app(server.models, ServerSettings(port=0))
        app[WIRE] = Counting
        await server.models.load("m")
        [instance] = server.models.loaded()
        instance.runner = PieceRunner([*text(*"abcdefghijklmnopqrstuvwxyz"), done()])
        async with listening(app, ServerSettings(port=0)) as url:
            server.url = url
            chunks = (await server.chat(stream=True)).chunks
    assert len(chunks) == 27
    assert len(writes) < 10  # two, unless the machine takes its time between events


async def test_a_wire_that_wants_each_event_gets_each_and_may_wait() -> None:
    events: list[str] = []

    class Slow(Wire):
        coalesces = False

        async def whole(self, status: int, headers: Any, body: bytes) -> web.StreamResponse:
            return await super().whole(503, headers, b'{"error": "busy"}')

        async def begin(self, status: int, headers: Any) -> None:
            events.append("begin")
            await super().begin(status, headers)

        def write(self, data: bytes) -> bool:
            events.append("write")
            return super().write(data)

        async def drain(self) -> None:
            await asyncio.sleep(0.001)
            events.append("drain")
            await super().drain()

        async def end(self) -> web.StreamResponse:
            events.append("end")
            return await super().end()

    async with served() as server:
        app = create_app(server.models, ServerSettings(port=0))
        app[WIRE] = Slow
        async with listening(app, ServerSettings(port=0)) as url:
            server.url = url
            streamed = await server.chat(stream=True, max_tokens=1)
            whole = await server.get("/v1/models")
    assert len(streamed.chunks) == 2
    assert events == ["begin", "write", "drain", "write", "drain", "end"]
    assert (whole.status, whole.json) == (503, {"error": "busy"})


async def test_a_reader_of_http_1_0_gets_a_stream_without_chunks() -> None:
    async with served(say("Hi")) as server:
        async with socket_to(server) as (reader, writer):
            writer.write(request({"model": "m", "messages": HI, "stream": True}, version="1.0"))
            async with asyncio.timeout(LIMIT_S):
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_while_a_long_prompt_is_read_comments_keep_the_connection_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeful.engine.openai.answer._COMFORT_S", 0.0)
    pieces = [PromptProgress(1, 3), PromptProgress(2, 3), *text("x"), done()]
    async with served(runner=PieceRunner(pieces)) as server:
        commented = await server.chat(stream=True)
    async with served(runner=PieceRunner(pieces), settings=ServerSettings(port=0, exact=True)) as server:
        exact = await server.chat(stream=True)
    assert commented.text.startswith(": keep-alive\n\n: keep-alive\n\ndata: ")
    assert exact.text.startswith("data: ")


async def test_a_bug_of_ours_is_told_as_such_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def script(_: Generation) -> str:
        raise RuntimeError("a bug")

    async with served(script) as server:
        whole = await server.chat()
        streamed = await server.chat(stream=True)
        messages = await server.post("/v1/messages", {"model": "m", "messages": HI})
        assert (await server.get("/lmstudio-greeting")).status == 200
    assert (whole.status, whole.json["error"]["message"]) == (500, "Internal error")
    assert (messages.status, messages.json["error"]["type"]) == (500, "api_error")
    assert streamed.events == [("error", {"error": {"message": "Internal error"}, "message": "Internal error"})]
    assert "this is a bug, please report it" in caplog.text
    assert "RuntimeError: a bug" in caplog.text


async def test_a_server_that_stops_lets_answers_come_to_their_end() -> None:
    async with served(say("a b c", token_s=0.1), settings=ServerSettings(port=0, stop_wait_s=LIMIT_S)) as outer:
        settings = ServerSettings(port=0, stop_wait_s=LIMIT_S)
        async with listening(create_app(outer.models, settings), settings) as url:
            outer.url = url
            answer = asyncio.create_task(outer.chat(stream=True))
            await until(lambda: outer.asked)
        assert [chunk["choices"][0]["finish_reason"] for chunk in (await answer).chunks][-1] == "stop"


async def test_a_server_that_stops_breaks_off_what_takes_too_long() -> None:
    async with served(say("a b c", token_s=60)) as outer:
        settings = ServerSettings(port=0, stop_wait_s=0.1)
        async with listening(create_app(outer.models, settings), settings) as url:
            outer.url = url
            answer = asyncio.create_task(outer.chat(stream=True))
            await until(lambda: outer.asked)
        with pytest.raises(Exception, match=r"(?i)payload|disconnected|closed"):
            await answer
        [instance] = outer.models.loaded()
        await until(lambda: instance.users == 0)


async def test_answers_are_dated_by_the_servers_clock() -> None:
    now_s = 1000.0
    keep = KeepSettings(age_s=100)
    async with served() as server:
        app = create_app(server.models, ServerSettings(port=0, keep=keep))
        app[CLOCK] = lambda: now_s
        async with listening(app, ServerSettings(port=0)) as url:
            server.url = url
            dated = [
                (await server.chat()).json["created"],
                (await server.chat(stream=True)).chunks[0]["created"],
                (await server.post("/v1/completions", {"model": "m", "prompt": "x"})).json["created"],
                (await server.post("/v1/completions", {"model": "m", "prompt": "x", "stream": True})).chunks[0][
                    "created"
                ],
                (await server.post("/api/v0/chat/completions", {"model": "m", "messages": HI})).json["created"],
            ]
            first = (await server.post("/v1/responses", {"model": "m", "input": "x"})).json
            dated += [first["created_at"], first["completed_at"]]
            now_s += 200
            old = await server.post("/v1/responses", {"model": "m", "input": "x", "previous_response_id": first["id"]})
    assert set(dated) == {1000}
    assert old.json["error"]["code"] == "previous_response_not_found"


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not there")
def test_on_uvloop_it_is_the_same() -> None:
    import uvloop

    async def main() -> None:
        async with served(say("x" * 1000)) as server:
            chunks = (await server.chat(stream=True)).chunks
            whole = await server.chat()
            async with socket_to(server) as (reader, writer):
                writer.write(request({"model": "m", "messages": HI, "stream": True}))
                await reader.readuntil(b"data: ")
            [instance] = server.models.loaded()
            await until(lambda: instance.users == 0)
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        assert text == whole.json["choices"][0]["message"]["content"] == "x" * 1000

    uvloop.run(main())


def test_importing_the_engine_loads_no_server() -> None:
    code = "import sys, wakeful.engine; print([name for name in ('aiohttp.web', 'xllamacpp') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
