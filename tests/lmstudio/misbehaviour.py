"""What a server may do to whoever asks it: broken, slow and odd answers, whole and streamed."""

import asyncio
import json
from typing import Any, Literal

from raw_server import DONE, GOOD_STREAM, GOOD_WHOLE, Behaviour, Exchange, delta, good


def says(status: int, said: str | dict[str, Any] | bytes, kind: str = "application/json", **headers: str) -> Behaviour:
    async def behaviour(exchange: Exchange) -> None:
        body = {"error": {"message": said}} if isinstance(said, str) else said
        await exchange.answer(status, body, kind=kind, **headers)

    return behaviour


def begins(whole: bytes, *pieces: bytes, then: Literal["reset", "close", "end", "wait", "drip", "ping"]) -> Behaviour:
    """Sends a part of a whole answer, or such pieces of a streamed one, and then does what `then` says."""

    async def behaviour(exchange: Exchange) -> None:
        await exchange.head("text/event-stream" if exchange.streamed else "application/json")
        for piece in pieces if exchange.streamed else filter(None, [whole]):  # an empty chunk would be the end
            await exchange.chunk(piece)
        if exchange.streamed and any(b'"content"' in piece for piece in pieces):
            await exchange.server.taken.wait()  # a reset may overtake what came before it
        await _end(exchange, then)

    return behaviour


async def _end(exchange: Exchange, then: str) -> None:
    match then:
        case "reset":
            exchange.reset()
        case "close":
            exchange.writer.close()
        case "end":
            await exchange.end()
        case "wait":
            await exchange.gone()
        case _:
            await drip(exchange, b": ping\n\n" if then == "ping" and exchange.streamed else b" ")


async def drip(exchange: Exchange, drop: bytes, framed: bool = True) -> None:
    """Send the same again and again, until the other side has had enough."""
    while not exchange.writer.transport.is_closing():
        await (exchange.chunk(drop) if framed else exchange.send(drop))
        await asyncio.sleep(0.02)


async def at_once_reset(exchange: Exchange) -> None:
    exchange.reset()


async def at_once_close(exchange: Exchange) -> None:
    exchange.writer.close()


async def half_a_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    exchange.writer.close()


async def half_a_chunk(exchange: Exchange) -> None:
    await exchange.head("text/event-stream" if exchange.streamed else "application/json")
    if exchange.streamed:
        await exchange.chunk(delta("half"))
        await exchange.server.taken.wait()
    await exchange.send(b'ff\r\ndata: {"choi')
    exchange.reset()


async def silent(exchange: Exchange) -> None:
    await exchange.gone()


async def dripping_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    await drip(exchange, b"x", framed=False)


async def no_http(exchange: Exchange) -> None:
    await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await exchange.gone()


async def byte_by_byte(exchange: Exchange) -> None:
    await exchange.head("text/event-stream" if exchange.streamed else "application/json")
    for byte in GOOD_STREAM if exchange.streamed else json.dumps(GOOD_WHOLE, ensure_ascii=False).encode():
        await exchange.chunk(bytes([byte]))
    await exchange.end()


def written_otherwise(data: bytes) -> Behaviour:
    """Streams these bytes, and answers well otherwise."""

    async def behaviour(exchange: Exchange) -> None:
        if not exchange.streamed:
            await good(exchange)
            return
        await exchange.head()
        await exchange.chunk(data)
        await exchange.end()

    return behaviour


def large(size: int) -> Behaviour:
    """An answer of so many bytes, streamed as a single event."""

    async def behaviour(exchange: Exchange) -> None:
        part = "delta" if exchange.streamed else "message"
        body = b'{"choices":[{"%s":{"content":"%s"},"finish_reason":"stop"}]}' % (part.encode(), b"x" * size)
        await exchange.head("text/event-stream" if exchange.streamed else "application/json")
        await exchange.chunk(b"data: %s\n\n" % body if exchange.streamed else body)
        await exchange.end()

    return behaviour


def message(fields: dict[str, Any], finish: str | None, **more: Any) -> Behaviour:
    """One message, whole, or as a stream of a single piece and the end."""

    async def behaviour(exchange: Exchange) -> None:
        if not exchange.streamed:
            choice = {"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": finish}
            await exchange.answer(200, {"choices": [choice], **more})
            return
        piece = {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}
        await exchange.head()
        await exchange.chunk(b"data: %s\n\n" % json.dumps(piece).encode())
        if finish is not None:
            await exchange.chunk(delta(finish=finish, **more) + DONE)
        await exchange.end()

    return behaviour


def second(then: Behaviour) -> Behaviour:
    """Answers well, meets the second request so, and answers well again."""

    async def behaviour(exchange: Exchange) -> None:
        await (then if exchange.number == 2 else good)(exchange)

    return behaviour


def calls(*pieces: tuple[int, str, str, str]) -> list[dict[str, Any]]:
    """Tool calls, each of (index, id, name, arguments)."""
    return [
        {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, call_id, name, arguments in pieces
    ]


def failing_stream(data: bytes, whole: Behaviour) -> Behaviour:
    """Begins to stream and then sends this; answers `whole` in one piece."""

    async def behaviour(exchange: Exchange) -> None:
        if not exchange.streamed:
            await whole(exchange)
            return
        await exchange.head()
        await exchange.chunk(delta("half") + data)
        await exchange.end()

    return behaviour
