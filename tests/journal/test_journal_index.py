"""The index: found is what was said and seen; the file may be damaged or deleted at any time."""

# ruff: noqa: ASYNC240  (files are looked at between the steps; nothing else runs in this loop)

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_conformance import START, scored, seen, thought

from wakeful.events import Entry, Observation, UnknownEvent
from wakeful.journal import Journal, JournalClosed, JournalIndex, Tally, index, indexing, search
from wakeful.journal.within import Within

DEADLINE_S = 10.0


@pytest.fixture
def index_path(path: Path) -> Path:
    return path.with_name("index.db")


@pytest.fixture
async def words(journal: Journal, index_path: Path) -> AsyncIterator[JournalIndex]:
    async with JournalIndex(journal, index_path) as words:
        yield words


def texts(entries: list[Entry]) -> list[str]:
    return [entry.event.body for entry in entries]


async def test_search_finds_what_was_just_appended(journal: Journal, words: JournalIndex) -> None:
    assert await words.search("refused") == []
    [entry] = await journal.append([seen("connect to 10.0.0.9:25: Connection refused")])
    for query in ("refused", "REFUSED", "10.0.0.9", "10.0.0.9:25", "connection refused", "nothing refused"):
        assert await words.search(query) == [entry], query
    assert await words.search("10.9.0.0") == []  # a phrase, in its order
    assert await words.search("refused", limit=0) == []


async def test_accents_and_scripts_are_found(journal: Journal, words: JournalIndex) -> None:
    await journal.append([seen("Café geschlossen"), seen("磁盘 已满"), seen("диск полон")])
    assert texts(await words.search("cafe")) == ["Café geschlossen"]
    assert texts(await words.search("磁盘")) == ["磁盘 已满"]
    assert texts(await words.search("ДИСК")) == ["диск полон"]


async def test_what_holds_more_and_rarer_words_comes_first(journal: Journal, words: JournalIndex) -> None:
    await journal.append([seen(f"nginx answered request {at}") for at in range(50)])
    await journal.append([seen("nginx crashed"), seen("mysqld crashed"), seen("nginx is well")])
    found = texts(await words.search("nginx crashed", limit=3))
    assert found[:2] == ["nginx crashed", "mysqld crashed"]


async def test_kinds_and_periods_narrow_a_search(journal: Journal, words: JournalIndex) -> None:
    a, b, c, d = await journal.append(
        [
            seen("disk full", at_ns=10),
            thought("disk", at_ns=20),
            seen("disk well", at_ns=15),
            scored(1, at_ns=30),
        ]
    )
    assert await words.search("disk", kinds=("thought",)) == [b]
    assert await words.search("disk", kinds=("observation", "notification")) == [c, a]
    assert {entry.seq for entry in await words.search("disk")} == {a.seq, b.seq, c.seq}
    assert {entry.seq for entry in await words.search("disk", since_ns=15)} == {b.seq, c.seq}
    assert await words.search("disk", since_ns=15, until_ns=20) == [c]
    assert await words.search("disk", until_ns=15, kinds=("observation",)) == [a]
    assert await words.search("disk", since_ns=100) == []
    assert d.seq


