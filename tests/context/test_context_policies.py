"""Thousands of turns through every policy: the budget holds, order stays, and the same turns give the same prompts."""

import hashlib
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from message_strategies import Turn, count, exchanges, in_order

from wakeful.context import Conversation, History, OverBudget, OverflowPolicy, TierBudgets, Tiers, shorten
from wakeful.context import Turn as Thought

BUDGET = 1500
RULES: Turn = {"role": "system", "content": "Obey."}
PINNED: Turn = {"role": "user", "content": "My name is Ada."}
POOLS = st.lists(exchanges(), min_size=12, max_size=24)

Run = Callable[[list[Turn]], Awaitable[list[str]]]


def stream(pool: Sequence[list[Turn]], seed: int, turns: int) -> list[Turn]:
    """So many turns at least, made of these exchanges in an order by chance, each call with an id of its own."""
    rng, made = random.Random(seed), list[Turn]()
    while len(made) < turns:
        number = len(made)
        for each in rng.choice(pool):
            turn = dict(each)
            if "tool_calls" in turn:
                turn["tool_calls"] = [{**call, "id": f"{number}/{call['id']}"} for call in turn["tool_calls"]]
            if "tool_call_id" in turn:
                turn["tool_call_id"] = f"{number}/{turn['tool_call_id']}"
            made.append(turn)
    return made


def asks(turns: Sequence[Turn], at: int) -> bool:
    """Whether a model is asked after this turn: somebody spoke, or the last result of a call came."""
    role = turns[at]["role"]
    return role == "user" or (role == "tool" and (at + 1 == len(turns) or turns[at + 1]["role"] != "tool"))


def digest(messages: object) -> str:
    return hashlib.sha256(json.dumps(messages, ensure_ascii=True).encode()).hexdigest()


async def stopping(turns: list[Turn]) -> list[str]:
    """`stopAtLimit`: all of it, or none; whoever is refused begins anew."""
    history, prompts = History(BUDGET, count, policy="stopAtLimit"), list[str]()
    said: list[Turn] = []
    for at, turn in enumerate(turns):
        if not said and turn["role"] != "user":
            continue  # the rest of an exchange that was refused
        history.add(turn)
        said.append(turn)
        if not asks(turns, at):
            continue
        whole = sum(map(count, said))
        if whole > BUDGET:
            with pytest.raises(OverBudget) as refused:
                history.prompt()
            assert refused.value.needed_tokens == whole
            history, said = History(BUDGET, count, policy="stopAtLimit"), []
            prompts.append("refused")
            continue
        fitted = history.prompt()
        assert list(fitted.messages) == said
        assert fitted.tokens == whole <= BUDGET
        prompts.append(digest(fitted.messages))
    return prompts


def giving_way(policy: OverflowPolicy) -> Run:
    """The other policies: pruned as it grows, what is pinned and the rules stay."""

    async def run(turns: list[Turn]) -> list[str]:
        history, prompts = History(BUDGET, count, policy=policy), list[str]()
        history.add(RULES)
        history.add(PINNED, pinned=True)
        history.add({"role": "assistant", "content": "Hello."}, pinned=True)
        for at, turn in enumerate(turns):
            history.add(turn)
            if not asks(turns, at):
                continue
            history.prune()
            assert history.tokens == sum(map(count, history.messages)) <= BUDGET
            fitted = history.prompt(reserve_tokens=200)
            messages = [dict(each) for each in fitted.messages]
            assert fitted.tokens == sum(map(count, messages)) <= BUDGET - 200
            assert in_order(messages)
            assert messages[:2] == [RULES, PINNED]
            assert messages[-1]["role"] == turn["role"]
            prompts.append(digest(messages))
        return prompts

    return run


def text_tokens(text: str) -> int:
    return len(text.encode()) // 3 + 1


async def tiered(turns: list[Turn]) -> list[str]:
    """Three tiers: what is old stands in short in the rules."""
    budgets = TierBudgets(working=900, short_term=350, long_term=200)
    tiers, prompts = Tiers(budgets, count, text_tokens), list[str]()
    tiers.add(RULES)
    for at, turn in enumerate(turns):
        tiers.add(turn)
        if not asks(turns, at):
            continue
        await tiers.settle()
        messages = [dict(each) for each in tiers.prompt()]
        told = messages[0]["content"].removeprefix("Obey.").removeprefix("\n\nEarlier, in short:\n")
        assert text_tokens(told) <= budgets.short_term + budgets.long_term + 1
        assert sum(map(count, [RULES, *messages[1:]])) <= budgets.working
        assert in_order(messages)
        assert messages[0]["content"].startswith("Obey.")
        assert messages[-1]["role"] == turn["role"]
        prompts.append(digest(messages))
    return prompts


def size(messages: Sequence[tuple[str, str]]) -> int:
    return sum(text_tokens(text) + 5 for _, text in messages)


async def conversing(turns: list[Turn]) -> list[str]:
    """The mind's own conversation, with what it knows and what is summed up changing all the time."""
    talk = Conversation("rules " * 10, context_tokens=2 * BUDGET, answer_tokens=BUDGET // 2)
    prompts: list[str] = []
    before: tuple[tuple[str, str], ...] = ()
    for number, turn in enumerate(turns, 1):
        text = json.dumps(turn, ensure_ascii=False, default=str)
        moment, reply = shorten(text, 600), shorten(text[::-1], 300)
        talk.prepare(known=[f"line {each}" for each in range(number // 50 % 9)])
        layout = talk.lay_out(moment)
        for _ in range(3):
            if talk.counted(layout, size(layout.messages)):
                break
            layout = talk.lay_out(moment)
        tokens = size(layout.messages)
        assert tokens <= talk.room_tokens
        roles = [role for role, _ in layout.messages]
        assert roles == ["system", *(["user", "assistant"] * len(roles))][: len(roles)]
        assert layout.messages[-1][1].endswith(moment)
        assert layout.broken is None
        if talk.is_saved:
            assert layout.messages[: len(before)] == before
        talk.saved()
        talk.add(
            Thought(moment, reply, shorten(reply, 80), number),
            prompt_tokens=tokens,
            completion_tokens=text_tokens(reply),
        )
        before = (*layout.messages, ("assistant", reply))
        if talk.summary_due and number % 3:
            talk.prepare(summary=shorten(" ".join(each.gist for each in talk.turns), 200), through=number)
        prompts.append(digest(layout.messages))
    assert talk.through
    return prompts


RUNS: list[Any] = [
    pytest.param(stopping, id="stopAtLimit"),
    pytest.param(giving_way("truncateMiddle"), id="truncateMiddle"),
    pytest.param(giving_way("rollingWindow"), id="rollingWindow"),
    pytest.param(tiered, id="tiers"),
    pytest.param(conversing, id="conversation"),
]
SOME = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("run", RUNS)
@given(pool=POOLS, seed=st.integers(0, 2**32))
@SOME
async def test_hundreds_of_turns(run: Run, pool: list[list[Turn]], seed: int) -> None:
    turns = stream(pool, seed, 400)
    assert await run(turns) == await run(turns)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("run", RUNS)
@given(pool=POOLS, seed=st.integers(0, 2**32))
@SOME
async def test_ten_thousand_turns(run: Run, pool: list[list[Turn]], seed: int) -> None:
    turns = stream(pool, seed, 10_000)
    assert await run(turns) == await run(turns)
