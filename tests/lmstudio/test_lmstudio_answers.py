"""Reading what a server sends into records: nothing is lost, and nothing but our own errors comes out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.lmstudio import LMStudioError, MalformedAnswer
from wakeful.lmstudio.endpoints.answers import Record, Tagged, Unknown, to_record
from wakeful.lmstudio.endpoints.anthropic import MessageAnswer, MessageAssembly, MessageEvent
from wakeful.lmstudio.endpoints.completions import CompletionAssembly, TextCompletion
from wakeful.lmstudio.endpoints.response_events import Response, ResponseEvent
from wakeful.lmstudio.endpoints.responses import ResponseAssembly
from wakeful.lmstudio.endpoints.sampling import Sampling, body_of
from wakeful.lmstudio.endpoints.streams import Assembly
from wakeful.lmstudio.endpoints.v0 import V0Chat, V0Completion, V0Model
from wakeful.lmstudio.endpoints.v1_chat import V1ChatAssembly, V1ChatEvent, V1ChatResult
from wakeful.lmstudio.http.sse import ServerSentEvent, SSEParser

KINDS: list[Any] = [
    V1ChatResult,
    V1ChatEvent,
    Response,
    ResponseEvent,
    MessageAnswer,
    MessageEvent,
    TextCompletion,
    V0Chat,
    V0Completion,
    V0Model,
]
NAMES = """
    type id model output content choices message text delta index usage stats response item error result extra it new
    finish_reason ? text_delta message.delta chat.end response.completed content_block_delta message_stop
"""
WORDS = st.sampled_from(NAMES.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)


class Inner(Record, frozen=True, kw_only=True):
    size: int = 0


class Round(Tagged, frozen=True, kw_only=True, tag="round"):
    inner: Inner | None = None


class Square(Tagged, frozen=True, kw_only=True, tag="square"):
    sides: tuple[Inner, ...] = ()


class Outer(Record, frozen=True, kw_only=True):
    shapes: tuple[Round | Square | Unknown, ...] = ()
    only: Round | Square = Round()
    named: dict[str, int] | None = None
    text: str = "left out"


def test_unknown_fields_are_kept_at_every_depth() -> None:
    data = {
        "shapes": [
            {"type": "round", "inner": {"size": 1, "a": 1}, "b": 2},
            {"type": "square", "sides": [{"size": 2, "c": 3}], "extra": 4},
            {"type": "oval", "d": 5},
            {"d": 6},
        ],
        "only": {"type": "square", "sides": []},
        "named": {"e": 7},
        "text": None,
        "f": None,
    }
    outer: Outer = to_record(data, Outer)
    assert outer == Outer(
        shapes=(
            Round(inner=Inner(size=1, extra={"a": 1}), extra={"b": 2}),
            Square(sides=(Inner(size=2, extra={"c": 3}),), extra={"extra": 4}),
            Unknown(kind="oval", extra={"type": "oval", "d": 5}),
            Unknown(extra={"d": 6}),
        ),
        only=Square(),
        named={"e": 7},
        extra={"f": None},
    )
    assert [shape.type for shape in outer.shapes] == ["round", "square", "oval", ""]


@pytest.mark.parametrize(
    "data",
    [
        [],
        5,
        {"shapes": 5},
        {"shapes": [5]},
        {"shapes": [None]},
        {"only": {"type": "oval"}},
        {"only": {}},
        {"named": {"a": "b"}},
        {"text": 5},
        {"shapes": [{"type": "round", "inner": {"size": 1.5}}]},
    ],
)
def test_what_has_another_form_is_malformed(data: Any) -> None:
    with pytest.raises(MalformedAnswer) as caught:
        to_record(data, Outer)
    assert caught.value.detail


@given(data=JSON, kind=st.sampled_from(KINDS))
def test_any_json_is_a_record_or_malformed(data: Any, kind: Any) -> None:
    try:
        record = to_record(data, kind)
    except MalformedAnswer:
        return
    known = {field for field in record.__struct_fields__ if field != "extra"}
    if isinstance(data, dict) and not isinstance(record, Unknown):
        assert all(name in record.extra or name in known | {"type"} for name in data)


ASSEMBLIES: list[type[Assembly[Any, Any]]] = [V1ChatAssembly, ResponseAssembly, MessageAssembly, CompletionAssembly]


def taken_in(assembly: Assembly[Any, Any], events: list[ServerSentEvent]) -> None:
    """Nothing but an LMStudioError is raised, and the text is text at every moment."""
    try:
        for event in events:
            assembly.feed(event)
            assert isinstance(assembly.text, str)
            if assembly.complete:
                assembly.result()
    except LMStudioError:
        return
    assert assembly.failure is None or isinstance(assembly.failure, LMStudioError)


@given(data=st.lists(JSON, max_size=6), kind=st.sampled_from(ASSEMBLIES))
def test_any_events_are_taken_in_or_refused(data: list[Any], kind: type[Assembly[Any, Any]]) -> None:
    taken_in(kind(), [ServerSentEvent(json.dumps(each).encode()) for each in data])


@given(data=st.binary(), kind=st.sampled_from(ASSEMBLIES))
def test_any_bytes_are_taken_in_or_refused(data: bytes, kind: type[Assembly[Any, Any]]) -> None:
    parser = SSEParser()
    taken_in(kind(), [*parser.feed(b"data: " + data), *parser.close()])


def test_options() -> None:
    assert (
        body_of({"model": None, "b": 1}, {"ttl_s": 5, "top_p": None, "seed": 0}, Sampling)
        == b'{"b":1,"seed":0,"ttl":5}'
    )
    with pytest.raises(TypeError, match="max_token; what"):
        body_of({}, {"max_token": 5}, Sampling)
