"""Answers given as they are, streams of events in the pieces that a test names, and a way there without a client."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from raw_server import Behaviour, Exchange, serving

from wakeful.lmstudio import Timeouts
from wakeful.lmstudio.http.retry import NO_RETRY, RetryConfig
from wakeful.lmstudio.http.transport import Transport

TIMEOUTS = Timeouts(first_token_s=5, between_tokens_s=5, whole_s=5, other_s=5)
AT_ONCE = RetryConfig(max_retries=1, backoff_factor=0)


def sse(*events: dict[str, Any]) -> bytes:
    """Events whose name is their `type`."""
    return b"".join(b"event: %s\ndata: %s\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in events)


def streams(*pieces: bytes, then: str = "end") -> Behaviour:
    """then: `end`, `reset`, or `silence`."""

    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        for piece in pieces:
            await exchange.chunk(piece)
        if then == "end":
            await exchange.end()
        elif then == "reset":
            exchange.reset()
        else:
            await exchange.gone()

    return behaviour


def byte_by_byte(data: bytes) -> Behaviour:
    return streams(*(data[at : at + 1] for at in range(len(data))))


def says(status: int, body: bytes | dict[str, Any], **headers: str) -> Behaviour:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.answer(status, body, **headers)

    return behaviour


def at_second_try(behaviour: Behaviour) -> Behaviour:
    """The model is still being loaded when the first request comes."""

    async def busy_first(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.answer(503, {"error": "loading"})
        else:
            await behaviour(exchange)

    return busy_first


class Route:
    """A transport to a server, and what the server was asked."""

    def __init__(self, transport: Transport, requests: list[Exchange]) -> None:
        self.transport = transport
        self.requests = requests

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(exchange.body) for exchange in self.requests]


@asynccontextmanager
async def routed(
    behaviour: Behaviour, *, timeouts: Timeouts = TIMEOUTS, retry: RetryConfig = NO_RETRY
) -> AsyncGenerator[Route, None]:
    async with serving(behaviour) as server:
        transport = Transport(server.url, timeouts=timeouts, retry=retry)
        try:
            yield Route(transport, server.requests)
        finally:
            await transport.close()
