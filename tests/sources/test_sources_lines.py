from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.sources.lines import LineReader, bundles, encoding_of

texts = st.lists(st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=20))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


@given(texts, st.lists(st.integers(0, 10_000), max_size=10), st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]))
def test_any_split_gives_the_same_lines(lines: list[str], places: list[int], encoding: str):
    data = "".join(f"{line}\n" for line in lines).encode(encoding)
    reader = LineReader(encoding, offset=100)
    read = [line for piece in cut(data, places) for line in reader.feed(piece)]
    assert [line.text for line in read] == lines
    assert not reader.partial
    assert reader.offset == 100 + len(data)
    ends = [line.end - 100 for line in read]
    assert [data[begin:end].decode(encoding) for begin, end in pairwise([0, *ends])] == [f"{x}\n" for x in lines]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_garbage_is_told_in_any_split(data: bytes, places: list[int]):
    reader = LineReader(max_bytes=50)
    read = [line for piece in cut(data, places) for line in reader.feed(piece)] + reader.flush()
    assert len(read) == data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    assert not read or read[-1].end == len(data)
    assert all("\n" not in line.text and "\0" not in line.text for line in read)


def test_a_huge_line_is_cut_and_takes_no_memory():
    reader = LineReader()
    piece = b"x" * 262_144
    for _ in range(40):
        assert reader.feed(piece) == []
        assert len(reader._kept) <= 65_536
    [line] = reader.feed(b"end\nnext")
    assert line.text == "x" * 65_536 + f" … [{40 * 262_144 + 3 - 65_536} bytes cut]"
    assert line.end == 40 * 262_144 + 4
    assert reader.flush()[0].text == "next"


def test_a_hole_of_nuls_is_one_mark():
    reader = LineReader()
    [line] = reader.feed(b"\0" * 200_000 + b"text\r\n")
    assert line.text == "\N{REPLACEMENT CHARACTER}text"
    assert reader.feed(b"caf\xe9\n")[0].text == "caf\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xef\xbb\xbfabc", ("utf-8", 3)),
        (b"\xff\xfea\0", ("utf-16-le", 2)),
        (b"\xfe\xff\0a", ("utf-16-be", 2)),
        (b"abc", ("utf-8", 0)),
        (b"", ("utf-8", 0)),
    ],
)
def test_a_byte_order_mark_is_known(head: bytes, expected: tuple[str, int]):
    assert encoding_of(head) == expected


@given(st.lists(st.text("ab", max_size=300), max_size=200), st.integers(0, 60))
def test_bundles_leave_nothing_out(lines: list[str], few: int):
    blocks = list(bundles(lines, size=len, few=few))
    assert [line for block in blocks for line in block] == lines
    assert all(blocks)
    if len(lines) <= few:
        assert all(len(block) == 1 for block in blocks)


def test_blocks_are_bounded():
    blocks = list(bundles(["x" * 60_000] * 20 + ["y"] * 2500, size=len, few=5))
    assert max(len(block) for block in blocks) == 1000
    assert all(sum(map(len, block)) <= 256 * 1024 for block in blocks)
