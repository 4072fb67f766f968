"""Vectors of any number of texts: in order, as floats of 32 bits, however the server sends them."""

import base64
import json
import sys
from array import array
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_server import Behaviour, Exchange, serving

from wakeful.lmstudio import (
    BadRequest,
    LMStudioError,
    MalformedAnswer,
    MissingExtra,
    ModelCrashed,
    NotLMStudio,
    RouteMissing,
    Timeouts,
)
from wakeful.lmstudio.endpoints.embeddings import Embeddings, EmbeddingsEndpoint, batches
from wakeful.lmstudio.http.retry import RetryConfig
from wakeful.lmstudio.http.transport import Transport

TIMEOUTS = Timeouts(first_token_s=5, between_tokens_s=5, whole_s=5, other_s=5)


def packed(numbers: list[float]) -> str:
    data = array("f", numbers)
    if sys.byteorder == "big":
        data.byteswap()
    return base64.b64encode(data).decode()


def embedding(exchange: Exchange, *, honours: bool = True, **more: Any) -> dict[str, Any]:
    """Each text as (its number, its length), the last one first."""
    asked = json.loads(exchange.body)
    vectors = [[float(text), len(text) + 0.5] for text in asked["input"]]
    as_bytes = honours and asked.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "embedding": packed(each) if as_bytes else each, "index": at}
        for at, each in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return {"object": "list", "data": data[::-1], "model": "nomic", "usage": usage, **more}


async def embeds(exchange: Exchange) -> None:
    await exchange.answer(200, embedding(exchange))


def says(status: int, body: bytes | dict[str, Any], **headers: str) -> Behaviour:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.answer(status, body, **headers)

    return behaviour


async def create(behaviour: Behaviour, texts: str | list[str], **options: Any) -> Embeddings:
    async with serving(behaviour) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        try:
            return await EmbeddingsEndpoint(transport).create(texts, model="nomic", **options)
        finally:
            await transport.close()


async def fails(behaviour: Behaviour, texts: list[str], **options: Any) -> LMStudioError:
    with pytest.raises(LMStudioError) as caught:
        await create(behaviour, texts, **options)
    return caught.value


@pytest.mark.parametrize("as_bytes", [True, False])
async def test_order_is_kept_over_batches(as_bytes: bool) -> None:
    texts = [str(at) for at in range(100)]
    async with serving(embeds) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        result = await EmbeddingsEndpoint(transport).create(texts, base64=as_bytes, max_texts=7, parallel=3)
        await transport.close()
    assert (len(result), result.dims, result.model, result.usage.prompt_tokens) == (100, 2, "nomic", None)
    assert [list(row) for row in result] == [[float(text), len(text) + 0.5] for text in texts]
    assert [len(json.loads(each.body)["input"]) for each in server.requests].count(7) == 14
    assert all(("encoding_format" in json.loads(each.body)) == as_bytes for each in server.requests)
    assert server.connections <= 3


async def test_numbers_are_read_where_bytes_were_asked_for() -> None:
    async def floats(exchange: Exchange) -> None:
        await exchange.answer(200, embedding(exchange, honours=False))

    result = await create(floats, ["1", "2"])
    assert [list(row) for row in result] == [[1.0, 1.5], [2.0, 1.5]]


async def test_a_server_that_refuses_the_format_is_asked_without_it_from_then_on() -> None:
    async def behaviour(exchange: Exchange) -> None:
        if b"encoding_format" in exchange.body:
            await exchange.answer(400, {"error": {"message": "Unrecognized key(s) in object: 'encoding_format'"}})
        else:
            await exchange.answer(200, embedding(exchange))

    async with serving(behaviour) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        endpoint = EmbeddingsEndpoint(transport)
        assert list((await endpoint.create("5"))[0]) == [5.0, 1.5]
        await endpoint.create("6")
        await transport.close()
    assert len(server.requests) == 3


async def test_another_refusal_is_told() -> None:
    error = await fails(says(400, {"error": "'input' field must be a string or an array of strings"}), ["1"])
    assert isinstance(error, BadRequest)


async def test_no_texts_no_request() -> None:
    result = await create(says(500, b""), [])
    assert (len(result), result.dims, list(result), result[:]) == (0, 0, [], [])


async def test_rows_and_slices() -> None:
    result = await create(embeds, ["1", "2", "3"])
    assert list(result[-1]) == [3.0, 1.5]
    assert [row[0] for row in result[1:]] == [2.0, 3.0]
    with pytest.raises(IndexError):
        result[3]


async def test_unknown_fields_are_kept() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.answer(
            200, embedding(exchange, took=5, notes=["a"], parts=[{"b": 1}], usage={"prompt_tokens": 9}, of={"c": 2.5})
        )

    result = await create(behaviour, ["1", "2"], max_texts=1, extra={"pooling": "mean"})
    assert result.extra == {"took": 5, "notes": ["a"], "parts": [{"b": 1}], "of": {"c": 2.5}}
    assert result.usage.prompt_tokens == 18


@pytest.mark.parametrize("parts", [[{"b": 1}], ["a"], [{"embedding": 5}], []])
async def test_unknown_lists_are_not_taken_for_vectors(parts: list[Any]) -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.answer(200, embedding(exchange, parts=parts))

    result = await create(behaviour, ["1", "2"])
    assert result.extra == {"parts": parts}
    assert list(result[1]) == [2.0, 1.5]
    assert len(repr(result)) < 200


