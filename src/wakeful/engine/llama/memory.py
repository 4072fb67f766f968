"""How much memory does a model take? Estimated before it is loaded: the engine itself would try for minutes, and push
everything else out."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from wakeful.engine.errors import ModelFileError, NotEnoughMemory
from wakeful.engine.files.catalog import available_bytes
from wakeful.engine.files.gguf import GGUFHeader, read_header
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.llama.child import Options

_OVERHEAD_BYTES = 150 * 1024 * 1024
"""What the engine takes beside weights and context; 45 MB were measured with a model of 0.2 MB."""

_DEFAULT_CONTEXT = 8192

_BYTES_A_NUMBER = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
"""Of the attention cache, by its type: ggml keeps 32 numbers in a block, with a scale."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes. The context is an upper bound for models whose layers do not all look back over all of it."""

    model_bytes: int
    context_bytes: int
    overhead_bytes: int = _OVERHEAD_BYTES

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.model_bytes + self.context_bytes + self.overhead_bytes


def estimate(header: GGUFHeader, size_bytes: int, context_tokens: int, options: Options) -> Estimate:
    """Of a model whose files have so many bytes. The slots share one context, so their number does not matter."""
    per_number = (_BYTES_A_NUMBER.get(options.k_type, 2.0) + _BYTES_A_NUMBER.get(options.v_type, 2.0)) / 2
    return Estimate(size_bytes, round(header.cache_bytes(context_tokens) * per_number / 2))


async def estimate_load(model: Descriptor, config: LoadConfig) -> Estimate:
    """Of a load that was asked for. Raises ModelFileError."""
    if model.file is None:
        raise ModelFileError(f"{model.key} has no file.")
    header = await asyncio.to_thread(read_header, model.file)
    tokens = config.context_length or _DEFAULT_CONTEXT
    if model.max_context_tokens:
        tokens = min(tokens, model.max_context_tokens)
    options = Options(k_type=config.k_cache_type or "", v_type=config.v_cache_type or "")
    return estimate(header, model.size_bytes, tokens, options)


def check_memory(model: Path, needed: Estimate, context_tokens: int) -> None:
    """Refuse what can't fit, as LM Studio's guardrails do. Raises NotEnoughMemory."""
    available = available_bytes()
    if needed.total_bytes > available:
        raise NotEnoughMemory(
            f"Model loading was stopped due to insufficient system resources. {model.name} with a context of "
            f"{context_tokens:,} tokens needs some {needed.total_bytes / 1e9:.1f} GB of memory; "
            f"{available / 1e9:.1f} GB are free."
        )


def prompt_cache_mib(context_bytes: int) -> int:
    """For what was read of other prompts: two contexts, at most a tenth of what is free.

    At least 16, for models whose header does not tell what a context takes.
    """
    return max(16, min(2 * context_bytes, available_bytes() // 10) // 2**20 + 1)
