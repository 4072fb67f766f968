"""What endpoints work with, and how they are put together into namespaces."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from wakeful.engine.files.downloads import Downloads
from wakeful.engine.life.models import Models
from wakeful.engine.native.channel import Channel
from wakeful.engine.native.logs import Logs
from wakeful.engine.native.uploads import Uploads

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Office:
    """What all sockets of a server share.

    downloads: None where there is no place to download from
    embedding: so many texts at a time are made vectors
    """

    models: Models
    downloads: Downloads | None = None
    uploads: Uploads = field(default_factory=Uploads)
    logs: Logs = field(default_factory=Logs)
    embedding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))


@dataclass(frozen=True, slots=True)
class Call:
    """An endpoint with one answer. read: makes the parameter of JSON; answer: gives the result, None for void."""

    read: Callable[[bytes], Any]
    answer: Callable[[Office, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """An endpoint that opens a channel, which ends when `hold` does. endless: it does so only when it is stopped."""

    read: Callable[[bytes], Any]
    hold: Callable[[Office, Any, Channel], Awaitable[None]]
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace."""

    name: str
    calls: Mapping[str, Call] = field(default_factory=dict[str, Call])
    channels: Mapping[str, Exchange] = field(default_factory=dict[str, Exchange])


def call(form: type[P], answer: Callable[[Office, P], Awaitable[Any]]) -> Call:
    """An endpoint whose parameter has this form."""
    return Call(msgspec.json.Decoder(form).decode, answer)


def void_call(answer: Callable[[Office], Awaitable[Any]]) -> Call:
    """An endpoint without parameter; one that comes nevertheless is passed over."""

    async def given(office: Office, _: None) -> Any:
        return await answer(office)

    return Call(_nothing, given)


def exchange(form: type[P], hold: Callable[[Office, P, Channel], Awaitable[None]]) -> Exchange:
    """A channel whose creation parameter has this form."""
    return Exchange(msgspec.json.Decoder(form).decode, hold)


def endless_exchange(hold: Callable[[Office, Channel], Awaitable[None]]) -> Exchange:
    """A channel without creation parameter, that stays open."""

    async def given(office: Office, _: None, channel: Channel) -> None:
        await hold(office, channel)

    return Exchange(_nothing, given, endless=True)


def _nothing(_: bytes) -> None:
    return None
