"""Loads a model file with llama.cpp, as LM Studio's settings say."""

from collections.abc import Callable
from pathlib import Path

from wakeful.engine.errors import LoadRefused, ModelFileError
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.models import OnProgress
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.llama.child import Options
from wakeful.engine.llama.runner import LlamaRunner
from wakeful.engine.llama.supervisor import Engine, EngineEvent, EngineLoading

CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
"""What the numbers of the attention cache may be."""


async def load_llama(model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> LlamaRunner:
    """A runner for a GGUF file; cancelling it leaves no process behind. See `Loader`."""
    if model.file is None:
        raise ModelFileError(f"{model.key} has no file.")
    engine = Engine(
        Path(model.file),
        context_tokens=config.context_length or 8192,
        threads=config.threads,
        gpu_layers=gpu_layers(config.gpu, model.layers),
        options=options(model, config),
        on_event=_progress(on_progress),
    )
    on_progress(0.0)
    await engine.__aenter__()
    try:
        runner = await LlamaRunner.over(engine)
    except BaseException:
        await engine.close()
        raise
    on_progress(1.0)
    return runner


def options(model: Descriptor, config: LoadConfig) -> Options:
    """llama.cpp's words for LM Studio's settings. Raises LoadRefused for what can't be."""
    k_type, v_type = _cache_type(config.k_cache_type), _cache_type(config.v_cache_type)
    if config.flash_attention is False and v_type not in ("", "f32", "f16", "bf16"):
        raise LoadRefused(f"A V cache of type {v_type} needs flash attention.")
    embedding = model.kind == "embedding"
    return Options(
        parallel=1 if embedding else config.parallel or 1,
        embedding=embedding,
        pooling="mean" if embedding and not model.pooled else "",
        projector="" if model.projector is None else str(model.projector),
        batch=config.eval_batch_size,
        physical_batch=config.physical_batch_size,
        flash_attention=config.flash_attention,
        cache_on_gpu=config.offload_kv_cache_to_gpu is not False,
        mmap=config.mmap,
        keep_in_memory=bool(config.keep_in_memory),
        k_type=k_type,
        v_type=v_type,
        seed=config.seed,
        rope_base=config.rope_base,
        rope_scale=config.rope_scale,
    )


def gpu_layers(share: float | None, layers: int = 0) -> int:
    """How many layers go to the GPU: -1 for as many as fit.

    layers: that the model has, 0 where not known
    """
    if share is None or share >= 1 or (share > 0 and not layers):
        return -1
    return round(max(0.0, share) * (layers + 1))


def _cache_type(name: str | None) -> str:
    if name and name not in CACHE_TYPES:
        raise LoadRefused(f"The attention cache can't be of type {name!r}; it may be {', '.join(CACHE_TYPES)}.")
    return name or ""


def _progress(on_progress: OnProgress) -> Callable[[EngineEvent], None]:
    shown = 0.0

    def tell(event: EngineEvent) -> None:
        nonlocal shown
        if isinstance(event, EngineLoading):
            shown = max(shown, event.share)
            on_progress(shown)

    return tell
