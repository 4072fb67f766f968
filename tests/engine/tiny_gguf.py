"""Writes a llama model of random weights, 0.2 MB, as a GGUF file: real inference, meaningless words."""

import math
import random
import struct
from collections.abc import Mapping
from pathlib import Path

_U32, _F32, _TEXT, _ARRAY, _I32 = 4, 6, 8, 9, 5
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH, LAYERS, HEADS, INNER = 64, 2, 4, 128


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def fact(key: str, value: object) -> bytes:
    head = text(key)
    match value:
        case int():
            return head + struct.pack("<II", _U32, value)
        case float():
            return head + struct.pack("<If", _F32, value)
        case str():
            return head + struct.pack("<I", _TEXT) + text(value)
        case [str(), *_]:
            return head + struct.pack("<IIQ", _ARRAY, _TEXT, len(value)) + b"".join(map(text, value))
        case [int(), *_]:
            return head + struct.pack(f"<IIQ{len(value)}i", _ARRAY, _I32, len(value), *value)
        case _:
            raise TypeError(value)


def byte_alphabet() -> list[str]:
    """The 256 characters that stand for bytes in GPT-2's byte-level vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [chr(256 + index) for index in range(256 - len(printable))]
    return [chr(code) for code in printable] + others


def facts(context: int) -> dict[str, object]:
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *byte_alphabet(), "er"]
    return {
        "general.architecture": "llama",
        "general.name": "tiny",
        "llama.context_length": context,
        "llama.embedding_length": WIDTH,
        "llama.block_count": LAYERS,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": WIDTH // HEADS,
        "llama.rope.freq_base": 10_000.0,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "llama-bpe",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, 3] + [1] * (len(tokens) - 3),
        "tokenizer.ggml.merges": ["e r"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": _TEMPLATE,
    }


def tensors(vocabulary: int) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes, fastest dimension first."""
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("token_embd.weight", (WIDTH, vocabulary)),
        ("output_norm.weight", (WIDTH,)),
    ]
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        shapes += [(f"{block}{name}_norm.weight", (WIDTH,)) for name in ("attn", "ffn")]
        shapes += [(f"{block}attn_{name}.weight", (WIDTH, WIDTH)) for name in ("q", "k", "v", "output")]
        shapes += [(f"{block}ffn_{name}.weight", (WIDTH, INNER)) for name in ("gate", "up")]
        shapes.append((f"{block}ffn_down.weight", (INNER, WIDTH)))
    return shapes


def write_tiny_gguf(path: Path, *, context: int = 2048, more: Mapping[str, object] | None = None) -> Path:
    """more: facts that are added, or take the place of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    told = facts(context) | dict(more or {})
    vocabulary = told["llama.vocab_size"]
    assert isinstance(vocabulary, int)
    shapes = tensors(vocabulary)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(told))
    head += b"".join(fact(key, value) for key, value in told.items())
    data = bytearray()
    for name, shape in shapes:
        kind = 0 if len(shape) == 1 else 1  # norms as 32-bit floats, matrices as 16-bit ones
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        if kind == 0:
            data += struct.pack(f"<{shape[0]}f", *([1.0] * shape[0]))
        else:
            count = math.prod(shape)
            data += struct.pack(f"<{count}e", *(rng.gauss(0, 0.05) for _ in range(count)))
        data += bytes(-len(data) % 32)
    head += bytes(-len(head) % 32)
    path.write_bytes(head + data)
    return path
