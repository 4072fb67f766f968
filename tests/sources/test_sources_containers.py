import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import pytest
from container_stand_in import Box, StandIn, stamp
from hypothesis import given
from hypothesis import strategies as st
from sources_conformance import check_resume, check_source, collect, first, lines_of, opened

from wakeful.events import Observation
from wakeful.sources import ContainersSource, SourceBroken, SourceError, SourceMissing, resume_for, supervise
from wakeful.sources.container_api import find_sockets
from wakeful.sources.container_log import ContainerLog, Moment, seconds_of, stamped
from wakeful.sources.frames import FrameError, FrameReader
from wakeful.sources.supervise import Backoff

pytestmark = pytest.mark.skipif(os.name != "posix", reason="unix sockets")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncGenerator[StandIn, None]:
    engine = StandIn(tmp_path / "docker.sock")
    await engine.start()
    yield engine
    await engine.stop()


def source_of(engine: StandIn, **settings: float) -> ContainersSource:
    return ContainersSource(str(engine.socket), stats_s=settings.get("stats_s", 0))


class Run:
    """A running source and what it told."""

    def __init__(self, source: ContainersSource, *, resume: str = "") -> None:
        self.source, self.resume = source, resume
        self.seen: list[Observation] = []
        self._changed = asyncio.Event()

    async def __aenter__(self) -> "Run":
        backoff = Backoff(first_s=0.05, longest_s=0.05, settled_s=0.3)
        self._task = asyncio.create_task(supervise(self.source, resume=self.resume, emit=self._emit, backoff=backoff))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _emit(self, batch: object) -> None:
        assert isinstance(batch, list)
        self.seen += batch
        self._changed.set()

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.seen]

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not enough():
                self._changed.clear()
                await self._changed.wait()

    async def told(self, text: str) -> Observation:
        await self.until(lambda: text in self.texts)
        return next(each for each in self.seen if each.text == text)


async def listening(engine: StandIn, count: int = 1) -> None:
    """Until the source follows the events."""
    async with asyncio.timeout(10):
        while sum("/events" in each and "until" not in each for each in engine.requests) < count:
            await asyncio.sleep(0.01)


async def test_it_holds_what_every_source_must(engine: StandIn):
    box = await engine.add(Box("a1", "web"))

    async def stir(number: int) -> None:
        await engine.write(box, f"line {number}")

    await check_source(lambda: source_of(engine, stats_s=0.05), stir)
    box.log.clear()
    await check_resume(lambda: source_of(engine), stir, lambda seen: lines_of([seen]))


async def test_states_are_told(engine: StandIn):
    box = await engine.add(Box("a1", "web"))
    async with Run(source_of(engine)) as run:
        await listening(engine)
        await engine.happen(box, "exec_start: sh")
        await engine.happen(box, "health_status: unhealthy")
        await engine.happen(box, "health_status: unhealthy")
        await engine.happen(box, "health_status: healthy")
        await engine.happen(box, "oom")
        await engine.die(box, 137)
        box.running = True
        await engine.happen(box, "start")
        await run.told("container web started")
        await engine.die(box, 0)
        box.running, box.restarts = True, 3
        await engine.happen(box, "start")
        await run.told("container web restarted, 3 times in all")
    assert run.texts == [
        "container web is unhealthy",
        "container web is healthy",
        "container web was killed for memory",
        "container web exited with code 137",
        "container web started",
        "container web exited with code 0",
        "container web restarted, 3 times in all",
    ]
    seen = run.seen[3]
    assert (seen.source, seen.form, seen.subject) == ("containers", "state", "web")
    assert seen.attrs["exit_code"] == "137"


async def test_podmans_words_are_understood(engine: StandIn):
    box = await engine.add(Box("a1", "db", oom_killed=True))
    async with Run(source_of(engine)) as run:
        await listening(engine)
        await engine.happen(box, "health_status", health_status="unhealthy")
        box.running = False
        await engine.happen(box, "died", containerExitCode="137")
        await run.told("container db exited with code 137")
    assert run.texts[:2] == ["container db is unhealthy", "container db was killed for memory"]


