"""How models are loaded, and how long they stay."""

from collections.abc import Mapping
from typing import Any

import msgspec


class LoadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is loaded; None for the default.

    parallel: generations at once, that share the context
    gpu: share of the layers on the GPU in [0, 1], 1 for as many as fit
    physical_batch_size: tokens that are really read at once
    mmap: pages of the file are read when they are needed; keep_in_memory: and never swapped out
    k_cache_type, v_cache_type: of the attention cache's numbers, such as `q8_0`
    rope_base, rope_scale: for contexts longer than the model was trained for
    extra: LM Studio's other load settings, kept and told but without effect here
    """

    context_length: int | None = None
    parallel: int | None = None
    eval_batch_size: int | None = None
    flash_attention: bool | None = None
    num_experts: int | None = None
    offload_kv_cache_to_gpu: bool | None = None
    gpu: float | None = None
    threads: int | None = None
    seed: int | None = None
    physical_batch_size: int | None = None
    mmap: bool | None = None
    keep_in_memory: bool | None = None
    k_cache_type: str | None = None
    v_cache_type: str | None = None
    rope_base: float | None = None
    rope_scale: float | None = None
    extra: Mapping[str, Any] = {}


class LifeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of the house, with LM Studio's defaults.

    jit: whether a request loads the model that it names; jit_ttl_s: how long such a model stays unused
    evict: whether such a load takes the model out that was loaded so before
    evict_wait_s: how long such a model may go on writing before it is cut off; 0 for LM Studio's own way
    parallel, context_length, eval_batch_size: where a load does not say; a batch is read without looking up, so that
        a smaller one is told of more often, makes others wait less, and can be broken off sooner
    queue: requests that may wait for one model
    """

    jit: bool = True
    jit_ttl_s: float | None = 3600.0
    evict: bool = True
    evict_wait_s: float = 60.0
    parallel: int = 4
    context_length: int = 8192
    eval_batch_size: int = 512
    queue: int = 64