async def test_common_words_are_found_newest_first(
    journal: Journal, words: JournalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_COMMON", 10)
    await journal.append([seen(f"request {at} answered") for at in range(30)])
    await journal.append([seen("request refused by 10.0.0.9")])
    await journal.append([seen(f"request {at}") for at in range(30, 40)])
    assert texts(await words.search("request", limit=2)) == ["request 39", "request 38"]
    assert texts(await words.search("request answered", limit=2)) == [
        "request 29 answered",
        "request 28 answered",
    ]
    assert texts(await words.search("request refused", limit=2)) == ["request refused by 10.0.0.9"]
    found = texts(await words.search("answered request", limit=35))
    assert len(found) == 35
    assert found[30] == "request 39"  # those that hold both come before those that hold one


async def test_measurements_and_scores_are_not_found_by_words(journal: Journal, words: JournalIndex) -> None:
    await journal.append([Observation(at_ns=1, source="metrics", form="metrics", text="cpu 97.4%"), scored(1)])
    assert await words.search("cpu") == []
    assert await words.tallies() == [
        Tally("observation", "metrics", 1, 1, 1),
        Tally("salience", "log:/a", 1, 1, 1),
    ]


async def test_tallies_count_by_kind_and_source(journal: Journal, words: JournalIndex) -> None:
    await journal.append([seen("a", at_ns=5), seen("b", at_ns=3), thought("t", at_ns=9)])
    assert (await words.tallies())[0] == Tally("observation", "log:/a", 2, 3, 5)
    await journal.append(
        [seen("c", at_ns=7), UnknownEvent(at_ns=8, kind_name="dream", raw='{"kind":"dream","at_ns":8}')]
    )
    assert await words.tallies() == [
        Tally("observation", "log:/a", 3, 3, 7),
        Tally("dream", "", 1, 8, 8),
        Tally("thought", "mind", 1, 9, 9),
    ]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus") / "index.db"


@given(st.text(max_size=200) | st.text(alphabet="\"*():^+-{}.ANDORNEAR\0' a1_\ud800é", max_size=60))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_query(corpus: Path, query: str) -> None:
    connection = index._open(corpus)
    try:
        assert isinstance(search.find(connection, query, 5, Within()), list)
        assert isinstance(search.find(connection, query, 5, Within(("thought",), 0, 9)), list)
    finally:
        connection.close()


@pytest.mark.parametrize(
    "damage", ["deleted", "deleted with its log", "text", "cut", "another version", "emptied", "holes"]
)
async def test_a_damaged_index_is_built_anew(
    journal: Journal, words: JournalIndex, index_path: Path, damage: str
) -> None:
    await journal.append([seen(f"line {at} of the disk") for at in range(3000)])
    assert len(await words.search("disk")) == 20
    for closed in (True, False):  # between two runs, and under a running one
        if closed:
            await words.close()
        match damage:
            case "deleted":
                index_path.unlink()
            case "deleted with its log":
                for file in index_path.parent.glob("index.db*"):
                    file.unlink()
            case "text":
                index_path.unlink()
                index_path.write_text("no database at all, and long enough to be looked at" * 100)
            case "cut":
                data = index_path.read_bytes()
                index_path.unlink()
                index_path.write_bytes(data[: len(data) // 2])
            case "emptied":
                index_path.unlink()
                index_path.touch()
            case "holes":
                index_path.write_bytes(b"\xff" * index_path.stat().st_size)
            case _:
                with sqlite3.connect(index_path) as connection:
                    connection.execute("PRAGMA user_version = 77")
                connection.close()
                index_path.rename(index_path.with_name("moved"))
                index_path.with_name("moved").rename(index_path)
        if closed:
            words = JournalIndex(journal, index_path)
        async with asyncio.timeout(DEADLINE_S):
            assert texts(await words.search("2999 disk", limit=1)) == ["line 2999 of the disk"]
            assert (await words.tallies())[0].events == 3000
    await words.close()
    assert await journal.check() == []


async def test_two_processes_may_build_one_index(journal: Journal, index_path: Path) -> None:
    await journal.append([seen(f"line {at}") for at in range(5000)])
    async with JournalIndex(journal, index_path) as one, JournalIndex(journal, index_path) as another:
        await asyncio.gather(one.catch_up(), another.catch_up())
        assert (await one.tallies())[0].events == 5000
        assert texts(await another.search("4321")) == ["line 4321"]


async def test_what_was_dropped_is_no_longer_found(
    journal: Journal, words: JournalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await journal.append([seen(f"old line {at}", at_ns=at) for at in range(60)])
    await journal.append([seen("new line", at_ns=10**18)])
    assert len(await words.search("line", limit=5)) == 5
    await journal.commit([], consumer="mind", expected=START, cursor=old[-1].cursor)
    assert await journal.prune(max_age_s=1.0, consumers=("mind",), now_ns=lambda: 10**18) == 60
    assert texts(await words.search("old new", limit=5)) == ["new line"]
    monkeypatch.setattr(index, "_STALE_EVENTS", 10)
    assert texts(await words.search("line", limit=5)) == ["new line"]
    assert (await words.tallies())[0].events == 1  # it was built anew


async def test_follow_keeps_the_index_up_to_date(
    journal: Journal, words: JournalIndex, index_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_FOLLOW_EVERY_S", 0.01)
    following = asyncio.create_task(words.follow())
    for number in range(3):
        entries = await journal.append([seen(f"line {number}")])
        async with asyncio.timeout(DEADLINE_S):
            while (await words._in_thread(indexing.place))[0] != entries[-1].cursor:
                await asyncio.sleep(0.01)
        if number == 1:
            index_path.unlink()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert following.cancelled()
    assert len(await words.search("line")) == 3


async def test_follow_waits_while_the_index_cannot_be_written(
    journal: Journal, index_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_FOLLOW_EVERY_S", 0.01)
    index_path.mkdir()  # nothing can be written there
    async with JournalIndex(journal, index_path) as words:
        following = asyncio.create_task(words.follow())
        async with asyncio.timeout(DEADLINE_S):
            while words.trouble is None:
                await asyncio.sleep(0.01)
            index_path.rmdir()
            while words.trouble:
                await asyncio.sleep(0.01)
        await journal.append([seen("a line")])
        assert len(await words.search("line")) == 1
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_progress_is_told_while_an_index_is_built(journal: Journal, words: JournalIndex) -> None:
    await journal.append([seen(f"{at}") for at in range(5000)])
    told: list[int] = []
    await words.catch_up(told.append)
    assert told == [0, 2000, 4000, 5000]


async def test_a_closed_index_says_so(journal: Journal, words: JournalIndex) -> None:
    await journal.append([seen("a")])
    await words.close()
    with pytest.raises(JournalClosed):
        await words.search("a")
