import asyncio
import json
import os
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from sources_conformance import check_resume, check_source, collect, first, lines_of, opened

from wakeful.events import Observation
from wakeful.sources import JournaldSource, SourceBroken, SourceMissing, supervise
from wakeful.sources.supervise import Backoff

STAND_IN = """#!{python} -S
# Stands in for journalctl: entries are the lines of a file, their numbers the cursors.
import json, sys, time
entries, behaviour = {entries!r}, open({behaviour!r}).read()
after = next((int(a.split('=', 1)[1].split(';')[0]) for a in sys.argv if a.startswith('--after-cursor=')), None)
if behaviour == 'no cursor' and after is not None:
    sys.exit('Failed to seek to cursor: Invalid argument')
lines = open(entries, 'rb').read().splitlines()
since = any(a.startswith('--since=@1.5') for a in sys.argv)
at = 0 if since else len(lines) if after is None else after
while True:
    lines = open(entries, 'rb').read().splitlines()
    while at < len(lines):
        at += 1
        sys.stdout.buffer.write(lines[at - 1].replace(b'@AT@', b'%d;t=16e360' % at) + b'\\n')
    sys.stdout.buffer.flush()
    if behaviour == 'dies':
        sys.exit('Journal file corrupted')
    time.sleep(600 if behaviour == 'hangs' else 0.02)
"""


class StandIn:
    def __init__(self, folder: Path) -> None:
        self.entries = folder / "entries"
        self.behaviour = folder / "behaviour"
        self.entries.write_bytes(b"")
        self.behaviour.write_text("")
        self.program = folder / "journalctl"
        text = STAND_IN.format(python=sys.executable, entries=str(self.entries), behaviour=str(self.behaviour))
        self.program.write_text(text)
        self.program.chmod(0o755)

    def add(self, message: object, **fields: object) -> None:
        entry = {"MESSAGE": message, "__CURSOR": "@AT@", "__REALTIME_TIMESTAMP": "1700000000000001"} | fields
        with self.entries.open("ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")

    def source(self) -> JournaldSource:
        return JournaldSource(program=str(self.program))


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    if os.name != "posix":
        pytest.skip("a script as a program")
    return StandIn(tmp_path)


async def test_it_holds_what_every_source_must(stand_in: StandIn):
    async def stir(number: int) -> None:
        stand_in.add(f"line {number}", SYSLOG_IDENTIFIER="x")

    await check_source(stand_in.source, stir)
    stand_in.entries.write_bytes(b"")
    await check_resume(stand_in.source, stir, lambda seen: lines_of([seen]))


async def test_an_entry_is_told_with_its_program_unit_and_priority(stand_in: StandIn):
    stand_in.add("before")
    told = asyncio.create_task(first(stand_in.source(), resume="1"))
    program = {"SYSLOG_IDENTIFIER": "postfix", "SYSLOG_PID": "311", "_SYSTEMD_UNIT": "postfix.service"}
    stand_in.add("connection lost", PRIORITY="3", **program)
    seen = await told
    assert seen.text == "postfix[311]: connection lost"
    assert seen.attrs == {"unit": "postfix.service", "priority": "err"}
    assert seen.at_ns == 1_700_000_000_000_001_000
    assert seen.resume == "2;t=16e360"
    assert (seen.source, seen.form) == ("journald", "lines")


async def test_messages_may_be_bytes_null_or_many(stand_in: StandIn):
    stand_in.add("before")
    stand_in.add([99, 97, 102, 233, 10, 0], _COMM="bin", _PID="7")
    stand_in.add(None, SYSLOG_IDENTIFIER="big")
    stand_in.add(["one", "two"], SYSLOG_IDENTIFIER=["twice", "x"])
    stand_in.add("own", _PID=str(os.getpid()))
    with stand_in.entries.open("ab") as file:
        file.write(b"no json \xff\n")
    seen = await collect(stand_in.source(), lambda seen: len(seen) == 4, resume="1")
    assert [each.text for each in seen] == [
        "bin[7]: caf\ufffd\n\0",
        "big: (a message too long to be shown)",
        "twice: one\ntwo",
        "no json \ufffd",
    ]


async def test_a_burst_becomes_blocks(stand_in: StandIn):
    stand_in.add("before")
    for number in range(5000):
        stand_in.add(f"line {number}", SYSLOG_IDENTIFIER="x")
    counted: list[Observation] = await collect(
        stand_in.source(), lambda seen: sum(each.count for each in seen) >= 5000, resume="1"
    )
    assert lines_of(counted) == [f"x: line {number}" for number in range(5000)]
    assert len(counted) < 1000  # on a busy machine journalctl writes them in more pieces


async def test_it_is_started_again_where_it_died(stand_in: StandIn):
    stand_in.add("before")
    stand_in.behaviour.write_text("dies")
    seen: list[Observation] = []
    changed = asyncio.Event()

    async def emit(batch: object) -> None:
        assert isinstance(batch, list)
        seen.extend(batch)
        changed.set()

    async def until(text: str) -> None:
        async with asyncio.timeout(10):
            while not any(text in each.text for each in seen):
                changed.clear()
                await changed.wait()

    backoff = Backoff(first_s=0.05, longest_s=0.05, settled_s=0.5)
    task = asyncio.create_task(supervise(stand_in.source(), resume="1", emit=emit, backoff=backoff))
    stand_in.add("one", SYSLOG_IDENTIFIER="x")
    await until("x: one")
    await until("source journald failed: Journal file corrupted; next try in 1 s")
    stand_in.behaviour.write_text("")
    await until("source journald works again")
    stand_in.add("two", SYSLOG_IDENTIFIER="x")
    await until("x: two")
    task.cancel()
    await asyncio.wait([task])
    assert sum(each.text == "x: one" for each in seen) == 1


async def test_a_cursor_that_is_gone_is_replaced_by_its_time(stand_in: StandIn):
    stand_in.add("one", SYSLOG_IDENTIFIER="x")
    stand_in.behaviour.write_text("no cursor")
    source = stand_in.source()
    with pytest.raises(SourceBroken, match="Failed to seek to cursor"):
        await first(source, resume="99;t=16e360")  # 1.5 s after the epoch
    assert (await first(source, resume="99;t=16e360")).text == "x: one"


async def test_a_hanging_journalctl_is_ended_with_the_source(stand_in: StandIn):
    stand_in.behaviour.write_text("hangs")
    stand_in.add("before")
    stand_in.add("one", SYSLOG_IDENTIFIER="x")
    async with aclosing(opened(stand_in.source(), "1")) as stream:
        assert (await anext(stream)).text == "x: one"


async def test_without_journalctl_it_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in: StandIn):
    assert JournaldSource.available(str(stand_in.program))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert not JournaldSource.available()
    with pytest.raises(SourceMissing):
        await first(JournaldSource())
