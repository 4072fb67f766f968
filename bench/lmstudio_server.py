"""What answers the clients under measurement? A server of canned bytes in LM Studio's form, in a process of its own.

The model's name says what is wanted: `small` an answer of one sentence, `burst` all chunks at once,
`paced-<streams>-<seconds>` chunks at 50 a second once so many streams wait, each holding the time it was sent;
`floats` embeddings as JSON numbers whatever was asked, `base64` embeddings as asked.
"""

import array
import asyncio
import base64
import json
import random
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import msgspec

BURST_CHUNKS = 10_000
TEXTS, DIMENSIONS = 64, 768
TOKENS_PER_S = 50
ANSWER = "The disk of the database server will be full in about nine days."

_SLOTS = 20  # a paced stream writes in one of so many moments of each 20 ms, so that not all write at once
_TIME = "0" * 16  # what the time in nanoseconds takes the place of
_BARRIER_S = 20.0  # how long the paced streams wait for each other
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class _Asked(msgspec.Struct):
    """What the answer depends on."""

    model: str = ""
    encoding_format: str = "float"


def chunk(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    """One server-sent event as LM Studio writes it, in an HTTP chunk of its own."""
    body = {
        "id": "chatcmpl-6x8q2w7ck9nmp4d5vjzr3",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "qwen2.5-7b-instruct",
        "system_fingerprint": "qwen2.5-7b-instruct",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
    }
    return _http_chunk(b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n")


def usage(tokens: int) -> dict[str, Any]:
    return {"prompt_tokens": 24, "completion_tokens": tokens, "total_tokens": 24 + tokens}


def stream_end(tokens: int) -> bytes:
    """Finish reason, usage, `[DONE]`, and the end of the HTTP body."""
    last: dict[str, Any] = {
        "id": "chatcmpl-6x8q2w7ck9nmp4d5vjzr3",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "qwen2.5-7b-instruct",
        "system_fingerprint": "qwen2.5-7b-instruct",
        "choices": [],
        "usage": usage(tokens),
    }
    counted = _http_chunk(b"data: " + json.dumps(last, separators=(",", ":")).encode() + b"\n\n")
    return chunk({}, "stop") + counted + _http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


def small_answer() -> bytes:
    """A whole chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER, "reasoning_content": "", "tool_calls": []}
    body: dict[str, Any] = {
        "id": "chatcmpl-6x8q2w7ck9nmp4d5vjzr3",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "qwen2.5-7b-instruct",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": usage(15),
        "stats": {},
        "system_fingerprint": "qwen2.5-7b-instruct",
    }
    return _whole(json.dumps(body, indent=2).encode())


def embeddings(encoding_format: str) -> bytes:
    """As many vectors as the benchmark asks for; float32, whatever the form."""
    chance = random.Random(1)
    vectors = [array.array("f", [chance.gauss(0, 0.04) for _ in range(DIMENSIONS)]) for _ in range(TEXTS)]
    shown = [base64.b64encode(each).decode() if encoding_format == "base64" else list(each) for each in vectors]
    data = [{"object": "embedding", "embedding": each, "index": index} for index, each in enumerate(shown)]
    body = {"object": "list", "data": data, "model": "nomic-embed-text-v1.5", "usage": usage(0)}
    return _whole(json.dumps(body, indent=None if encoding_format == "base64" else 2).encode())


def _whole(body: bytes) -> bytes:
    kind = "application/json; charset=utf-8"
    head = f"HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n" + body


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Pace:
    """Writes to many streams at 50 tokens a second each, all beginning together once `streams` wait."""

    def __init__(self, streams: int, seconds: float) -> None:
        self._streams = streams
        self._tokens = round(seconds * TOKENS_PER_S)
        self._waiting: list[asyncio.Transport] = []
        self._full = asyncio.Event()
        self._before, self._after = chunk({"role": "assistant", "content": f" {_TIME}"}).split(_TIME.encode())

    def join(self, transport: asyncio.Transport) -> None:
        """Begin the answer's head, and wait for the others."""
        transport.write(_STREAM_HEAD)
        self._waiting.append(transport)
        if len(self._waiting) >= self._streams:
            self._full.set()

    async def run(self) -> None:
        """Wait for all, write all, end all. Without the last ones it begins after a while."""
        try:
            async with asyncio.timeout(_BARRIER_S):
                await self._full.wait()
        except TimeoutError:
            print(f"only {len(self._waiting)} of {self._streams} streams came", file=sys.stderr)
        await asyncio.sleep(0.3)  # the clients come to rest
        loop = asyncio.get_running_loop()
        slots = [self._waiting[at::_SLOTS] for at in range(_SLOTS)]
        begun_s = loop.time()
        for tick in range(self._tokens * _SLOTS):
            due_s = begun_s + tick / (TOKENS_PER_S * _SLOTS)
            if (wait_s := due_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            for transport in slots[tick % _SLOTS]:
                transport.write(self._before + b"%016d" % time.monotonic_ns() + self._after)
        end = stream_end(self._tokens)
        for transport in self._waiting:
            transport.write(end)


class Answering(asyncio.Protocol):
    """One connection: HTTP/1.1 with keep-alive, request bodies with a Content-Length."""

    def __init__(
        self, canned: dict[str, bytes], paces: dict[str, Pace], start: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._canned = canned
        self._paces = paces
        self._start = start
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, rest = self._received[:end].lower(), self._received[end + 4 :]
            length = 0
            if (at := head.find(b"content-length:")) >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._answer(rest[:length])

    def _answer(self, body: bytes) -> None:
        asked = msgspec.json.decode(body or b"{}", type=_Asked)
        if asked.model.startswith("paced"):
            self._pace(asked.model).join(self._transport)
        elif asked.model == "base64":
            self._transport.write(self._canned[asked.encoding_format])
        else:
            self._transport.write(self._canned.get(asked.model, self._canned["small"]))

    def _pace(self, name: str) -> Pace:
        pace = self._paces.get(name)
        if pace is None:
            _, streams, seconds, *_ = name.split("-")
            pace = self._paces[name] = Pace(int(streams), float(seconds))
            self._start(self._run(name, pace))
        return pace

    async def _run(self, name: str, pace: Pace) -> None:
        await pace.run()
        del self._paces[name]


async def serve() -> None:
    """Answer until killed; the first line printed is the port."""
    floats = embeddings("float")
    burst = b"".join(chunk({"role": "assistant", "content": f" tok{at % 100}"}) for at in range(BURST_CHUNKS))
    canned = {
        "small": small_answer(),
        "burst": _STREAM_HEAD + burst + stream_end(BURST_CHUNKS),
        "floats": floats,
        "float": floats,
        "base64": embeddings("base64"),
    }
    paces: dict[str, Pace] = {}
    async with asyncio.TaskGroup() as tasks:
        listener = await asyncio.get_running_loop().create_server(
            lambda: Answering(canned, paces, tasks.create_task), "127.0.0.1", 0, backlog=1024
        )
        print(listener.sockets[0].getsockname()[1], flush=True)
        await listener.serve_forever()


def main() -> None:
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    run(serve())


if __name__ == "__main__":
    main()
