"""Many requests at once."""

import asyncio
import json

import pytest
from raw_server import Exchange, serving
from scripted import said

from wakeful.lmstudio import AsyncLMStudioClient, ChatResult, ModelNotFound, batch


async def test_answers_come_in_order_whoever_is_first() -> None:
    async def behaviour(exchange: Exchange) -> None:
        number = int(json.loads(exchange.body)["messages"][0]["content"])
        if number == 0:
            await last.wait()  # the first answer comes last
        if number == 19:
            last.set()
        await exchange.answer(200, said(f"answer {number}"))

    last = asyncio.Event()
    progress: list[tuple[int, int | None]] = []

    def on_progress(done: int, total: int | None) -> None:
        progress.append((done, total))

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        questions = [str(number) for number in range(20)]
        results = await batch(client.chat, questions, concurrency=3, on_progress=on_progress)
    assert [result.text for result in results] == [f"answer {number}" for number in range(20)]
    assert progress == [(number + 1, 20) for number in range(20)]
    assert server.connections <= 3


async def test_no_more_than_so_many_are_under_way_and_inputs_are_taken_as_there_is_room() -> None:
    under_way = most = taken = ahead = 0

    def inputs():
        nonlocal taken
        for number in range(50):
            taken += 1
            yield number

    async def work(number: int) -> int:
        nonlocal under_way, most, ahead
        under_way += 1
        most, ahead = max(most, under_way), max(ahead, taken - number)
        await asyncio.sleep(0)
        under_way -= 1
        return number

    progress: list[int | None] = []
    assert await batch(work, inputs(), concurrency=4, on_progress=lambda _, total: progress.append(total)) == [
        *range(50)
    ]
    assert (most, set(progress)) == (4, {None})
    assert ahead <= 8


async def test_an_error_stops_the_others_or_takes_the_place_of_its_answer() -> None:
    async def behaviour(exchange: Exchange) -> None:
        if b'"1"' in exchange.body:
            await exchange.answer(404, {"error": {"message": "model 'x' not found", "code": "model_not_found"}})
        else:
            await exchange.answer(200, said("fine"))

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(ModelNotFound):
            await batch(client.chat, ["0", "1", "2", "3"], concurrency=1)
        assert len(server.requests) == 2
        results = await batch(client.chat, ["0", "1", "2", "3"], errors="return")
    assert [type(result) for result in results] == [ChatResult, ModelNotFound, ChatResult, ChatResult]


async def test_nothing_to_do_and_a_bound_that_is_none() -> None:
    async with AsyncLMStudioClient("http://127.0.0.1:9") as client:
        assert await batch(client.chat, []) == []
        with pytest.raises(ValueError, match="concurrency"):
            await batch(client.chat, ["x"], concurrency=0)


async def test_cancelled_it_stops_what_is_under_way() -> None:
    async def behaviour(exchange: Exchange) -> None:
        if exchange.number == 4:
            all_there.set()
        await exchange.gone()

    all_there = asyncio.Event()
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        task = asyncio.create_task(batch(client.chat, ["x"] * 9, concurrency=4))
        await asyncio.wait_for(all_there.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_inputs_that_come_by_and_by() -> None:
    closed = asyncio.Event()

    async def inputs():
        try:
            for number in range(20):
                await asyncio.sleep(0)
                yield number
        finally:
            closed.set()

    async def work(number: int) -> int:
        for _ in range(number % 3):
            await asyncio.sleep(0)
        if number == 19 and failing:
            raise ModelNotFound("none")
        return number

    failing = False
    assert await batch(work, inputs(), concurrency=4) == [*range(20)]
    failing = True
    closed.clear()
    with pytest.raises(ModelNotFound):
        await batch(work, inputs(), concurrency=4)
    assert closed.is_set()
