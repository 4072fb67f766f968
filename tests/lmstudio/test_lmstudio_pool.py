"""Several hosts behind one door."""

import asyncio
from contextlib import AsyncExitStack, aclosing

import pytest
from raw_server import Exchange, RawServer, good, half_answer, serving
from scripted import answering, said

from wakeful.lmstudio import (
    NO_RETRY,
    AsyncLMStudioClient,
    BadRequest,
    ContentDelta,
    Finished,
    Pool,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
    Timeouts,
)


async def pool_of(stack: AsyncExitStack, *behaviours: object) -> tuple[Pool, list[RawServer]]:
    servers = [await stack.enter_async_context(serving(behaviour)) for behaviour in behaviours]  # type: ignore[arg-type]
    clients = [AsyncLMStudioClient(server.url, retry=NO_RETRY) for server in servers]
    return await stack.enter_async_context(Pool(clients)), servers


def asked(servers: list[RawServer]) -> list[int]:
    return [len(server.requests) for server in servers]


async def test_new_conversations_go_to_the_least_busy_and_old_ones_stay() -> None:
    async with AsyncExitStack() as stack:
        pool, servers = await pool_of(stack, good, good, good)
        await asyncio.gather(*(pool.chat(f"question {number}") for number in range(9)))
        assert asked(servers) == [3, 3, 3]
        history = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
        await pool.chat(history)
        before = asked(servers)
        for turn in range(5):
            history += [{"role": "assistant", "content": "hi"}, {"role": "user", "content": f"turn {turn}"}]
            await pool.chat(history)
        assert sorted(now - then for now, then in zip(asked(servers), before, strict=True)) == [0, 0, 5]
        before = asked(servers)
        for number in range(4):
            await pool.chat(f"other {number}", conversation="mine")
        assert sorted(now - then for now, then in zip(asked(servers), before, strict=True)) == [0, 0, 4]


async def test_a_dead_host_is_left_alone_and_its_conversations_move(free_port: int) -> None:
    async with AsyncExitStack() as stack:
        alive = await stack.enter_async_context(serving(good))
        clients = [AsyncLMStudioClient(url, retry=NO_RETRY) for url in (f"127.0.0.1:{free_port}", alive.url)]
        pool = await stack.enter_async_context(Pool(clients))
        for number in range(6):
            assert (await pool.chat(f"question {number}")).text == "Grüße, Welt"
        dead, well = pool.hosts
        assert (dead.failures, well.failures, well.under_way) == (1, 0, 0)
        assert dead.rests_s > 1
        events = [event async for event in pool.stream("streamed")]
        assert isinstance(events[-1], Finished)


async def test_all_hosts_dead_gives_the_last_error(free_port: int) -> None:
    async with Pool([AsyncLMStudioClient(f"127.0.0.1:{free_port}", retry=NO_RETRY) for _ in range(2)]) as pool:
        with pytest.raises(ServerUnreachable):
            await pool.chat("x")
        assert [host.failures for host in pool.hosts] == [1, 1]
        with pytest.raises(ServerUnreachable):  # resting or not: rather ask than give up
            await pool.chat("x")


async def test_what_was_told_or_may_have_been_begun_is_not_asked_elsewhere() -> None:
    async with AsyncExitStack() as stack:
        pool, servers = await pool_of(stack, half_answer, half_answer)
        async with aclosing(pool.stream("x")) as events:
            assert isinstance(await anext(events), ContentDelta)
            with pytest.raises(StreamBroken):
                [event async for event in events]
        assert sum(asked(servers)) == 1


async def test_a_fault_of_the_request_is_not_the_hosts() -> None:
    async def refuses(exchange: object) -> None:
        await exchange.answer(400, {"error": {"message": "bad temperature"}})  # type: ignore[attr-defined]

    async with AsyncExitStack() as stack:
        pool, servers = await pool_of(stack, refuses, refuses)
        with pytest.raises(BadRequest):
            await pool.chat("x")
        assert sum(asked(servers)) == 1
        assert [host.failures for host in pool.hosts] == [0, 0]


async def test_no_host_at_all() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Pool([])
    async with AsyncExitStack() as stack:
        pool, _ = await pool_of(stack, answering(said("one")))
        assert (await pool.chat("x")).text == "one"


async def test_a_host_that_hangs_is_not_asked_again_and_again() -> None:
    async def hangs(exchange: Exchange) -> None:
        await exchange.gone()

    async with AsyncExitStack() as stack:
        hung = await stack.enter_async_context(serving(hangs))
        well = await stack.enter_async_context(serving(good))
        quick = Timeouts(whole_s=0.1, first_token_s=0.1)
        clients = [AsyncLMStudioClient(each.url, retry=NO_RETRY, timeouts=quick) for each in (hung, well)]
        pool = await stack.enter_async_context(Pool(clients))
        with pytest.raises(ServerTooSlow):  # it may be working on it: not for another host
            await pool.chat("one")
        for number in range(4):
            assert (await pool.chat(f"question {number}")).text == "Grüße, Welt"
        assert len(hung.requests) == 1


async def test_many_failures_of_one_moment_count_once_and_one_request_tries_again() -> None:
    refusing = True

    async def behaviour(exchange: Exchange) -> None:
        if refusing:
            await exchange.answer(503, {"error": {"message": "Loading model", "code": 503}})
        else:
            await good(exchange)

    async with AsyncExitStack() as stack:
        pool, servers = await pool_of(stack, behaviour, good)
        await asyncio.gather(*(pool.chat(f"question {number}") for number in range(12)))
        assert [host.failures for host in pool.hosts] == [1, 0]
        refusing = False
        pool._hosts[0].until_s = 0.0  # its rest is over
        before = asked(servers)[0]
        await asyncio.gather(*(pool.chat(f"more {number}") for number in range(6)))
        assert asked(servers)[0] - before == 1
        assert pool.hosts[0].failures == 0
