"""The pilot's tokenizer: byte-level BPE in which a name is cut the same way wherever it stands.

No merge reaches across a space, a digit or a mark, so `foo`, ` foo`, `"foo` and `/foo` share their last tokens, and
copying a name is copying tokens. llama.cpp cuts by its `llama-bpe` expression first, which is coarser; with these
merges the result is the same (`evaluate.py` checks that on random text).
"""

import json
import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from training.pilot.dialogue import document
from training.pilot.names import Names

VOCABULARY = 1280
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def train_tokenizer(path: Path, *, documents: int = 6000, seed: int = 1) -> Tokenizer:
    """Learns the merges from generated documents and writes the tokenizer to `path`."""
    names = Names(random.Random(seed))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}|[^\p{L}\p{N}\s]+|\s"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (text for _ in range(documents) for _, text in document(names, 2))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(path))
    return tokenizer


def encode(tokenizer: Tokenizer, messages: list[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """Token ids of a chat in ChatML, and for each whether it belongs to an answer."""
    start, end = (tokenizer.token_to_id(mark) for mark in SPECIAL[1:])
    newline = tokenizer.encode("\n").ids
    ids: list[int] = []
    answers: list[int] = []
    texts = tokenizer.encode_batch([f"{role}\n" for role, _ in messages] + [text for _, text in messages])
    for at, (role, _) in enumerate(messages):
        head, body = [start, *texts[at].ids], [*texts[at + len(messages)].ids, end]
        ids += [*head, *body, *newline]
        answers += [0] * len(head) + [int(role == "assistant")] * len(body) + [0] * len(newline)
    return ids, answers


def merges(path: Path) -> tuple[list[str], list[str]]:
    """The vocabulary in the order of its ids, and the merges, as GGUF wants them."""
    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    return tokens, [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
