"""The facts at the head of a GGUF file, read without trusting it.

Source: ggml's docs/gguf.md, versions 2 and 3, little-endian.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wakeful.engine.errors import ModelFileError

_MAX_HEADER_BYTES = 256 * 1024 * 1024
_MAX_FACTS = 65_536
_MAX_TEXT_BYTES = 16 * 1024 * 1024
_MAX_KEY_BYTES = 65_535  # the format's own limit

_BLOCK_BYTES = 1 << 18

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_TEXT, _ARRAY = 8, 9

_EMBEDDERS = ("bert", "clip", "t5encoder")
"""Architectures, by a part of their names, that can't hold a conversation."""

Fact = str | int | float | bool


@dataclass(frozen=True, slots=True)
class GGUFHeader:
    """What a GGUF file says of the model in it; 0 and "" where it says nothing.

    context_tokens: that it was trained for
    kv_width: numbers that the attention cache keeps per token and layer, for keys and values together
    """

    architecture: str
    name: str
    context_tokens: int
    layers: int
    kv_width: int

    @property
    def thinks(self) -> bool:
        """Whether it can hold a conversation: embedding models and vision projectors can't."""
        return not any(word in self.architecture for word in _EMBEDDERS)

    def cache_bytes(self, context_tokens: int) -> int:
        """Memory that a context of so many tokens takes, at two bytes a number; an upper bound."""
        return 2 * context_tokens * self.layers * self.kv_width


def read_header(path: Path) -> GGUFHeader:
    """The header of the GGUF file at `path`. Raises ModelFileError, whatever is in the file."""
    try:
        with path.open("rb") as file:
            facts = _Reader(file, path).facts()
    except FileNotFoundError as error:
        raise ModelFileError(f"There is no model file {path}.") from error
    except OSError as error:
        raise ModelFileError(f"The model file {path} can't be read: {error.strerror or error}.") from error
    return _header(facts, path)


def read_facts(path: Path) -> tuple[dict[str, Fact], int]:
    """All facts of the file's head, those of its tokenizer too, and how many numbers its tensors hold together.

    Raises ModelFileError, whatever is in the file.
    """
    try:
        with path.open("rb") as file:
            reader = _Reader(file, path)
            return reader.facts(whole=True), reader.parameters()
    except OSError as error:
        raise ModelFileError(f"The model file {path} can't be read: {error.strerror or error}.") from error


def header_of(facts: dict[str, Fact], path: Path) -> GGUFHeader:
    """What they say of the model. Raises ModelFileError when they do not name its architecture."""
    return _header(facts, path)


def _header(facts: dict[str, Fact], path: Path) -> GGUFHeader:
    architecture = facts.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise ModelFileError(f"The GGUF file {path} does not say which architecture it has.")

    def number(name: str) -> int:
        value = facts.get(f"{architecture}.{name}", 0)
        return value if isinstance(value, int) and value > 0 else 0

    heads, width = number("attention.head_count"), number("embedding_length")
    per_head = width // heads if heads else 0
    kv_heads = number("attention.head_count_kv") or heads
    keys = number("attention.key_length") or per_head
    values = number("attention.value_length") or per_head
    name = facts.get("general.name", "")
    return GGUFHeader(
        architecture=architecture,
        name=name if isinstance(name, str) else "",
        context_tokens=number("context_length"),
        layers=number("block_count"),
        kv_width=kv_heads * (keys + values),
    )


class _Reader:
    """Reads key-value pairs, at most so many bytes of them, in blocks: a tokenizer has half a million short texts."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._left = min(_MAX_HEADER_BYTES, path.stat().st_size)
        self._block = b""
        self._at = 0
        self._tensors = 0

    def facts(self, *, whole: bool = False) -> dict[str, Fact]:
        """Everything up to the tokenizer, which comes last and is the bulk of it; arrays are passed over.

        whole: what follows on it too
        """
        if self._take(4) != b"GGUF":
            raise ModelFileError(f"{self._path} is no GGUF file.")
        version = self._number("<I")
        if version not in (2, 3):
            raise self._damaged(f"it has version {version}, not 2 or 3")
        self._tensors = self._number("<Q")
        count = self._number("<Q")
        if count > _MAX_FACTS:
            raise self._damaged(f"it claims {count} facts")
        facts: dict[str, Fact] = {}
        for _ in range(count):
            key = self._text(_MAX_KEY_BYTES)
            if not whole and key.startswith("tokenizer.") and "general.architecture" in facts:
                break
            value = self._value(self._number("<I"))
            if value is not None:
                facts[key] = value
        return facts

    def parameters(self) -> int:
        """How many numbers the tensors hold; to be asked after all facts."""
        if self._tensors > _MAX_FACTS:
            raise self._damaged(f"it claims {self._tensors} tensors")
        total = 0
        for _ in range(self._tensors):
            self._text(_MAX_KEY_BYTES)
            dimensions = self._number("<I")
            if dimensions > 8:
                raise self._damaged(f"it holds a tensor of {dimensions} dimensions")
            total += math.prod(self._number("<Q") for _ in range(dimensions))
            self._skip(4 + 8)  # its type, and where it is
        return min(total, 2**63 - 1)

    def _value(self, kind: int) -> Fact | None:
        if kind == _TEXT:
            return self._text(_MAX_TEXT_BYTES)
        if kind == _ARRAY:
            return self._array(depth=0)
        form = _SCALARS.get(kind)
        if form is None:
            raise self._damaged(f"it holds a value of the unknown kind {kind}")
        value: Fact = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    def _array(self, depth: int) -> Fact | None:
        """Pass over an array; of numbers, the largest is its value: one per layer means 'at most'."""
        kind, count = self._number("<I"), self._number("<Q")
        if depth > 4:
            raise self._damaged("its arrays are nested too deep")
        if kind in (_TEXT, _ARRAY):
            for _ in range(count):  # ends at the end of the file at the latest: each takes at least 8 bytes
                if kind == _ARRAY:
                    self._array(depth + 1)
                else:
                    self._skip(self._number("<Q"))
            return None
        form = _SCALARS.get(kind)
        if form is None:
            raise self._damaged(f"it holds an array of the unknown kind {kind}")
        if count > 4096 or form in ("<f", "<d"):
            self._skip(count * struct.calcsize(form))
            return None
        data = self._take(count * struct.calcsize(form))
        numbers: list[int] = [int(each[0]) for each in struct.iter_unpack(form, data)]
        return max(numbers, default=None)

    def _text(self, limit: int) -> str:
        length = self._number("<Q")
        if length > limit:
            raise self._damaged(f"it holds a text of {length} bytes")
        return self._take(length).decode("utf-8", "replace")

    def _number(self, form: str) -> int:
        return int(struct.unpack(form, self._take(struct.calcsize(form)))[0])

    def _take(self, size: int) -> bytes:
        self._spend(size)
        end = self._at + size
        if end > len(self._block):
            self._block = self._block[self._at :] + self._file.read(max(size, _BLOCK_BYTES))
            self._at, end = 0, size
            if size > len(self._block):
                raise self._damaged("it ends too early")
        data = self._block[self._at : end]
        self._at = end
        return data

    def _skip(self, size: int) -> None:
        self._spend(size)
        self._at += size
        if self._at > len(self._block):
            self._file.seek(self._at - len(self._block), 1)
            self._block, self._at = b"", 0

    def _spend(self, size: int) -> None:
        if size > self._left:
            raise self._damaged("it ends too early, or its head is too long")
        self._left -= size

    def _damaged(self, why: str) -> ModelFileError:
        return ModelFileError(f"{self._path} is no usable GGUF file: {why}.")
