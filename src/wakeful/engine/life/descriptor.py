"""A model that could be loaded, as the lists show it."""

from pathlib import Path
from typing import Literal

import msgspec

Kind = Literal["llm", "embedding"]


class Descriptor(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model that is on this machine.

    key: what it is asked for by, in lower case, such as `qwen2.5-7b-instruct`; unique
    path: `publisher/repository/file.gguf`, as LM Studio writes it; file: where it really is, None for a scripted one
    publisher, display_name: for people; params: such as `7B`, "" where not known
    architecture, quantization: such as `qwen2` and `Q4_K_M`; bits_per_weight: of the quantisation, 0 where not known
    max_context_tokens: that it was trained for
    vision, tools, reasoning: whether it sees images, was trained to call tools, thinks before it answers
    projector: the file with which it sees images, None for none
    layers: of an llm, 0 where not known; pooled: whether an embedding model says how its vectors are made
    """

    key: str
    kind: Kind = "llm"
    path: str = ""
    file: Path | None = None
    projector: Path | None = None
    publisher: str = ""
    display_name: str = ""
    params: str = ""
    architecture: str = ""
    quantization: str = ""
    bits_per_weight: float = 0.0
    format: str = "gguf"
    size_bytes: int = 0
    max_context_tokens: int = 0
    vision: bool = False
    tools: bool = False
    reasoning: bool = False
    layers: int = 0
    pooled: bool = False
