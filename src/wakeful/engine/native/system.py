"""The namespace `system`: which models are there, and who is it that answers?"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from wakeful.engine.errors import NoSuchModel, NotPossible
from wakeful.engine.native import failures, infos
from wakeful.engine.native.channel import Channel
from wakeful.engine.native.office import Office, Space, call, endless_exchange, void_call

RELEASE = "0.4.25"
"""The release of LM Studio whose protocol this follows: clients choose by it what they may ask."""

_log = logging.getLogger(__name__)


class Variants(msgspec.Struct, frozen=True, rename="camel"):
    """The quantisations of one model."""

    model_key: str


class Notification(msgspec.Struct, frozen=True, rename="camel"):
    """Something to show on the screen, which there is none of here."""

    title: str
    description: str | None = None


def system() -> Space:
    """Its endpoints."""
    return Space(
        "system",
        {
            "listDownloadedModels": void_call(_list_models),
            "listDownloadedModelVariants": call(Variants, _list_variants),
            "version": void_call(_version),
            "info": void_call(_info),
            "notify": call(Notification, _notify),
            "getExperimentFlags": void_call(_no_flags),
            "setExperimentFlag": void_call(_refuse("There are no experiments here.")),
            "startHttpServer": void_call(_refuse("The server runs; its port is chosen when it is started.")),
            "stopHttpServer": void_call(_refuse("The server is stopped where it was started.")),
            "requestShutdown": void_call(_refuse("The server is stopped where it was started.")),
        },
        {"alive": endless_exchange(_alive)},
    )


async def _list_models(office: Office) -> Any:
    return [infos.described(each) for each in await office.models.known()]


async def _list_variants(office: Office, asked: Variants) -> Any:
    try:
        return [infos.described(await office.models.resolve(asked.model_key))]
    except NoSuchModel as error:
        raise failures.no_such_file(asked.model_key, error.known) from error


async def _version(_: Office) -> Any:
    return {"version": RELEASE, "build": 1}


async def _info(_: Office) -> Any:
    return {"pid": os.getpid(), "isDaemon": True, "version": RELEASE}


async def _notify(_: Office, shown: Notification) -> None:
    _log.info("A client notifies: %r, %r", shown.title, shown.description or "")


async def _no_flags(_: Office) -> Any:
    return list[str]()


def _refuse(why: str) -> Callable[[Office], Awaitable[Any]]:
    async def answer(_: Office) -> Any:
        raise NotPossible(why)

    return answer


async def _alive(_: Office, channel: Channel) -> None:
    """Open until the server or the client ends: how a client learns that the other side is gone."""
    async with channel.stoppable():
        await asyncio.Event().wait()
