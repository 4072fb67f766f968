"""What answers LM Studio's own SDK under measurement? A server of canned messages in its WebSocket protocol.

Models have the names that `bench.lmstudio_server` knows, and mean the same.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web

from bench.lmstudio_server import ANSWER, BURST_CHUNKS, DIMENSIONS, TOKENS_PER_S

_MODEL = {
    "format": "gguf",
    "displayName": "Qwen 2.5 7B",
    "publisher": "qwen",
    "path": "qwen/qwen2.5-7b-instruct.gguf",
    "sizeBytes": 1,
    "indexedModelIdentifier": "qwen/qwen2.5-7b-instruct.gguf",
    "deviceIdentifier": None,
    "maxContextLength": 32768,
    "instanceReference": "r",
    "contextLength": 8192,
    "ttlMs": None,
    "lastUsedTime": None,
}
_BARRIER_S = 20.0
_FIELDS: dict[str, Any] = {"fields": []}

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Canned:
    """All connections; paced answers begin together once as many wait as their model's name says."""

    def __init__(self) -> None:
        chance = random.Random(1)
        self._vector = [chance.gauss(0, 0.04) for _ in range(DIMENSIONS)]
        self._waiting: dict[str, int] = {}
        self._go: dict[str, asyncio.Event] = {}

    async def talk(self, request: web.Request) -> web.WebSocketResponse:
        """One connection of one namespace."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive_json()
        await socket.send_json({"success": True})
        async with asyncio.TaskGroup() as tasks:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                asked = json.loads(message.data)
                if asked["type"] == "rpcCall":
                    result = {"embedding": self._vector}
                    await socket.send_json({"type": "rpcResult", "callId": asked["callId"], "result": result})
                elif asked["type"] == "channelCreate":
                    tasks.create_task(self._channel(socket, asked, request.match_info["namespace"]))
        return socket

    async def _channel(self, socket: web.WebSocketResponse, asked: dict[str, Any], namespace: str) -> None:
        channel, creation = asked["channelId"], asked["creationParameter"]

        async def send(message: dict[str, Any]) -> None:
            await socket.send_json({"type": "channelSend", "channelId": channel, "message": message})

        if asked["endpoint"] == "getOrLoad":
            await send({"type": "alreadyLoaded", "info": _info(creation["identifier"], namespace)})
        else:
            name = creation["modelSpecifier"]["query"]["identifier"]
            tokens = await self._write(name, send)
            stats = {"stopReason": "eosFound", "promptTokensCount": 24, "predictedTokensCount": tokens}
            end = {"stats": stats, "modelInfo": _info(name, "llm"), "loadModelConfig": _FIELDS}
            await send({"type": "success", **end, "predictionConfig": _FIELDS})
        await socket.send_json({"type": "channelClose", "channelId": channel})

    async def _write(self, name: str, send: Send) -> int:
        """The fragments of an answer; gives how many there were."""
        if name.startswith("paced"):
            return await self._pace(name, send)
        pieces = [f" tok{at % 100}" for at in range(BURST_CHUNKS)] if name == "burst" else [ANSWER]
        for piece in pieces:
            await send(_fragment(piece))
        return len(pieces)

    async def _pace(self, name: str, send: Send) -> int:
        _, streams, seconds = name.split("-")
        await self._barrier(name, int(streams))
        loop = asyncio.get_running_loop()
        begun_s = loop.time() + random.uniform(0, 1 / TOKENS_PER_S)  # not all at the same moment
        tokens = round(float(seconds) * TOKENS_PER_S)
        for at in range(tokens):
            await asyncio.sleep(max(0.0, begun_s + at / TOKENS_PER_S - loop.time()))
            await send(_fragment(f" {time.monotonic_ns():016d}"))
        return tokens

    async def _barrier(self, name: str, streams: int) -> None:
        go = self._go.setdefault(name, asyncio.Event())
        self._waiting[name] = self._waiting.get(name, 0) + 1
        if self._waiting[name] >= streams:
            del self._waiting[name], self._go[name]
            go.set()
        async with asyncio.timeout(_BARRIER_S):
            await go.wait()


def _info(name: str, namespace: str) -> dict[str, Any]:
    if namespace == "embedding":
        return {**_MODEL, "type": "embedding", "modelKey": name, "identifier": name}
    return {**_MODEL, "type": "llm", "modelKey": name, "identifier": name, "vision": False, "trainedForToolUse": True}


def _fragment(text: str) -> dict[str, Any]:
    flags = {"tokensCount": 1, "containsDrafted": False, "isStructural": False, "reasoningType": "none"}
    return {"type": "fragment", "fragment": {"content": text, **flags}}


async def _greet(request: web.Request) -> web.Response:
    return web.json_response({"lmstudio": True})


async def serve() -> None:
    """Answer until killed; the first line printed is the port."""
    app = web.Application()
    app.router.add_get("/lmstudio-greeting", _greet)
    app.router.add_get("/{namespace}", Canned().talk)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
