"""All models of this server: those on disk, those in memory, and the way from the one to the other."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from wakeful.engine.errors import NoModelInMemory, NoSuchModel, QueueFull, UnloadedMeanwhile
from wakeful.engine.life.descriptor import Descriptor, Kind
from wakeful.engine.life.idle import IdleTimer
from wakeful.engine.life.instance import Instance
from wakeful.engine.life.loads import OnProgress, SharedLoads
from wakeful.engine.life.settings import LifeSettings, LoadConfig
from wakeful.engine.runner.runner import Runner

OnLoad = Callable[[Descriptor], OnProgress]
"""Is called when a model has to be loaded, and gives who is told how far that is."""

OnEvict = Callable[[Instance], None]
"""Is called with each model that was taken out to make room."""


class Loader(Protocol):
    """Brings one model into memory. Raises EngineError; cancelled, it leaves nothing behind."""

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
        self._on_the_way = SharedLoads()
        self._one_by_one = asyncio.Lock()
        self._timer = IdleTimer(self._loaded.values, self._unload_idle)
        self._unloading: set[asyncio.Task[None]] = set()

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
        return next(iter(exact or [each for each in loaded if is_called(each.model, name)]), None)

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
        """A new instance of a model; cancelling it ends the load. Raises NoSuchModel, and whatever loading raises.

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
            idle_since_s=asyncio.get_running_loop().time(),
        )
        self._loaded[instance.identifier] = instance
        self._timer.set()
        return instance

    async def get_or_load(
        self,
        name: str,
        kind: Kind = "llm",
        *,
        config: LoadConfig | None = None,
        ttl_s: float | None = None,
        on_load: OnLoad | None = None,
        on_evict: OnEvict | None = None,
    ) -> Instance:
        """The loaded model of this name, else one loaded for a request: once, however many ask at the same time.

        Before such a load, others that were loaded so are taken out if the settings say so.
        Raises NoSuchModel, and whatever loading raises.
        """
        if (instance := self._usable(name, kind)) is not None:
            return instance
        model = await self.resolve(name, kind)

        async def start(tell: OnProgress) -> Instance:
            async with self._one_by_one:
                if (instance := self._usable(name, kind)) is not None:
                    return instance
                if self.settings.evict:
                    await self.evict(on_evict)
                return await self.load(model.key, config, ttl_s=ttl_s, jit=True, on_progress=tell)

        return await self._on_the_way.join(model.key, start, on_load(model) if on_load else None)

    async def evict(self, on_evict: OnEvict | None = None) -> None:
        """Take out all that were loaded for a request, whatever their kind.

        LM Studio cuts off what they are writing; here they may finish, for as long as `evict_wait_s` says.
        """
        for other in [each for each in self._loaded.values() if each.jit]:
            other.leaving = True
            try:
                async with asyncio.timeout(self.settings.evict_wait_s):
                    await other.idle.wait()
            except TimeoutError:
                pass  # it has had its time
            except BaseException:
                other.leaving = False
                raise
            if not other.unloaded:
                await self._take_out(other)
                if on_evict is not None:
                    on_evict(other)

    async def unload(self, identifier: str) -> Instance:
        """Take one out of memory; what it writes ends with UnloadedMeanwhile. Raises NoSuchModel."""
        instance = self._loaded.get(identifier)
        if instance is None:
            raise NoSuchModel(f"No model is loaded as {identifier!r}.", name=identifier, known=tuple(self._loaded))
        await self._take_out(instance)
        return instance

    async def resolve(self, name: str, kind: Kind | None = None) -> Descriptor:
        """The model on this machine that is called so, by key or path. Raises NoSuchModel."""
        known = [each for each in await self.known() if kind is None or each.kind == kind]
        for model in known:
            if is_called(model, name):
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
        on_load: OnLoad | None = None,
    ) -> AsyncGenerator[Instance]:
        """A loaded model with a free slot, for as long as the block lasts; loads it if that is allowed.

        name: identifier, reference, key, path, or "" for any that is loaded
        ttl_s: how long it stays if this request loads it; None for the default
        on_load: called when it has to be loaded, gives who is told of progress
        Raises NoSuchModel, NoModelInMemory, QueueFull, UnloadedMeanwhile, and whatever loading raises.
        """
        instance = self._usable(name, kind) or await self._for_a_request(name, kind, ttl_s, config, on_load)
        if instance.slots.locked() and instance.waiting >= self.settings.queue:
            raise QueueFull(f"{instance.waiting} requests wait for {instance.identifier} already.")
        instance.begin_waiting()
        try:
            await instance.slots.acquire()
        except BaseException:
            instance.waiting -= 1
            self._end_use(instance)
            raise
        instance.waiting -= 1
        instance.users += 1
        try:
            if instance.unloaded:
                raise UnloadedMeanwhile("Model unloaded.")
            yield instance
        finally:
            instance.users -= 1
            instance.last_used_ns = time.time_ns()
            instance.slots.release()
            self._end_use(instance)

    async def close(self) -> None:
        """End what is being loaded, and unload all."""
        self._timer.stop()
        await self._on_the_way.close()
        await asyncio.gather(*map(self._take_out, list(self._loaded.values())), *self._unloading)
        self._timer.stop()

    async def _for_a_request(
        self, name: str, kind: Kind, ttl_s: float | None, config: LoadConfig | None, on_load: OnLoad | None
    ) -> Instance:
        """Just in time, as LM Studio does it: one load at a time, and one model so loaded at a time."""
        if not name:
            raise NoModelInMemory("No models loaded.")
        try:
            await self.resolve(name, kind)
        except NoSuchModel:
            # LM Studio lets the only loaded model answer for any name.
            loaded = self.loaded(kind)
            if len(loaded) == 1:
                return loaded[0]
            raise
        if not self.settings.jit:
            raise NoModelInMemory("No models loaded.")
        ttl_s = self.settings.jit_ttl_s if ttl_s is None else ttl_s
        return await self.get_or_load(name, kind, config=config, ttl_s=ttl_s, on_load=on_load)

    def _usable(self, name: str, kind: Kind) -> Instance | None:
        """Loaded, and not about to be taken out for another one, unless it is asked for as this very instance."""
        found = self.find(name, kind)
        return None if found is not None and found.leaving and name != found.reference else found

    def _end_use(self, instance: Instance) -> None:
        instance.end_use(asyncio.get_running_loop().time())
        self._timer.set()

    async def _take_out(self, instance: Instance) -> None:
        if instance.unloaded:
            return
        instance.unloaded = True
        del self._loaded[instance.identifier]
        self._timer.set()
        # once begun, it must come to its end: nobody else knows of this instance any more
        closing = asyncio.ensure_future(instance.runner.close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise

    def _unload_idle(self, over: list[Instance]) -> None:
        for instance in over:
            task = asyncio.ensure_future(self._take_out(instance))
            self._unloading.add(task)
            task.add_done_callback(self._unloading.discard)

    def _filled(self, config: LoadConfig, model: Descriptor) -> LoadConfig:
        length = config.context_length or self.settings.context_length
        return msgspec.structs.replace(
            config,
            context_length=min(length, model.max_context_tokens or length),
            parallel=config.parallel or self.settings.parallel,
            eval_batch_size=config.eval_batch_size or self.settings.eval_batch_size,
        )

    def _free(self, wanted: str) -> str:
        identifier, number = wanted, 1
        while identifier in self._loaded:
            number += 1
            identifier = f"{wanted}:{number}"
        return identifier


def is_called(model: Descriptor, name: str) -> bool:
    """Whether a model has this name: its key or path, without regard to case.

    `key@quantization` names the key's model if it has that quantisation; `publisher/repository` its only file.
    """
    wanted = name.casefold()
    plain, _, quantization = wanted.partition("@")
    if quantization and model.quantization and quantization != model.quantization.casefold():
        return False
    path = model.path.casefold()
    key = model.key.casefold()
    names = {key, key.partition("@")[0], path, path.rpartition("/")[0]} - {""}
    return bool({wanted, plain} & names)


def _nobody(_: float) -> None:
    return
