"""One socket of LM Studio's own protocol, spoken to frame by frame."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from scripted_house import House

GUEST = {"authVersion": 1, "clientIdentifier": "guest:1", "clientPasskey": "p"}
CHATTY = {"type": "query", "query": {"identifier": "chatty"}}
CANCEL = {"type": "cancel"}


class Line:
    """One socket, spoken to frame by frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, frame: Any) -> None:
        await self.socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def next(self) -> dict[str, Any]:
        return json.loads(await self.socket.receive_str(timeout=10))

    async def call(self, endpoint: str, parameter: Any = None, call_id: int = 1) -> dict[str, Any]:
        asked = {"type": "rpcCall", "endpoint": endpoint, "callId": call_id}
        await self.send(asked if parameter is None else {**asked, "parameter": parameter})
        return await self.next()

    async def open(self, endpoint: str, parameter: Any, channel_id: int = 1) -> None:
        asked = {"type": "channelCreate", "endpoint": endpoint, "channelId": channel_id}
        await self.send({**asked, "creationParameter": parameter})

    async def tell(self, message: Any, channel_id: int = 1) -> None:
        await self.send({"type": "channelSend", "channelId": channel_id, "message": message})

    async def rest(self, channel_id: int = 1) -> list[dict[str, Any]]:
        """All frames of a channel up to its end, which is the last."""
        found: list[dict[str, Any]] = []
        while not found or found[-1]["type"] == "channelSend":
            frame = await self.next()
            if frame.get("channelId") == channel_id:
                found.append(frame)
        return found


@asynccontextmanager
async def line(house: House, namespace: str = "llm", first: Any = GUEST) -> AsyncGenerator[Line]:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{house.url}/{namespace}", max_msg_size=0) as socket:
        opened = Line(socket)
        await opened.send(first)
        if first is GUEST:
            assert await opened.next() == {"success": True}
        yield opened


def asked(text: str = "Hi", **more: Any) -> dict[str, Any]:
    history = {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}
    return {"modelSpecifier": CHATTY, "history": history, "predictionConfigStack": {"layers": []}, **more}


def types(sent: list[dict[str, Any]]) -> list[str]:
    return [frame["message"]["type"] if "message" in frame else frame["type"] for frame in sent]
