"""All models of this server: those on disk, those in memory, and the way from the one to the other."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from wakeful.engine.errors import NoModelInMemory, NoSuchModel, QueueFull
from wakeful.engine.life.descriptor import Descriptor, Kind
from wakeful.engine.life.instance import Instance
from wakeful.engine.life.settings import LifeSettings, LoadConfig
from wakeful.engine.runner.runner import Runner

OnProgress = Callable[[float], None]
"""Is told how much is loaded, in [0, 1], rising; called in the event loop."""


class Loader(Protocol):
    """Brings one model into memory. Raises EngineError."""

    async def __call__(self, model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> Runner:
        """A runner for `model`, loaded as `config` says."""
        ...


class Models:
    """What is there, what is loaded, who may use it.

    known: gives what is on disk; called whenever it is asked for, so that a new file is seen
    """

    def __init__(
        self, known: Callable[[], Awaitable[Sequence[Descriptor]]], load: Loader, settings: LifeSettings | None = None
    ) -> None:
        self.settings = settings or LifeSettings()
        self._known = known
        self._load = load
        self._loaded: dict[str, Instance] = {}
        self._jit_lock = asyncio.Lock()

    async def known(self) -> Sequence[Descriptor]:
        """All models on this machine, by key."""
        return await self._known()

    def loaded(self, kind: Kind | None = None) -> list[Instance]:
        """Those in memory, oldest first."""
        return [each for each in self._loaded.values() if kind is None or each.model.kind == kind]

    def find(self, name: str, kind: Kind | None = None) -> Instance | None:
        """The loaded model of this identifier, reference, key or path; "" finds the one used last."""
        loaded = self.loaded(kind)
        if not name:
            return max(loaded, key=lambda each: each.last_used_ns or each.loaded_ns, default=None)
        exact = [each for each in loaded if name in (each.identifier, each.reference)]
        return next(iter(exact or [each for each in loaded if _is_called(each.model, name)]), None)

    async def load(
        self,
        key: str,
        config: LoadConfig | None = None,
        *,
        identifier: str = "",
        ttl_s: float | None = None,
        jit: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """A new instance of a model. Raises NoSuchModel, and whatever loading raises.

        identifier: "" for the key, with `:2` and so on behind it where that is taken
        """
        model = await self.resolve(key)
        config = self._filled(config or LoadConfig(), model)
        started_s = time.monotonic()
        runner = await self._load(model, config, on_progress or _nobody)
        instance = Instance(
            identifier=self._free(identifier or model.key),
            model=model,
            config=config,
            runner=runner,
            ttl_s=ttl_s,
            jit=jit,
            load_s=time.monotonic() - started_s,
        )
        self._loaded[instance.identifier] = instance
        return instance

    async def unload(self, identifier: str) -> Instance:
        """Take one out of memory. Raises NoSuchModel."""
        instance = self._loaded.pop(identifier, None)
        if instance is None:
            raise NoSuchModel(f"No model is loaded as {identifier!r}.", name=identifier, known=tuple(self._loaded))
        await instance.runner.close()
        return instance

    async def resolve(self, name: str, kind: Kind | None = None) -> Descriptor:
        """The model on this machine that is called so, by key or path. Raises NoSuchModel."""
        known = [each for each in await self.known() if kind is None or each.kind == kind]
        for model in known:
            if _is_called(model, name):
                return model
        raise NoSuchModel(f"No model is called {name!r}.", name=name, known=tuple(model.key for model in known))

    @asynccontextmanager
    async def use(
        self,
        name: str,
        kind: Kind = "llm",
        *,
        ttl_s: float | None = None,
        config: LoadConfig | None = None,
        on_load: Callable[[Descriptor], OnProgress] | None = None,
    ) -> AsyncGenerator[Instance]:
        """A loaded model with a free slot, for as long as the block lasts; loads it if that is allowed.

        name: identifier, reference, key, path, or "" for any that is loaded
        ttl_s: how long it stays if this request loads it; None for the default
        on_load: called when it has to be loaded, gives who is told of progress
        Raises NoSuchModel, NoModelInMemory, QueueFull, and whatever loading raises.
        """
        instance = self.find(name, kind) or await self._for_a_request(name, kind, ttl_s, config, on_load)
        if instance.slots.locked() and instance.waiting >= self.settings.queue:
            raise QueueFull(f"{instance.waiting} requests wait for {instance.identifier} already.")
        instance.waiting += 1
        try:
            await instance.slots.acquire()
        finally:
            instance.waiting -= 1
        instance.users += 1
        try:
            yield instance
        finally:
            instance.users -= 1
            instance.last_used_ns = time.time_ns()
            instance.slots.release()

    async def close(self) -> None:
        """Unload all."""
        for identifier in list(self._loaded):
            await self.unload(identifier)

    async def _for_a_request(
        self,
        name: str,
        kind: Kind,
        ttl_s: float | None,
        config: LoadConfig | None,
        on_load: Callable[[Descriptor], OnProgress] | None,
    ) -> Instance:
        """Just in time, as LM Studio does it: one load at a time, and one model so loaded at a time."""
        if not name:
            raise NoModelInMemory("No models loaded.")
        try:
            model = await self.resolve(name, kind)
        except NoSuchModel:
            # LM Studio lets the only loaded model answer for any name.
            loaded = self.loaded(kind)
            if len(loaded) == 1:
                return loaded[0]
            raise
        if not self.settings.jit:
            raise NoModelInMemory("No models loaded.")
        async with self._jit_lock:
            if (instance := self.find(name, kind)) is not None:
                return instance
            if self.settings.evict:
                for other in [each for each in self.loaded(kind) if each.jit]:
                    await self.unload(other.identifier)
            return await self.load(
                model.key,
                config,
                ttl_s=self.settings.jit_ttl_s if ttl_s is None else ttl_s,
                jit=True,
                on_progress=on_load(model) if on_load else None,
            )

    def _filled(self, config: LoadConfig, model: Descriptor) -> LoadConfig:
        length = config.context_length or self.settings.context_length
        return msgspec.structs.replace(
            config,
            context_length=min(length, model.max_context_tokens or length),
            parallel=config.parallel or self.settings.parallel,
        )

    def _free(self, wanted: str) -> str:
        identifier, number = wanted, 1
        while identifier in self._loaded:
            number += 1
            identifier = f"{wanted}:{number}"
        return identifier


def _is_called(model: Descriptor, name: str) -> bool:
    """Keys and paths are told apart without regard to case; `key@quantization` names the key's model."""
    wanted = name.casefold()
    plain = wanted.partition("@")[0]
    return model.key.casefold() in (wanted, plain) or bool(model.path and model.path.casefold() == wanted)


def _nobody(_: float) -> None:
    return
