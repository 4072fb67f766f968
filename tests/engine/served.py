"""A server with one scripted model of each kind, and the way there without a client."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from wakeful.engine.errors import EngineError
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.models import Models, OnProgress
from wakeful.engine.life.settings import LifeSettings, LoadConfig
from wakeful.engine.runner.pieces import Done, Piece, Stats, Text
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.runner import Runner
from wakeful.engine.runner.scripted import Reply, Script, ScriptedRunner
from wakeful.engine.server.app import create_app, listening
from wakeful.engine.server.settings import ServerSettings

LIMIT_S = 10.0
HI = [{"role": "user", "content": "Hi"}]
CHAT = "/v1/chat/completions"


@dataclass
class Answer:
    """What came back. events: (name, data) of a stream, the data as JSON where it is JSON."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def events(self) -> list[tuple[str, Any]]:
        return [_event(block) for block in self.text.split("\n\n") if block and not block.startswith(":")]

    @property
    def chunks(self) -> list[Any]:
        """The data of a stream whose events have no names, without the last one, which must be `[DONE]`."""
        events = self.events
        assert events[-1] == ("", "[DONE]")
        assert {name for name, _ in events} == {""}
        return [data for _, data in events[:-1]]


def _event(block: str) -> tuple[str, Any]:
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    data = fields["data"]
    return fields.get("event", ""), json.loads(data) if data.startswith("{") else data


@dataclass
class Server:
    """script: what the model says; asked: what it was asked."""

    url: str
    models: Models
    session: aiohttp.ClientSession
    asked: list[Generation] = field(default_factory=list)

    async def post(self, path: str, body: Any = None, *, raw: bytes | None = None, **headers: Any) -> Answer:
        return await self.request("POST", path, body, raw=raw, headers=headers)

    async def get(self, path: str, **headers: Any) -> Answer:
        return await self.request("GET", path, headers=headers)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        told = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        async with self.session.request(method, self.url + path, data=data, headers=told) as reply:
            return Answer(reply.status, dict(reply.headers), await reply.text())

    async def chat(self, **more: Any) -> Answer:
        return await self.post(CHAT, {"model": "m", "messages": HI, **more})

    @property
    def last(self) -> Generation:
        return self.asked[-1]


def say(text: str = "Hello, world!", **more: Any) -> Script:
    """A model that says the same to everything."""
    return lambda _: Reply(text=text, **more)


class PieceRunner(ScriptedRunner):
    """Gives pieces as they are; what is no piece is raised."""

    def __init__(self, pieces: Sequence[Piece | EngineError]) -> None:
        super().__init__(say())
        self.pieces = pieces

    async def generate(self, generation: Generation) -> AsyncGenerator[Piece]:
        del generation
        for piece in self.pieces:
            if isinstance(piece, EngineError):
                raise piece
            yield piece


def done(reason: Any = "eosFound", **stats: Any) -> Done:
    return Done(reason, Stats(**stats))


def text(*words: str, reasoning: bool = False) -> list[Piece]:
    return [Text(word, 1, reasoning) for word in words]


@asynccontextmanager
async def served(
    script: Script | None = None,
    *,
    runner: Runner | None = None,
    settings: ServerSettings | None = None,
    life: LifeSettings | None = None,
    context_tokens: int = 8192,
    architecture: str = "llama",
) -> AsyncGenerator[Server]:
    """Models `m` and `other` for chat and `e` for embeddings, each loaded when it is asked for."""

    async def known() -> Sequence[Descriptor]:
        return (
            Descriptor(key="m", architecture=architecture),
            Descriptor(key="other"),
            Descriptor(key="e", kind="embedding"),
        )

    async def load(model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> Runner:
        del model, config, on_progress
        return runner or ScriptedRunner(told, context_tokens=context_tokens)

    def told(generation: Generation) -> Any:
        server.asked.append(generation)
        return (script or say())(generation)

    models = Models(known, load, life)
    settings = settings or ServerSettings(port=0)
    timeout = aiohttp.ClientTimeout(total=LIMIT_S)
    async with (
        listening(create_app(models, settings), settings) as url,
        aiohttp.ClientSession(timeout=timeout) as session,
    ):
        server = Server(url, models, session)
        try:
            yield server
        finally:
            await models.close()
