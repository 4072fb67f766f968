"""LM Studio's WebSocket protocol under load and under fire: limits, slow readers, bugs of ours, and garbage."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_line import CANCEL, CHATTY, asked, line, types
from scripted_house import House, open_house

from wakeful.engine.native import routes, session
from wakeful.engine.runner.pieces import Text
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Reply
from wakeful.engine.server.settings import Limits, ServerSettings


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with open_house() as opened:
        yield opened


async def test_silence_is_broken_while_a_request_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeful.engine.native.predict.HEARTBEAT_S", 0.06)
    monkeypatch.setattr("wakeful.engine.native.loading.HEARTBEAT_S", 0.06)
    house.script = lambda _: Reply(text="a", first_token_s=0.5)
    house.load_s = 0.5
    async with line(house) as opened:
        await opened.open("loadModel", {"modelKey": "chatty", "loadConfigStack": {"layers": []}})
        assert types(await opened.rest()).count("progress") > 5
        await opened.open("predict", asked())
        assert types(await opened.rest()).count("promptProcessingProgress") > 3


async def test_a_message_that_is_too_large_ends_the_socket() -> None:
    async with open_house(settings=ServerSettings(port=0, limits=Limits(socket_bytes=10_000))) as house:
        async with line(house) as opened:
            await opened.send("x" * 20_000)
            ended = await opened.socket.receive(timeout=10)
            assert ended.type is aiohttp.WSMsgType.CLOSE
            assert opened.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_too_much_at_once_is_refused_or_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.models.load("chatty")
    monkeypatch.setattr(session, "MOST_BYTES", 2000)
    monkeypatch.setattr(session, "MOST_CALLS", 2)
    async with line(house) as opened:
        await opened.open("predict", asked("x" * 3000))
        assert "Too much" in (await opened.rest())[-1]["error"]["title"]
        for call_id in range(20):
            parameter = {"specifier": CHATTY, "inputString": "y" * 1500}
            asking = {"type": "rpcCall", "endpoint": "countTokens", "callId": call_id, "parameter": parameter}
            await opened.send(asking)
        assert sorted([(await opened.next())["callId"] for _ in range(20)]) == list(range(20))


async def test_a_reader_that_sleeps_holds_the_model_up_and_is_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "AUTHENTICATION_S", 0.05)
    monkeypatch.setattr(routes, "STALLED_S", 0.2)
    written = 0

    async def endless(generation: Generation) -> Any:
        nonlocal written
        del generation
        while True:
            written += 1
            yield Text("word " * 2000)

    instance = await house.models.load("chatty")
    monkeypatch.setattr(house.runners[0], "generate", endless)
    async with line(house) as opened:
        connection: Any = opened.socket._conn
        connection.transport.pause_reading()
        await opened.open("predict", asked())
        async with asyncio.timeout(10):
            while not instance.users:
                await asyncio.sleep(0.01)
            while instance.users:
                await asyncio.sleep(0.01)
        connection.transport.abort()
    assert written < 10_000


async def test_a_client_that_does_not_answer_does_not_hold_the_stop_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "GOODBYE_S", 0.05)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house())
        async with line(house, "system") as opened:
            await opened.call("version")
            connection: Any = opened.socket._conn
            connection.transport.pause_reading()
            async with asyncio.timeout(5):  # aiohttp itself would wait for ten seconds
                await stack.aclose()
            connection.transport.abort()


async def test_a_bug_of_ours_ends_one_channel_and_is_logged(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await house.models.load("chatty")

    async def broken(text: str) -> list[int]:
        raise ZeroDivisionError(text)

    monkeypatch.setattr(house.runners[0], "tokenize", broken)
    async with line(house) as opened:
        answer = await opened.call("tokenize", {"specifier": CHATTY, "inputString": "x"})
        assert "please report" in answer["error"]["title"]
        assert (await opened.call("listLoaded"))["type"] == "rpcResult"
    assert any("tokenize of llm failed" in record.getMessage() for record in caplog.records)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "a", "query"]), inner),
    max_leaves=6,
)
FRAMES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["rpcCall", "channelCreate", "channelSend", "channelAck", "signalSubscribe"]),
            "endpoint": st.sampled_from(["predict", "listLoaded", "tokenize", "getOrLoad", "loadModel", "unloadModel"]),
            "callId": st.integers(0, 3),
            "channelId": st.integers(0, 3),
            "subscribeId": st.integers(0, 3),
            "ackId": st.integers(0, 3),
            "parameter": JSON | st.just({"specifier": CHATTY, "inputString": "x"}),
            "creationParameter": JSON | st.just(asked()) | st.just({"modelKey": "chatty"}),
            "message": JSON | st.just(CANCEL),
        }
    ).map(json.dumps),
)


@given(st.lists(FRAMES, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_comes_the_socket_goes_on_answering(received: list[str | bytes]) -> None:
    asyncio.run(_pelt(received))


async def _pelt(received: list[str | bytes]) -> None:
    errors: list[logging.LogRecord] = []
    catch = logging.Handler(logging.ERROR)

    def keep(record: logging.LogRecord) -> None:
        errors.append(record)

    catch.emit = keep
    logging.getLogger().addHandler(catch)
    try:
        async with open_house() as house, asyncio.timeout(20):
            async with line(house) as opened:
                for data in received:
                    if isinstance(data, bytes):
                        await opened.socket.send_bytes(data)
                    else:
                        await opened.socket.send_str(data)
                await opened.send({"type": "rpcCall", "endpoint": "listLoaded", "callId": 99})
                while (await opened.next()).get("callId") != 99:
                    pass
            while any(each.users or each.waiting for each in house.models.loaded()):
                await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == 1
    finally:
        logging.getLogger().removeHandler(catch)
    assert not [record.getMessage() for record in errors]
