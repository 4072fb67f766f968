"""As much of LM Studio's own WebSocket protocol as the official SDK needs for what we ask of it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

INFO = {
    "type": "llm",
    "modelKey": "m",
    "format": "gguf",
    "displayName": "M",
    "publisher": "p",
    "path": "p/m/m.gguf",
    "sizeBytes": 1,
    "indexedModelIdentifier": "p/m/m.gguf",
    "deviceIdentifier": None,
    "vision": False,
    "trainedForToolUse": True,
    "maxContextLength": 32768,
    "identifier": "m",
    "instanceReference": "r",
    "contextLength": 4096,
    "ttlMs": None,
    "lastUsedTime": None,
}
NOT_FOUND = {
    "title": "No model found that fits the query",
    "displayData": {
        "code": "generic.noModelMatchingQuery",
        "query": {"identifier": "none"},
        "loadedModelsSample": [],
        "totalLoadedModels": 0,
    },
}


class NativeServer:
    """A token is a word. `none` is no model, `crashes` breaks while it answers, `silent` never answers."""

    def __init__(self) -> None:
        self.url = ""
        self.channels: list[dict[str, Any]] = []
        self.sockets: list[web.WebSocketResponse] = []

    async def greet(self, request: web.Request) -> web.Response:
        return web.json_response({"lmstudio": True})

    async def talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.receive_json()
        await socket.send_json({"success": True})
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            asked = json.loads(message.data)
            if asked["type"] == "rpcCall":
                await self._call(socket, asked)
            elif asked["type"] == "channelCreate":
                await self._channel(socket, asked)
        return socket

    async def _call(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        parameter = asked.get("parameter") or {}
        text = str(parameter.get("inputString", ""))
        if asked["endpoint"] == "applyPromptTemplate":
            turns = parameter["history"]["messages"]
            result: Any = {"formatted": " ".join(f"<{turn['role']}> {turn['content'][0]['text']}" for turn in turns)}
        else:
            result = {
                "countTokens": {"tokenCount": len(text.split())},
                "tokenize": {"tokens": [len(word) for word in text.split()]},
                "listLoaded": [INFO],
                "getModelInfo": INFO,
                "getLoadConfig": {"fields": [{"key": "llm.load.contextLength", "value": 4096}]},
            }[asked["endpoint"]]
        await socket.send_json({"type": "rpcResult", "callId": asked["callId"], "result": result})

    async def _channel(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        self.channels.append(asked)
        channel, creation = asked["channelId"], asked["creationParameter"]
        name = creation.get("identifier") or creation.get("modelKey") or ""

        async def send(message: dict[str, Any]) -> None:
            await socket.send_json({"type": "channelSend", "channelId": channel, "message": message})

        if name == "none":
            await socket.send_json({"type": "channelError", "channelId": channel, "error": NOT_FOUND})
            return
        if asked["endpoint"] == "getOrLoad":
            await send({"type": "alreadyLoaded", "info": {**INFO, "identifier": name}})
        elif asked["endpoint"] == "loadModel":
            await send({"type": "resolved", "info": INFO})
            for progress in (0.25, 1.0):
                await send({"type": "progress", "progress": progress})
            await send({"type": "success", "info": {**INFO, "identifier": "m:2"}})
        elif not await self._predict(socket, channel, creation, send):
            return
        await socket.send_json({"type": "channelClose", "channelId": channel})

    async def _predict(self, socket: web.WebSocketResponse, channel: int, creation: dict[str, Any], send: Any) -> bool:
        name = creation["modelSpecifier"]["query"]["identifier"]
        if name == "silent":
            return False
        await send({"type": "promptProcessingProgress", "progress": 1.0})
        for kind, content in (("reasoning", "hm"), ("none", "Grüße, "), ("none", "Welt")):
            fragment = {"content": content, "tokensCount": 1, "containsDrafted": False, "isStructural": False}
            await send({"type": "fragment", "fragment": {**fragment, "reasoningType": kind}})
        if name == "crashes":
            error = {"title": "The model has crashed without additional information. (Exit code: 6)"}
            await socket.send_json({"type": "channelError", "channelId": channel, "error": error})
            return False
        if name == "vanishes":
            await socket.close()
            return False
        stats = {"stopReason": "eosFound", "promptTokensCount": 7, "predictedTokensCount": 3}
        nothing = {"fields": list[Any]()}
        await send(
            {
                "type": "success",
                "stats": stats,
                "modelInfo": INFO,
                "loadModelConfig": nothing,
                "predictionConfig": nothing,
            }
        )
        return True


@asynccontextmanager
async def serving_native() -> AsyncGenerator[NativeServer, None]:
    server = NativeServer()
    app = web.Application()
    app.router.add_get("/lmstudio-greeting", server.greet)
    app.router.add_get("/{namespace}", server.talk)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        for socket in server.sockets:
            await socket.close()
        await runner.cleanup()
        await asyncio.sleep(0)
