"""`/v1/embeddings`: any number of texts as vectors of 32-bit floats, in their order.

LM Studio says nothing when a text is longer than the model's context: what is beyond it does not count. Many
models want a prefix such as `search_query: `, which the server does not add.
"""

import asyncio
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack, overload

import msgspec

from wakeful.lmstudio.chat.events import Usage
from wakeful.lmstudio.endpoints.answers import ask
from wakeful.lmstudio.endpoints.sampling import Extra, body_of
from wakeful.lmstudio.errors import BadRequest, MalformedAnswer, MissingExtra
from wakeful.lmstudio.http.transport import Reply, Transport, check, unreadable
from wakeful.lmstudio.http.wire import as_object

PATH = "/v1/embeddings"

MAX_TEXTS = 64
"""Texts in one request; larger batches are not faster, and a failure costs more."""

MAX_CHARS = 100_000
"""Characters in one request, some 25,000 tokens; a longer text goes alone."""


@dataclass(frozen=True, slots=True)
class Embeddings(Sequence["array[float]"]):
    """The vectors of texts, in their order: `embeddings[3]` is the fourth text's, as an `array('f')`.

    data: all of them, one after the other, in one buffer; dims: the length of each, 0 when there is none
    model: the one that answered; usage: None in it where the server does not count (LM Studio says 0)
    extra: fields of the answer that we do not know
    """

    data: "array[float]" = field(repr=False)
    dims: int
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __len__(self) -> int:
        return len(self.data) // self.dims if self.dims else 0

    @overload
    def __getitem__(self, at: int) -> "array[float]": ...
    @overload
    def __getitem__(self, at: slice) -> "list[array[float]]": ...
    def __getitem__(self, at: int | slice) -> "array[float] | list[array[float]]":
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        row = range(len(self))[at]
        return self.data[row * self.dims : (row + 1) * self.dims]

    def __iter__(self) -> "Iterator[array[float]]":
        return (self[row] for row in range(len(self)))

    def numpy(self) -> Any:
        """The vectors as a numpy array of float32, shape (texts, dims), on the same memory.

        Raises MissingExtra without numpy.
        """
        try:
            from importlib import import_module

            numpy: Any = import_module("numpy")  # not among our dependencies
        except ImportError as error:
            raise MissingExtra(
                "The package 'numpy' is not installed.", hint="Install it: pip install numpy."
            ) from error
        return numpy.frombuffer(self.data, dtype=numpy.float32).reshape(len(self), self.dims)


class EmbeddingOptions(Extra, total=False):
    """Options of a request. ttl_s: as in `Sampling`; dimensions: to cut vectors to, where the model can."""

    ttl_s: int
    dimensions: int