async def test_logs_of_both_kinds_are_told(engine: StandIn):
    framed = await engine.add(Box("a1", "web"))
    plain = await engine.add(Box("b2", "shell", tty=True))
    await engine.add(Box("c3", "silent", readable=False))
    await engine.write(framed, "before we watched", at_ns=10**18)
    async with Run(source_of(engine)) as run:
        await listening(engine)
        await engine.write(framed, "out")
        await engine.write(framed, b"err \xff\x00", stream=2)
        await engine.write(plain, "prompt\r")
        await run.told("prompt")
        await run.told("err \ufffd\ufffd")
        seen = await run.told("out")
    assert (seen.source, seen.form, seen.attrs["container"]) == ("container:web", "lines", "web")
    assert seen.at_ns == framed.log[1][0]
    assert "before we watched" not in run.texts


async def test_a_burst_becomes_blocks(engine: StandIn):
    box = await engine.add(Box("a1", "web"))
    async with Run(source_of(engine)) as run:
        await listening(engine)
        box.log = [(2 * 10**18 + n, 1, b"line %d" % n) for n in range(20_000)]
        await engine.write(box, "end", at_ns=3 * 10**18)
        await run.until(lambda: "end" in lines_of(run.seen))
    assert lines_of(run.seen) == [*(f"line {n}" for n in range(20_000)), "end"]
    assert len(run.seen) < 2000


async def test_a_container_that_comes_is_followed_from_its_first_line(engine: StandIn):
    async with Run(source_of(engine)) as run:
        await listening(engine)
        box = await engine.add(Box("a1", "job"))
        await engine.write(box, "first words")
        await engine.happen(box, "start")
        await run.told("first words")
        await engine.write(box, "last words")
        await engine.die(box, 1)
        await run.told("last words")
        await run.told("container job exited with code 1")


async def test_use_is_told(engine: StandIn):
    await engine.add(Box("a1", "web"))
    seen = await first(source_of(engine, stats_s=0.05), match="memory")
    assert seen.text.endswith("%, memory 120.0 MB")
    assert seen.text.startswith("container web cpu ")
    assert (seen.source, seen.form, seen.subject) == ("containers", "metrics", "web")
    assert 0 < seen.values["cpu_percent"] < 100


async def test_the_daemon_dies_and_returns(engine: StandIn):
    box = await engine.add(Box("a1", "web"))
    gone = await engine.add(Box("b2", "gone"))
    async with Run(source_of(engine)) as run:
        await listening(engine)
        await engine.write(box, "before")
        await run.told("before")
        await engine.stop()
        await run.until(lambda: any("source containers failed: " in text for text in run.texts))
        await engine.write(box, "meanwhile")
        gone.running, gone.exit_code = False, 9
        await engine.start()
        await run.told("container gone exited with code 9")
        await run.told("meanwhile")
        await run.told("source containers works again")
        await engine.write(box, "after")
        await run.told("after")
    assert lines_of(run.seen) == ["before", "meanwhile", "after"]
    assert sum("failed" in text for text in run.texts) == 1


async def test_after_a_restart_it_tells_what_happened_meanwhile_once(engine: StandIn):
    box = await engine.add(Box("a1", "web"))
    async with Run(source_of(engine)) as run:
        await listening(engine)
        await engine.happen(box, "health_status: unhealthy")
        await engine.write(box, "one")
        await run.told("container web is unhealthy")
        await run.told("one")
    points = {each.source: each.resume for each in run.seen if each.resume}
    await engine.write(box, "two")
    await engine.die(box, 2)
    async with Run(source_of(engine), resume=resume_for(source_of(engine), points)) as again:
        await again.told("container web exited with code 2")
        box.running = True
        await engine.happen(box, "start")
        await again.told("two")
        await engine.write(box, "three")
        await again.told("three")
    assert lines_of(again.seen) == ["two", "three"]
    assert [each.text for each in again.seen if each.form == "state"] == [
        "container web exited with code 2",
        "container web started",
    ]


