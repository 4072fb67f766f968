"""What is learnt of a server from its answers."""

import asyncio
import json
import random
from typing import Any

import pytest
from raw_server import DONE, Exchange, delta, serving
from scripted import answering, said

from wakeful.lmstudio import AsyncLMStudioClient, CallRecord, ServerTooSlow, Timeouts
from wakeful.lmstudio.chat.experience import Experience
from wakeful.lmstudio.http.deadlines import Margins
from wakeful.lmstudio.tokens.estimate import TokenEstimator
from wakeful.lmstudio.tokens.reading import shortfall

PROSE = "The disk of the small server in the corner was nearly full, and nobody had noticed it for a week. "


BODY = json.dumps({"messages": [{"role": "user", "content": PROSE * 10}]}).encode()


def answer(prompt_tokens: int) -> dict[str, Any]:
    return said("fine", usage={"prompt_tokens": prompt_tokens, "completion_tokens": 2})


async def test_a_prompt_that_was_cut_without_a_word_is_noticed_and_the_limit_remembered() -> None:
    async with serving(answering(*[answer(2300)] * 9, answer(1100))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            for _ in range(9):
                assert (await client.chat(PROSE * 100, model="m")).prompt_shortfall == 0
            cut = await client.chat(PROSE * 100, model="m")
            assert 900 < cut.prompt_shortfall < 1500
            assert client.experience.limits == {"m": 1100}
            # what was cut must not teach that texts have fewer tokens
            assert client.experience.tokens.estimate(PROSE * 100, "m").tokens >= 2300


async def test_streams_are_marked_too() -> None:
    async with serving(answering(answer(300))) as server, AsyncLMStudioClient(server.url) as client:
        result = await client.stream(PROSE * 200).collect()
    assert result.prompt_shortfall > 2000


def test_short_prompts_and_unusual_vocabularies_are_no_shortfall() -> None:
    estimator = TokenEstimator()
    assert shortfall(estimator.estimate(PROSE), 1) == 0
    likely = estimator.estimate(PROSE * 100).likely
    assert shortfall(estimator.estimate(PROSE * 100), round(likely * 0.6)) == 0
    assert shortfall(estimator.estimate(PROSE * 100), round(likely * 0.4)) > 0


async def test_deadlines_are_learnt_from_answers() -> None:
    experience = Experience(Timeouts())
    loop_s = asyncio.get_running_loop().time()
    body = json.dumps({"messages": [{"role": "user", "content": PROSE * 40}]}).encode()
    assert experience.expect("m", body).first_token_s >= 900
    experience._answered_s["m"] = loop_s
    for at in range(8):
        text = f"{at} {PROSE * 40}"
        asked = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
        result = read(prompt=900, first_token_s=2.0)
        experience.learn("m", asked, result, longest_gap_s=0.1)
    learnt = experience.expect("m", body)
    assert learnt.first_token_s == Margins().first_token_floor_s
    assert learnt.between_tokens_s < 120
    assert experience.expect("m", body * 100).first_token_s > learnt.first_token_s
    assert experience.expect("other", body).first_token_s >= 900


def read(*, prompt: int, first_token_s: float):
    from wakeful.lmstudio import ChatResult, Usage

    usage = Usage(prompt, 20, cached_tokens=0)
    return ChatResult(
        "x", usage=usage, evaluated_tokens=prompt, first_token_s=first_token_s, duration_s=first_token_s + 1, chunks=20
    )


async def test_given_deadlines_are_never_exceeded_and_shorter_ones_learnt() -> None:
    experience = Experience(Timeouts(first_token_s=5.0, between_tokens_s=2.0, whole_s=7.0), fixed=True)
    for _ in range(8):
        experience.learn("m", BODY, read(prompt=300, first_token_s=4.0), longest_gap_s=1.9)
    learnt = experience.expect("m", BODY)
    assert (learnt.first_token_s, learnt.between_tokens_s, learnt.whole_s) == (5.0, 2.0, 7.0)


async def test_a_stall_is_cut_at_the_learnt_deadline_and_the_next_one_is_longer() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        if exchange.number > 6:
            await exchange.gone()  # silence for ever
            return
        await exchange.chunk(delta("fine") + delta(finish="stop") + DONE)
        await exchange.end()

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        client.experience.deadlines._margins = Margins(first_token_floor_s=0.2, between_tokens_floor_s=0.2)
        for _ in range(6):
            await client.stream("hello", model="m").collect()
        body = b'{"messages":[]}'
        before = client.experience.expect("m", body).first_token_s
        assert before < 5
        with pytest.raises(ServerTooSlow) as caught:
            await client.stream("hello", model="m").collect()
        assert caught.value.stage == "first_token"
        assert caught.value.waited_s < 5
        assert client.experience.expect("m", body).first_token_s > before


async def test_observers_and_statistics_see_every_chat_once() -> None:
    async def behaviour(exchange: Exchange) -> None:
        if exchange.number == 3:
            await exchange.answer(404, {"error": {"message": "model 'x' not found", "code": "model_not_found"}})
        elif exchange.number == 4:
            await exchange.head()
            await exchange.chunk(delta("half "))
            await exchange.gone()
        else:
            await answering(said("fine"))(exchange)

    def faulty(record: CallRecord) -> None:
        raise RuntimeError("no")

    seen: list[CallRecord] = []
    async with serving(behaviour) as server:
        async with AsyncLMStudioClient(server.url, observers=[faulty, seen.append]) as client:
            await client.chat("one", model="m", max_tokens=7, extra={"user": "geheim"})
            await client.stream("two", model="m").collect()
            with pytest.raises(Exception, match="not found"):
                await client.chat("three", model="m")
            async with client.stream("four", model="m") as stream:
                await anext(stream)
                stream.cancel()
                async for _ in stream:
                    pass
        statistics = client.statistics.per_model()["m"]
    assert [(record.finish_reason, record.error is not None) for record in seen] == [
        ("stop", False),
        ("stop", False),
        ("", True),
        ("", False),
    ]
    assert seen[0].parameters == {"max_tokens": 7}  # and nothing of the content
    assert (seen[0].first_token_s, seen[1].first_token_s is not None) == (None, True)
    assert (statistics.requests, statistics.prompt_tokens) == (4, 14)


def test_the_estimate_errs_on_the_safe_side_after_twenty_answers() -> None:
    rng = random.Random(3)

    def text() -> str:
        words = [
            rng.choice(["disk", "7041", '{"a":', "Überlauf", "磁盘已满", "ERR_42", "\n", "the"]) for _ in range(300)
        ]
        return " ".join(words[: rng.randrange(20, 300)])

    def tokens(of: str) -> int:  # a vocabulary of its own kind: much finer than usual
        return sum(-(-len(word.encode()) // 2) for word in of.split())

    estimator = TokenEstimator()
    for _ in range(20):
        one = text()
        estimator.learn(one, tokens(one), "m")
    for _ in range(200):
        one = text()
        assert estimator.estimate(one, "m").tokens >= 0.98 * tokens(one)
    assert estimator.estimate("", "m").tokens == 0


def test_the_estimate_stays_near_where_something_costs_far_less_than_usual() -> None:
    rng = random.Random(4)
    estimator = TokenEstimator()
    off: list[float] = []
    for _ in range(400):
        words, digits = rng.randrange(50, 300), rng.randrange(60)
        marked = rng.randrange(words)
        text = " ".join(["disk"] * (words - marked) + ["disk:"] * marked + ["7"] * digits)
        tokens = 2 * words + digits  # a vocabulary in which marks cost nothing
        off.append(estimator.estimate(text, "m").likely / tokens)
        estimator.learn(text, tokens, "m")
    assert 1.0 < sum(off[300:]) / 100 < 1.05
