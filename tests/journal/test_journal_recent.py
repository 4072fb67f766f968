"""Those who follow the journal see the same whether an event is handed on in memory or read from the file."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from wakeful.events import Cursor, Entry, Event, Health, Observation
from wakeful.journal import Journal, recent
from wakeful.journal.recent import Recent

START = Cursor("")


def observation(number: int) -> Observation:
    return Observation(at_ns=number + 1, source="log:/a", form="lines", text=f"line {number}", values={"n": number / 7})


def health(number: int) -> Health:
    return Health(at_ns=number + 1, part="model", state="up", text=str(number))


async def followed(journal: Journal, count: int, kinds: tuple[str, ...] = ()) -> list[Entry]:
    found: list[Entry] = []
    async with aclosing(journal.tail(START, kinds=kinds)) as tail:
        async for entries in tail:
            found += entries
            if len(found) >= count:
                return found
    return found


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), min_size=1, max_size=12))
@settings(max_examples=25)
def test_all_that_two_processes_write_is_followed_once_and_in_order(
    tmp_path_factory: object, writes: list[tuple[bool, int]]
) -> None:
    async def play() -> None:
        path = Path(tmp_path_factory.mktemp("recent")) / "journal.db"  # type: ignore[attr-defined]
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
                assert await asyncio.wait_for(each, 60) == wanted

    asyncio.run(play())


async def test_what_is_forgotten_is_not_handed_on(journal: Journal) -> None:
    first, second = await journal.append([observation(1), observation(2)])
    await journal.forget([first.seq])
    assert await followed(journal, 1) == [second]


async def test_other_kinds_are_passed_over(journal: Journal) -> None:
    events: list[Event] = [health(each) if each % 100 == 0 else observation(each) for each in range(2500)]
    written = await journal.append(events)
    assert await followed(journal, 25, ("health",)) == written[::100]


def test_only_so_much_is_kept() -> None:
    kept = Recent()
    kept.add(1, [health(1), health(2), health(3)], [10, 10, recent.MOST_BYTES - 10])
    assert kept.after(1, (), 10)[0][0].seq == 2
    assert kept.after(0, (), 10) == ([], 0)  # dropped: to be read from the file
    kept.add(4, [health(each) for each in range(recent.MOST_EVENTS + 5)], [1] * (recent.MOST_EVENTS + 5))
    assert kept.after(7, (), 10) == ([], 7)
    assert [entry.seq for entry in kept.after(8, (), 3)[0]] == [9, 10, 11]
    assert kept.after(recent.MOST_EVENTS + 7, (), 3) == (
        kept.after(recent.MOST_EVENTS + 7, (), 9)[0],
        recent.MOST_EVENTS + 8,
    )


def test_after_a_gap_it_begins_anew() -> None:
    kept = Recent()
    kept.add(1, [health(1)], [10])
    kept.add(3, [health(3)], [10])
    assert kept.after(0, (), 10) == ([], 0)
    assert [entry.seq for entry in kept.after(2, (), 10)[0]] == [3]
