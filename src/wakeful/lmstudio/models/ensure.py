"""Making sure that a model is there to think with, without taking anybody else's away."""

import asyncio
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wakeful.lmstudio.errors import ModelNotFound, ModelStateError, NoModelLoaded
from wakeful.lmstudio.models.lifecycle import LOAD_S, load_model
from wakeful.lmstudio.models.listing import Model, choose_model

if TYPE_CHECKING:
    from wakeful.lmstudio.client import AsyncLMStudioClient

_MEMORY_SHARE = 0.6
"""Of the memory, what a model's file may take: its context and everybody else need the rest."""

_FIRST_LOOK_S = 1.0
_LONGEST_LOOK_S = 30.0


async def ensure_loaded(
    client: "AsyncLMStudioClient",
    model: str = "",
    *,
    may_evict: bool = False,
    context_length: int | None = None,
    memory_bytes: int | None = None,
    limit_s: float = LOAD_S,
) -> Model:
    """A model that is in memory: one that is loaded already where that will do, else it is loaded.

    model: a key or an instance's id; "" for any, and if none is loaded, the best one on disk that fits
    may_evict: whether to load although another model is in memory, which may then have to leave it
    context_length: tokens that it must hold at least
    memory_bytes: of the server's machine, for choosing; None looks it up if that is this machine, and else takes
        the smallest model
    limit_s: seconds that loading may take
    Raises ModelNotFound, NoModelLoaded (another one is in the way), LoadFailed, and what the transport raises.
    """
    async with client.ensuring:  # several tasks that want a model must not load it several times
        models = await client.list_models()
        try:
            found = choose_model(models, model)
        except NoModelLoaded:
            found = None
        if found is not None and (context_length is None or (found.context_length or context_length) >= context_length):
            return found
        loaded = [each for each in models if each.thinks and each.state == "loaded"]
        if loaded and not may_evict:
            raise NoModelLoaded(
                f"{loaded[0].key!r} is in memory, and loading another may push it out.",
                hint="Allow that with may_evict=True, or use the one that is there.",
            )
        key = model or best_that_fits(models, memory_bytes if memory_bytes is not None else _own_memory(client)).key
        made = await load_model(client, key, context_length=context_length, limit_s=limit_s)
        return choose_model(await client.list_models(), made.instance_id)


async def wait_for_model(client: "AsyncLMStudioClient", model: str = "", *, limit_s: float | None = None) -> Model:
    """Return once a model is in memory: this one, or any. It is looked at ever less often, twice a minute at last.

    limit_s: give up after so many seconds by raising the last error; None waits for ever
    Raises ModelNotFound, and ModelStateError or what the server fails with after `limit_s`.
    """
    loop = asyncio.get_running_loop()
    give_up_s = None if limit_s is None else loop.time() + limit_s
    wait_s = _FIRST_LOOK_S
    while True:
        await client.wait_until_up(limit_s=None if give_up_s is None else max(0.0, give_up_s - loop.time()))
        try:
            return await client.loaded_model(model)
        except ModelNotFound:
            raise
        except ModelStateError:
            pause_s = wait_s * random.uniform(0.8, 1.2)
            if give_up_s is not None and loop.time() + pause_s > give_up_s:
                raise
        await asyncio.sleep(pause_s)
        wait_s = min(wait_s * 2, _LONGEST_LOOK_S)


def best_that_fits(models: Sequence[Model], memory_bytes: int | None) -> Model:
    """The largest model whose file takes no more than a part of the memory; the smallest if none does.

    memory_bytes: None for unknown: the smallest
    Raises NoModelLoaded when there is none at all that can hold a conversation.
    """
    thinking = sorted((each for each in models if each.thinks), key=lambda each: each.size_bytes or 0)
    if not thinking:
        raise NoModelLoaded("The server has no model on disk.", hint="Download one, for example in LM Studio.")
    room = (memory_bytes or 0) * _MEMORY_SHARE
    return next((each for each in reversed(thinking) if each.size_bytes and each.size_bytes <= room), thinking[0])


def _own_memory(client: "AsyncLMStudioClient") -> int | None:
    if urlsplit(client.base_url).hostname not in ("127.0.0.1", "::1", "localhost"):
        return None
    import psutil  # only for this

    return psutil.virtual_memory().total
