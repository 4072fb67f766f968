"""Writes a llama model that says what it is told to: each of its words has exactly one successor.

Real inference by llama.cpp, with a known answer: this is how its parsers of tool calls and of thinking are tested.
The embeddings are one-hot, the layers add nothing, and the output matrix names the next word.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from tiny_gguf import byte_alphabet, fact, text

HEADS = 4

TOOLS = """{%- if tools %}<|im_start|>system
{%- if messages[0].role == 'system' %}{{ messages[0].content }}

{% endif %}# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{% elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif %}
{%- for m in messages %}{%- if m.role == 'user' or (m.role == 'system' and not loop.first) %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% elif m.role == 'assistant' %}<|im_start|>assistant
{%- if m.content %}
{{ m.content }}{% endif %}{%- if m.tool_calls %}{%- for c in m.tool_calls %}
<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% elif m.role == 'tool' %}<|im_start|>user
<tool_response>
{{ m.content }}
</tool_response><|im_end|>
{% endif %}{%- endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

THINKING = """{%- for m in messages %}
{%- if m.role == 'assistant' %}{%- set content = m.content %}
{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1] %}{%- endif %}<|im_start|>assistant
{{ content }}<|im_end|>
{% else %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endif %}{%- endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}"""

PLAIN = """{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

REFUSING = """{%- for m in messages %}{%- if m.role == 'system' and not loop.first %}
{{- raise_exception('System message must be at the beginning.') }}{% endif %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def write_chain_gguf(
    path: Path,
    words: Sequence[str],
    *,
    template: str = TOOLS,
    context: int = 2048,
    more: Mapping[str, object] | None = None,
) -> Path:
    """A model that answers any question with `words`, one token each, and ends. All words must differ."""
    assert len(set(words)) == len(words)
    alphabet = byte_alphabet()
    in_order = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelt = {code: alphabet[at] for at, code in enumerate(in_order + [c for c in range(256) if c not in in_order])}
    said = ["".join(spelt[byte] for byte in word.encode()) for word in words]
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet, *said]
    assert len(set(tokens)) == len(tokens), "a word of one byte is a token already"
    first = 3 + len(alphabet)
    follows = {tokens.index(spelt[10]): first} | {first + at: first + at + 1 for at in range(len(words))}
    follows[first + len(words) - 1] = 2
    width = math.ceil(len(tokens) / 32) * 32
    told: dict[str, object] = {
        "general.architecture": "llama",
        "general.name": "chain",
        "llama.context_length": context,
        "llama.embedding_length": width,
        "llama.block_count": 1,
        "llama.feed_forward_length": 32,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": width // HEADS,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "llama-bpe",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, 3] + [1] * (len(tokens) - 3),
        "tokenizer.ggml.merges": ["e r"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": template,
    } | dict(more or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_written(told, _tensors(width, len(tokens), follows)))
    return path


def _tensors(width: int, vocabulary: int, follows: Mapping[int, int]) -> dict[str, tuple[tuple[int, ...], bytes]]:
    ones, nothing = struct.pack(f"<{width}f", *([1.0] * width)), bytes(2 * width * width)
    embeddings, output = bytearray(2 * width * vocabulary), bytearray(2 * width * vocabulary)
    for token in range(vocabulary):
        struct.pack_into("<e", embeddings, 2 * (token * width + token), 1.0)
    for token, successor in follows.items():
        struct.pack_into("<e", output, 2 * (successor * width + token), 4.0)
    tensors: dict[str, tuple[tuple[int, ...], bytes]] = {
        "token_embd.weight": ((width, vocabulary), bytes(embeddings)),
        "output.weight": ((width, vocabulary), bytes(output)),
        "output_norm.weight": ((width,), ones),
    }
    for name in ("attn", "ffn"):
        tensors[f"blk.0.{name}_norm.weight"] = ((width,), ones)
    for name in ("q", "k", "v", "output"):
        tensors[f"blk.0.attn_{name}.weight"] = ((width, width), nothing)
    for name, shape in (("gate", (width, 32)), ("up", (width, 32)), ("down", (32, width))):
        tensors[f"blk.0.ffn_{name}.weight"] = (shape, bytes(2 * width * 32))
    return tensors


def _written(told: Mapping[str, object], tensors: Mapping[str, tuple[tuple[int, ...], bytes]]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(told))
    head += b"".join(fact(key, value) for key, value in told.items())
    data = bytearray()
    for name, (shape, values) in tensors.items():
        kind = 0 if len(shape) == 1 else 1
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += values + bytes(-len(values) % 32)
    return head + bytes(-len(head) % 32) + data
