"""REST v1: which models are there, and in and out of memory with them."""

from typing import Annotated, Any

import msgspec
from aiohttp import web

from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.rest import shown, strict
from wakeful.engine.server import answers
from wakeful.engine.server.keys import MODELS

Count = Annotated[int, msgspec.Meta(ge=1, lt=2**31)]


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model, and how to load it. parallel: not documented, but shown by the list."""

    model: str
    context_length: Count | None = None
    eval_batch_size: Count | None = None
    parallel: Count | None = None
    flash_attention: bool | None = None
    num_experts: Count | None = None
    offload_kv_cache_to_gpu: bool | None = None
    echo_load_config: bool = False


class Unload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A loaded model, by the id of the instance."""

    instance_id: str


async def list_models(request: web.Request) -> web.StreamResponse:
    """GET /api/v1/models"""
    models = request.app[MODELS]
    loaded = models.loaded()
    listed = [
        shown.model(each, [instance for instance in loaded if instance.model.key == each.key])
        for each in await models.known()
    ]
    return await answers.whole(request, {"models": listed})


async def load(request: web.Request) -> web.StreamResponse:
    """POST /api/v1/models/load: a further instance, however many there are."""
    asked = await strict.read(request, Load)
    config = LoadConfig(
        context_length=asked.context_length,
        parallel=asked.parallel,
        eval_batch_size=asked.eval_batch_size,
        flash_attention=asked.flash_attention,
        num_experts=asked.num_experts,
        offload_kv_cache_to_gpu=asked.offload_kv_cache_to_gpu,
    )
    instance = await request.app[MODELS].load(asked.model, config)
    told: dict[str, Any] = {
        "type": instance.model.kind,
        "instance_id": instance.identifier,
        "load_time_seconds": round(instance.load_s, 3),
        "status": "loaded",
    }
    if asked.echo_load_config:
        told["load_config"] = shown.config(instance, parallel=asked.parallel is not None)
    return await answers.whole(request, told)


async def unload(request: web.Request) -> web.StreamResponse:
    """POST /api/v1/models/unload"""
    asked = await strict.read(request, Unload)
    instance = await request.app[MODELS].unload(asked.instance_id)
    return await answers.whole(request, {"instance_id": instance.identifier})
