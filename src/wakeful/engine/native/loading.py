"""Models on their way into memory: the channels `getOrLoad` and `loadModel`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from wakeful.engine.errors import NoSuchModel
from wakeful.engine.life.descriptor import Descriptor, Kind
from wakeful.engine.life.instance import Instance
from wakeful.engine.life.loads import OnProgress
from wakeful.engine.native import failures, infos
from wakeful.engine.native.channel import Channel
from wakeful.engine.native.config import Stack, load_config
from wakeful.engine.native.office import Office

HEARTBEAT_S = 5.0
"""The last progress is told again when there is no other: the Python SDK gives up after 60 seconds of silence."""


class GetOrLoad(msgspec.Struct, frozen=True, rename="camel"):
    """A model by identifier or key, loaded if it is not yet. load_ttl_ms: how long it then stays unused."""

    identifier: str
    device_identifier: str | None = None
    load_ttl_ms: int | float | None = None
    load_config_stack: Stack = Stack()


class LoadModel(msgspec.Struct, frozen=True, rename="camel"):
    """A further instance of a model."""

    model_key: str
    identifier: str | None = None
    device_identifier: str | None = None
    ttl_ms: int | float | None = None
    load_config_stack: Stack = Stack()


def get_or_load(kind: Kind) -> Callable[[Office, GetOrLoad, Channel], Awaitable[None]]:
    """The channel of this name, in the namespace of this kind."""

    async def hold(office: Office, asked: GetOrLoad, channel: Channel) -> None:
        story = _Story("loadProgress")

        def began(model: Descriptor) -> OnProgress:
            story.add({"type": "startLoading", "identifier": model.key, "info": infos.described(model)})
            return story.reached

        async with channel.kept_alive(HEARTBEAT_S, story.again), channel.stoppable():
            if office.models.find(asked.identifier, kind) is None:
                await _resolve(office, asked.identifier, kind)
            load = office.models.get_or_load(
                asked.identifier,
                kind,
                config=load_config(asked.load_config_stack, kind),
                ttl_s=_seconds(asked.load_ttl_ms),
                on_load=began,
                on_evict=lambda out: story.add({"type": "unloadingOtherJITModel", "info": infos.loaded(out)}),
            )
            info = infos.loaded(await story.told(load, channel))
            await channel.send({"type": "loadSuccess" if story.begun else "alreadyLoaded", "info": info})

    return hold


def load_model(kind: Kind) -> Callable[[Office, LoadModel, Channel], Awaitable[None]]:
    """The channel of this name, in the namespace of this kind."""

    async def hold(office: Office, asked: LoadModel, channel: Channel) -> None:
        story = _Story("progress")
        async with channel.kept_alive(HEARTBEAT_S, story.again), channel.stoppable():
            model = await _resolve(office, asked.model_key, kind)
            if asked.identifier and any(each.identifier == asked.identifier for each in office.models.loaded()):
                raise failures.Failed(
                    failures.plain(f"A model with the identifier {asked.identifier!r} already exists.")
                )
            await channel.send({"type": "resolved", "info": infos.described(model)})
            story.reached(0.0)
            await story.tell(channel)
            load = office.models.load(
                model.key,
                load_config(asked.load_config_stack, kind),
                identifier=asked.identifier or "",
                ttl_s=_seconds(asked.ttl_ms),
                on_progress=story.reached,
            )
            made = await story.told(load, channel)
            await channel.send({"type": "success", "info": infos.loaded(made)})

    return hold


async def _resolve(office: Office, name: str, kind: Kind) -> Descriptor:
    try:
        return await office.models.resolve(name, kind)
    except NoSuchModel as error:
        other: Kind = "embedding" if kind == "llm" else "llm"
        try:
            found = await office.models.resolve(name, other)
        except NoSuchModel:
            raise failures.no_such_file(name, error.known) from error
        raise failures.other_kind(name, found.kind, kind) from error


class _Story:
    """How a load goes on, and the messages that tell it. progress: the name of those about it."""

    def __init__(self, progress: str) -> None:
        self.begun = False
        self._progress = progress
        self._share: float | None = None
        self._waiting: list[bytes] = []
        self._told: float | None = None
        self._more = asyncio.Event()

    def add(self, message: dict[str, Any]) -> None:
        """A message that is to be sent; called by whoever loads."""
        self.begun = True
        self._waiting.append(msgspec.json.encode(message))
        self._more.set()

    def reached(self, share: float) -> None:
        """How much is loaded; called by whoever loads."""
        self._share = min(max(share, self._share or 0.0), 1.0)
        self._more.set()

    def again(self) -> bytes | None:
        """The message of where it stands; None before it has begun."""
        return None if self._share is None else self._message()

    async def told(self, load: Awaitable[Instance], channel: Channel) -> Instance:
        """What `load` gives, telling the channel how it goes on. Ends the load when it is ended itself."""
        loading = asyncio.ensure_future(load)
        try:
            while not loading.done():
                more = asyncio.ensure_future(self._more.wait())
                try:
                    await asyncio.wait((loading, more), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    more.cancel()
                await self.tell(channel)
        except BaseException:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            raise
        return await loading

    async def tell(self, channel: Channel) -> None:
        """All that has not been told yet."""
        self._more.clear()
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            await channel.send(message)
        if self._share is not None and self._share != self._told:
            self._told = self._share
            await channel.send(self._message())

    def _message(self) -> bytes:
        return msgspec.json.encode({"type": self._progress, "progress": self._share})


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else max(milliseconds, 1.0) / 1000
