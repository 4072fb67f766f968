"""Models as the SDK shows them, with every field that one of the SDKs insists on."""

from collections.abc import Sequence
from typing import Any

from wakeful.engine.life.descriptor import Descriptor, Kind
from wakeful.engine.life.instance import Instance
from wakeful.engine.life.models import Models
from wakeful.engine.native import failures
from wakeful.engine.native.specifier import Query, Specifier

_FORMATS = frozenset({"gguf", "safetensors", "onnx", "ggml", "mlx_placeholder", "torch_safetensors"})
"""What all SDKs know; a list with any other can't be read by them at all."""


def described(model: Descriptor) -> dict[str, Any]:
    """A model on this machine. The JavaScript SDK wants publisher, index and device; without them its call hangs."""
    info: dict[str, Any] = {
        "type": model.kind,
        "modelKey": model.key,
        "format": model.format if model.format in _FORMATS else "gguf",
        "displayName": model.display_name or model.key,
        "publisher": model.publisher,
        "path": model.path or model.key,
        "sizeBytes": model.size_bytes,
        "indexedModelIdentifier": model.path or model.key,
        "deviceIdentifier": None,
        "maxContextLength": model.max_context_tokens,
    }
    if model.params:
        info["paramsString"] = model.params
    if model.architecture:
        info["architecture"] = model.architecture
    if model.quantization:
        info["quantization"] = {"name": model.quantization, "bits": round(model.bits_per_weight)}
    if model.kind == "llm":
        info |= {"vision": model.vision, "trainedForToolUse": model.tools}
    return info


def loaded(instance: Instance) -> dict[str, Any]:
    """A model in memory. Times in milliseconds."""
    ttl_s, used_ns = instance.ttl_s, instance.last_used_ns
    return described(instance.model) | {
        "identifier": instance.identifier,
        "instanceReference": instance.reference,
        "contextLength": instance.context_length,
        "ttlMs": None if ttl_s is None else round(ttl_s * 1000),
        "lastUsedTime": None if used_ns is None else used_ns // 1_000_000,
    }


def find(models: Models, specifier: Specifier, kind: Kind) -> Instance:
    """The loaded model that is meant. Raises Failed."""
    if isinstance(specifier, Query):
        return _matching(models, specifier, kind)
    for instance in models.loaded(kind):
        if instance.reference == specifier.instance_reference:
            return instance
    told = failures.plain("This model is no longer loaded.", shown={"code": "generic.specificModelUnloaded"})
    raise failures.Failed(told)


def _matching(models: Models, specifier: Query, kind: Kind) -> Instance:
    query = specifier.query
    shown = specifier.shown()
    there = models.loaded(kind)
    if (query.domain or kind) != kind or query.device_identifier:
        raise failures.none_matches(shown, there)
    found = _called(models, (query.identifier, query.path), kind)
    if query.vision is not None:
        found = [each for each in found if each.model.vision == query.vision]
    if not found:
        raise failures.none_matches(shown, there)
    return max(found, key=lambda each: each.last_used_ns or each.loaded_ns)


def _called(models: Models, names: Sequence[str | None], kind: Kind) -> list[Instance]:
    """Those that go by all of the names that are given."""
    wanted = [name for name in names if name is not None]
    if not wanted:
        return models.loaded(kind)
    one = models.find(wanted[0], kind) if wanted[0] else None
    same = one is not None and all(models.find(name, kind) is one for name in wanted[1:])
    return [one] if one is not None and same else []
