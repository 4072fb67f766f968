"""What was said under which id: kept, gone on from, and let go."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import served

from wakeful.engine.runner.request import Message
from wakeful.engine.server.conversations import Conversations, new_id
from wakeful.engine.server.refusals import UnknownResponse
from wakeful.engine.server.settings import KeepSettings, ServerSettings


def turn(text: str) -> Message:
    return {"role": "user", "content": text}


def files(folder: Path, start: str = "") -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.startswith(start))


async def add(kept: Conversations, text: str, previous: str = "") -> str:
    response_id = new_id()
    await kept.keep([turn(text)], response_id=response_id, previous=previous)
    return response_id


@pytest.fixture(params=["memory", "folder"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "kept" if request.param == "folder" else None


async def test_any_answer_is_gone_on_from_in_several_ways(where: Path | None) -> None:
    kept = Conversations(KeepSettings(folder=where))
    first = await add(kept, "1")
    left = await add(kept, "2", first)
    right = await add(kept, "3", first)
    assert await kept.recall(left) == (turn("1"), turn("2"))
    assert await kept.recall(right) == (turn("1"), turn("3"))
    assert await kept.recall(first) == (turn("1"),)
    with pytest.raises(UnknownResponse):
        await kept.recall("resp_none")


async def test_the_tip_of_the_oldest_goes_first_and_what_stays_is_whole(where: Path | None) -> None:
    kept = Conversations(KeepSettings(folder=where, count=3))
    old = await add(kept, "1")
    older_tip = await add(kept, "2", old)
    new = await add(kept, "3")
    tip = await add(kept, "4", new)
    assert len(kept) == 3
    with pytest.raises(UnknownResponse):
        await kept.recall(older_tip)
    assert await kept.recall(old) == (turn("1"),)
    assert await kept.recall(tip) == (turn("3"), turn("4"))


async def test_using_one_keeps_it(where: Path | None) -> None:
    kept = Conversations(KeepSettings(folder=where, count=2))
    first = await add(kept, "1")
    second = await add(kept, "2")
    await kept.recall(first)
    await add(kept, "3")
    assert await kept.recall(first) == (turn("1"),)
    with pytest.raises(UnknownResponse):
        await kept.recall(second)


async def test_bytes_are_bounded(where: Path | None) -> None:
    kept = Conversations(KeepSettings(folder=where, size_bytes=1000))
    ids = [await add(kept, "x" * 300) for _ in range(10)]
    assert kept.size_bytes <= 1000
    assert len(kept) == 3
    assert await kept.recall(ids[-1])
    if where is not None:
        assert sum(path.stat().st_size for path in files(where)) <= 1000


async def test_what_was_not_used_for_long_is_gone(where: Path | None) -> None:
    kept = Conversations(KeepSettings(folder=where, age_s=-1))
    first = await add(kept, "1")
    with pytest.raises(UnknownResponse):
        await kept.recall(first)
    assert (len(kept), kept.size_bytes) == (0, 0)


async def test_a_folder_outlives_the_server(tmp_path: Path) -> None:
    keep = KeepSettings(folder=tmp_path / "kept")
    before = Conversations(keep)
    first = await add(before, "1")
    second = await add(before, "2", first)
    after = Conversations(keep)
    assert await after.recall(second) == (turn("1"), turn("2"))
    assert (len(after), after.size_bytes) == (2, before.size_bytes)


async def test_age_counts_over_restarts_and_for_the_whole_of_a_conversation(tmp_path: Path) -> None:
    keep = KeepSettings(folder=tmp_path, age_s=100)
    before = Conversations(keep)
    first = await add(before, "1")
    second = await add(before, "2", first)
    alone = await add(before, "3")
    hour_ago_s = time.time() - 3600
    for path in files(tmp_path):
        if second not in path.name:
            os.utime(path, (hour_ago_s, hour_ago_s))
    after = Conversations(keep)
    assert await after.recall(second) == (turn("1"), turn("2"))
    with pytest.raises(UnknownResponse):
        await after.recall(alone)


async def test_files_of_others_and_lost_ones_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "resp_x.part").write_text("half")
    kept = Conversations(KeepSettings(folder=tmp_path))
    first = await add(kept, "1")
    second = await add(kept, "2", first)
    files(tmp_path, first)[0].unlink()
    with pytest.raises(UnknownResponse):
        await kept.recall(second)
    [file] = files(tmp_path, second)
    file.write_text("no JSON")
    with pytest.raises(UnknownResponse):
        await kept.recall(second)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["add", "on", "recall"]), st.integers(0, 30)), max_size=40))
async def test_however_it_is_used_it_stays_within_its_bounds_and_never_mixes_things_up(
    steps: list[tuple[str, int]],
) -> None:
    kept = Conversations(KeepSettings(count=5))
    said: dict[str, tuple[Message, ...]] = {}
    for what, number in steps:
        ids = list(said)
        on = ids[number % len(ids)] if ids else ""
        if what == "add" or not on:
            said[await add(kept, str(len(said)))] = (turn(str(len(said))),)
            continue
        try:
            recalled = await kept.recall(on)
        except UnknownResponse:
            continue
        assert recalled == said[on]
        if what == "on":
            said[await add(kept, str(len(said)), on)] = (*said[on], turn(str(len(said))))
        assert len(kept) <= 5


async def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.write_text("in the way")
    settings = ServerSettings(port=0, keep=KeepSettings(folder=folder))
    body = {"model": "m", "input": "Hi"}
    async with served(settings=settings) as server:
        whole = await server.post("/v1/responses", body)
        name, data = (await server.post("/v1/responses", {**body, "stream": True})).events[-1]
        unkept = await server.post("/v1/responses", {**body, "store": False})
    said = whole.json["error"]["message"]
    assert (whole.status, name, unkept.status) == (500, "response.failed", 200)
    assert said.startswith(f"Conversations can't be kept in {folder}: ")
    assert data["response"]["error"] == {"code": "server_error", "message": said}


async def test_a_restarted_server_goes_on_with_a_conversation(tmp_path: Path) -> None:
    settings = ServerSettings(port=0, keep=KeepSettings(folder=tmp_path))
    async with served(settings=settings) as server:
        first = (await server.post("/v1/responses", {"model": "m", "input": "Hi"})).json
    async with served(settings=settings) as server:
        body = {"model": "m", "input": "And?", "previous_response_id": first["id"]}
        assert (await server.post("/v1/responses", body)).status == 200
        assert [turn["content"] for turn in server.last.messages] == ["Hi", "Hello, world!", "And?"]