async def test_options_reach_the_server() -> None:
    async with serving(embeds) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        await EmbeddingsEndpoint(transport).create("1", model="m", ttl_s=60, dimensions=2, extra={"x": 1}, base64=False)
        await transport.close()
    assert json.loads(server.requests[0].body) == {"model": "m", "input": ["1"], "ttl": 60, "dimensions": 2, "x": 1}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([{"embedding": [1.0], "index": 0}], "text 2 of 2 is missing"),
        ([{"embedding": [1.0], "index": 0}, {"embedding": [1.0], "index": 0}], "twice"),
        ([{"embedding": [1.0], "index": 0}, {"embedding": [1.0], "index": 2}], "unasked"),
        ([{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}], "has 2 numbers"),
        ([{"embedding": []}, {"embedding": []}], "missing or has 0 numbers"),
        ([{"embedding": "AAAA"}, {"embedding": "AAAA"}], "no sequence of 32-bit floats"),
        ([{"embedding": "no base64!"}, {}], "no readable vectors"),
        ([{"embedding": [None]}, {}], "no readable vectors"),
        ([1, 2], "no readable vectors"),
    ],
)
async def test_vectors_that_do_not_fit_the_texts(data: Any, words: str) -> None:
    error = await fails(says(200, {"data": data}), ["1", "2"])
    assert isinstance(error, MalformedAnswer)
    assert words in str(error) + error.detail


async def test_batches_of_different_length() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.answer(200, {"data": [{"embedding": [1.0] * exchange.number}]})

    assert isinstance(await fails(behaviour, ["1", "2"], max_texts=1), MalformedAnswer)


@pytest.mark.parametrize(
    ("status", "body", "kind", "error"),
    [
        (200, {"error": "Unexpected endpoint or method. (POST /v1/embeddings)"}, "application/json", RouteMissing),
        (200, {"error": {"message": "The model has crashed"}, "data": []}, "application/json", ModelCrashed),
        (400, {"error": "The model has crashed without additional information."}, "application/json", ModelCrashed),
        (200, b"[1]", "application/json", MalformedAnswer),
        (200, b'{"data": [', "application/json", MalformedAnswer),
        (200, b'{"data": "\xff"}', "application/json", MalformedAnswer),
        (200, b'{"data": 5}', "application/json", MalformedAnswer),
        (200, b'{"model": "m"}', "text/plain", NotLMStudio),
        (200, b"<html>", "text/html", NotLMStudio),
        (200, b"[" * 100_000, "application/json", MalformedAnswer),
    ],
)
async def test_errors(status: int, body: Any, kind: str, error: type[LMStudioError]) -> None:
    assert isinstance(await fails(says(status, body, kind=kind), ["1"]), error)


async def test_a_crash_is_tried_again() -> None:
    async def behaviour(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.reset()
        else:
            await exchange.answer(200, embedding(exchange))

    async with serving(behaviour) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS, retry=RetryConfig(backoff_factor=0))
        assert len(await EmbeddingsEndpoint(transport).create("1")) == 1
        await transport.close()
    assert len(server.requests) == 2


async def test_wrong_arguments() -> None:
    for options in ({"parallel": 0}, {"max_texts": 0}, {"max_chars": 0}):
        with pytest.raises(ValueError, match="1 or more"):
            await create(embeds, ["1"], **options)
    with pytest.raises(TypeError, match="no such option: dimension"):
        await create(embeds, ["1"], dimension=5)


@given(
    lengths=st.lists(st.integers(0, 50)),
    max_texts=st.integers(1, 10),
    max_chars=st.integers(1, 60),
)
def test_batches_hold_all_texts_within_the_limits(lengths: list[int], max_texts: int, max_chars: int) -> None:
    cuts = batches(lengths, max_texts=max_texts, max_chars=max_chars)
    assert [at for cut in cuts for at in cut] == list(range(len(lengths)))
    assert all(0 < len(cut) <= max_texts for cut in cuts)
    assert all(len(cut) == 1 or sum(lengths[at] for at in cut) <= max_chars for cut in cuts)


async def test_numpy_shares_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    result = await create(embeds, ["1", "2"])
    seen: list[Any] = []

    class View:
        def reshape(self, *shape: int) -> tuple[int, ...]:
            return shape

    def frombuffer(data: Any, dtype: str) -> View:
        seen.append((data, dtype))
        return View()

    monkeypatch.setitem(sys.modules, "numpy", SimpleNamespace(float32="f4", frombuffer=frombuffer))
    assert result.numpy() == (2, 2)
    assert seen[0][0] is result.data
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingExtra, match="pip install numpy"):
        result.numpy()


@pytest.mark.parametrize(
    "body",
    [
        b'{"warnings": ["a"], "data": [{"emb',
        b'{"warnings": ["a"], "data": [{"embedding": [1.0]}]} x',
        b'{"warnings": ["a"], "more": ' + b"[" * 100_000,
    ],
    ids=["cut", "trailing", "deep"],
)
async def test_what_is_no_json_after_an_unknown_list(body: bytes) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.answer(200, body)

    async with serving(answer) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        with pytest.raises(MalformedAnswer):
            await EmbeddingsEndpoint(transport).create("a")
        await transport.close()
