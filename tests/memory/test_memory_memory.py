"""Adding and recalling: by words, by meaning, by time."""

# ruff: noqa: ASYNC240  (files are looked at between the steps; nothing else runs in this loop)

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from memory_parts import WordEmbedder, opened

from wakeful.engine.testing import LMStudioServer
from wakeful.events import Observation, Remembered, Salience
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Note, embedder_of

NOW = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9


def line(text: str, ago: timedelta = timedelta(0), source: str = "log:/x") -> Observation:
    return Observation(at_ns=NOW_NS - int(ago.total_seconds() * 1e9), source=source, form="lines", text=text)


async def texts(memory: Memory, query: str, k: int = 5, **more: object) -> list[str]:
    return [each.text for each in await memory.recall(query, k, **more)]  # type: ignore[arg-type]


async def test_what_is_added_is_recalled_at_once_with_its_id_and_why(memory: Memory) -> None:
    wanted = await memory.add("The backup runs at three in the morning.", source="alex")
    await memory.add("The printer is on the second floor.")
    [found] = await memory.recall("when does the backup run?", 1)
    assert found.id == wanted
    assert found.text == "The backup runs at three in the morning."
    assert found.reasons[0] == "full text #1"
    assert isinstance(found.entry.event, Remembered)
    assert found.entry.event.provenance == "user"


async def test_without_an_embedding_model_it_says_so(memory: Memory, tmp_path: Path) -> None:
    assert memory.says == "by words alone: the model server has no embedding model"
    async with opened(tmp_path, WordEmbedder()) as able:
        assert able.says == "by words and by meaning (words)"


async def test_meaning_finds_what_words_do_not(tmp_path: Path) -> None:
    async with opened(tmp_path, WordEmbedder()) as memory:
        ids = await memory.add_all([Note(f"note number {n} about nothing") for n in range(30)])
        wanted = await memory.add("Ada bought a car")
        assert await memory.recall("automobile purchased") == []
        await memory.caught_up()
        found = await memory.recall("automobile purchased", 3)
        assert found[0].id == wanted
        assert "vectors #1" in found[0].reasons[0]
        assert {each.id for each in found[1:]} <= set(ids)


async def test_another_embedding_model_has_its_vectors_built_anew(tmp_path: Path) -> None:
    async with opened(tmp_path, WordEmbedder()) as memory:
        await memory.add_all([Note("Ada bought a car"), Note("it rains")])
        await memory.caught_up()
    newer = WordEmbedder("newer words", dims=128)
    async with opened(tmp_path, newer) as memory:
        assert await memory.recall("automobile") == []  # the vectors that are there are another model's
        following = asyncio.create_task(memory.follow())
        async with asyncio.timeout(10):
            while not await memory.recall("automobile"):
                await asyncio.sleep(0.01)
        following.cancel()
        assert (await texts(memory, "automobile"))[0] == "Ada bought a car"
        assert "it rains" in newer.asked


async def test_an_embedding_model_that_fails_is_done_without(tmp_path: Path) -> None:
    from wakeful.lmstudio import ServerError

    class Broken(WordEmbedder):
        async def embed(self, texts, *, query):  # type: ignore[no-untyped-def]
            raise ServerError("it broke", status_code=500)

    async with opened(tmp_path, Broken()) as memory:
        await memory.add("Ada bought a car")
        assert await texts(memory, "car") == ["Ada bought a car"]
        assert "it broke" in memory.says


async def test_time_words_narrow_a_recall(tmp_path: Path) -> None:
    async with opened(tmp_path, now_ns=NOW_NS) as memory:
        await memory.journal.append(
            [
                line("nginx restarted by hand", timedelta(days=20)),
                line("nginx crashed", timedelta(hours=6)),
                line("nginx reloaded its settings", timedelta(minutes=5)),
            ]
        )
        assert await texts(memory, "what did nginx do 6 hours ago?") == ["nginx crashed"]
        assert len(await texts(memory, "nginx since yesterday")) == 2
        assert await texts(memory, "nginx in the last 10 minutes") == ["nginx reloaded its settings"]
        elsewhere = await memory.recall("nginx last year")  # nothing happened then: say what did
        assert len(elsewhere) == 3
        assert all("not in the time that is named" in each.reasons for each in elsewhere)
        assert len(await texts(memory, "nginx", until=NOW - timedelta(days=1))) == 1


async def test_a_question_that_names_only_a_time_brings_what_was_notable(tmp_path: Path) -> None:
    async with opened(tmp_path, now_ns=NOW_NS) as memory:
        strange, *_ = await memory.journal.append(
            [line("fan stopped", timedelta(hours=5)), line("old", timedelta(days=9)), line("usual", timedelta(hours=5))]
        )
        scored = Salience(
            at_ns=NOW_NS, about=strange.seq, source="log:/x", surprise_nats=9, precision=1, salience=0.8, threshold=0.5
        )
        await memory.journal.append([scored])
        await memory.add("We moved to the new rack.", time=NOW - timedelta(hours=4))
        assert set(await texts(memory, "what happened last night?")) == {"fan stopped", "We moved to the new rack."}


async def test_kinds_and_sources_narrow_a_recall(memory: Memory) -> None:
    await memory.journal.append([line("disk is full", source="log:/a"), line("disk is well", source="log:/b")])
    await memory.add("disk was bought in May", source="alex")
    assert await texts(memory, "disk", sources=("log:/b",)) == ["disk is well"]
    assert await texts(memory, "disk", kinds=("memory",)) == ["disk was bought in May"]
    assert await texts(memory, "disk", sources=("nobody",)) == []


