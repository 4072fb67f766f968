"""The further endpoints without an event loop."""

from collections.abc import Iterator
from typing import Any

import pytest
from raw_server import Elsewhere, Exchange, RawServer

from wakeful.lmstudio import LMStudioClient

EVENTS = (
    b'event: message.delta\ndata: {"type":"message.delta","content":"Hi"}\n\n'
    b'event: chat.end\ndata: {"type":"chat.end","result":{"output":[{"type":"message","content":"Hi"}]}}\n\n'
)


async def behaviour(exchange: Exchange) -> None:
    answers: dict[str, Any] = {
        "/v1/embeddings": {"data": [{"index": 0, "embedding": [0.5, 1.0]}], "model": "e"},
        "/v1/completions": {"choices": [{"index": 0, "text": "on", "finish_reason": "stop"}]},
        "/api/v0/models": {"data": [{"id": "m", "type": "llm", "state": "loaded"}]},
    }
    if exchange.path == "/api/v1/chat":
        await exchange.head()
        await exchange.chunk(EVENTS)
        await exchange.end()
    else:
        await exchange.answer(200, answers[exchange.path])


@pytest.fixture
def server() -> Iterator[RawServer]:
    with Elsewhere(behaviour) as server:
        yield server


def test_each_answers_as_its_asynchronous_twin(server: RawServer) -> None:
    with LMStudioClient(server.url) as client:
        assert list(client.embeddings.create(["x"])[0]) == [0.5, 1.0]
        assert client.completions.create("go").text == "on"
        assert [model.id for model in client.v0.models()] == ["m"]


def test_streams_are_iterated_over_and_collected(server: RawServer) -> None:
    with LMStudioClient(server.url) as client:
        with client.v1.stream("hello", model="m") as stream:
            events = list(stream)
        assert (len(events), stream.text) == (2, "Hi")
        result = client.v1.stream("hello", model="m").collect()
        assert result.text == "Hi"
