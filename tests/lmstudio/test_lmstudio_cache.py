"""What is remembered of answers, and what is not."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_server import Exchange, serving
from scripted import answering, asked, said

from wakeful.lmstudio import AsyncLMStudioClient, ChatResult, LMStudioError, ResponseCache


async def test_the_same_question_is_asked_once() -> None:
    async with serving(answering(said("fine"))) as server, AsyncLMStudioClient(server.url) as client:
        cache = ResponseCache(client)
        first = await cache.chat("x", temperature=0)
        assert await cache.chat([{"role": "user", "content": "x"}], temperature=0) == first
        for options in ({"max_tokens": 7}, {"model": "m"}, {"extra": {"top_a": 1}}, {"stop": "."}):
            await cache.chat("x", temperature=0, **options)  # type: ignore[arg-type]
        assert len(server.requests) == 5
        assert (cache.counts.hits, cache.counts.misses) == (1, 5)
        await ResponseCache(client, instance="other").chat("x", temperature=0)
        assert len(server.requests) == 6
        cache.clear()
        await cache.chat("x", temperature=0)
        assert len(server.requests) == 7


async def test_chance_and_halves_are_not_remembered() -> None:
    async with serving(answering(said("fine"), said("half", finish="length"))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            cache = ResponseCache(client)
            await cache.chat("x", temperature=0.7)
            await cache.chat("x", temperature=0)
            await cache.chat("x", temperature=0)
            assert len(server.requests) == 3
            lucky = ResponseCache(client, any_temperature=True)
            await lucky.chat("x")
            assert lucky.counts.bytes == 0


async def test_who_asks_the_same_meanwhile_waits_for_the_answer_and_errors_are_each_ones_own() -> None:
    async def behaviour(exchange: Exchange) -> None:
        if asked(exchange)["messages"][0]["content"] == "bad":
            await exchange.answer(400, {"error": {"message": "no"}})
        else:
            await answering(said("fine"))(exchange)

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        cache = ResponseCache(client)
        results = await asyncio.gather(*(cache.chat("x", temperature=0) for _ in range(8)))
        assert len(server.requests) == 1
        assert len({id(result) for result in results}) == 1
        errors = await asyncio.gather(*(cache.chat("bad", temperature=0) for _ in range(3)), return_exceptions=True)
        assert [isinstance(error, LMStudioError) for error in errors] == [True] * 3
        assert cache._asking == {}


class Fixed:
    """A client that answers with so many characters."""

    async def chat(self, messages: Any, **options: Any) -> ChatResult:
        return ChatResult("x" * int(messages), finish_reason="stop")


@given(st.lists(st.integers(0, 3000), max_size=40), st.integers(300, 6000))
def test_it_never_holds_more_than_it_may(sizes: list[int], max_bytes: int) -> None:
    async def fill() -> None:
        cache = ResponseCache(Fixed(), max_bytes=max_bytes)
        for size in sizes:
            assert len((await cache.chat(str(size), temperature=0)).text) == size
            assert 0 <= cache.counts.bytes <= max_bytes
            assert cache.counts.bytes == sum(entry[1] for entry in cache._kept.values())

    asyncio.run(fill())


@pytest.mark.parametrize(("age_s", "asked_again"), [(59.0, False), (61.0, True)])
async def test_answers_grow_old(age_s: float, asked_again: bool) -> None:
    now_s = 0.0
    cache = ResponseCache(Fixed(), max_age_s=60.0, now_s=lambda: now_s)
    await cache.chat("1", temperature=0)
    now_s = age_s
    await cache.chat("1", temperature=0)
    assert (cache.counts.misses == 2) is asked_again


async def test_waiters_for_an_answer_that_is_none_to_keep_ask_at_once_and_in_their_own_time() -> None:
    async def behaviour(exchange: Exchange) -> None:
        if exchange.number == 1:
            await others.wait()
        elif exchange.number == 5:
            all_there.set()
        if exchange.number > 1:
            await all_there.wait()
        await answering(said("half", finish="length"))(exchange)

    others, all_there = asyncio.Event(), asyncio.Event()
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        cache = ResponseCache(client)
        asking = [asyncio.create_task(cache.chat("x", temperature=0)) for _ in range(5)]
        await asyncio.sleep(0)
        hurried = await cache.chat("x", temperature=0, limit_s=0.05)
        assert hurried.interrupted == "deadline"
        others.set()
        assert [result.text for result in await asyncio.wait_for(asyncio.gather(*asking), 5)] == ["half"] * 5
    assert len(server.requests) == 5


async def test_an_answer_on_its_way_when_the_cache_is_cleared_is_not_kept() -> None:
    async def behaviour(exchange: Exchange) -> None:
        cache.clear()
        await answering(said("old"))(exchange)

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        cache = ResponseCache(client)
        await cache.chat("x", temperature=0)
    assert cache.counts.bytes == 0
