"""What any store of the journal must hold.

Derive a class from `StoreConformance` and give it a fixture `opened`: an async function that opens the same
journal, empty at first, as often as it is called. Nothing here assumes SQLite, one process, or numbers that
have no gaps.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from wakeful.events import Cursor, Entry, Event, Observation, Salience, Thought, UnknownEvent
from wakeful.journal import CursorMoved, Journal, JournalClosed

Opened = Callable[[], Awaitable[Journal]]
START = Cursor("")
DEADLINE_S = 10.0


def seen(text: str, *, at_ns: int = 1, source: str = "log:/a", resume: str = "") -> Observation:
    return Observation(at_ns=at_ns, source=source, form="lines", text=text, resume=resume)


def scored(about: int, *, at_ns: int = 1) -> Salience:
    return Salience(
        at_ns=at_ns,
        about=about,
        source="log:/a",
        surprise_nats=1.5,
        precision=0.5,
        salience=0.75,
        threshold=0.5,
    )


def thought(focus: str, evidence: tuple[int, ...] = (), *, at_ns: int = 1) -> Thought:
    return Thought(
        at_ns=at_ns,
        cycle="c",
        reason="salience",
        focus=focus,
        observed="",
        assessment=f"about {focus}",
        severity="info",
        evidence=evidence,
        expected="",
        prediction_error=0.0,
        confidence=0.5,
        next_prediction="",
        attention_internal=0.0,
        attention_external=1.0,
        attention_memory=0.0,
        action_needed=False,
        action_type="observe",
        action_details="",
        self_assessment="",
        model="m",
        prompt_version="p",
    )


def events_of(entries: list[Entry]) -> list[Event]:
    return [entry.event for entry in entries]


async def next_entries(tail: object, count: int) -> list[Entry]:
    """The next `count` entries of a tail, however they come in portions."""
    found: list[Entry] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < count:
            found += await anext(tail)  # type: ignore[call-overload]
    return found


class StoreConformance:
    """Checks of the whole interface; each test begins with an empty journal."""

    @pytest.fixture
    async def journal(self, opened: Opened):
        journal = await opened()
        yield journal
        await journal.close()

    # --- append ---

    async def test_an_empty_journal_has_nothing(self, journal: Journal) -> None:
        assert await journal.read() == []
        assert await journal.end() == START
        assert await journal.cursor("mind") == START
        assert await journal.resume_points() == {}
        assert await journal.load_state("attention") is None
        assert (await journal.stats()).events == 0
        assert await journal.check() == []

    async def test_append_gives_the_events_back_with_rising_numbers(self, journal: Journal) -> None:
        first = await journal.append([seen("a"), seen("b")])
        second = await journal.append([seen("c")])
        entries = first + second
        assert [entry.seq for entry in entries] == sorted({entry.seq for entry in entries})
        assert await journal.read() == entries
        assert await journal.end() == entries[-1].cursor

    async def test_appending_nothing_is_nothing(self, journal: Journal) -> None:
        assert await journal.append([]) == []
        assert await journal.read() == []

    async def test_all_texts_come_back_as_they_were(self, journal: Journal) -> None:
        texts = ["", "\0", "é ü 漢字 🦀", "'; DROP TABLE event; --", "x" * 1_000_000, "\ufffd\u202e\r\n\t"]
        await journal.append([seen(text, source=text[:50]) for text in texts])
        assert [event.body for event in events_of(await journal.read())] == texts

    async def test_an_event_from_the_future_comes_back_unchanged(self, journal: Journal) -> None:
        dream = UnknownEvent(at_ns=7, kind_name="dream", raw='{"kind":"dream","at_ns":7,"depth":[1,{"x":null}]}')
        [entry] = await journal.append([dream])
        assert await journal.read(kinds=("dream",)) == [entry]
        assert entry.event == dream

    async def test_concurrent_appends_keep_their_batches_together(self, journal: Journal) -> None:
        batches = [[seen(f"{batch}.{at}") for at in range(5)] for batch in range(60)]
        answers = await asyncio.gather(*(journal.append(batch) for batch in batches))
        assert [events_of(answer) for answer in answers] == batches
        whole = await journal.read()
        assert sorted(whole, key=lambda entry: entry.seq) == whole
        assert sorted((entry for answer in answers for entry in answer), key=lambda entry: entry.seq) == whole
        texts = [event.body.split(".") for event in events_of(whole)]
        for begin in range(0, len(texts), 5):
            assert [at for _, at in texts[begin : begin + 5]] == ["0", "1", "2", "3", "4"]

    async def test_a_batch_that_fails_leaves_nothing_and_spoils_no_other(self, journal: Journal) -> None:
        too_late = seen("x", at_ns=2**63)  # no store keeps times after the year 2262
        outcomes = await asyncio.gather(
            journal.append([seen("a")]),
            journal.append([seen("b"), too_late]),
            journal.append([seen("c")]),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], Exception)
        assert [event.body for event in events_of(await journal.read())] == ["a", "c"]

    async def test_a_cancelled_append_is_whole_or_absent(self, journal: Journal) -> None:
        for round_number in range(30):
            task = asyncio.create_task(journal.append([seen(f"{round_number}"), seen(f"{round_number}")]))
            for _ in range(round_number % 5):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await journal.append([seen("end")])  # comes after all that were cancelled
        texts = [event.body for event in events_of(await journal.read())]
        assert texts.pop() == "end"
        assert all(texts.count(text) == 2 for text in texts)

    # --- read ---

    async def test_reading_goes_on_after_a_cursor(self, journal: Journal) -> None:
        entries = await journal.append([seen(f"{at}") for at in range(10)])
        assert await journal.read(limit=4) == entries[:4]
        assert await journal.read(entries[3].cursor, limit=4) == entries[4:8]
        assert await journal.read(entries[7].cursor, limit=4) == entries[8:]
        assert await journal.read(entries[9].cursor) == []
        assert await journal.read(limit=0) == []

    async def test_the_newest_come_first_when_asked_for(self, journal: Journal) -> None:
        entries = await journal.append([seen(f"{at}") for at in range(10)])
        assert await journal.read(newest_first=True, limit=3) == entries[:6:-1]
        assert await journal.read(entries[7].cursor, newest_first=True) == [entries[9], entries[8]]

    async def test_kinds_and_sources_are_filters(self, journal: Journal) -> None:
        a, b, c, d = await journal.append([seen("a"), scored(1), thought("t"), seen("b", source="metrics")])
        assert await journal.read(kinds=("observation",)) == [a, d]
        assert await journal.read(kinds=("thought",)) == [c]
        assert await journal.read(kinds=("thought", "salience")) == [b, c]
        assert await journal.read(kinds=("thought", "salience"), newest_first=True) == [c, b]
        assert await journal.read(kinds=("thought", "observation")) == [a, c, d]
        assert await journal.read(kinds=("unheard of",)) == []
        assert await journal.read(source="metrics") == [d]
        assert await journal.read(source="log:/a") == [a, b]
        assert await journal.read(kinds=("salience",), source="log:/a") == [b]

    async def test_periods_are_of_the_events_own_time_and_half_open(self, journal: Journal) -> None:
        # The clock jumped back between the second and the third.
        a, b, c, d = await journal.append(
            [seen("a", at_ns=10), seen("b", at_ns=30), thought("t", at_ns=20), scored(1, at_ns=40)]
        )
        assert await journal.read(since_ns=20) == [b, c, d]
        assert await journal.read(until_ns=30) == [a, c]
        assert await journal.read(since_ns=20, until_ns=40) == [b, c]
        assert await journal.read(since_ns=20, until_ns=40, newest_first=True) == [c, b]
        assert await journal.read(since_ns=20, until_ns=40, newest_first=True, limit=1) == [c]
        assert await journal.read(since_ns=20, until_ns=40, limit=1) == [b]
        assert await journal.read(b.cursor, since_ns=20, until_ns=40) == [c]
        assert await journal.read(kinds=("thought",), since_ns=20, until_ns=21) == [c]
        assert await journal.read(kinds=("observation",), since_ns=20) == [b]
        assert await journal.read(since_ns=50) == []

    async def test_get_gives_what_exists_in_order(self, journal: Journal) -> None:
        entries = await journal.append([seen(f"{at}") for at in range(1200)])
        wanted = [entries[700], entries[3], entries[1100]]
        assert await journal.get([entry.seq for entry in wanted] + [10**12]) == sorted(
            wanted, key=lambda entry: entry.seq
        )
        assert await journal.get({entry.seq for entry in entries}) == entries
        assert await journal.get([]) == []

    @pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 30, "1; DROP TABLE event"])
    async def test_a_cursor_of_somebody_else_is_refused(self, journal: Journal, cursor: str) -> None:
        with pytest.raises(ValueError, match="cursor"):
            await journal.read(Cursor(cursor))
        with pytest.raises(ValueError, match="cursor"):
            await journal.commit([], consumer="mind", expected=START, cursor=Cursor(cursor))

    # --- consumers ---

    async def test_a_commit_moves_a_cursor_together_with_its_events(self, journal: Journal) -> None:
        [a] = await journal.append([seen("a")])
        [b] = await journal.commit([thought("t")], consumer="mind", expected=START, cursor=a.cursor)
        assert await journal.cursor("mind") == a.cursor
        assert await journal.read() == [a, b]
        assert await journal.commit([], consumer="mind", expected=a.cursor, cursor=b.cursor) == []
        assert await journal.cursor("mind") == b.cursor
        assert await journal.cursor("another") == START

    async def test_a_commit_from_the_wrong_place_writes_nothing(self, journal: Journal) -> None:
        a, b = await journal.append([seen("a"), seen("b")])
        await journal.commit([], consumer="mind", expected=START, cursor=a.cursor)
        with pytest.raises(CursorMoved) as caught:
            await journal.commit([thought("t")], consumer="mind", expected=START, cursor=b.cursor)
        assert (caught.value.consumer, caught.value.expected, caught.value.actual) == (
            "mind",
            START,
            a.cursor,
        )
        assert await journal.cursor("mind") == a.cursor
        assert await journal.read() == [a, b]

    async def test_of_many_commits_from_one_place_one_succeeds(self, journal: Journal) -> None:
        entries = await journal.append([seen(f"{at}") for at in range(20)])
        outcomes = await asyncio.gather(
            *(
                journal.commit([thought(f"{entry.seq}")], consumer="mind", expected=START, cursor=entry.cursor)
                for entry in entries
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, list) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, CursorMoved) for outcome in outcomes) == 19
        assert len(await journal.read(kinds=("thought",))) == 1

    # --- tail ---

    async def test_a_tail_gives_what_is_there_and_what_comes(self, journal: Journal) -> None:
        old = await journal.append([seen("a"), seen("b")])
        async with aclosing(journal.tail(old[0].cursor)) as tail:
            assert await next_entries(tail, 1) == old[1:]
            waiting = asyncio.create_task(next_entries(tail, 2))
            new = await journal.append([seen("c")]) + await journal.append([seen("d")])
            assert await waiting == new

    async def test_many_tails_each_see_everything_once(self, journal: Journal) -> None:
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(self._collect(journal, 300)) for _ in range(10)]
            for batch in range(30):
                await journal.append([seen(f"{batch}.{at}") for at in range(10)])
        whole = await journal.read()
        assert all(reader.result() == whole for reader in readers)

    async def test_a_tail_of_rare_kinds_waits_through_the_others(self, journal: Journal) -> None:
        async with aclosing(journal.tail(START, kinds=("thought", "salience"))) as tail:
            waiting = asyncio.create_task(next_entries(tail, 2))
            await journal.append([seen(f"{at}") for at in range(2500)])
            first = await journal.append([thought("t")])
            await journal.append([seen("b")])
            second = await journal.append([scored(1), seen("c")])
            assert await waiting == [*first, second[0]]

    async def test_a_tail_longer_than_a_page_is_complete(self, journal: Journal) -> None:
        entries = await journal.append([seen(f"{at}") for at in range(3000)])
        async with aclosing(journal.tail(START)) as tail:
            assert await next_entries(tail, 3000) == entries

    async def _collect(self, journal: Journal, count: int) -> list[Entry]:
        async with aclosing(journal.tail(START)) as tail:
            return await next_entries(tail, count)

    # --- states and resume points ---

    async def test_resume_points_are_those_of_the_newest_observations(self, journal: Journal) -> None:
        await journal.append([seen("a", resume="1"), seen("b", resume="2"), seen("c", source="journald", resume="x")])
        await journal.append([seen("d"), seen("e", source="metrics")])
        assert await journal.resume_points() == {"log:/a": "2", "journald": "x"}
        await journal.commit([seen("f", resume="3")], consumer="mind", expected=START, cursor=START)
        assert await journal.resume_points() == {"log:/a": "3", "journald": "x"}

    async def test_states_are_kept_by_name(self, journal: Journal) -> None:
        await journal.save_state("attention", b"\0\1")
        await journal.save_state("attention", b"\2")
        await journal.save_state("other", b"")
        assert await journal.load_state("attention") == b"\2"
        assert await journal.load_state("other") == b""

    # --- again ---

    async def test_everything_is_there_again_after_reopening(self, opened: Opened) -> None:
        journal = await opened()
        entries = await journal.append([seen("a", resume="1"), thought("t")])
        await journal.commit([], consumer="mind", expected=START, cursor=entries[0].cursor)
        await journal.save_state("attention", b"x")
        await journal.close()
        journal = await opened()
        assert await journal.read() == entries
        assert await journal.cursor("mind") == entries[0].cursor
        assert await journal.resume_points() == {"log:/a": "1"}
        assert await journal.load_state("attention") == b"x"
        [more] = await journal.append([seen("b")])
        assert more.seq > entries[-1].seq
        await journal.close()

    async def test_closing_writes_what_waits_and_then_refuses(self, opened: Opened) -> None:
        journal = await opened()
        waiting = [asyncio.create_task(journal.append([seen(f"{at}")])) for at in range(20)]
        await asyncio.sleep(0)
        await asyncio.gather(journal.close(), journal.close())
        assert [len(answer) for answer in await asyncio.gather(*waiting)] == [1] * 20
        with pytest.raises(JournalClosed):
            await journal.append([seen("late")])
        with pytest.raises(JournalClosed):
            await journal.read()
        journal = await opened()
        assert len(await journal.read()) == 20
        await journal.close()

    # --- retention ---

    async def test_retention_keeps_what_is_young_cited_unconsumed_or_thought(self, journal: Journal) -> None:
        old = await journal.append([seen(f"old {at}", at_ns=at) for at in range(10)])
        young = await journal.append([seen("young", at_ns=10**18)])
        said = await journal.append([thought("t", (old[3].seq,), at_ns=5)])
        unread = await journal.append([seen("unread", at_ns=5)])
        assert await self._prune(journal) == 0  # nobody has consumed anything
        await journal.commit([], consumer="mind", expected=START, cursor=said[0].cursor)
        await journal.commit([], consumer="attention", expected=START, cursor=unread[0].cursor)
        assert await self._prune(journal) == 9
        assert await journal.read() == [old[3], *young, *said, *unread]
        assert await self._prune(journal) == 0
        stats = await journal.stats()
        assert (stats.events, stats.dropped) == (4, 9)
        [more] = await journal.append([seen("more")])
        assert more.seq > unread[0].seq

    async def test_the_end_stays_where_it_is_when_all_is_dropped(self, journal: Journal) -> None:
        entries = await journal.append([seen("a"), seen("b")])
        for name in ("mind", "attention"):
            await journal.commit([], consumer=name, expected=START, cursor=entries[1].cursor)
        assert await self._prune(journal) == 2
        assert await journal.end() == entries[1].cursor
        [more] = await journal.append([seen("c")])
        assert await journal.read(entries[1].cursor) == [more]

    async def _prune(self, journal: Journal) -> int:
        return await journal.prune(max_age_s=1.0, consumers=("mind", "attention"), now_ns=lambda: 10**18 + 5 * 10**8)