class EmbeddingsEndpoint:
    """Texts to vectors."""

    def __init__(self, transport: Transport, *, path: str = PATH) -> None:
        self._transport = transport
        self._path = path
        self._refuses_format = False

    async def create(
        self,
        texts: str | Sequence[str],
        *,
        model: str = "",
        base64: bool = True,
        max_texts: int = MAX_TEXTS,
        max_chars: int = MAX_CHARS,
        parallel: int = 1,
        **options: Unpack[EmbeddingOptions],
    ) -> Embeddings:
        """The vectors of the texts, in their order; no texts, no request.

        base64: ask for vectors as bytes, a fifth of the work; a server that sends numbers all the same is read too
        max_texts, max_chars: of one request; a text is never cut
        parallel: requests at once; more than one has crashed models in LM Studio
        Raises LMStudioError; ValueError for limits below 1; TypeError for an option that does not exist.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        if parallel < 1:
            raise ValueError("parallel must be 1 or more")
        cuts = batches([len(text) for text in texts], max_texts=max_texts, max_chars=max_chars)
        parts: list[Embeddings | None] = [None] * len(cuts)
        waiting = iter(enumerate(cuts))

        async def work() -> None:
            for at, cut in waiting:
                parts[at] = await self._batch(texts[cut.start : cut.stop], model, base64, options)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(parallel, len(cuts))):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures  # callers expect the error itself
        return joined([part for part in parts if part is not None])

    async def _batch(self, texts: Sequence[str], model: str, base64: bool, options: EmbeddingOptions) -> Embeddings:
        def read(reply: Reply, raw: bytes) -> Embeddings:
            return read_vectors(reply, raw, len(texts))

        fixed: dict[str, object] = {"model": model or None, "input": texts}
        as_bytes = base64 and not self._refuses_format
        if as_bytes:
            fixed["encoding_format"] = "base64"
        try:
            return await ask(
                self._transport, self._path, body_of(fixed, options, EmbeddingOptions), read, idempotent=True
            )
        except BadRequest as error:
            if not (as_bytes and "encoding_format" in error.detail):
                raise
        self._refuses_format = True
        return await self._batch(texts, model, base64, options)


def batches(lengths: Sequence[int], *, max_texts: int, max_chars: int) -> list[range]:
    """Which texts go together: neighbours, as many as the limits allow, and one at least.

    lengths: of the texts, in characters
    Raises ValueError for limits below 1.
    """
    if max_texts < 1 or max_chars < 1:
        raise ValueError("max_texts and max_chars must be 1 or more")
    cuts: list[range] = []
    start = chars = 0
    for at, length in enumerate(lengths):
        if at > start and (at - start == max_texts or chars + length > max_chars):
            cuts.append(range(start, at))
            start, chars = at, 0
        chars += length
    if start < len(lengths):
        cuts.append(range(start, len(lengths)))
    return cuts


class _Vector(msgspec.Struct, frozen=True, gc=False):
    embedding: list[float] | bytes | None = None  # text is read as base64
    index: int | None = None


_Answer = dict[str, list[_Vector] | dict[str, Any] | str | int | float | bool | None]
# One pass over the bytes gives the vectors typed and all other fields as they are.
_decoder = msgspec.json.Decoder(_Answer)
_any_lists = msgspec.json.Decoder(dict[str, Any])
_KNOWN = frozenset({"object", "data", "model", "usage"})


def read_vectors(reply: Reply, raw: bytes, count: int) -> Embeddings:
    """The vectors of one answer, which must be `count`.

    Raises the error that the answer is, MalformedAnswer when texts have no vector, several, or unequal ones.
    """
    answer = _decoded(reply, raw)
    data, dims = _in_order(answer["data"], count)
    usage = as_object(answer.get("usage"))
    tokens = usage.get("prompt_tokens")
    return Embeddings(
        data,
        dims,
        str(answer.get("model") or ""),
        Usage(prompt_tokens=tokens if isinstance(tokens, int) and tokens else None),
        {name: value for name, value in answer.items() if name not in _KNOWN},
    )


def _decoded(reply: Reply, raw: bytes) -> dict[str, Any]:
    """The fields of an answer with `data` in it, `data` typed."""
    if reply.status != 200:
        check(reply, raw)
    try:
        answer: dict[str, Any] = _decoder.decode(raw)
        lists = [name for name, value in answer.items() if isinstance(value, list) and name != "data"]
        if lists:  # they were read as vectors, and are none
            known = _any_lists.decode(raw)
            answer |= {name: known[name] for name in lists}
    except msgspec.ValidationError as error:
        check(reply, raw)
        return _slowly(reply, raw, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        check(reply, raw)
        raise unreadable(reply, raw) from error
    if answer.get("error") or not isinstance(answer.get("data"), list):
        check(reply, raw)
        raise unreadable(reply, raw)
    return answer


def _slowly(reply: Reply, raw: bytes, why: msgspec.ValidationError) -> dict[str, Any]:
    """The same when something does not fit: the vectors, which is fatal, or a field that we do not know."""
    try:
        answer = _any_lists.decode(raw)
        answer["data"] = msgspec.convert(answer.get("data"), list[_Vector])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(
            "The server's answer has no readable vectors.", status_code=reply.status, detail=str(error)
        ) from why
    return answer


def _in_order(vectors: list[_Vector], count: int) -> "tuple[array[float], int]":
    """All vectors by their index in one buffer, and how long each is."""
    ordered: list[_Vector | None] = [None] * count
    for at, vector in enumerate(vectors):
        index = at if vector.index is None else vector.index
        if not 0 <= index < count or ordered[index] is not None:
            raise MalformedAnswer(f"The server sent vector {index} of {count} twice or unasked.")
        ordered[index] = vector
    data = array("f")
    dims = 0
    for at, vector in enumerate(ordered):
        before = len(data)
        if vector is not None:
            _append(data, vector)
        length = len(data) - before
        if not length or (at and length != dims):
            raise MalformedAnswer(f"The vector of text {at + 1} of {count} is missing or has {length} numbers.")
        dims = length
    return data, dims


def _append(data: "array[float]", vector: _Vector) -> None:
    numbers = vector.embedding
    if isinstance(numbers, bytes):
        if len(numbers) % data.itemsize:
            raise MalformedAnswer(f"A vector of {len(numbers)} bytes is no sequence of 32-bit floats.")
        if sys.byteorder == "big":  # they are sent little-endian
            row = array("f", numbers)
            row.byteswap()
            data.extend(row)
        else:
            data.frombytes(numbers)
    elif numbers:
        data.fromlist(numbers)


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """The vectors of several answers, one after the other. Raises MalformedAnswer when they differ in length."""
    if not parts:
        return Embeddings(array("f"), 0)
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    data = array("f")
    tokens = 0
    for part in parts:
        if part.dims != first.dims:
            raise MalformedAnswer(f"The server sent vectors of {first.dims} and of {part.dims} numbers.")
        data.extend(part.data)
        tokens += part.usage.prompt_tokens or 0
    return Embeddings(data, first.dims, first.model, Usage(prompt_tokens=tokens or None), first.extra)
