"""How a cut answer goes on, and what becomes of answers that nobody waits for."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_server import DONE, Exchange, delta, serving
from scripted import asked

from wakeful.lmstudio import AsyncLMStudioClient, ContentDelta, RetryConfig, StreamBroken
from wakeful.lmstudio.chat.resume import Joint

TEXT = "Once upon a time there was a small server in a corner, and it was nearly full."


def cutting(at: int, rest: Callable[[str], str], *, cuts: int = 1):
    """Breaks the stream off after so many characters, `cuts` times; then gives what `rest` makes of the beginning."""

    streams = 0

    async def behaviour(exchange: Exchange) -> None:
        nonlocal streams
        if exchange.path == "/slots":  # as LM Studio answers
            await exchange.answer(200, {"error": "Unexpected endpoint or method. (GET /slots)"})
            return
        streams += 1
        messages = asked(exchange)["messages"]
        begun = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
        await exchange.head()
        if streams <= cuts:
            await exchange.chunk(delta(TEXT[len(begun) : len(begun) + at]))
            exchange.reset()
            return
        await exchange.chunk(delta(rest(begun)) + delta(finish="stop") + DONE)
        await exchange.end()

    return behaviour


def goes_on(begun: str) -> str:
    return TEXT[len(begun) :]


def begins_again(begun: str) -> str:
    return TEXT


@pytest.mark.parametrize("rest", [goes_on, begins_again], ids=["goes on", "says the beginning again"])
async def test_a_cut_answer_goes_on_where_it_stopped(rest: Callable[[str], str]) -> None:
    async with serving(cutting(40, rest)) as server, AsyncLMStudioClient(server.url) as client:
        stream = client.stream("tell", resume=True)
        deltas = [event.text async for event in stream if isinstance(event, ContentDelta)]
    assert stream.result is not None
    assert "".join(deltas) == stream.result.text == TEXT
    assert stream.result.resumed == 1
    assert asked(server.requests[-1])["messages"] == [
        {"role": "user", "content": "tell"},
        {"role": "assistant", "content": TEXT[:40]},
    ]


async def test_it_is_taken_up_as_often_as_told_and_not_at_all_by_itself() -> None:
    async with serving(cutting(20, goes_on, cuts=3)) as server:
        async with AsyncLMStudioClient(server.url) as client:
            assert (await client.stream("tell", resume=3).collect()).text == TEXT
    for resume, text in ((False, TEXT[:20]), (2, TEXT[:60])):
        async with serving(cutting(20, goes_on, cuts=9)) as server, AsyncLMStudioClient(server.url) as client:
            with pytest.raises(StreamBroken) as caught:
                await client.stream("tell", resume=resume).collect()
            assert caught.value.partial == text


async def test_an_answer_that_begins_anew_and_differs_is_not_sewn_together() -> None:
    behaviour = cutting(60, lambda begun: TEXT[:40] + "cat, and it was asleep. Nobody woke it.")
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(StreamBroken, match="began anew") as caught:
            await client.stream("tell", resume=True).collect()
    assert caught.value.partial == TEXT[:60]


async def test_a_schema_is_not_taken_up() -> None:
    async with serving(cutting(20, goes_on)) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(StreamBroken):
            await client.stream("tell", resume=True, json_schema={"type": "object"}).collect()
    assert len(server.requests) == 1


async def test_a_server_that_is_away_for_a_moment_is_waited_for() -> None:
    inner = cutting(40, goes_on)

    async def behaviour(exchange: Exchange) -> None:
        if exchange.number == 3:
            await exchange.answer(503, {"error": {"message": "Loading model", "code": 503}})
        else:
            await inner(exchange)

    quick = RetryConfig(backoff_factor=0.01)
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url, retry=quick) as client:
        assert (await client.stream("tell", resume=True).collect()).text == TEXT


@given(st.text("ab", max_size=50), st.text("ab", max_size=20), st.lists(st.integers(0, 70)), st.booleans())
def test_a_joint_gives_the_rest_however_it_is_cut(partial: str, rest: str, cuts: list[int], again: bool) -> None:
    told = partial + rest if again and len(partial) >= 32 else "x" + rest
    joint = Joint(partial)
    edges = [0, *sorted(min(cut, len(told)) for cut in cuts), len(told)]
    deltas = [each for at in range(len(edges) - 1) for each in joint.feed(told[edges[at] : edges[at + 1]])]
    text = "".join(each.text for each in [*deltas, *joint.close()])
    assert text == (rest if told != "x" + rest else told)


async def test_an_answer_left_behind_is_waited_for_where_the_server_tells() -> None:
    busy = 3

    async def behaviour(exchange: Exchange) -> None:
        nonlocal busy
        if exchange.path == "/slots":
            busy -= 1
            body = b'[{"id": 0, "is_processing": %s}]' % (b"true" if busy > 0 else b"false")
            await exchange.answer(200, body)
            return
        await cutting(40, goes_on)(exchange)

    def numbered(exchange: Exchange) -> bool:
        return exchange.path != "/slots"

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        async with client.stream("tell", resume=True) as stream:
            await anext(stream)
        assert client.experience.ghosts.may_take_s("", asyncio.get_running_loop().time()) > 0
        await client.experience.ghosts.settle(client.transport, "")
        assert client.experience.ghosts.may_take_s("", asyncio.get_running_loop().time()) == 0
    assert [exchange.path for exchange in server.requests if not numbered(exchange)] == ["/slots"] * 3


async def test_the_next_deadline_allows_for_an_answer_left_behind() -> None:
    async with serving(cutting(40, goes_on)) as server, AsyncLMStudioClient(server.url) as client:
        before = client.experience.expect("m", b"{}").first_token_s
        async with client.stream("tell", model="m", max_tokens=500) as stream:
            await anext(stream)
        assert before + 10 < client.experience.expect("m", b"{}").first_token_s <= before + 50
        await client.stream("tell", model="m").collect()
        assert client.experience.expect("m", b"{}").first_token_s <= before


async def test_a_whole_answer_left_behind_is_allowed_for_too() -> None:
    async def silent(exchange: Exchange) -> None:
        await exchange.gone()

    async with serving(silent) as server, AsyncLMStudioClient(server.url) as client:
        task = asyncio.create_task(client.chat("tell", model="m", max_tokens=500))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 < client.experience.ghosts.may_take_s("m", asyncio.get_running_loop().time()) <= 50


async def test_a_server_that_is_away_for_a_moment_is_asked_for_its_slots_later(free_port: int) -> None:
    async with AsyncLMStudioClient(f"127.0.0.1:{free_port}") as client:
        client.experience.left("m", 500)
        await client.experience.ghosts.settle(client.transport, "m")
        assert client.experience.ghosts._tells
