"""Requests that nobody in their right mind would send, and what must hold after them.

Three kinds: requests made from the OpenAPI description (schemathesis), such requests with something in them replaced,
cut or doubled, and bytes that are hardly HTTP or WebSocket at all. `python -m tests.engine.fuzz 100000` runs that many.
"""

import asyncio
import base64
import functools
import gc
import json
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from wakeful.engine.testing import LMStudioServer, Reply

DESCRIPTION = Path(__file__).parents[2] / "docs" / "server" / "openapi.yaml"
LIMIT_S = 30.0
NAMESPACES = ("llm", "embedding", "system", "files", "repository", "diagnostics", "plugins", "runtime")

ODD: list[Any] = [
    *(
        None,
        True,
        -1,
        0,
        1,
        2**31,
        2**63,
        -(2**63),
        1e308,
        -1e-300,
        0.5,
        "",
        " ",
        "\x00",
        "a" * 3000,
        "\ud7ff",
        "💥" * 50,
    ),
    *(
        [],
        {},
        [[]],
        [{}],
        {"": ""},
        [None],
        {"type": "text"},
        {"type": None},
        "data:image/png;base64,AAAA",
        "../../etc",
    ),
    *("scripted", "scripted-embedding", "scripted:2", "resp_" + "0" * 48, {"$ref": "#"}, {"role": "user"}, "NaN"),
]


@functools.cache
def description() -> dict[str, Any]:
    """The OpenAPI description; reading it takes a fifth of a second."""
    return yaml.safe_load(DESCRIPTION.read_text())


