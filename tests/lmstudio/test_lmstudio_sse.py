"""The parser of server-sent events: every cut of a stream gives the same events, and no bytes upset it."""

import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeful.lmstudio import AnswerTooLarge, ServerSentEvent, SSEParser
from wakeful.lmstudio.chat.assembly import Assembly
from wakeful.lmstudio.errors import LMStudioError


def parse(data: bytes, cuts: list[int] | None = None) -> list[ServerSentEvent]:
    parser = SSEParser()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts or ()), len(data)]
    events = [event for start, end in pairwise(places) for event in parser.feed(data[start:end])]
    return events + parser.close()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"data: a\n\n", [(b"a", "")]),
        (b"data:a\n\n", [(b"a", "")]),
        (b"data:  a\n\n", [(b" a", "")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [(b"a", ""), (b"b", "")]),
        (b"data: a\r\rdata: b\r\r", [(b"a", ""), (b"b", "")]),
        (b": ping\n\n: ping\ndata: a\n\n", [(b"a", "")]),
        (b"data: a\ndata: b\n\n", [(b"a\nb", "")]),
        (b"event: error\ndata: {}\n\ndata: b\n\n", [(b"{}", "error"), (b"b", "")]),
        (b"event: lonely\n\ndata: b\n\n", [(b"b", "")]),
        (b"id: 3\nretry: 10\ndata: a\n\n", [(b"a", "")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"a", "")]),
        (b"data: a", [(b"a", "")]),
        (b"data: a\n", [(b"a", "")]),
        (b"data\n\n", [(b"", "")]),
        (b"nonsense\n\n", []),
        (b"", []),
    ],
)
def test_reads_the_format_as_servers_write_it(data: bytes, expected: list[tuple[bytes, str]]) -> None:
    assert [(event.data, event.name) for event in parse(data)] == expected


def test_every_single_cut_gives_the_same_events() -> None:
    data = "event: x\r\ndata: Grüße 漢字 🙂\r\ndata:b\r\n\r\n: ping\r\n\r\ndata: [DONE]\r\n".encode()
    whole = parse(data)
    assert len(whole) == 2
    for cut in range(len(data) + 1):
        assert parse(data, [cut]) == whole
    assert parse(data, list(range(len(data)))) == whole


pieces = st.sampled_from(
    [b"data: ", b"data:", b"event: e", b"\n", b"\r\n", b"\r", b"\n\n", b": c", b"{}", "ü漢🙂".encode(), b"x"]
)


@given(st.lists(pieces, max_size=40).map(b"".join), st.lists(st.integers(0, 500), max_size=12))
def test_any_split_of_any_stream_gives_the_same_events(data: bytes, cuts: list[int]) -> None:
    assert parse(data, cuts) == parse(data)


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_bytes_give_events_or_our_error(chunks: list[bytes]) -> None:
    parser, assembly = SSEParser(max_event_bytes=300), Assembly(wants_json=False)
    try:
        for chunk in chunks:
            assembly.feed(parser.feed(chunk))
        assembly.feed(parser.close())
        assembly.result(duration_s=1, first_token_s=1)
    except LMStudioError:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "content",
                    "error",
                    "message",
                    "usage",
                    "timings",
                    "finish_reason",
                    "code",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(json_values, st.sampled_from(["", "error", "ping"]))
def test_any_json_gives_deltas_or_our_error(value: object, name: str) -> None:
    assembly = Assembly(wants_json=True)
    with suppress(LMStudioError):
        assembly.feed([ServerSentEvent(json.dumps(value).encode(), name)])
        assembly.result(duration_s=1, first_token_s=1)


def test_memory_stays_bounded_without_an_end_of_line() -> None:
    parser = SSEParser(max_event_bytes=1000)
    for _ in range(1000):
        parser.feed(b"x")
    with pytest.raises(AnswerTooLarge):
        parser.feed(b"x")


def test_memory_stays_bounded_without_an_end_of_event() -> None:
    parser = SSEParser(max_event_bytes=1000)
    for _ in range(1000 // 16):
        parser.feed(b"data:\n")
    with pytest.raises(AnswerTooLarge):
        parser.feed(b"data:\n")


def test_a_large_event_arrives_in_one_piece() -> None:
    text = b"x" * 5_000_000
    parser, events = SSEParser(), []
    data = b"data: " + text + b"\n\n"
    for start in range(0, len(data), 65_536):
        events += parser.feed(data[start : start + 65_536])
    assert events == [ServerSentEvent(text)]
