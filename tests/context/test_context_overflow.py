"""Whatever is said, the budget holds, and what was in an order that templates accept still is."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_strategies import Turn, conversations, count, in_order

from wakeful.context import History, OverBudget, OverflowPolicy, fit

POLICIES: list[OverflowPolicy] = ["truncateMiddle", "rollingWindow"]


@given(conversations(), st.integers(40, 3000), st.sampled_from(POLICIES))
@settings(deadline=None, max_examples=400)
def test_the_budget_holds_and_the_order_stays(turns: list[Turn], budget: int, policy: OverflowPolicy) -> None:
    assert in_order(turns)
    try:
        fitted = fit(turns, budget, count, policy=policy)
    except OverBudget as error:
        refused = error
        fitted = None
    else:
        refused = None
    if fitted is None:
        assert refused is not None
        assert refused.needed_tokens > budget
        assert budget < 400  # rules, a question, and one round of calls
        return
    assert fitted.tokens == sum(map(count, fitted.messages)) <= budget
    assert in_order([dict(each) for each in fitted.messages])
    assert fitted.messages[-1]["role"] == "user"
    assert list(fitted.positions) == sorted(fitted.positions)
    assert [turns[at]["role"] for at in fitted.positions] == [each["role"] for each in fitted.messages]
    assert len(fitted.left) == len(turns) - len(fitted.messages)
    if turns[0]["role"] == "system":
        assert fitted.messages[0] == turns[0]
    same = sum(turns[at] == each for at, each in zip(fitted.positions, fitted.messages, strict=True))
    assert same >= len(fitted.messages) - fitted.shortened


@given(conversations(), st.integers(200, 3000), st.data())
@settings(deadline=None, max_examples=100)
def test_what_is_pinned_stays_whole(turns: list[Turn], budget: int, data: st.DataObject) -> None:
    pinned = data.draw(st.integers(0, len(turns) - 1))
    try:
        fitted = fit(turns, budget, count, pinned=[pinned])
    except OverBudget:
        return
    assert turns[pinned] in fitted.messages


def said(*texts: str) -> list[Turn]:
    return [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(texts)]


def test_a_rolling_window_lets_the_oldest_go() -> None:
    turns = said("first", "a" * 300, "second", "b" * 300, "third")
    fitted = fit(turns, 150, count)
    assert fitted.messages == tuple(turns[2:])
    assert fitted.left == tuple(turns[:2])


def test_truncating_the_middle_keeps_the_beginning() -> None:
    turns = said("first", "a" * 60, "second", "b" * 300, "third")
    assert fit(turns, 60, count, policy="truncateMiddle").messages == (turns[0], turns[1], turns[4])


def test_stopping_at_the_limit_refuses() -> None:
    with pytest.raises(OverBudget) as caught:
        fit(said("a" * 300), 50, count, policy="stopAtLimit")
    assert (caught.value.needed_tokens, caught.value.budget_tokens) == (count(said("a" * 300)[0]), 50)


def test_one_huge_message_loses_its_middle_visibly() -> None:
    [message] = fit(said("begin " + "x" * 9000 + " end"), 100, count).messages
    text = str(message["content"])
    assert text.startswith("begin ")
    assert text.endswith(" end")
    assert " … " in text
    assert count(message) <= 100


def test_a_history_is_pruned_in_large_steps() -> None:
    history = History(400, count)
    history.add({"role": "system", "content": "Obey."})
    history.add({"role": "user", "content": "my name is Ada"}, pinned=True)
    history.add({"role": "assistant", "content": "Hello Ada."}, pinned=True)
    prunings = 0
    before: tuple[Any, ...] = ()
    for number in range(100):
        history.add({"role": "user", "content": f"question {number}"})
        left = history.prune()
        prunings += bool(left)
        assert history.tokens == sum(map(count, history.messages)) <= 400
        assert history.messages[:3] == ({"role": "system", "content": "Obey."}, *history.messages[1:3])
        assert history.messages[1]["content"] == "my name is Ada"
        if not left:
            assert tuple(history.messages[: len(before)]) == before
        history.add({"role": "assistant", "content": f"answer {number}"})
        before = tuple(history.messages)
    assert 3 < prunings < 20
