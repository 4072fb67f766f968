"""Those who follow the journal see all that two writers append, once and in order."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeful.events import Cursor, Entry, Event, Observation
from wakeful.journal import Journal

DEADLINE_S = 20.0


def observation(number: int) -> Observation:
    return Observation(at_ns=number + 1, source="log:/a", form="lines", text=f"line {number}", values={"n": number / 7})


async def followed(journal: Journal, count: int) -> list[Entry]:
    found: list[Entry] = []
    async with aclosing(journal.tail(Cursor(""))) as tail:
        async for entries in tail:
            found += entries
            if len(found) >= count:
                break
    return found


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), min_size=1, max_size=12))
@settings(max_examples=25)
def test_all_that_two_writers_append_is_followed_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[bool, int]]
) -> None:
    async def play() -> None:
        path = tmp_path_factory.mktemp("followed") / "journal.db"
        async with await Journal.open(path) as journal, await Journal.open(path, lock=False) as other:
            total = sum(count for _, count in writes)
            following = [asyncio.create_task(followed(each, total)) for each in (journal, journal, other)]
            number = 0
            for own, count in writes:
                events: list[Event] = [observation(number + each) for each in range(count)]
                await (journal if own else other).append(events)
                number += count
            wanted = await journal.read(limit=1000)
            assert [entry.event for entry in wanted] == [observation(each) for each in range(number)]
            for each in following:
                assert await asyncio.wait_for(each, DEADLINE_S) == wanted

    asyncio.run(play())
