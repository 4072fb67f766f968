"""A server with scripted models, for tests of its interfaces: what it holds, and what it was asked."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from wakeful.engine.files.downloads import Downloads
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.models import Models, OnProgress
from wakeful.engine.life.settings import LifeSettings, LoadConfig
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Reply, Script, ScriptedRunner
from wakeful.engine.server.app import serving
from wakeful.engine.server.settings import ServerSettings

CHAT = Descriptor(
    key="chatty",
    path="house/chatty/chatty-q4.gguf",
    publisher="house",
    display_name="Chatty",
    params="1B",
    architecture="llama",
    quantization="Q4_K_M",
    bits_per_weight=4.8,
    size_bytes=1_000_000,
    max_context_tokens=32_768,
    tools=True,
    reasoning=True,
)
EYES = Descriptor(
    key="eyes", path="house/eyes/eyes.gguf", publisher="house", max_context_tokens=4096, vision=True, size_bytes=5
)
VECTORS = Descriptor(
    key="vectors",
    kind="embedding",
    path="house/vectors/vectors.gguf",
    publisher="house",
    max_context_tokens=2048,
    size_bytes=7,
)


@dataclass
class House:
    """A server that listens. script: what its models say; asked: what they were asked; loads: with which settings."""

    models: Models
    url: str = ""
    script: Script = lambda _: "Hello, world! How are you?"
    asked: list[Generation] = field(default_factory=list)
    loads: list[LoadConfig] = field(default_factory=list)
    load_s: float = 0.0
    runners: list[ScriptedRunner] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@asynccontextmanager
async def open_house(
    life: LifeSettings | None = None,
    settings: ServerSettings | None = None,
    known: tuple[Descriptor, ...] = (CHAT, EYES, VECTORS),
    downloads: Downloads | None = None,
) -> AsyncGenerator[House]:
    async def list_known() -> tuple[Descriptor, ...]:
        return known

    async def load(model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> ScriptedRunner:
        del model
        house.loads.append(config)
        for step in range(5):
            on_progress(step / 4)
            await asyncio.sleep(house.load_s / 5)
        runner = ScriptedRunner(said, context_tokens=config.context_length or 4096)
        house.runners.append(runner)
        return runner

    async def said(generation: Generation) -> Reply | str:
        house.asked.append(generation)
        answer = house.script(generation)
        return answer if isinstance(answer, Reply | str) else await answer

    models = Models(list_known, load, life)
    house = House(models)
    try:
        async with serving(models, settings or ServerSettings(port=0), downloads) as url:
            house.url = url
            yield house
    finally:
        await models.close()
