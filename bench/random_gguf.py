"""Writes a llama model of random weights and a realistic size: real inference at a realistic speed, no sense."""

import importlib
import math
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(_ROOT / "tests" / "engine"))  # the tests' writer of GGUF files belongs to no package
_tiny: Any = importlib.import_module("tiny_gguf")
_fact: Callable[[str, object], bytes] = _tiny.fact
_text: Callable[[str], bytes] = _tiny.text
_byte_alphabet: Callable[[], list[str]] = _tiny.byte_alphabet

_WIDTH, _LAYERS, _HEADS, _INNER, _VOCABULARY = 640, 10, 10, 1792, 16_000
_BLOCK = 65_536


def write_random_gguf(path: Path) -> Path:
    """Some 70 million weights as 16-bit floats."""
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_byte_alphabet()]
    tokens += [f"w{number}" for number in range(_VOCABULARY - len(tokens))]
    told: dict[str, object] = {
        "general.architecture": "llama",
        "general.name": "random",
        "llama.context_length": 8192,
        "llama.embedding_length": _WIDTH,
        "llama.block_count": _LAYERS,
        "llama.feed_forward_length": _INNER,
        "llama.attention.head_count": _HEADS,
        "llama.attention.head_count_kv": _HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": _WIDTH // _HEADS,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "llama-bpe",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, 3] + [1] * (len(tokens) - 3),
        "tokenizer.ggml.merges": ["e r"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    }
    shapes = _shapes()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(told))
    head += b"".join(_fact(key, value) for key, value in told.items())
    at = 0
    for name, shape in shapes:
        kind = 0 if len(shape) == 1 else 1
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, at)
        size = math.prod(shape) * (4 if kind == 0 else 2)
        at += size + -size % 32
    rng = random.Random(0)
    block = struct.pack(f"<{_BLOCK}e", *(rng.gauss(0, 0.03) for _ in range(_BLOCK)))
    with path.open("wb") as file:
        file.write(head + bytes(-len(head) % 32))
        for _, shape in shapes:
            file.write(_weights(shape, block, rng))
    return path


def _shapes() -> list[tuple[str, tuple[int, ...]]]:
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("token_embd.weight", (_WIDTH, _VOCABULARY)),
        ("output.weight", (_WIDTH, _VOCABULARY)),
        ("output_norm.weight", (_WIDTH,)),
    ]
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        shapes += [(f"{block}{name}_norm.weight", (_WIDTH,)) for name in ("attn", "ffn")]
        shapes += [(f"{block}attn_{name}.weight", (_WIDTH, _WIDTH)) for name in ("q", "k", "v", "output")]
        shapes += [(f"{block}ffn_{name}.weight", (_WIDTH, _INNER)) for name in ("gate", "up")]
        shapes.append((f"{block}ffn_down.weight", (_INNER, _WIDTH)))
    return shapes


def _weights(shape: tuple[int, ...], block: bytes, rng: random.Random) -> bytes:
    """The same random numbers over and over, from another place on each time: speed does not depend on them."""
    if len(shape) == 1:
        size = 4 * shape[0]
        return struct.pack(f"<{shape[0]}f", *([1.0] * shape[0])) + bytes(-size % 32)
    size = 2 * math.prod(shape)
    start = 2 * rng.randrange(_BLOCK)
    data = (block[start:] + block * (size // len(block) + 1))[:size]
    return data + bytes(-size % 32)