async def test_no_engine_is_a_failure_with_a_reason(tmp_path: Path):
    with pytest.raises(SourceMissing, match="no such file"):
        await first(ContainersSource(str(tmp_path / "none.sock")))
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    with pytest.raises(SourceMissing, match="refused"):
        await first(ContainersSource(str(path)))


async def test_what_is_no_engine_is_a_failure(tmp_path: Path):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")
        await writer.drain()
        writer.close()

    path = tmp_path / "x.sock"
    server = await asyncio.start_unix_server(answer, path)
    async with server:
        with pytest.raises(SourceError) as caught:
            await collect(ContainersSource(str(path)), lambda _: True)
    assert isinstance(caught.value, SourceBroken)


async def test_only_gets_are_sent(engine: StandIn):
    await engine.add(Box("a1", "web"))
    async with aclosing(opened(source_of(engine, stats_s=0.05))) as stream:
        await anext(stream)  # any other method would be answered 405 and fail the source
    assert engine.requests


def test_sockets_are_found_once_each(tmp_path: Path):
    assert find_sockets({"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": "tcp://1.2.3.4:5"}) == find_sockets({})
    path = tmp_path / "podman" / "podman.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        (tmp_path / "docker.sock").symlink_to(path)
        found = find_sockets({"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": f"unix://{path}"})
    assert found[0] == str(path)
    assert str(tmp_path / "docker.sock") not in found


bodies = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=30)), max_size=10)


@given(bodies, st.lists(st.integers(0, 1000), max_size=20))
def test_frames_may_be_cut_at_any_byte(bodies: list[tuple[int, bytes]], places: list[int]):
    data = b"".join(bytes([n, 0, 0, 0]) + len(body).to_bytes(4, "big") + body for n, body in bodies)
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    reader, read = FrameReader(), {"stdout": b"", "stderr": b""}
    for begin, end in pairwise(edges):
        for stream, piece in reader.feed(data[begin:end]):
            read[stream] += piece
    assert read["stdout"] == b"".join(body for n, body in bodies if n == 1)
    assert read["stderr"] == b"".join(body for n, body in bodies if n == 2)


@given(st.binary(max_size=100))
def test_garbage_is_no_frame(data: bytes):
    reader = FrameReader()
    try:
        pieces = reader.feed(data)
    except FrameError:
        return
    assert sum(len(piece) for _, piece in pieces) <= len(data)


@given(st.lists(st.integers(1, 5), max_size=30), st.integers(0, 30))
def test_a_log_goes_on_after_any_line(times: list[int], stop: int):
    lines = [(at * 10**9, f"{stamp(at * 10**9)} line {n}\n".encode()) for n, at in enumerate(sorted(times))]
    log, told, moment = ContainerLog(Moment()), [], Moment()
    for _, line in lines[:stop]:
        for text, moment in log.feed([("stdout", line)]):  # noqa: B007
            told.append(text)
    again = ContainerLog(Moment.decode(str(moment)))
    for at_ns, line in lines:
        if at_ns >= moment.at_ns:
            told += [text for text, _ in again.feed([("stdout", line)])]
    assert told == [f"line {n}" for n in range(len(lines))]


def test_stamps():
    assert stamped("2026-11-20T03:12:09.5Z hello") == (1_795_144_329_500_000_000, "hello")
    assert stamped("2026-11-20T03:12:09+00:00 hello") == (1_795_144_329_000_000_000, "hello")
    assert stamped("no stamp") == (0, "no stamp")
    assert seconds_of(1_795_144_329_000_000_001) == "1795144329.000000001"
    assert Moment.decode("garbage") == Moment()
