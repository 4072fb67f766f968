"""Models on their way into memory: the channels `getOrLoad` and `loadModel`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from wakeful.engine.errors import NoSuchModel
from wakeful.engine.life.descriptor import Descriptor, Kind
from wakeful.engine.life.instance import Instance
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
        progress = _Progress("loadProgress")
        async with channel.kept_alive(HEARTBEAT_S, progress.again), channel.stoppable(), office.loading:
            if (there := office.models.find(asked.identifier, kind)) is not None:
                await channel.send({"type": "alreadyLoaded", "info": infos.loaded(there)})
                return
            model = await _resolve(office, asked.identifier, kind)
            await channel.send({"type": "startLoading", "identifier": model.key, "info": infos.described(model)})
            await _make_room(office, channel)
            load = office.models.load(
                model.key,
                load_config(asked.load_config_stack, kind),
                ttl_s=_seconds(asked.load_ttl_ms),
                jit=True,
                on_progress=progress.reached,
            )
            made = await progress.told(load, channel)
            await channel.send({"type": "loadSuccess", "info": infos.loaded(made)})

    return hold


def load_model(kind: Kind) -> Callable[[Office, LoadModel, Channel], Awaitable[None]]:
    """The channel of this name, in the namespace of this kind."""

    async def hold(office: Office, asked: LoadModel, channel: Channel) -> None:
        progress = _Progress("progress")
        async with channel.kept_alive(HEARTBEAT_S, progress.again), channel.stoppable():
            model = await _resolve(office, asked.model_key, kind)
            if asked.identifier and any(each.identifier == asked.identifier for each in office.models.loaded()):
                raise failures.Failed(
                    failures.plain(f"A model with the identifier {asked.identifier!r} already exists.")
                )
            await channel.send({"type": "resolved", "info": infos.described(model)})
            load = office.models.load(
                model.key,
                load_config(asked.load_config_stack, kind),
                identifier=asked.identifier or "",
                ttl_s=_seconds(asked.ttl_ms),
                on_progress=progress.reached,
            )
            made = await progress.told(load, channel)
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


async def _make_room(office: Office, channel: Channel) -> None:
    """A model loaded on the way takes the place of those that were loaded so before, of whichever kind."""
    if not office.models.settings.evict:
        return
    for other in [each for each in office.models.loaded() if each.jit]:
        info = infos.loaded(other)
        await office.models.unload(other.identifier)
        await channel.send({"type": "unloadingOtherJITModel", "info": info})


class _Progress:
    """How far a load is, and the messages that tell it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._share: float | None = None
        self._rose = asyncio.Event()

    def reached(self, share: float) -> None:
        """Called by whoever loads."""
        self._share = min(max(share, self._share or 0.0), 1.0)
        self._rose.set()

    def again(self) -> bytes | None:
        """The message of where it stands; None before it has begun."""
        return None if self._share is None else self._message()

    async def told(self, load: Awaitable[Instance], channel: Channel) -> Instance:
        """What `load` gives, telling the channel how it goes on. Ends the load when it is ended itself."""
        self.reached(0.0)
        loading = asyncio.ensure_future(load)
        try:
            while not loading.done():
                self._rose.clear()
                await channel.send(self._message())
                rose = asyncio.ensure_future(self._rose.wait())
                try:
                    await asyncio.wait((loading, rose), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    rose.cancel()
        except BaseException:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            raise
        return await loading

    def _message(self) -> bytes:
        message: dict[str, Any] = {"type": self._name, "progress": self._share or 0.0}
        return msgspec.json.encode(message)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else max(milliseconds, 1.0) / 1000