@dataclass
class Tally:
    """What was sent, and what came of it."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])

    def note(self, outcome: str, asked: str) -> None:
        self.sent += 1
        self.outcomes[outcome[:3] if outcome.startswith("5") else outcome] += 1
        # 501 is what is said of downloads where no place is configured for them
        if (outcome[:3] in ("500", "502", "503", "504") or outcome == "hang") and len(self.wrong) < 20:
            self.wrong.append(f"{outcome}: {asked[:1500]}")


class Maker:
    """Makes values for a JSON schema, valid ones at first, and spoils them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.root = description()
        self.operations = [
            (method.upper(), path, operation)
            for path, methods in self.root["paths"].items()
            for method, operation in methods.items()
        ]

    def request(self) -> tuple[str, str, bytes]:
        """Method, path and body."""
        method, path, operation = self.random.choice(self.operations)
        path = path.replace("{job_id}", "{id}").replace(
            "{id}", self.random.choice(["scripted", "x%2Fy", "%00", "..", "a" * 500])
        )
        if self.random.random() < 0.02:
            method = self.random.choice(["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "GET", "POST"])
        if self.random.random() < 0.02:
            path += self.random.choice(["/", "?x=%ff", "?stream=true", "//", "/../..", "%0d%0a"])
        if "requestBody" not in operation:
            return method, path, b""
        value = self.make(operation["requestBody"]["content"]["application/json"]["schema"])
        for _ in range(self.random.choice([0, 1, 1, 1, 2, 4])):
            value = self.spoil(value)
        body = json.dumps(value, ensure_ascii=self.random.random() < 0.5).encode("utf-8", "surrogatepass")
        if self.random.random() < 0.05:
            body = self.cut(body)
        return method, path, body

    def make(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """A value that keeps to the schema, more or less."""
        pick = self.random
        if "$ref" in schema:
            found: Any = self.root
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            return self.make(found, depth)
        if "allOf" in schema:
            merged: dict[str, Any] = {}
            for each in schema["allOf"]:
                merged |= cast("dict[str, Any]", self.make(each, depth))
            return merged
        if "oneOf" in schema:
            return self.make(pick.choice(schema["oneOf"]), depth + 1)
        if "const" in schema:
            return schema["const"]
        for choices in ("enum", "examples"):
            if choices in schema:
                return pick.choice(schema[choices])
        match schema.get("type"):
            case "object":
                properties: dict[str, Any] = schema.get("properties", {})
                required: list[str] = schema.get("required", [])
                share = 0.15 if depth == 0 else 0.3
                return {
                    name: self.make(each, depth + 1)
                    for name, each in properties.items()
                    if name in required or pick.random() < share
                }
            case "array":
                count = pick.randint(schema.get("minItems", 0), min(schema.get("maxItems", 3), 3))
                return [self.make(schema["items"], depth + 1) for _ in range(count)]
            case "integer":
                return pick.choice([schema.get("minimum", 0), 1, 5, 100, schema.get("maximum", 1000)])
            case "number":
                return pick.choice([schema.get("minimum", 0), 0.5, 1, schema.get("maximum", 2)])
            case "boolean":
                return pick.random() < 0.5
            case "null":
                return None
            case _:
                return pick.choice(["hi", "", "one two three", "scripted", "ü\n\t\"'\\", "<|im_start|>", "{}"])

    def spoil(self, value: Any) -> Any:
        """The same with one place in it replaced, left out, doubled or nested."""
        pick = self.random
        if isinstance(value, dict) and value and pick.random() < 0.85:
            table = dict(cast("dict[str, Any]", value))
            name = pick.choice(list(table))
            match pick.randrange(6):
                case 0:
                    table.pop(name)
                case 1:
                    table[pick.choice(["", "x", "stream", "model", "tools", "$schema", name + "s"])] = pick.choice(ODD)
                case _:
                    table[name] = self.spoil(table[name])
            return table
        if isinstance(value, list) and value and pick.random() < 0.8:
            items = list(cast("list[Any]", value))
            at = pick.randrange(len(items))
            items[at] = self.spoil(items[at])
            return items * pick.choice([1, 1, 1, 2, 20]) if len(str(items)) < 5_000 else items
        if pick.random() < 0.05:
            for _ in range(pick.choice([3, 50, 200])):
                value = [value] if pick.random() < 0.5 else {"a": value}
            return value
        return pick.choice(ODD)

    def cut(self, data: bytes) -> bytes:
        """The same bytes with a part cut out, put in, or flipped."""
        pick = self.random
        at = pick.randrange(len(data) + 1)
        noise = pick.randbytes(pick.choice([1, 4, 40]))
        return pick.choice(
            [data[:at], data[at:], data[:at] + noise + data[at:], data[:at] + noise + data[at + len(noise) :]]
        )

    def frame(self) -> bytes:
        """A text of the WebSocket protocol, or nearly one."""
        pick = self.random
        endpoint, parameter = self.endpoint(), self.parameter()
        frame: Any = pick.choice(
            [
                {"authVersion": 1, "clientIdentifier": "a", "clientPasskey": "b"},
                {"type": "rpcCall", "endpoint": endpoint, "callId": 1, "parameter": parameter},
                {"type": "rpcCall", "endpoint": endpoint, "callId": 2, "parameter": parameter},
                {"type": "channelCreate", "endpoint": endpoint, "channelId": 1, "creationParameter": parameter},
                {"type": "channelCreate", "endpoint": "predict", "channelId": 2, "creationParameter": parameter},
                {"type": "channelSend", "channelId": 1, "message": {"type": pick.choice(["cancel", "stop", "x"])}},
                {"type": "keepAlive"},
                {"type": "channelAck", "channelId": 1, "ackId": 1},
                {"type": "signalSubscribe", "endpoint": "x", "subscribeId": 1},
                {"type": "communicationWarning", "warning": "x"},
            ]
        )
        if pick.random() < 0.5:
            frame = self.spoil(frame)
        data = json.dumps(frame).encode()
        return self.cut(data) if pick.random() < 0.1 else data

    def endpoint(self) -> str:
        return self.random.choice(
            [
                *("listLoaded", "listDownloadedModels", "getModelInfo", "getLoadConfig", "unloadModel", "tokenize"),
                *("countTokens", "applyPromptTemplate", "embedString", "getOrLoad", "loadModel", "predict", "version"),
                *("info", "uploadFileBase64", "completeRawText", "streamLogs", "alive", "getInstanceProcessingState"),
                *("estimateModelUsage", "searchModels", "listEngines", "nothing"),
            ]
        )

    def parameter(self) -> Any:
        pick = self.random
        specifier = {"type": "query", "query": {"identifier": pick.choice(["scripted", "scripted-embedding", "x"])}}
        config: dict[str, Any] = {"layers": [{"layerName": "apiOverride", "config": {"fields": []}}]}
        turn = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
        return pick.choice(
            [
                {"specifier": specifier, "inputString": "hi", "throwIfNotFound": True},
                {"modelSpecifier": specifier, "inputString": "hi"},
                {"modelSpecifier": specifier, "history": {"messages": [turn]}, "predictionConfigStack": config},
                {"specifier": specifier, "history": {"messages": [turn]}, "predictionConfigStack": config, "opts": {}},
                {"identifier": "scripted", "loadTtlMs": 1000, "loadConfigStack": config},
                {"modelKey": "scripted", "identifier": "y", "loadConfigStack": config},
                {"name": "x", "contentBase64": "aGk="},
                None,
            ]
        )


def http(method: str, path: str, body: bytes) -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    return f"{head}\r\n\r\n".encode("utf-8", "surrogatepass") + body


class Client:
    """One connection after another to a server; keeps what comes of each request."""

    def __init__(self, port: int, maker: Maker, tally: Tally) -> None:
        self.port, self.maker, self.tally = port, maker, tally
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def described(self) -> None:
        """One request made from the description, over a kept connection."""
        method, path, body = self.maker.request()
        asked = f"{method} {path} {body!r}"
        try:
            async with asyncio.timeout(LIMIT_S):
                reader, writer = self._streams or await self._connect()
                writer.write(http(method, path, body))
                outcome = await _answer(reader, head_only=method == "HEAD")
        except TimeoutError:
            outcome = "hang"
            self.close()
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            outcome = "closed"
            self.close()
        self.tally.note(outcome, asked)

    async def noise(self) -> None:
        """One request that is hardly one."""
        maker = self.maker
        pick = maker.random
        data = http(*maker.request())
        for _ in range(pick.choice([1, 1, 3])):
            data = maker.cut(data)
        if pick.random() < 0.2:
            data = pick.randbytes(pick.choice([1, 100, 5000]))
        await self._throw(data, "noise", 0.1)

    async def socket(self) -> None:
        """One conversation at a WebSocket, of frames that are not all frames."""
        maker = self.maker
        pick = maker.random
        space = pick.choice(NAMESPACES)
        head = f"GET /{space} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += (
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(pick.randbytes(16)).decode()}\r\n\r\n"
        )
        frames = [_masked(maker.frame(), pick) for _ in range(pick.randint(1, 5))]
        if pick.random() < 0.8:
            hello = b'{"authVersion":1,"clientIdentifier":"a","clientPasskey":"b"}'
            frames.insert(0, _masked(hello, pick))
        data = b"".join(frames)
        if pick.random() < 0.3:
            data = maker.cut(data)
        await self._throw(head.encode() + data + _masked(b"", pick, code=8), f"socket {space}", 0.5)

    async def _throw(self, data: bytes, what: str, quiet_s: float) -> None:
        """Send, and read until the server has nothing more to say."""
        heard = b""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(data)
                async with asyncio.timeout(quiet_s):
                    while piece := await reader.read(65536):
                        heard += piece
            finally:
                writer.transport.abort()
            ended = "closed"
        except TimeoutError:
            ended = "waits"  # for the rest of what is no whole request
        except ConnectionError:
            ended = "reset"
        status = heard[9:12].decode("latin-1") if heard.startswith(b"HTTP/1") else ""
        if status == "500" and b"Model unloaded." in heard:
            status = "unloaded"
        self.tally.note(status if status.startswith("5") else f"{what.split()[0]} {status} {ended}", f"{what} {data!r}")

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _answer(reader: asyncio.StreamReader, *, head_only: bool) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = head[9:12]
    if head_only or status in ("204", "304"):
        return status
    body = b""
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    elif "content-length: " in head:
        body = await reader.readexactly(int(head.partition("content-length: ")[2].split("\r\n")[0]))
    if "connection: close" in head:
        raise ConnectionResetError
    if status == "500" and b"Model unloaded." in body:
        return "unloaded"  # by another of these requests, and told as LM Studio tells it
    return f"{status} {body!r}" if status.startswith("5") else status


def _masked(data: bytes, pick: random.Random, *, code: int = 1) -> bytes:
    mask = pick.randbytes(4)
    length = len(data)
    head = bytes([0x80 | code])
    if length < 126:
        head += bytes([0x80 | length])
    else:
        head += (
            bytes([0x80 | 126]) + length.to_bytes(2, "big") if length < 65536 else b"\xff" + length.to_bytes(8, "big")
        )
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


@dataclass
class Held:
    """What the server's process holds."""

    tasks: int
    files: int
    memory_mb: float


def held(server: LMStudioServer) -> Held:
    """Once all that is under way has ended."""

    async def tasks() -> int:
        for _ in range(200):
            count = len(asyncio.all_tasks())
            if count <= 3:
                break
            await asyncio.sleep(0.02)
        gc.collect()
        return len(asyncio.all_tasks())

    files = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if sys.platform == "linux" else 0
    return Held(server.in_loop(tasks), files, pages * resource.getpagesize() / 1e6)


def fuzz(
    count: int, *, seed: int = 0, at_once: int = 24, told: Callable[[str], None] = lambda _: None
) -> tuple[Tally, list[Held]]:
    """Send so many requests; what came of them, and what the server held after each tenth of them."""
    tally, kept = Tally(), list[Held]()
    with LMStudioServer() as server:
        server.script(Reply(text="one two three four"))
        for tenth in range(10):
            asyncio.run(_tenth(server, count // 10, seed * 10 + tenth, at_once, tally))
            server.forget_requests()
            _tidy(server)
            kept.append(held(server))
            told(f"{tally.sent} sent, {dict(tally.outcomes.most_common(6))}, {kept[-1]}")
    return tally, kept


def _tidy(server: LMStudioServer) -> None:
    """Fuzzing loads and unloads: begin each tenth with the models that there were at first."""
    server.models.unload_all()
    for key in server.models.keys:
        server.models.load(key)


async def _tenth(server: LMStudioServer, count: int, seed: int, at_once: int, tally: Tally) -> None:
    async def one(number: int) -> None:
        client = Client(server.port, Maker(seed * 1000 + number), tally)
        kinds: tuple[Callable[[], Awaitable[None]], ...] = (client.described, client.noise, client.socket)
        for _ in range(count // at_once):
            await client.maker.random.choices(kinds, (7, 1, 2))[0]()
        client.close()

    await asyncio.gather(*map(one, range(at_once)))


def main() -> int:
    """Run as many as the command line says; 1 where something was wrong."""
    began_s = time.monotonic()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    tally, kept = fuzz(
        count, seed=int(sys.argv[2]) if len(sys.argv) > 2 else 0, told=lambda text: print(text, flush=True)
    )
    print(f"{tally.sent} requests in {time.monotonic() - began_s:.0f} s: {dict(tally.outcomes)}")
    print(f"held after the first tenth {kept[0]}, after the last {kept[-1]}")
    print("\n".join(tally.wrong) or "no 5xx, no hang")
    return bool(tally.wrong)


if __name__ == "__main__":
    sys.exit(main())
