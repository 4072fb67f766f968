"""The models of a server for tests: which there are, and which are loaded."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from wakeful.engine.faults.injector import Injector
from wakeful.engine.faults.model import faulty
from wakeful.engine.life.descriptor import Descriptor, Kind
from wakeful.engine.life.instance import Instance
from wakeful.engine.life.models import Models, OnProgress
from wakeful.engine.life.settings import LifeSettings, LoadConfig
from wakeful.engine.runner.scripted import Script, ScriptedRunner

T = TypeVar("T")


def described(
    key: str,
    kind: Kind = "llm",
    max_context_tokens: int = 131072,
    *,
    vision: bool = False,
    tools: bool = True,
    reasoning: bool = False,
    publisher: str = "wakeful",
    quantization: str = "Q4_K_M",
) -> Descriptor:
    """A model of which there is no more than a script."""
    return Descriptor(
        key=key.casefold(),
        kind=kind,
        path=f"{publisher}/{key}/{key}.gguf",
        publisher=publisher,
        display_name=key,
        architecture="scripted",
        quantization=quantization,
        bits_per_weight=4.0,
        max_context_tokens=max_context_tokens,
        vision=vision,
        tools=tools,
        reasoning=reasoning,
    )


SCRIPTED = (
    described("scripted", vision=True, reasoning=True),
    described("scripted-embedding", "embedding", 2048, tools=False),
)
"""The models that a server has where there is only a script."""


class InLoop(Protocol):
    """Awaits something in a server's own loop and gives its result; may be called from any other thread."""

    def __call__(self, action: Callable[[], Awaitable[T]], /) -> T:
        """The result."""
        ...


class ServerModels:
    """The models that a server has: which there are, and which are loaded."""

    def __init__(self, in_loop: InLoop, script_of: Callable[[Descriptor], Script], settings: LifeSettings) -> None:
        """in_loop: awaits something in the server's loop, from any thread; script_of: what a model says."""
        self._in_loop = in_loop
        self._script_of = script_of
        self._settings = settings
        self._known: dict[str, Descriptor] = {}
        self._models: Models | None = None

    def add(
        self,
        key: str,
        *,
        kind: Kind = "llm",
        loaded: bool = False,
        max_context_length: int = 131072,
        vision: bool = False,
        tools: bool = True,
        reasoning: bool = False,
        publisher: str = "wakeful",
        quantization: str = "Q4_K_M",
    ) -> None:
        """One more model on this machine. loaded: it is in memory, too."""
        self._known[key] = described(
            key,
            kind,
            max_context_length,
            vision=vision,
            tools=tools,
            reasoning=reasoning,
            publisher=publisher,
            quantization=quantization,
        )
        if loaded:
            self.load(key)

    def remove(self, key: str) -> None:
        """One model less on this machine; loaded instances stay."""
        self._known.pop(key, None)

    def load(
        self, key: str, *, identifier: str = "", context_length: int | None = None, ttl_s: float | None = None
    ) -> str:
        """Load a model, once more if it is loaded already; gives its identifier. Raises NoSuchModel."""
        config = LoadConfig(context_length=context_length)
        models = self._running()
        instance = self._in_loop(lambda: models.load(key, config, identifier=identifier, ttl_s=ttl_s))
        return instance.identifier

    def unload(self, identifier: str) -> None:
        """Take a model out of memory; what it is writing breaks off. Raises NoSuchModel."""
        models = self._running()
        self._in_loop(lambda: models.unload(identifier))

    def unload_all(self) -> None:
        """Take all models out of memory."""
        for identifier in self.loaded:
            self.unload(identifier)

    @property
    def keys(self) -> list[str]:
        """The models on this machine."""
        return list(self._known)

    @property
    def loaded(self) -> list[str]:
        """The identifiers of the models in memory, oldest first."""
        return [each.identifier for each in self.instances]

    @property
    def instances(self) -> list[Instance]:
        """The models in memory, as the server sees them."""
        models = self._running()

        async def listed() -> list[Instance]:
            return models.loaded()

        return self._in_loop(listed)

    async def begin(self, injector: Injector) -> Models:
        """The models as they are when the server starts."""

        async def known() -> Sequence[Descriptor]:
            return list(self._known.values())

        self._known = {each.key: each for each in SCRIPTED}
        self._models = Models(known, faulty(self._load, injector, self._running), self._settings)
        for key in self._known:
            await self._models.load(key)
        return self._models

    async def _load(self, model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> ScriptedRunner:
        on_progress(1.0)
        return ScriptedRunner(self._script_of(model), context_tokens=config.context_length or 8192)

    def _running(self) -> Models:
        assert self._models is not None, "the server was not started"
        return self._models
