"""A model server whose answers are a Python function: real sockets, exact tokens, a prefix cache that is counted."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

from aiohttp import web

Messages = list[dict[str, str]]
Answer = Callable[[Messages, list[str]], str]
"""Gets the messages and the citations that the schema offers; gives the text of the answer."""


def thought(messages: Messages, offered: list[str], **changes: Any) -> str:
    """A valid thought on all that is offered."""
    reply: dict[str, Any] = {
        "focus": "something",
        "evidence": offered,
        "observed": "it was seen",
        "assessment": "It is so.",
        "severity": "warning",
        "expected": "nothing yet",
        "prediction_error": 0.5,
        "attention": {"internal": 0.1, "external": 0.8, "memory": 0.1},
        "action_needed": False,
        "action_type": "observe",
        "action_details": "",
        "next_prediction": "it goes on",
        "confidence": 0.7,
        "self_assessment": "Fine.",
    }
    if not offered and "answer" in str(messages[0]):
        return json.dumps({"answer": "Nothing.", "evidence": []})
    return json.dumps(reply | changes)


class ScriptedServer:
    """Speaks the part of LM Studio's API that the mind uses.

    prompts: the messages of every request; schemas: what each was held to
    counts: whether it can be asked how long a prompt is, as llama.cpp can and LM Studio can't
    evaluated, prompted: tokens read anew and in all
    before: is awaited before an answer is sent, so that a test can hold it back
    summarise: what it says where no schema holds it, which is when it is asked for a summary; `summaries` counts them
    before_summary: like `before`, for those
    overflows: requests that were refused since prompt and answer could be longer than the context
    broken: while set, answers break off in the middle; model: the one that is loaded, and the only one that answers
    """

    def __init__(self, answer: Answer = thought, *, context_tokens: int = 4096, counts: bool = False) -> None:
        self.answer = answer
        self.context_tokens = context_tokens
        self.counts = counts
        self.prompts: list[Messages] = []
        self.schemas: list[dict[str, Any]] = []
        self.evaluated = self.prompted = self.answered = self.overflows = self.summaries = 0
        self.before: Callable[[], Any] | None = None
        self.before_summary: Callable[[], Any] | None = None
        self.summarise: Callable[[Messages], str] = lambda _: "All of it went on as it did."
        self.broken = False
        self.model = "scripted"
        self.url = ""
        self._cache = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/api/v0/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        if self.counts:
            app.router.add_post("/apply-template", self._template)
            app.router.add_post("/tokenize", self._tokenize)
        app.router.add_route("*", "/{rest:.*}", self._missing)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _missing(self, request: web.Request) -> web.Response:
        return web.json_response({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})

    async def _template(self, request: web.Request) -> web.Response:
        return web.json_response({"prompt": laid_out((await request.json())["messages"])})

    async def _tokenize(self, request: web.Request) -> web.Response:
        return web.json_response({"tokens": [0] * tokens((await request.json())["content"])})

    async def _models(self, _: web.Request) -> web.Response:
        model = {
            "id": self.model,
            "object": "model",
            "type": "llm",
            "state": "loaded",
            "max_context_length": 131072,
            "loaded_context_length": self.context_tokens,
        }
        return web.json_response({"object": "list", "data": [model]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        messages: Messages = body["messages"]
        if body["model"] not in (self.model, "m"):
            gone = {
                "message": f'Model "{body["model"]}" not found.',
                "type": "model_not_found",
                "code": "model_not_found",
            }
            return web.json_response({"error": gone}, status=404)
        prompt = laid_out(messages)
        if tokens(prompt) + body["max_tokens"] > self.context_tokens:
            self.overflows += 1
            full = "The number of tokens to keep from the initial prompt is greater than the context length."
            return web.json_response({"error": full}, status=400)
        self.prompts.append(messages)
        offered: list[str] = []
        held = body.get("response_format")
        if held:
            self.schemas.append(held["json_schema"]["schema"])
            evidence = held["json_schema"]["schema"]["properties"]["evidence"]
            offered = evidence["items"].get("enum", [])
        wait = self.before if held else self.before_summary
        if not held:
            self.summaries += 1
        text = self.answer(messages, offered) if held else self.summarise(messages)
        if wait is not None:
            await wait()
        same = 0
        for ours, theirs in zip(prompt, self._cache, strict=False):
            if ours != theirs:
                break
            same += 1
        self._cache = f"{prompt}<assistant>{text}</>"
        prompt_tokens, cached = tokens(prompt), min(tokens(prompt[:same]), tokens(prompt) - 1)
        self.prompted += prompt_tokens
        self.evaluated += prompt_tokens - cached
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for begin in range(0, len(text), 40):
            if self.broken and begin >= 40:
                assert request.transport is not None
                request.transport.abort()
                return response
            await _send(
                response,
                {"choices": [{"index": 0, "delta": {"content": text[begin : begin + 40]}, "finish_reason": None}]},
            )
            await asyncio.sleep(0)
        await _send(response, {"model": "scripted", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens(text), "total_tokens": 0}
        timings = {"prompt_n": prompt_tokens - cached, "cache_n": cached}
        await _send(response, {"choices": [], "usage": usage, "timings": timings})
        await response.write(b"data: [DONE]\n\n")
        self.answered += 1
        return response


def laid_out(messages: Messages) -> str:
    """The scripted chat template."""
    return "".join(f"<{each['role']}>{each['content']}</>" for each in messages)


def tokens(text: str) -> int:
    """The scripted tokenizer: a token for every three bytes."""
    return len(text.encode()) // 3 + 1


async def _send(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
