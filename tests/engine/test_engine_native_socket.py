"""LM Studio's WebSocket protocol over real sockets: what no SDK test reaches."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from native_line import CANCEL, CHATTY, GUEST, asked, line, types
from scripted_house import House, open_house

from wakeful.engine.native import routes
from wakeful.engine.runner.scripted import Reply
from wakeful.engine.server.settings import ServerSettings


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with open_house() as opened:
        yield opened


async def test_a_plain_request_at_a_socket_is_told_so(house: House) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{house.url}/llm") as answer:
        assert answer.status == 404
        assert "Unexpected endpoint" in (await answer.json())["error"]


@pytest.mark.parametrize("first", ["{", "[]", json.dumps({**GUEST, "authVersion": 3})])
async def test_who_does_not_authenticate_is_refused_and_left(house: House, first: str) -> None:
    async with line(house, first=first) as opened:
        refused = await opened.next()
        assert refused["success"] is False
        assert (await opened.socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE


async def test_who_says_nothing_is_left_after_a_while(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "AUTHENTICATION_S", 0.05)
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{house.url}/llm") as socket:
        ended = await socket.receive(timeout=10)
        assert ended.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)


async def test_another_passkey_for_the_same_identifier_is_refused(house: House) -> None:
    async with line(house), line(house, "system", {**GUEST, "clientPasskey": "other"}) as second:
        assert "Invalid client passkey" in (await second.next())["error"]
    async with line(house, "system", {**GUEST, "clientPasskey": "other"}) as third:
        assert await third.next() == {"success": True}


async def test_every_namespace_answers_what_it_does_not_offer(house: House) -> None:
    for namespace in ("llm", "embedding", "system", "files", "repository", "diagnostics", "plugins", "runtime"):
        async with line(house, namespace) as opened:
            warned = await opened.call("listEngines")
            refused = await opened.next()
            assert (warned["type"], refused["type"], refused["callId"]) == ("communicationWarning", "rpcError", 1)
            await opened.send({"type": "keepAlive"})
            assert await opened.next() == {"type": "keepAliveAck"}


async def test_system_tells_who_it_is(house: House) -> None:
    async with line(house, "system") as opened:
        version = (await opened.call("version"))["result"]
        assert (version["version"].count("."), type(version["build"])) == (2, int)
        info = (await opened.call("info"))["result"]
        assert (info["isDaemon"], type(info["pid"]), info["version"]) == (True, int, version["version"])
        assert (await opened.call("getExperimentFlags"))["result"] == []
        assert "result" not in await opened.call("notify", {"title": "Hi"})
        (variant,) = (await opened.call("listDownloadedModelVariants", {"modelKey": "chatty"}))["result"]
        assert variant["modelKey"] == "chatty"
        missing = await opened.call("listDownloadedModelVariants", {"modelKey": "none"})
        assert missing["error"]["displayData"]["code"] == "generic.pathNotFound"
        for refused in ("requestShutdown", "startHttpServer", "stopHttpServer", "setExperimentFlag"):
            assert (await opened.call(refused, {"code": "x", "value": True}))["type"] == "rpcError"


async def test_alive_ends_with_the_server() -> None:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house())
        async with line(house, "system") as opened:
            await opened.open("alive", None)
            await opened.call("version")
            closing = asyncio.create_task(stack.aclose())
            assert (await opened.socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
            assert opened.socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
            await closing


async def test_a_server_that_stops_lets_answers_come_to_their_end() -> None:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house())
        house.script = lambda _: Reply(text="word " * 30, token_s=0.01)
        await house.models.load("chatty")
        async with line(house) as opened:
            await opened.open("predict", asked())
            while types([await opened.next()]) != ["fragment"]:
                pass
            closing = asyncio.create_task(stack.aclose())
            assert types(await opened.rest())[-2:] == ["success", "channelClose"]
            assert (await opened.socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
            await closing


async def test_models_are_described_with_all_that_the_javascript_sdk_wants(house: House) -> None:
    await house.models.load("chatty", ttl_s=5)
    async with line(house) as opened:
        (info,) = (await opened.call("listLoaded"))["result"]
    wanted = {"publisher", "indexedModelIdentifier", "deviceIdentifier", "ttlMs", "lastUsedTime", "instanceReference"}
    assert wanted <= info.keys()
    assert (info["ttlMs"], info["lastUsedTime"], info["quantization"]) == (5000, None, {"name": "Q4_K_M", "bits": 5})
    assert info["sizeBytes"] == 1_000_000


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "eyes"),
        ({"identifier": "CHATTY"}, "chatty"),
        ({"path": "house/chatty/chatty-q4.gguf"}, "chatty"),
        ({"vision": True}, "eyes"),
        ({"vision": False}, "chatty"),
        ({"domain": "llm", "identifier": "eyes"}, "eyes"),
        ({"domain": "embedding"}, None),
        ({"identifier": "chatty", "path": "house/eyes/eyes.gguf"}, None),
        ({"identifier": ""}, None),
        ({"deviceIdentifier": "elsewhere"}, None),
    ],
)
async def test_a_query_finds_what_fits_it(house: House, query: dict[str, Any], found: str | None) -> None:
    await house.models.load("chatty")
    await house.models.load("eyes")
    specifier = {"type": "query", "query": query}
    async with line(house) as opened:
        answer = await opened.call("getModelInfo", {"specifier": specifier, "throwIfNotFound": True})
        quiet = await opened.call("getModelInfo", {"specifier": specifier, "throwIfNotFound": False})
    if found is None:
        assert answer["error"]["displayData"]["code"] == "generic.noModelMatchingQuery"
        assert "result" not in quiet
    else:
        assert answer["result"]["identifier"] == quiet["result"]["identifier"] == found


async def test_a_reference_means_this_very_instance(house: House) -> None:
    instance = await house.models.load("chatty")
    specifier = {"type": "instanceReference", "instanceReference": instance.reference}
    async with line(house) as opened:
        assert (await opened.call("countTokens", {"specifier": specifier, "inputString": "hello world"}))["result"] == {
            "tokenCount": 2
        }
        await house.models.unload("chatty")
        await house.models.load("chatty")
        gone = await opened.call("countTokens", {"specifier": specifier, "inputString": "hello"})
        assert gone["error"]["displayData"]["code"] == "generic.specificModelUnloaded"


async def test_what_else_is_asked_of_models(house: House) -> None:
    await house.models.load("chatty")
    async with line(house) as opened:
        base = (await opened.call("getBasePredictionConfig", {"specifier": CHATTY}))["result"]["fields"]
        assert {"key": "llm.prediction.temperature", "value": 0.8} in base
        state = await opened.call("getInstanceProcessingState", {"specifier": CHATTY, "throwIfNotFound": True})
        assert state["result"] == {"status": "idle", "queued": 0}
        usage = await opened.call("estimateModelUsage", {"modelKey": "chatty", "loadConfigStack": {"layers": []}})
        memory = usage["result"]["memory"]
        assert usage["result"]["passesGuardrails"] is True
        assert memory["totalBytes"] == memory["modelBytes"] + memory["contextBytes"] == 1_000_000
        missing = await opened.call("estimateModelUsage", {"modelKey": "none", "loadConfigStack": {"layers": []}})
        assert missing["error"]["displayData"]["code"] == "generic.pathNotFound"
        draft = await opened.call("preloadDraftModel", {"specifier": CHATTY, "draftModelKey": "eyes"})
        assert "speculative" in draft["error"]["title"]
        other = {"type": "query", "query": {"identifier": "none"}}
        none = await opened.call("getInstanceProcessingState", {"specifier": other, "throwIfNotFound": False})
        assert none["result"] == {"status": "idle", "queued": 0}


async def test_a_model_at_work_says_so(house: House) -> None:
    house.script = lambda _: Reply(text="word " * 500, first_token_s=0.02, token_s=0.01)
    await house.models.load("chatty")
    async with line(house) as opened, line(house) as other:
        await opened.open("predict", asked())
        seen: set[str] = set()
        while "generating" not in seen:
            state = await other.call("getInstanceProcessingState", {"specifier": CHATTY, "throwIfNotFound": True})
            seen.add(state["result"]["status"])
        await opened.tell(CANCEL)
        assert types(await opened.rest())[-2:] == ["success", "channelClose"]


async def test_an_answer_tells_all_that_the_javascript_sdk_wants(house: House) -> None:
    house.script = lambda _: Reply(text="Hello", reasoning="hm")
    await house.models.load("chatty")
    async with line(house) as opened:
        await opened.open("predict", asked())
        sent = await opened.rest()
    assert types(sent)[-2:] == ["success", "channelClose"]
    progress = [frame["message"] for frame in sent if types([frame]) == ["promptProcessingProgress"]]
    assert progress[-1]["progress"] == 1.0
    details = progress[-1]["details"]
    assert details["totalPromptTokenCount"] == details["processedPromptTokenCount"] > 0
    assert details["unprocessedPromptTokenCount"] == 0
    success = sent[-2]["message"]
    assert success.keys() >= {"stats", "modelInfo", "loadModelConfig", "predictionConfig"}


async def test_raw_text_is_gone_on_with(house: House) -> None:
    await house.models.load("chatty")
    creation = {"modelSpecifier": CHATTY, "rawPrompt": "Once", "predictionConfigStack": {"layers": []}}
    async with line(house) as opened:
        await opened.open("completeRawText", creation)
        assert types(await opened.rest())[-2:] == ["success", "channelClose"]
    assert house.asked[0].prompt == "Once"


async def test_a_channel_whose_parameter_has_the_wrong_form_is_refused(house: House) -> None:
    async with line(house) as opened:
        for creation in (None, {}, {"modelSpecifier": {"type": "x"}}, asked(history={"messages": [{"role": "x"}]})):
            await opened.open("predict", creation)
            assert (await opened.next())["kind"] == "channelCreationParameterTypeError"
            (refused,) = await opened.rest()
            assert refused["type"] == "channelError"
            assert "Invalid parameter" in refused["error"]["title"]
        assert (await opened.call("tokenize", {"specifier": 1}))["kind"] == "rpcParameterTypeError"
        assert "Invalid parameter" in (await opened.next())["error"]["title"]


async def test_where_it_is_to_be_exact_what_cannot_be_answered_is_only_warned_of() -> None:
    async with open_house(settings=ServerSettings(port=0, exact=True)) as house, line(house) as opened:
        await opened.open("no", None)
        await opened.open("predict", {})
        kinds = [(await opened.next())["kind"] for _ in range(2)]
        kinds += [(await opened.call(endpoint, {}))["kind"] for endpoint in ("no", "tokenize")]
        await opened.send({"type": "keepAlive"})
        assert await opened.next() == {"type": "keepAliveAck"}
    assert kinds == [
        "channelEndpointUnknown",
        "channelCreationParameterTypeError",
        "rpcEndpointUnknown",
        "rpcParameterTypeError",
    ]


async def test_a_message_that_a_channel_does_not_know_is_warned_of(house: House) -> None:
    house.script = lambda _: Reply(text="word " * 500, token_s=0.01)
    await house.models.load("chatty")
    async with line(house) as opened:
        await opened.open("predict", asked())
        for message in ({"type": "dance"}, [], 7):
            await opened.tell(message)
        await opened.tell(CANCEL)
        await opened.tell(CANCEL)
        warned = 0
        while (frame := await opened.next())["type"] != "channelClose":
            warned += frame.get("kind") == "channelMessageTypeError"
        assert warned == 3


async def test_cancelled_while_it_waits_for_a_slot_it_ends_at_once(house: House) -> None:
    house.script = lambda _: Reply(text="word " * 5000, token_s=0.05)
    await house.models.load("chatty")
    async with line(house) as opened:
        for channel_id in range(5):
            await opened.open("predict", asked(), channel_id)
        instance = house.models.loaded()[0]
        async with asyncio.timeout(10):
            while instance.waiting != 1:
                await asyncio.sleep(0.01)
        await opened.tell(CANCEL, 4)
        last = await opened.rest(4)
        assert last[-2]["message"]["stats"]["stopReason"] == "userStopped"
        assert instance.waiting == 0
    async with asyncio.timeout(10):
        while instance.users:  # the socket is closed, and with it all that was asked over it
            await asyncio.sleep(0.01)


async def test_an_unloaded_model_ends_the_answer_with_an_error(house: House) -> None:
    house.script = lambda _: Reply(text="word " * 500, token_s=0.01)
    await house.models.load("chatty")
    async with line(house) as opened:
        await opened.open("predict", asked())
        while types([await opened.next()]) != ["fragment"]:
            pass
        await house.models.unload("chatty")
        ended = (await opened.rest())[-1]
        assert ended["type"] == "channelError"
        assert ended["error"]["displayData"] == {"code": "generic.specificModelUnloaded"}


async def test_what_does_not_fit_is_told_with_numbers(house: House) -> None:
    await house.models.load("chatty")
    house.runners[0].context_tokens = 3
    async with line(house) as opened:
        await opened.open("predict", asked("much too long for it"))
        error = (await opened.rest())[-1]["error"]
    assert "context the overflows" in error["title"]
    assert error["errorData"]["n_ctx"] == 3


async def test_a_load_tells_its_progress_and_can_be_cancelled(house: House) -> None:
    house.load_s = 0.05
    async with line(house) as opened:
        await opened.open("loadModel", {"modelKey": "chatty", "loadConfigStack": {"layers": []}})
        sent = await opened.rest()
        assert types(sent)[0] == "resolved"
        assert types(sent)[-2:] == ["success", "channelClose"]
        shares = [frame["message"]["progress"] for frame in sent if types([frame]) == ["progress"]]
        assert shares == sorted(set(shares))
        house.load_s = 60
        await opened.open("loadModel", {"modelKey": "chatty", "loadConfigStack": {"layers": []}}, 2)
        while types([await opened.next()]) != ["progress"]:
            pass
        await opened.tell(CANCEL, 2)
        assert types(await opened.rest(2))[-1] == "channelClose"
    assert [each.identifier for each in house.models.loaded()] == ["chatty"]


async def test_getting_tells_what_is_loaded_and_what_is_pushed_out(house: House) -> None:
    async with line(house) as opened:
        await opened.open("getOrLoad", {"identifier": "chatty", "loadTtlMs": 1000, "loadConfigStack": {"layers": []}})
        sent = types(await opened.rest())
        assert (sent[0], sent[-2:]) == ("startLoading", ["loadSuccess", "channelClose"])
        await opened.open("getOrLoad", {"identifier": "chatty", "loadConfigStack": {"layers": []}})
        assert types(await opened.rest()) == ["alreadyLoaded", "channelClose"]
        await opened.open("getOrLoad", {"identifier": "eyes", "loadConfigStack": {"layers": []}})
        sent = types(await opened.rest())
        assert sent[:2] == ["startLoading", "unloadingOtherJITModel"]
        await opened.open("getOrLoad", {"identifier": "vectors", "loadConfigStack": {"layers": []}})
        assert (await opened.rest())[-1]["error"]["displayData"]["code"] == "generic.domainMismatch"


async def test_who_watches_the_logs_sees_what_goes_in_and_out(house: House) -> None:
    await house.models.load("chatty")
    async with line(house, "diagnostics") as watching, line(house) as opened:
        await watching.open("streamLogs", None)
        await watching.send({"type": "keepAlive"})
        await watching.next()
        await opened.open("predict", asked())
        await opened.rest()
        first, second = [(await watching.next())["message"]["log"] for _ in range(2)]
        assert first["data"]["type"] == "llm.prediction.input"
        assert first["data"]["input"] == "<|user|>Hi\n<|assistant|>"
        assert second["data"]["output"] == "Hello, world! How are you?"
        assert second["data"]["stats"]["stopReason"] == "eosFound"
        await watching.tell({"type": "stop"})
        assert types(await watching.rest())[-1] == "channelClose"
