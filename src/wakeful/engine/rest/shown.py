"""Models as REST v1 shows them."""

from collections.abc import Sequence
from typing import Any

from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.instance import Instance

EFFORTS: tuple[str, ...] = ("off", "on")
"""What a model that thinks may be told; how long it thinks can't be told to the models that we run."""

_FORMATS = ("gguf", "mlx")


def model(described: Descriptor, instances: Sequence[Instance]) -> dict[str, Any]:
    """An entry of the list. Those of embedding models lack what only language models have."""
    shown: dict[str, Any] = {
        "type": described.kind,
        "publisher": described.publisher,
        "key": described.key,
        "display_name": described.display_name or described.key,
    }
    if described.kind == "llm":
        shown["architecture"] = described.architecture or None
    shown |= {
        "quantization": quantization(described),
        "size_bytes": described.size_bytes,
        "params_string": described.params or None,
        "loaded_instances": [{"id": each.identifier, "config": config(each)} for each in instances],
        "max_context_length": described.max_context_tokens,
        "format": described.format if described.format in _FORMATS else None,
    }
    if described.kind == "llm":
        shown |= {"capabilities": _capabilities(described), "description": None}
    return shown


def quantization(described: Descriptor) -> dict[str, Any] | None:
    """Its name, and how many bits it has for a weight."""
    if not described.quantization:
        return None
    return {"name": described.quantization, "bits_per_weight": round(described.bits_per_weight, 2) or None}


def config(instance: Instance, *, parallel: bool = True) -> dict[str, Any]:
    """How it was loaded, as far as that is known. parallel: whether that is told too."""
    told: dict[str, Any] = {"context_length": instance.context_length}
    if instance.model.kind == "llm":
        loaded = instance.config
        more = {
            "eval_batch_size": loaded.eval_batch_size,
            "parallel": loaded.parallel if parallel else None,
            "flash_attention": loaded.flash_attention,
            "num_experts": loaded.num_experts,
            "offload_kv_cache_to_gpu": loaded.offload_kv_cache_to_gpu,
        }
        told |= {name: value for name, value in more.items() if value is not None}
    return told


def _capabilities(described: Descriptor) -> dict[str, Any]:
    told: dict[str, Any] = {"vision": described.vision, "trained_for_tool_use": described.tools}
    if described.reasoning:
        told["reasoning"] = {"allowed_options": list(EFFORTS), "default": "on"}
    return told
