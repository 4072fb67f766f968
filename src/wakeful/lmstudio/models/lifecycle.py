"""How models come into memory and leave it again, over LM Studio's REST API v1."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from wakeful.lmstudio.errors import MalformedAnswer, RouteMissing
from wakeful.lmstudio.http.classify import shorten
from wakeful.lmstudio.http.wire import as_object

if TYPE_CHECKING:
    from wakeful.lmstudio.client import AsyncLMStudioClient

LOAD_S = 3600.0
"""How long a load may take unless told otherwise: seconds. A large model on a slow disk takes many minutes."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was loaded.

    instance_id: what requests and `unload_model` name
    load_time_seconds: how long it took
    load_config: the settings in force, as the server names them
    extra: fields that we do not know
    """

    instance_id: str
    type: str = ""
    status: str = ""
    load_time_seconds: float = 0.0
    load_config: dict[str, Any] = {}
    extra: dict[str, Any] = {}


async def load_model(
    client: "AsyncLMStudioClient",
    model: str,
    *,
    context_length: int | None = None,
    flash_attention: bool | None = None,
    eval_batch_size: int | None = None,
    offload_kv_cache_to_gpu: bool | None = None,
    num_experts: int | None = None,
    parallel: int | None = None,
    extra: Mapping[str, Any] | None = None,
    limit_s: float = LOAD_S,
) -> Loaded:
    """Load a model and return once it is in memory. `ensure_loaded` is what most programs want instead.

    Each call makes a further instance, which takes memory of its own. One loaded so is not evicted and has no
    time to live. LM Studio gives no progress here; the native SDK does, see `tokens.native`.
    context_length: tokens; None for the model's saved setting, which may be as short as 4,096
    parallel: requests at a time; not every version knows it
    extra: further fields of the request; unknown ones are refused by the server
    limit_s: seconds; the server goes on loading when we give up
    Raises LoadFailed, ModelNotFound, RouteMissing (before LM Studio 0.4), and what the transport raises.
    """
    asked = {
        "context_length": context_length,
        "flash_attention": flash_attention,
        "eval_batch_size": eval_batch_size,
        "offload_kv_cache_to_gpu": offload_kv_cache_to_gpu,
        "num_experts": num_experts,
        "parallel": parallel,
    }
    body = {name: value for name, value in asked.items() if value is not None}  # strict: nothing that is not meant
    payload = {"model": model, **body, "echo_load_config": True, **(extra or {})}
    async with client.loading:  # two loads at once would each evict what the other needs
        answer = as_object(await _post(client, "/api/v1/models/load", payload, limit_s))
    if not isinstance(answer.get("instance_id"), str):
        raise MalformedAnswer("The answer to the load names no instance.", detail=shorten(str(answer)))
    known = {name: answer.pop(name) for name in Loaded.__struct_fields__ if name in answer}
    return msgspec.convert({**known, "extra": answer}, Loaded, strict=False)


async def unload_model(client: "AsyncLMStudioClient", instance_id: str) -> None:
    """Take an instance out of memory; answers that it is writing break off. instance_id: as lists and loads name it.

    Raises ModelNotFound, RouteMissing (before LM Studio 0.4), and what the transport raises.
    """
    async with client.loading:
        await _post(client, "/api/v1/models/unload", {"instance_id": instance_id}, client.transport.timeouts.other_s)


async def _post(client: "AsyncLMStudioClient", path: str, payload: dict[str, Any], limit_s: float) -> Any:
    try:
        return await client.transport.json("POST", path, payload, limit_s=limit_s)
    except RouteMissing as error:
        raise RouteMissing(
            error.message, status_code=error.status_code, hint="This needs LM Studio 0.4 or newer.", detail=error.detail
        ) from error
