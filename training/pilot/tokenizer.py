"""The tokenizer: byte-level BPE with single digits, in which a name is cut the same way wherever it stands.

Two departures from a plain BPE, both so that a small model can copy. Merges that begin with a space are few
and come last, so that ` mysqld` and `mysqld` are the same pieces after the space; and the scaffolding of a JSON
thought (`","assessment":"`) is one token each, so that answers are short and what is learnt is their content.
llama.cpp cuts text the same way when the file says `tokenizer.ggml.pre = smollm` (single digits, then the rule
of GPT-2); `evaluate.py` compares both on random text.
"""

import json
import random
from collections import Counter
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from training.pilot.dialogue import document
from training.pilot.names import Names

PRE = "smollm"
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SCAFFOLD = (
    '{"focus":"',
    '","evidence":["',
    '","evidence":[],"observed":"',
    '"],"observed":"',
    '","assessment":"',
    '","severity":"',
    '","expected":"',
    '","prediction_error":',
    ',"attention":{"internal":',
    ',"external":',
    ',"memory":',
    '},"action_needed":',
    ',"action_type":"',
    '","action_details":"',
    '","next_prediction":"',
    '","confidence":',
    ',"self_assessment":"',
    '{"answer":"',
    '","evidence":[]}',
    '"]}',
)
PIECES = 1100
"""Byte tokens and merges learnt from text, before the merges with a space."""
SPACED = 330
"""Commonest pieces that also exist with a space before them."""
SAMPLE = 6000
"""Documents that the merges are learnt from."""


def learn(seed: int = 7) -> Tokenizer:
    """A tokenizer learnt from generated documents."""
    names = Names(random.Random(seed))
    texts = [text for _ in range(SAMPLE) for _, text in document(names, 2)]
    for mark in SCAFFOLD:
        texts = [text.replace(mark, "\n") for text in texts]
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(" ", "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES, initial_alphabet=alphabet, max_token_length=16, show_progress=False
    )
    bare.train_from_iterator(texts, trainer)
    model = json.loads(bare.to_str())["model"]
    vocabulary: dict[str, int] = model["vocab"]
    merges = [tuple(merge) for merge in model["merges"]]

    rule = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    spaced: Counter[str] = Counter()
    for text in texts:
        for piece, _ in rule.pre_tokenize_str(text):
            if piece.startswith("Ġ") and piece[1:] in vocabulary:
                spaced[piece[1:]] += 1
    for piece, _ in spaced.most_common(SPACED):
        vocabulary["Ġ" + piece] = len(vocabulary)
        merges.append(("Ġ", piece))
    ordered = sorted(vocabulary, key=lambda piece: vocabulary[piece])
    vocabulary = {piece: number for number, piece in enumerate([*CONTROL, *ordered])}

    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = rule
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in CONTROL])
    tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in SCAFFOLD])
    return tokenizer


def load(path: Path) -> Tokenizer:
    """The tokenizer at `path`, learnt and stored there when there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        learn().save(str(path))
    return Tokenizer.from_file(str(path))


def rendered(messages: list[tuple[str, str]]) -> list[tuple[str, bool]]:
    """The chat template's text in parts; true for what the model writes."""
    parts: list[tuple[str, bool]] = []
    for role, text in messages:
        parts.append((f"<|im_start|>{role}\n", False))
        parts.append((f"{text}<|im_end|>", role == "assistant"))
        parts.append(("\n", False))
    return parts


TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