async def test_filters_hold_for_meaning_too(tmp_path: Path) -> None:
    async with opened(tmp_path, WordEmbedder(), now_ns=NOW_NS) as memory:
        await memory.add("a car", source="alex", time=NOW - timedelta(days=3))
        kept = await memory.add("the car", source="kim")
        await memory.caught_up()
        assert [each.id for each in await memory.recall("automobile", sources=("kim",))] == [kept]
        assert [each.id for each in await memory.recall("automobile", since=NOW - timedelta(days=1))] == [kept]
        assert await memory.recall("automobile", kinds=("thought",)) == []


async def test_neighbours_of_the_same_source_come_along(memory: Memory) -> None:
    said = ["I went to the lake.", "Which one?", "Lake Constance, with Kim.", "How nice."]
    await memory.add_all([Note(text, source="chat") for text in said])
    await memory.add("A stranger", source="other")
    [found] = await memory.recall("Constance", 1)
    assert [each.event.body for each in found.neighbours] == ["Which one?", "How nice."]
    assert (await memory.recall("Constance", 1, neighbours=0))[0].neighbours == ()


async def test_near_duplicates_are_folded(memory: Memory) -> None:
    lines = [line(f"Nov 2{n} 03:0{n}:11 cron[{100 + n}]: backup failed, disk full") for n in range(5)]
    entries = await memory.journal.append([*lines, line("Nov 21 04:00:00 cron[7]: backup of /srv finished")])
    found = await memory.recall("backup", 2)
    assert len(found) == 2
    assert {len(each.alike) for each in found} == {0, 4}
    assert {seq for each in found for seq in (each.id, *each.alike)} == {entry.seq for entry in entries}


async def test_lines_that_tell_different_numbers_are_not_folded(memory: Memory) -> None:
    await memory.journal.append([line("disk 91% full"), line("disk 97% full")])
    assert len(await memory.recall("disk", 5)) == 2


async def test_a_superseded_memory_comes_after_the_newer_one(memory: Memory) -> None:
    [old] = await memory.journal.append([Remembered(at_ns=1, text="the proxy is nginx", about="proxy", form="fact")])
    newer = Remembered(at_ns=2, text="the proxy is caddy", about="proxy", form="fact", supersedes=old.seq)
    await memory.journal.append([newer])
    first, second = await memory.recall("proxy")
    assert first.text == "proxy: the proxy is caddy"
    assert any(reason.startswith("superseded by") for reason in second.reasons)


async def test_what_cannot_be_remembered_is_refused(memory: Memory) -> None:
    with pytest.raises(ValueError, match="no text"):
        await memory.add("  ")
    with pytest.raises(ValueError, match="0 to 1"):
        await memory.add("x", importance=2)
    assert await memory.recall("", 5) == []
    assert await memory.recall("x", 0) == []


async def test_a_damaged_file_of_vectors_is_built_anew(tmp_path: Path) -> None:
    async with opened(tmp_path, WordEmbedder()) as memory:
        await memory.add("Ada bought a car")
        await memory.caught_up()
    for file in tmp_path.glob("vectors.db-*"):
        file.unlink()
    (tmp_path / "vectors.db").write_bytes(b"no database at all" * 100)
    async with opened(tmp_path, WordEmbedder()) as memory:
        with pytest.raises(Exception, match="damaged"):
            await memory.caught_up()
        await memory.caught_up()
        assert (await texts(memory, "automobile")) == ["Ada bought a car"]


async def test_the_server_s_embedding_model_is_used(tmp_path: Path, lmstudio_server: LMStudioServer) -> None:
    async with AsyncLMStudioClient(lmstudio_server.url) as client:
        embedder = await embedder_of(client)
        assert embedder is not None
        async with Memory.open(tmp_path, embedder=embedder) as memory:
            wanted = await memory.add("the printer is on the second floor")
            async with asyncio.timeout(10):  # embedded in the background
                while not await memory.vectors.count():  # type: ignore[union-attr]
                    await asyncio.sleep(0.01)
            [found] = await memory.recall("the printer is on the second floor", 1)
            assert found.id == wanted
            assert "vectors #1 (cosine 1.00)" in found.reasons
            assert memory.says == "by words and by meaning (scripted-embedding)"
    async with AsyncLMStudioClient("http://127.0.0.1:1") as nobody:
        assert await embedder_of(nobody) is None


async def test_vectors_of_what_retention_dropped_go_too(tmp_path: Path) -> None:
    async with opened(tmp_path, WordEmbedder()) as memory:
        [seen] = await memory.journal.append([line("a car burns")])
        scored = Salience(
            at_ns=1, about=seen.seq, source="log:/x", surprise_nats=9, precision=1, salience=0.8, threshold=0.5
        )
        await memory.journal.append([scored])
        await memory.caught_up()
        assert [each.id for each in await memory.recall("automobile")] == [seen.seq]
        end = await memory.journal.end()
        await memory.journal.commit([], consumer="mind", expected=await memory.journal.cursor("mind"), cursor=end)
        assert await memory.journal.prune(max_bytes=0, consumers=("mind",)) == 2
        assert await memory.recall("automobile") == []
        assert memory.vectors
        assert await memory.vectors.count() == 0
