"""What `check_server` finds on a good server, on a poor one, and on none; and what its command prints."""

import asyncio
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from raw_server import Elsewhere, Exchange, RawServer, serving
from scripted import answering, asked, said

from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient
from wakeful.lmstudio.check import CheckResult, check_server

MODEL = {
    "type": "llm",
    "key": "m",
    "params_string": "7B",
    "format": "gguf",
    "loaded_instances": [{"id": "m", "config": {"context_length": 16384}}],
    "max_context_length": 131072,
}


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """What a good model answers to each trial."""
    last = body["messages"][-1]
    if "response_format" in body:
        return said('{"name": "Lyon", "country": "France", "rivers": ["Rhône", "Saône"]}')
    if last["role"] == "tool":
        return said(f"It is {int(last['content']):,}.")
    if "tools" in body:
        return said(calls=[("multiply", '{"a": 7041, "b": 17}')])
    word = re.search(r"single word: (\w+)", last["content"])
    return said(word[1] if word else "heron" if "password" in last["content"] else "1, 2, 3")


async def good(exchange: Exchange) -> None:
    if exchange.path == "/lmstudio-greeting":
        await exchange.answer(200, {"lmstudio": True})
    elif exchange.path == "/api/v1/models":
        await exchange.answer(200, {"models": [MODEL]})
    elif asked(exchange).get("model") != "m":
        refusal = {"message": "Model no-such-model-7041 not found", "code": "model_not_found"}
        await exchange.answer(404, {"error": refusal})
    elif exchange.streamed and "Count" in str(exchange.body):
        await exchange.head()
        for part in ("1, ", "2, ", "3"):
            await exchange.chunk(b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % part.encode())
        usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\ndata: [DONE]\n\n'
        await exchange.chunk(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n' + usage)
        await exchange.end()
    else:
        await answering(answer(asked(exchange)))(exchange)


async def poor(exchange: Exchange) -> None:
    """Always says the same, whatever the model's name, and fails when two ask at once."""
    if exchange.path == "/api/v1/models":
        small = {**MODEL, "loaded_instances": [{"id": "m", "config": {"context_length": 2048}}]}
        await exchange.answer(200, {"models": [small]})
    elif "word3" in str(exchange.body):
        await exchange.answer(400, {"error": "The model has crashed without additional information. (Exit code: 6)"})
    else:
        await answering(said("Hmm."))(exchange)


async def found(server: RawServer, model: str = "") -> dict[str, CheckResult]:
    async with AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        return {result.name: result async for result in check_server(client, model)}


async def test_a_good_server_passes_all() -> None:
    async with serving(good) as server:
        results = await found(server)
    assert {result.name: result.status for result in results.values() if result.status != "ok"} == {}
    assert "16,384 tokens" in results["model"].seen
    assert "3 pieces" in results["streaming"].seen
    assert results["thinking"].seen == "it does not think before it answers"
    assert "2 rounds" in results["tools"].seen
    assert not any(result.advice for result in results.values())


async def test_a_poor_server_is_told_what_to_do() -> None:
    async with serving(poor) as server:
        results = await found(server)
    assert {name: result.status for name, result in results.items()} == {
        "connection": "ok",
        "model": "warn",
        "simple": "warn",
        "streaming": "warn",
        "conversation": "warn",
        "structured": "fail",
        "thinking": "ok",
        "tools": "warn",
        "errors": "warn",
        "concurrency": "fail",
    }
    assert all(result.advice for result in results.values() if result.status != "ok")


async def test_without_a_server_or_a_model_the_rest_is_left_out(free_port: int) -> None:
    async with AsyncLMStudioClient(f"127.0.0.1:{free_port}", retry=NO_RETRY) as client:
        results = [result async for result in check_server(client)]
    assert [result.status for result in results] == ["fail", *["skip"] * 9]
    async with serving(good) as server:
        results = [*(await found(server, "other")).values()]
    assert [result.status for result in results] == ["ok", "fail", *["skip"] * 8]


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wakeful.cli", "check-server", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"NO_COLOR": "1"} | env,
    )


@pytest.mark.parametrize(("behaviour", "code"), [(good, 0), (poor, 4)])
def test_the_command_prints_each_and_ends_with_its_code(behaviour: Any, code: int) -> None:
    with Elsewhere(behaviour) as server:
        plain = command(server.url)
        lines = command("--json", LMSTUDIO_URL=server.url)
    assert plain.returncode == lines.returncode == code
    assert "\x1b" not in plain.stdout
    assert len(plain.stdout.splitlines()) >= 12
    assert plain.stdout.splitlines()[-1] == ("All is well." if code == 0 else "2 of 10 are well, 6 to note, 2 bad.")
    names = [json.loads(line)["name"] for line in lines.stdout.splitlines()]
    assert names[0] == "connection"
    assert len(names) == 10


def test_it_can_be_stopped_at_any_time() -> None:
    async def stop() -> None:
        async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
            checks = check_server(client)
            await anext(checks)
            await checks.aclose()

    asyncio.run(stop())


async def thoughtful(exchange: Exchange) -> None:
    """Thinks until its tokens run out, but not under a schema."""
    if exchange.path == "/lmstudio-greeting":
        await exchange.answer(200, {"lmstudio": True})
    elif exchange.path == "/api/v1/models":
        await exchange.answer(200, {"models": [MODEL]})
    elif "response_format" in asked(exchange):
        await answering(said('{"name": "Lyon", "country": "France", "rivers": ["Rhône"]}'))(exchange)
    else:
        thought = said("", finish="length")
        thought["choices"][0]["message"]["reasoning_content"] = "Hm."
        await answering(thought)(exchange)


async def test_a_model_that_thinks_is_not_taken_for_a_broken_one() -> None:
    async with serving(thoughtful) as server:
        results = await found(server)
    assert [name for name, result in results.items() if result.status == "fail"] == []
    assert "thought until its tokens ran out" in results["simple"].seen
    assert "reasoning_effort" in results["simple"].advice
    assert "think_then_constrain" in results["thinking"].advice


def test_what_was_not_tried_is_said_in_a_line(free_port: int) -> None:
    done = command(f"127.0.0.1:{free_port}")
    assert done.returncode == 4
    first, advice, _, last = done.stdout.splitlines()
    assert "No connection to the server" in first
    assert first.endswith("(Connection refused).") or "(Connection refused).  (" in first
    assert "lms server start" in advice
    assert last.startswith("Not tried: model, simple, ")
