"""A model that thinks, held to a schema, on servers that handle it in three ways."""

import json
from typing import Any, Literal

import pytest
from raw_server import Exchange, RawServer, serving
from scripted import asked, said

from wakeful.lmstudio import AsyncLMStudioClient, Manners

SCHEMA = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}


def server_that(way: Literal["plain", "thinks", "suppresses", "misplaces", "runs out"]):
    async def behaviour(exchange: Exchange) -> None:
        body = asked(exchange)
        held = "response_format" in body
        second = body["messages"][-1]["content"].startswith("Now give")
        message: dict[str, Any] = {"role": "assistant", "content": '{"number": 7}' if held else "It is 7."}
        thinks = way != "plain" and not second and not (held and way in ("suppresses", "misplaces", "runs out"))
        if thinks:
            message["reasoning_content"] = "After 6 comes 7."
        if way == "misplaces" and held and not second:
            message = {"role": "assistant", "content": "", "reasoning_content": '{"number": 7}'}
        if way == "runs out" and not held:
            message["content"] = ""
        answer = said("", finish="stop")
        answer["choices"][0]["message"] = message
        await exchange.answer(200, answer)

    return behaviour


def kinds(server: RawServer) -> list[str]:
    return ["held" if "response_format" in asked(exchange) else "free" for exchange in server.requests]


@pytest.mark.parametrize(
    ("way", "manner", "probes", "calls"),
    [
        ("plain", "plain", ["free"], ["held"]),
        ("thinks", "thinks", ["free", "held"], ["held"]),
        ("suppresses", "suppressed", ["free", "held"], ["free", "held"]),
        ("misplaces", "suppressed", ["free", "held"], ["free", "held"]),
        ("runs out", "suppressed", ["free", "held"], ["free", "held"]),
    ],
)
async def test_the_server_is_tried_once_and_then_asked_as_suits_it(
    way: Any, manner: str, probes: list[str], calls: list[str]
) -> None:
    async with serving(server_that(way)) as server, AsyncLMStudioClient(server.url) as client:
        first = await client.think_then_constrain("And after 6?", SCHEMA, model="m")
        assert kinds(server) == probes + calls
        second = await client.think_then_constrain("And after 6?", SCHEMA, model="m")
        assert kinds(server) == probes + calls + calls
        assert client.manners.known == {"m": manner}
    for result in (first, second):
        assert json.loads(result.text) == {"number": 7}
        assert result.reasoning == ("" if way == "plain" else "After 6 comes 7.")
    if len(calls) == 2:
        last = asked(server.requests[-1])
        assert last["reasoning_effort"] == "none"
        assert [message["role"] for message in last["messages"]] == ["user", "assistant", "user"]
        assert second.usage.completion_tokens == (2 if way == "runs out" else 4)


async def test_what_is_known_from_before_is_not_tried_again() -> None:
    async with serving(server_that("suppresses")) as server, AsyncLMStudioClient(server.url) as client:
        client.manners = Manners({"m": "suppressed"})
        await client.think_then_constrain("And after 6?", SCHEMA, model="m")
    assert kinds(server) == ["free", "held"]
