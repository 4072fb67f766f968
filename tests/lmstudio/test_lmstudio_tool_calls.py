"""How pieces of tool calls become whole calls, of servers that agree on little."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.lmstudio.chat.events import ToolCall
from wakeful.lmstudio.chat.tool_calls import MAX_CALLS, ToolCallAssembler
from wakeful.lmstudio.chat.wire import WireToolCall
from wakeful.lmstudio.errors import AnswerTooLarge, LMStudioError

ARGUMENTS = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=10), max_size=3).map(json.dumps)


def piece(
    index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: Any = None
) -> WireToolCall:
    function = {"name": name, "arguments": arguments}
    return msgspec.convert({"index": index, "id": call_id, "function": function}, WireToolCall)


def assembled(*pieces: WireToolCall) -> list[ToolCall]:
    assembler = ToolCallAssembler()
    for one in pieces:
        assembler.feed([one])
    return assembler.finish()


def test_two_calls_in_pieces() -> None:
    calls = assembled(
        piece(0, "a", "look", ""),
        piece(0, arguments='{"x"'),
        piece(0, arguments=": 1}"),
        piece(1, "b", "find", '{"y": 2}'),
    )
    assert calls == [ToolCall("a", "look", '{"x": 1}'), ToolCall("b", "find", '{"y": 2}')]
    assert calls[0].parsed() == {"x": 1}


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([piece(0, "a", "f", "{}"), piece(0, "b", "g", "{}")], id="duplicated index, new id"),
        pytest.param([piece(0, None, "f", "{}"), piece(0, None, "g", "{}")], id="duplicated index, new name"),
        pytest.param([piece(None, "a", "f", "{}"), piece(None, "b", "g", "{}")], id="no index"),
        pytest.param([piece(None, None, "f", "{}"), piece(None, None, "g", "{}")], id="no index, no id"),
        pytest.param([piece(0, "a", "f"), piece(1, "b", "g"), piece(0, "a", None, "{}")], id="between each other"),
        pytest.param([piece(7, "a", "f", "{}"), piece(3, "b", "g", "{}")], id="indices of any kind"),
    ],
)
def test_two_calls_stay_two(pieces: list[WireToolCall]) -> None:
    calls = assembled(*pieces)
    assert [(call.name, call.arguments) for call in calls] == [("f", "{}"), ("g", "{}")]
    assert len({call.id for call in calls}) == 2
    assert all(call.id for call in calls)


def test_a_name_and_an_id_that_every_piece_repeats() -> None:
    calls = assembled(*(piece(0, "a", "look", part) for part in ('{"x"', ": 1", "}")))
    assert calls == [ToolCall("a", "look", '{"x": 1}')]


def test_a_name_in_pieces() -> None:
    assert assembled(piece(0, "a", "lo"), piece(0, None, "ok"), piece(0, arguments="{}"))[0].name == "look"


def test_arguments_that_are_an_object_already() -> None:
    assert assembled(piece(0, "a", "look", {"x": 1}))[0].parsed() == {"x": 1}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [('{"x":', "no JSON:"), ("[1]", "no JSON object"), ("look now", "no JSON:"), ("[" * 100_000, "no JSON:")],
)
def test_arguments_that_can_not_be_used(arguments: str, fault: str) -> None:
    [call] = assembled(piece(0, "a", "look", arguments))
    assert fault in call.error
    assert call.arguments == arguments  # kept for whoever wants to tell the model
    with pytest.raises(ValueError, match=r"The arguments are no JSON"):
        call.parsed()


def test_a_call_without_arguments_and_one_without_a_name() -> None:
    assert assembled(piece(0, "a", "look"))[0].parsed() == {}
    assert assembled(piece(0, "a", None, "{}"))[0].error == "The call names no tool."


def test_endless_calls_are_refused() -> None:
    with pytest.raises(AnswerTooLarge):
        assembled(*(piece(at, f"id{at}", "f", "{}") for at in range(MAX_CALLS + 1)))


@given(st.lists(st.tuples(st.sampled_from(["f", "g"]), ARGUMENTS), min_size=1, max_size=4), st.data())
def test_any_split_of_calls_gives_the_same_calls(calls: list[tuple[str, str]], data: st.DataObject) -> None:
    pieces: list[WireToolCall] = []
    for index, (name, arguments) in enumerate(calls):
        cuts = sorted(data.draw(st.lists(st.integers(0, len(arguments)), max_size=4)))
        edges = [0, *cuts, len(arguments)]
        pieces.append(piece(index, f"id{index}", name))
        pieces += [piece(index, arguments=arguments[a:b]) for a, b in pairwise(edges)]
    whole = [piece(index, f"id{index}", name, arguments) for index, (name, arguments) in enumerate(calls)]
    assert assembled(*pieces) == assembled(*whole)


@given(
    st.lists(
        st.builds(
            piece,
            st.none() | st.integers(-2, 3),
            st.none() | st.sampled_from(["", "a", "b"]),
            st.none() | st.sampled_from(["", "f", "g"]),
            st.none() | st.text(max_size=5) | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
        )
    )
)
def test_any_pieces_give_calls_or_an_error_of_ours(pieces: list[WireToolCall]) -> None:
    try:
        calls = assembled(*pieces)
    except LMStudioError:
        return
    assert len({call.id for call in calls}) == len(calls)
    for call in calls:
        assert call.error or isinstance(call.parsed(), dict)
