"""How thinking is told from the answer, however it is cut into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.lmstudio.chat.events import ContentDelta
from wakeful.lmstudio.chat.thinking import ThinkSplitter, split_unopened

TEXTS = st.text(st.sampled_from("ab <>/think[]THINK\n"), max_size=60)


def split(pieces: list[str]) -> tuple[str, str]:
    """(thought, said)."""
    splitter = ThinkSplitter()
    deltas = [delta for piece in pieces for delta in splitter.feed(piece)] + splitter.close()
    said = "".join(delta.text for delta in deltas if isinstance(delta, ContentDelta))
    return "".join(delta.text for delta in deltas if not isinstance(delta, ContentDelta)), said


@pytest.mark.parametrize(
    ("text", "thought", "said"),
    [
        ("<think>\nhm, well\n</think>\n\nYes.", "\nhm, well\n", "Yes."),
        ("\n <thinking>hm</thinking>Yes.", "hm", "Yes."),
        ("[THINK]hm[/THINK]Yes.", "hm", "Yes."),
        ("<seed:think>hm</seed:think>Yes.", "hm", "Yes."),
        ("<think></think>Yes.", "", "Yes."),
        ("<think>cut off", "cut off", ""),
        ("<think>cut off</thi", "cut off</thi", ""),
        ("<think>one</think>The tag <think>two</think> is data.", "one", "The tag <think>two</think> is data."),
        ("A <think>b</think>", "", "A <think>b</think>"),
        ("<thin", "", "<thin"),
        ("<p>text</p>", "", "<p>text</p>"),
        ("", "", ""),
        (" " * 1000 + "<think>", "", " " * 1000 + "<think>"),
    ],
)
def test_a_section_at_the_beginning_is_taken_out(text: str, thought: str, said: str) -> None:
    assert split([text]) == (thought, said)
    assert split(list(text)) == (thought, said)


@given(TEXTS, st.lists(st.integers(0, 60)))
def test_any_split_gives_the_same(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert split(pieces) == split([text])


@given(TEXTS)
def test_text_without_an_opening_tag_at_its_beginning_passes_unchanged(text: str) -> None:
    assert split(["x" + text]) == ("", "x" + text)


def test_once_decided_nothing_is_held_back() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("Yes") == [ContentDelta("Yes")]
    assert splitter.decided


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hm\n</think>\n\nYes.", ("hm\n", "Yes.")),
        ("hm</think>", ("hm", "")),
        ("The tag </think> ends it.", ("", "The tag </think> ends it.")),
        ("a <think>b</think>\nc", ("", "a <think>b</think>\nc")),
        ("Yes.", ("", "Yes.")),
    ],
)
def test_thinking_that_the_prompt_opened(text: str, parts: tuple[str, str]) -> None:
    assert split_unopened(text) == parts
