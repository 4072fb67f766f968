"""What gives way when a context overflows, and the scripted model."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeful.engine.errors import DoesNotFit
from wakeful.engine.runner.overflow import fitted, room_for_answer
from wakeful.engine.runner.pieces import CallArguments, CallStart, Done, Piece, PromptProgress, Text
from wakeful.engine.runner.request import Generation, Message, OverflowPolicy
from wakeful.engine.runner.scripted import Call, Reply, ScriptedRunner, split_tokens
from wakeful.engine.runner.window import LEFT_OUT, grouped, shortened, text_of, ways

SYSTEM = {"role": "system", "content": "You are kind."}


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def said(text: str, *calls: str) -> Message:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [{"id": each, "function": {"name": "f", "arguments": "{}"}} for each in calls]
    return message


def result(call: str, text: str) -> Message:
    return {"role": "tool", "tool_call_id": call, "content": text}


def silent(context_tokens: int = 200) -> ScriptedRunner:
    return ScriptedRunner(lambda _: "", context_tokens=context_tokens)


async def fits(runner: ScriptedRunner, *messages: Message, policy: OverflowPolicy) -> list[Message]:
    return list((await fitted(runner, Generation(messages=messages, overflow=policy, max_tokens=20))).messages)


LONG = "many words " * 100


async def test_what_fits_is_left_alone() -> None:
    asked = Generation(messages=(SYSTEM, user("hello")), overflow="truncateMiddle")
    assert await fitted(silent(), asked) is asked


async def test_the_middle_is_left_out() -> None:
    turns = [SYSTEM, user("first"), said(LONG), user("second"), said("short"), user("third")]
    kept = await fits(silent(), *turns, policy="truncateMiddle")
    assert kept == [SYSTEM, user("first"), said("short"), user("third")]


async def test_the_oldest_go() -> None:
    turns = [SYSTEM, user("first"), said(LONG), user("second"), said("short"), user("third")]
    assert await fits(silent(), *turns, policy="rollingWindow") == [
        SYSTEM,
        user("second"),
        said("short"),
        user("third"),
    ]


async def test_a_call_and_its_result_go_together() -> None:
    turns = [user("go"), said("", "1"), result("1", LONG), said("", "2"), result("2", "ok")]
    for policy in ("truncateMiddle", "rollingWindow"):
        assert await fits(silent(), *turns, policy=policy) == [user("go"), said("", "2"), result("2", "ok")]


async def test_where_only_the_first_and_the_last_are_left_they_become_one() -> None:
    kept = await fits(silent(), user("one"), said(LONG), user("two"), policy="truncateMiddle")
    assert kept == [user("one\n\ntwo")]


async def test_one_huge_message_is_cut_inside_and_says_so() -> None:
    (kept,) = await fits(silent(), user("begin " + LONG * 5 + " end"), policy="truncateMiddle")
    text = text_of(kept)
    assert text.startswith("begin many")
    assert text.endswith("words  end")
    assert "left out" in text


async def test_parts_that_are_no_text_stay() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    turn = {"role": "user", "content": [{"type": "text", "text": "x" * 500}, image]}
    cut = shortened(turn, 10)
    assert cut["content"][1] == image
    assert len(text_of(cut)) < 60


async def test_nothing_is_left_out_where_that_is_the_policy() -> None:
    asked = Generation(messages=(user(LONG * 10),))
    assert await fitted(silent(), asked) is asked
    with pytest.raises(DoesNotFit):
        _ = [piece async for piece in silent().generate(asked)]


async def test_a_system_prompt_that_is_too_long_is_told_with_numbers() -> None:
    with pytest.raises(DoesNotFit) as caught:
        await fits(silent(), {"role": "system", "content": LONG * 10}, user("hi"), policy="truncateMiddle")
    assert caught.value.context_tokens == 200
    assert caught.value.prompt_tokens > 200


async def test_a_raw_prompt_rolls_or_loses_its_middle() -> None:
    prompt = "".join(f"{number} " for number in range(500))
    rolled = (await fitted(silent(), Generation(prompt=prompt, overflow="rollingWindow"))).prompt or ""
    middle = (await fitted(silent(), Generation(prompt=prompt, overflow="truncateMiddle"))).prompt or ""
    assert prompt.endswith(rolled)
    assert middle.startswith("0 1 2 ")
    assert middle.endswith(" 498 499 ")
    assert len(rolled) < len(prompt)


TEXTS = st.text("ab .", max_size=200)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    turns: list[Message] = [SYSTEM] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 6))):
        turns.append(user(draw(TEXTS)))
        for call in range(draw(st.integers(0, 3))):
            name = f"{number}.{call}"
            turns += [said("", name), result(name, draw(TEXTS))]
        if draw(st.booleans()):
            turns.append(said(draw(TEXTS)))
    return turns


POLICIES = st.sampled_from(("truncateMiddle", "rollingWindow"))


@given(conversations(), POLICIES)
def test_each_way_is_within_the_one_before(turns: list[Message], policy: OverflowPolicy) -> None:
    forms = ways(turns, policy)
    assert forms[0] == tuple(turns)
    for longer, shorter in pairwise(forms):
        assert sum(len(text_of(each)) for each in shorter) <= sum(len(text_of(each)) for each in longer) + 2
    for form in forms:
        assert text_of(form[-1]).endswith(text_of(turns[-1]))
        assert turns[0]["role"] != "system" or form[0] == SYSTEM
        calls = {call["id"] for each in form for call in each.get("tool_calls", ())}
        assert {each["tool_call_id"] for each in form if each["role"] == "tool"} == calls
        if policy == "truncateMiddle":
            first = next(each for each in turns if each["role"] == "user")
            assert any(text_of(each).startswith(text_of(first)) for each in form)


@settings(max_examples=150)
@given(conversations(), POLICIES, st.integers(40, 300), st.none() | st.integers(1, 100))
async def test_the_budget_is_never_exceeded(
    turns: list[Message], policy: OverflowPolicy, context: int, max_tokens: int | None
) -> None:
    runner = silent(context)
    asked = Generation(messages=tuple(turns), overflow=policy, max_tokens=max_tokens)
    with suppress(DoesNotFit):
        kept = await fitted(runner, asked)
        tokens = len(await runner.tokenize(await runner.render(kept.messages)))
        assert tokens + room_for_answer(asked, context) <= context


@given(st.text("ab 1.", max_size=600), POLICIES, st.integers(20, 200))
async def test_the_budget_of_a_raw_prompt_is_never_exceeded(prompt: str, policy: OverflowPolicy, context: int) -> None:
    asked = Generation(prompt=prompt, overflow=policy)
    kept = (await fitted(silent(context), asked)).prompt or ""
    assert len(split_tokens(kept)) + room_for_answer(asked, context) <= context


@given(st.lists(st.sampled_from(("user", "assistant", "tool", "system")), max_size=10))
def test_groups_lose_nothing(roles: list[str]) -> None:
    messages = [{"role": role, "content": str(at)} for at, role in enumerate(roles)]
    assert [each for group in grouped(messages) for each in group] == messages
    assert all(each["role"] == "tool" for group in grouped(messages) for each in group[1:])


@given(st.text(max_size=400), st.integers(0, 400))
def test_cutting_never_lengthens(text: str, keep: int) -> None:
    cut = text_of(shortened(user(text), keep))
    assert len(cut) <= len(text)
    assert cut == text or len(cut) <= keep + len(LEFT_OUT) + 4


@given(st.text())
def test_scripted_tokens_make_up_the_text(text: str) -> None:
    tokens = split_tokens(text)
    assert "".join(tokens) == text
    assert all(0 < len(token) <= 7 for token in tokens)


CALLS = st.lists(
    st.builds(Call, name=st.sampled_from(("f", "g")), arguments=st.dictionaries(st.text(max_size=3), st.integers())),
    max_size=3,
)


@given(
    st.text(max_size=60),
    st.text(max_size=30),
    CALLS,
    st.none() | st.integers(0, 40),
    st.lists(st.text(max_size=2), max_size=2),
)
async def test_a_scripted_answer_keeps_the_order_and_its_limits(
    text: str, reasoning: str, calls: Sequence[Call], max_tokens: int | None, stops: list[str]
) -> None:
    runner = ScriptedRunner(lambda _: Reply(text=text, reasoning=reasoning, calls=tuple(calls)))
    asked = Generation(messages=(user("x"),), max_tokens=max_tokens, stop=tuple(stops))
    pieces = [piece async for piece in runner.generate(asked)]
    assert [_rank(piece) for piece in pieces] == sorted(_rank(piece) for piece in pieces)
    done = pieces[-1]
    assert isinstance(done, Done)
    tokens = sum(piece.tokens for piece in pieces if isinstance(piece, Text | CallArguments))
    assert tokens == done.stats.completion_tokens
    assert max_tokens is None or tokens <= max_tokens
    told = "".join(piece.text for piece in pieces if isinstance(piece, Text) and not piece.reasoning)
    assert text.startswith(told)
    assert not any(stop and stop in told for stop in stops)
    if done.stop_reason == "toolCalls":
        assert _called(pieces) == [(call.name, call.arguments) for call in calls]
    assert runner.activity.status == "idle"


def _rank(piece: Piece) -> int:
    match piece:
        case PromptProgress():
            return 0
        case Text():
            return 1 if piece.reasoning else 2
        case CallStart() | CallArguments():
            return 3 + piece.index
        case Done():
            return 99


def _called(pieces: Sequence[Piece]) -> list[tuple[str, Mapping[str, Any]]]:
    arguments: dict[int, str] = {}
    for piece in pieces:
        if isinstance(piece, CallArguments):
            arguments[piece.index] = arguments.get(piece.index, "") + piece.text
    return [(piece.name, json.loads(arguments[piece.index])) for piece in pieces if isinstance(piece, CallStart)]


async def test_what_was_read_before_is_cached() -> None:
    runner = ScriptedRunner(lambda _: "yes")
    asked = Generation(messages=(user("one two three"),))
    ends = [[piece async for piece in runner.generate(asked)][-1] for _ in range(2)]
    cached = [end.stats.cached_tokens for end in ends if isinstance(end, Done)]
    assert cached[0] == 0
    assert cached[1] > 5
