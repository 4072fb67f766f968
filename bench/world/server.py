"""The model server of a world: LM Studio's API over a real socket, answers by a rule, and troubles that a plan brings.

Its pauses are the loop's, so that they take the world's time and none of ours.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal, Self

from aiohttp import web

from bench.world.reader import Messages

Trouble = Literal["", "crash", "hang", "swap", "loading"]
Answer = Callable[[Messages, list[str]], str]

MODEL, OTHER = "scripted", "another-model"
READ_TOKENS_PER_S, WRITE_TOKENS_PER_S = 900.0, 35.0
"""What a small model on a good processor does."""

_HANG_S = 3600.0
_SUMMARY = "Some of it was told to the user, and the rest went on as it does."
"""What it says of all that leaves the prompt: true of every world."""


class ModelServer:
    """A server with one model, on a port that it keeps.

    trouble: what is wrong with it now; it is down between `stop` and `start`
    answered: requests that were answered whole
    """

    def __init__(self, answer: Answer, *, context_tokens: int = 8192) -> None:
        self.trouble: Trouble = ""
        self.answered = 0
        self.url = ""
        self._answer = answer
        self._context_tokens = context_tokens
        self._port = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens; does nothing where it does already."""
        if self._runner is not None:
            return
        app = web.Application()
        app.router.add_get("/api/v0/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_route("*", "/{rest:.*}", self._missing)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = int(self._runner.addresses[0][1])
        self.url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Breaks off whatever it does, and listens no more."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _missing(self, request: web.Request) -> web.Response:
        return web.json_response({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})

    async def _models(self, _: web.Request) -> web.Response:
        model = {
            "id": OTHER if self.trouble == "swap" else MODEL,
            "object": "model",
            "type": "llm",
            "state": "loaded",
            "max_context_length": 131_072,
            "loaded_context_length": self._context_tokens,
        }
        return web.json_response({"object": "list", "data": [] if self.trouble == "loading" else [model]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        messages: Messages = body["messages"]
        if self.trouble == "swap":
            return _refused(404, "model_not_found", f'Model "{body["model"]}" not found.')
        if self.trouble == "loading":
            return _refused(400, "no_model", "No models loaded. Please load a model in the developer page.")
        if self.trouble == "hang":
            await asyncio.sleep(_HANG_S)
        if held := body.get("response_format"):
            evidence = held["json_schema"]["schema"]["properties"]["evidence"]
            text = self._answer(messages, evidence["items"].get("enum", []))
        else:
            text = _SUMMARY
        prompt_tokens = sum(tokens(each["content"]) + 4 for each in messages)
        await asyncio.sleep(prompt_tokens / READ_TOKENS_PER_S)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for begin in range(0, len(text), 120):
            if self.trouble == "crash" and begin >= 240:
                assert request.transport is not None
                request.transport.abort()
                return response
            piece = text[begin : begin + 120]
            await _send(response, {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
            await asyncio.sleep(tokens(piece) / WRITE_TOKENS_PER_S)
        await _send(response, {"model": MODEL, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens(text), "total_tokens": 0}
        await _send(response, {"choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")
        self.answered += 1
        return response


def tokens(text: str) -> int:
    """The scripted tokenizer: a token for every four bytes."""
    return len(text.encode()) // 4 + 1


def _refused(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "code": code, "type": "invalid_request"}}, status=status)


async def _send(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
