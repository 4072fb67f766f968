"""Who goes first, and who steps back for other programs."""

import asyncio

import pytest
from raw_server import DONE, Exchange, delta, serving
from scripted import answering, said

from wakeful.lmstudio import AsyncLMStudioClient, Courtesy, Neighbour, Priority, ServerBusy


async def test_the_urgent_go_first_and_equals_in_turn() -> None:
    neighbour = Neighbour()
    order: list[str] = []

    async def ask(name: str, priority: Priority) -> None:
        async with neighbour.turn(priority):
            order.append(name)

    async with asyncio.TaskGroup() as group:
        async with neighbour.turn():
            for at in range(2):
                group.create_task(ask(f"background {at}", Priority.BACKGROUND))
                group.create_task(ask(f"normal {at}", Priority.NORMAL))
                group.create_task(ask(f"person {at}", Priority.INTERACTIVE))
            await asyncio.sleep(0)
            assert neighbour.waiting == 6
    assert order == ["person 0", "person 1", "normal 0", "normal 1", "background 0", "background 1"]
    assert neighbour.idle


async def test_a_turn_is_never_lost_by_cancelling() -> None:
    neighbour = Neighbour()

    async def ask() -> None:
        async with neighbour.turn():
            pass

    async with neighbour.turn():
        waiting = [asyncio.create_task(ask()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # while it waits
    waiting[1].cancel()  # when it is its turn already
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [task.cancelled() for task in waiting] == [True, True, False]
    assert neighbour.idle


async def test_no_more_than_its_slots_at_a_time() -> None:
    neighbour = Neighbour(slots=3)
    running = most = 0

    async def ask() -> None:
        nonlocal running, most
        async with neighbour.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(ask() for _ in range(20)))
    assert most == 3
    with pytest.raises(ValueError, match="slots"):
        Neighbour(slots=0)


async def test_it_steps_back_longer_each_time_and_comes_back() -> None:
    neighbour = Neighbour(courtesy=Courtesy(slack_s=0.0, first_s=10.0, longest_s=30.0))
    steps: list[int] = []
    for first_token_s in (9.0, 9.0, 9.0):
        async with neighbour.turn(Priority.INTERACTIVE) as told:
            told(first_token_s, 1.0)
        steps.append(round(neighbour.stepped_back_s))
    assert steps == [10, 20, 30]
    with pytest.raises(ServerBusy) as caught:
        async with neighbour.turn(idle_only=True):
            pass
    assert caught.value.retry_after_s == pytest.approx(30, abs=1)
    async with neighbour.turn(Priority.INTERACTIVE) as told:  # a person never waits for that
        told(1.0, 1.0)
    assert neighbour.stepped_back_s == 0


async def test_a_background_request_waits_as_long_as_it_stepped_back() -> None:
    neighbour = Neighbour(courtesy=Courtesy(slack_s=0.0, first_s=0.05))
    async with neighbour.turn() as told:
        told(9.0, 1.0)
    loop = asyncio.get_running_loop()
    before_s = loop.time()
    async with neighbour.turn(Priority.BACKGROUND):
        assert loop.time() - before_s >= 0.04


@pytest.mark.parametrize(
    ("first_token_s", "usual_s", "crowded"),
    [(9.0, None, False), (9.0, 1.0, True), (3.4, 1.0, False), (1.0, 0.01, False)],
)
def test_crowded_is_what_is_slower_than_learnt(first_token_s: float, usual_s: float | None, crowded: bool) -> None:
    assert Courtesy().crowded(first_token_s, usual_s) is crowded


async def test_the_chats_of_a_client_take_turns() -> None:
    under_way = most = 0

    async def behaviour(exchange: Exchange) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await answering(said("fine"))(exchange)
        under_way -= 1

    async with serving(behaviour) as server, AsyncLMStudioClient(server.url, neighbour=Neighbour()) as client:
        chats = [client.chat("x", priority=Priority.BACKGROUND) for _ in range(5)]
        streams = [client.stream("x").collect() for _ in range(5)]
        await asyncio.gather(*chats, *streams)
    assert most == 1


async def test_others_at_the_server_are_noticed_by_its_slower_first_token() -> None:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.head()
        if exchange.number == 7:
            await asyncio.sleep(0.3)  # somebody else's request goes before
        await exchange.chunk(delta("fine") + delta(finish="stop") + DONE)
        await exchange.end()

    neighbour = Neighbour(courtesy=Courtesy(slack_s=0.1, first_s=30.0))
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url, neighbour=neighbour) as client:
        for _ in range(7):
            assert neighbour.idle
            await client.stream("x", model="m").collect()
        assert neighbour.stepped_back_s > 20
        with pytest.raises(ServerBusy):
            await client.chat("x", model="m", idle_only=True)


async def test_those_who_queued_before_it_stepped_back_step_back_too() -> None:
    neighbour = Neighbour(courtesy=Courtesy(slack_s=0.0, first_s=0.05, longest_s=0.05))
    went: list[str] = []

    async def ask(name: str, priority: Priority) -> None:
        async with neighbour.turn(priority):
            went.append(name)

    async with asyncio.TaskGroup() as group:
        async with neighbour.turn() as told:
            group.create_task(ask("background", Priority.BACKGROUND))
            await asyncio.sleep(0)
            told(9.0, 1.0)
            group.create_task(ask("normal", Priority.NORMAL))
            await asyncio.sleep(0)
    assert went == ["normal", "background"]
    assert neighbour.idle
