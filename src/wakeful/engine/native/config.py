"""The SDK's stacks of settings, as what our engine understands, and back.

A stack has layers, each with fields of key and value; a later layer goes over an earlier one. A checkbox is
`{"checked": bool, "value": …}`. Keys that are not known are passed over, and so are values of the wrong type: a newer
SDK must not break. Source: `schema.ts` of LM Studio's own JavaScript SDK, which has the defaults too.
"""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from wakeful.engine.life.instance import Instance
from wakeful.engine.life.settings import LoadConfig


class Field(msgspec.Struct, frozen=True):
    """One setting."""

    key: str
    value: Any = None


class Config(msgspec.Struct, frozen=True):
    """Some settings."""

    fields: tuple[Field, ...] = ()


class Layer(msgspec.Struct, frozen=True, rename="camel"):
    """Settings of one origin."""

    layer_name: str
    config: Config


class Stack(msgspec.Struct, frozen=True):
    """Settings of several origins."""

    layers: tuple[Layer, ...] = ()

    def merged(self) -> dict[str, Any]:
        """What is in force."""
        return {field.key: field.value for layer in self.layers for field in layer.config.fields}

    def has(self, layer_name: str) -> bool:
        """Whether there is a layer of this origin."""
        return any(layer.layer_name == layer_name for layer in self.layers)


class Settings:
    """Settings in force, read one by one with a look at their types."""

    def __init__(self, values: Mapping[str, Any], prefix: str = "") -> None:
        self._values = values
        self._prefix = prefix

    def get(self, key: str) -> Any:
        """The value as it came; that of a checkbox if it is checked, else None."""
        value = self._values.get(self._prefix + key)
        if isinstance(value, dict):
            box = cast("dict[str, Any]", value)
            if isinstance(box.get("checked"), bool):
                return box.get("value") if box["checked"] else None
            return box
        return value

    def number(self, key: str) -> float | None:
        """None where it is not set, or no number."""
        value = self.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def whole(self, key: str) -> int | None:
        """A whole number; None where it is not set, or none."""
        value = self.number(key)
        return int(value) if value is not None and value.is_integer() else None

    def flag(self, key: str) -> bool | None:
        """None where it is not set, or neither true nor false."""
        value = self.get(key)
        return value if isinstance(value, bool) else None

    def text(self, key: str) -> str:
        """Empty where it is not set, or no text."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def texts(self, key: str) -> tuple[str, ...]:
        """Those of a list that are not empty."""
        value = self.get(key)
        if not isinstance(value, list):
            return ()
        return tuple(each for each in cast("list[Any]", value) if isinstance(each, str) and each)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Empty where it is not set, or no object."""
        value = self.get(key)
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def load_config(stack: Stack, kind: str) -> LoadConfig:
    """How to load a model of this kind, `llm` or `embedding`."""
    merged = stack.merged()
    shared = Settings(merged, f"{kind}.load.")
    ratio = shared.get("llama.acceleration.offloadRatio")
    named = {"max": 1.0, "off": 0.0}
    gpu = named.get(ratio) if isinstance(ratio, str) else shared.number("llama.acceleration.offloadRatio")
    return LoadConfig(
        context_length=_positive(shared.whole("contextLength")),
        parallel=_positive(shared.whole("numParallelSessions")),
        eval_batch_size=_positive(shared.whole("llama.evalBatchSize")),
        flash_attention=shared.flag("llama.flashAttention"),
        num_experts=_positive(shared.whole("numExperts")),
        offload_kv_cache_to_gpu=shared.flag("offloadKVCacheToGpu"),
        gpu=gpu if gpu is None else min(max(gpu, 0.0), 1.0),
        threads=_positive(shared.whole("llama.cpuThreadPoolSize")),
        physical_batch_size=_positive(shared.whole("llama.physicalBatchSize")),
        mmap=shared.flag("llama.tryMmap"),
        keep_in_memory=shared.flag("llama.keepModelInMemory"),
        k_cache_type=shared.text("llama.kCacheQuantizationType") or None,
        v_cache_type=shared.text("llama.vCacheQuantizationType") or None,
        rope_base=shared.number("llama.ropeFrequencyBase"),
        rope_scale=shared.number("llama.ropeFrequencyScale"),
        seed=shared.whole("seed"),
        extra=merged,
    )


def load_fields(instance: Instance) -> dict[str, Any]:
    """How a model was loaded, as a config of the SDK."""
    config, kind = instance.config, instance.model.kind
    known: dict[str, Any] = {"contextLength": instance.context_length}
    if config.eval_batch_size is not None:
        known["llama.evalBatchSize"] = config.eval_batch_size
    if config.gpu is not None:
        known["llama.acceleration.offloadRatio"] = {1.0: "max", 0.0: "off"}.get(config.gpu, config.gpu)
    if config.seed is not None:
        known["seed"] = {"checked": True, "value": config.seed}
    if kind == "llm":
        more = {
            "numParallelSessions": config.parallel,
            "llama.flashAttention": config.flash_attention,
            "numExperts": config.num_experts,
            "offloadKVCacheToGpu": config.offload_kv_cache_to_gpu,
            "llama.cpuThreadPoolSize": config.threads,
        }
        known |= {key: value for key, value in more.items() if value is not None}
    kept = {key: value for key, value in config.extra.items() if key.startswith((f"{kind}.load.", "load."))}
    return as_config(kept | {f"{kind}.load.{key}": value for key, value in known.items()})


def as_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a config of the SDK."""
    return {"fields": [{"key": key, "value": value} for key, value in values.items()]}


def base_prediction() -> dict[str, Any]:
    """What a prediction goes by where it is not told: LM Studio's own defaults."""
    return as_config({f"llm.prediction.{key}": value for key, value in _PREDICTION.items()})


_PREDICTION: Mapping[str, Any] = {
    "temperature": 0.8,
    "contextOverflowPolicy": "truncateMiddle",
    "maxPredictedTokens": {"checked": False, "value": 1000},
    "stopStrings": [],
    "toolCallStopStrings": [],
    "structured": {"type": "none"},
    "tools": {"type": "none"},
    "topKSampling": 40,
    "repeatPenalty": {"checked": True, "value": 1.1},
    "minPSampling": {"checked": True, "value": 0.05},
    "topPSampling": {"checked": True, "value": 0.95},
    "logProbs": {"checked": False, "value": 0},
    "seed": {"checked": False, "value": -1},
    "reasoning.parsing": {"enabled": True, "startString": "<think>", "endString": "</think>"},
}


def _positive(value: int | None) -> int | None:
    return value if value is not None and value > 0 else None
