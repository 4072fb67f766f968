import asyncio
import json
import os
import stat
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from acting_house import events, until
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from wakeful.actions import Manners, Notifier, ToolFailed, ToolUnsure, places_of, quiet_hours
from wakeful.actions.notices import Message, Notices
from wakeful.actions.places import cleaned
from wakeful.events import (
    Acknowledged,
    ApprovalDecided,
    ApprovalRequested,
    Cursor,
    Delivery,
    DeliveryClaimed,
    Notification,
    Severity,
)
from wakeful.journal import Journal

AT_ONCE = Manners(group_s=0)
MIN_NS = 60 * 10**9
NOON = int(datetime(2026, 3, 3, 12, 0).timestamp() * 1e9)
NIGHT = int(datetime(2026, 3, 3, 23, 30).timestamp() * 1e9)


def told(key: str, severity: Severity = "warning", text: str = "") -> Notification:
    return Notification(at_ns=0, key=key, severity=severity, title=f"title of {key}", text=text or f"text of {key}")


def test_what_comes_together_is_sent_as_one() -> None:
    notices = Notices(Manners(group_s=30))
    notices.add(1, told("a"), NOON)
    notices.add(2, told("b"), NOON + 10**10)
    assert notices.due(NOON + 20 * 10**9) is None
    assert notices.wait_s(NOON + 20 * 10**9) == pytest.approx(10)
    message = notices.due(NOON + 30 * 10**9)
    assert message is not None
    assert message.keys == ("a", "b")
    assert message.title.startswith("2 things")
    assert notices.due(NOON + MIN_NS) is None


def test_what_is_critical_does_not_wait_and_takes_the_others_along() -> None:
    notices = Notices(Manners(group_s=30))
    notices.add(1, told("a"), NOON)
    notices.add(2, told("b", "critical"), NOON)
    message = notices.due(NOON)
    assert message is not None
    assert message.severity == "critical"
    assert "title of b" in message.title
    assert set(message.keys) == {"a", "b"}


def test_quiet_hours_hold_all_but_what_is_critical() -> None:
    notices = Notices(Manners(group_s=0, quiet=quiet_hours("22:00-07:00")))
    notices.add(1, told("a"), NIGHT)
    assert notices.due(NIGHT) is None
    notices.add(2, told("b", "critical"), NIGHT)
    message = notices.due(NIGHT)
    assert message is not None
    assert message.keys == ("b",)
    message = notices.due(NIGHT + 8 * 60 * MIN_NS)
    assert message is not None
    assert message.keys == ("a",)


def test_quiet_hours_by_day_and_over_midnight() -> None:
    day, night = Manners(quiet=quiet_hours("09:00-17:00")), Manners(quiet=quiet_hours("22:00-07:00"))
    assert (day.is_quiet(NOON), day.is_quiet(NIGHT)) == (True, False)
    assert (night.is_quiet(NOON), night.is_quiet(NIGHT)) == (False, True)
    assert quiet_hours("") is quiet_hours("08:00-08:00") is None


def test_the_same_is_not_said_again_and_repeats_are_counted() -> None:
    notices = Notices(Manners(group_s=0, again_s=3600))
    for at in range(5):
        notices.add(at + 1, told(f"k{at}", text=f"disk at 9{at}%"), NOON + at * MIN_NS)
        if at == 0:
            assert notices.due(NOON) is not None
    # the title differs by number alone as well
    assert notices.due(NOON + 6 * MIN_NS) is None
    notices.add(9, told("other", text="else"), NOON + 7 * MIN_NS)
    message = notices.due(NOON + 7 * MIN_NS)
    assert message is not None
    assert "4 that said again" in message.lines[-1]
    notices.add(10, told("k9", text="disk at 97%"), NOON + 90 * MIN_NS)
    assert notices.due(NOON + 90 * MIN_NS) is not None


def test_who_does_not_acknowledge_is_told_through_others_once() -> None:
    notices = Notices(Manners(group_s=0, escalate_after_s=600))
    notices.add(1, told("a", "critical"), NOON)
    notices.add(2, told("b", "critical"), NOON)
    notices.add(3, told("c", "warning"), NOON)
    assert notices.due(NOON) is not None
    notices.acknowledge(about=1)
    assert notices.due(NOON + 9 * MIN_NS) is None
    message = notices.due(NOON + 10 * MIN_NS)
    assert message is not None
    assert message.escalated
    assert message.keys == ("b",)
    assert notices.due(NOON + 60 * MIN_NS) is None


@given(
    st.lists(st.tuples(st.integers(0, 3599), st.sampled_from(["info", "warning", "critical"])), max_size=60),
    st.integers(1, 5),
)
def test_no_hour_has_more_messages_than_allowed(moments: list[tuple[int, Severity]], per_hour: int) -> None:
    notices = Notices(Manners(group_s=0, again_s=0, per_hour=per_hour))
    sent: list[Message] = []
    for number, (at_s, severity) in enumerate(sorted(moments)):
        notices.add(number + 1, told(str(number), severity), NOON + at_s * 10**9)
        if message := notices.due(NOON + at_s * 10**9):
            sent.append(message)
    assert len(sent) <= 2 * per_hour
    keys = [key for message in sent for key in message.keys]
    assert len(keys) == len(set(keys))


@dataclass
class Box:
    """A place that keeps what it is sent. fails, unsure: how often it fails first, or takes it and does not say so

    hangs: takes it, and never says so
    """

    name: str = "box"
    fails: int = 0
    unsure: int = 0
    hangs: bool = False
    sent: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        if self.hangs:
            self.sent.append(message)
            await asyncio.Event().wait()
        if self.unsure:
            self.unsure -= 1
            self.sent.append(message)
            raise ToolUnsure("the service did not answer")
        if self.fails:
            self.fails -= 1
            raise ToolFailed("the service is down")
        self.sent.append(message)


@asynccontextmanager
async def notifying(
    folder: Path, box: Box, manners: Manners = AT_ONCE, *, others: Sequence[Box] = (), **more: Any
) -> AsyncGenerator[Journal]:
    async with await Journal.open(folder / "journal.db") as journal:
        await journal.append([Acknowledged(at_ns=0)])
        running = asyncio.create_task(Notifier(journal, manners, [box, *others], pauses_s=(0.01, 0.01), **more).run())
        try:
            yield journal
        finally:
            running.cancel()
            await asyncio.wait([running])
        assert running.cancelled(), running.exception()


async def begun(journal: Journal) -> None:
    """Waits until the notifier has found its place."""
    async with asyncio.timeout(10):
        while await journal.cursor("notify") == Cursor(""):
            await asyncio.sleep(0.01)


async def test_what_was_told_before_it_was_set_up_is_no_news_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await journal.append([told("old")])
    box = Box(fails=1)
    async with notifying(tmp_path, box) as journal:
        await begun(journal)
        await journal.append([told("a")])
        [delivery] = await until(journal, Delivery)
        assert (delivery.keys, delivery.error) == (("a",), "")
    async with notifying(tmp_path, box) as journal:
        await journal.append([told("b")])
        await until(journal, Delivery, 2)
    assert [message.keys for message in box.sent] == [("a",), ("b",)]


async def test_what_waits_outlives_a_restart(tmp_path: Path) -> None:
    box = Box()
    async with notifying(tmp_path, box, Manners(group_s=3600)) as journal:
        await begun(journal)
        await journal.append([told("a")])
    async with notifying(tmp_path, box) as journal:
        await until(journal, Delivery)
    assert [message.keys for message in box.sent] == [("a",)]


async def test_a_place_that_does_not_take_it_is_journaled(tmp_path: Path) -> None:
    async with notifying(tmp_path, Box(fails=100)) as journal:
        await begun(journal)
        await journal.append([told("a")])
        [delivery] = await until(journal, Delivery)
    assert "down" in delivery.error


async def taken(box: Box, times: int) -> None:
    async with asyncio.timeout(10):
        while len(box.sent) < times:
            await asyncio.sleep(0.01)


async def test_what_may_have_arrived_is_journaled_as_unknown_and_sent_once_more_with_a_mark(tmp_path: Path) -> None:
    box, sure = Box(unsure=1), Box("sure")
    async with notifying(tmp_path, box, others=[sure]) as journal:
        await begun(journal)
        await journal.append([told("a")])
        deliveries = await until(journal, Delivery, 3)
    assert {(each.place, each.unknown, bool(each.error)) for each in deliveries} == {
        ("sure", False, False), ("box", True, True), ("box", False, False),
    }  # fmt: skip
    assert [message.again for message in box.sent] == [False, True]
    assert cleaned(box.sent[1])[1].startswith("Sent again, since it is not known")
    assert len(sure.sent) == 1


async def test_what_may_have_arrived_twice_is_not_sent_a_third_time(tmp_path: Path) -> None:
    box = Box(unsure=100)
    async with notifying(tmp_path, box) as journal:
        await begun(journal)
        await journal.append([told("a")])
        assert [each.unknown for each in await until(journal, Delivery, 2)] == [True, True]
        await journal.append([told("b")])
        await until(journal, Delivery, 4)
    assert [message.keys for message in box.sent] == [("a",), ("a",), ("b",), ("b",)]


async def test_what_was_being_sent_when_it_ended_is_unknown_and_sent_once_more_only_there(tmp_path: Path) -> None:
    box, sure = Box(hangs=True), Box("sure")
    for times in (1, 2, 2):  # of three lives, the last has nothing left to send
        async with notifying(tmp_path, box, others=[sure]) as journal:
            await begun(journal)
            if times == 1:
                await journal.append([told("a"), told("b")])
                await until(journal, Delivery)
            await taken(box, times)
    async with notifying(tmp_path, box, others=[sure]) as journal:
        deliveries = await until(journal, Delivery, 3)
        claims = await events(journal, DeliveryClaimed)
    assert [(each.keys, each.places, each.again) for each in claims] == [
        (("a", "b"), ("box", "sure"), False), (("a", "b"), ("box",), True),
    ]  # fmt: skip
    assert [(each.place, each.unknown) for each in deliveries] == [("sure", False), ("box", True), ("box", True)]
    assert [message.again for message in box.sent] == [False, True]
    assert len(sure.sent) == 1


async def test_a_request_that_was_decided_meanwhile_is_not_asked_for_again(tmp_path: Path) -> None:
    box, now_ns = Box(hangs=True), time.time_ns()
    asked = ApprovalRequested(
        at_ns=now_ns, key="k", tool="run_x", arguments="{}", shown="/bin/x", digest="ab" * 32,
        expires_ns=now_ns + 10 * MIN_NS,
    )  # fmt: skip
    async with notifying(tmp_path, box) as journal:
        await begun(journal)
        await journal.append([asked])
        await taken(box, 1)
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await journal.append([ApprovalDecided(at_ns=now_ns, key="k", digest="ab" * 32, approved=False, by="terminal")])
    async with notifying(tmp_path, box) as journal:
        [unknown] = await until(journal, Delivery)
    assert unknown.unknown
    assert len(box.sent) == 1


async def test_a_service_that_does_not_answer_in_time_may_have_taken_it() -> None:
    pytest.importorskip("apprise")
    came = asyncio.Event()

    async def take(_: web.Request) -> web.Response:
        came.set()
        await asyncio.sleep(3)
        return web.Response()

    app = web.Application()
    app.router.add_post("/{rest:.*}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        address = f"json://127.0.0.1:{runner.addresses[0][1]}/x?rto=0.3"
        first, second = places_of([address, address])
        assert (first.name, second.name) == ("json", "json 2")
        with pytest.raises(ToolUnsure, match="did not answer in time"):
            await first.send(Message(("a",), "warning", "disk full", ("it is full",)))
        assert came.is_set()
    finally:
        await runner.cleanup()
    [nobody] = places_of(["json://127.0.0.1:1/x"])
    with pytest.raises(ToolFailed):
        await nobody.send(Message(("a",), "warning", "disk full", ("it is full",)))


async def test_a_request_for_approval_is_told_and_acknowledging_stops_escalation(tmp_path: Path) -> None:
    box, other = Box(), Box("other")
    manners = Manners(group_s=0, escalate_after_s=0.3)
    async with notifying(tmp_path, box, manners, escalation=[other]) as journal:
        await begun(journal)
        asked = ApprovalRequested(
            at_ns=time.time_ns(), key="k", tool="run_x", arguments="{}", shown="/bin/x", digest="ab" * 32,
            expires_ns=time.time_ns() + MIN_NS,
        )  # fmt: skip
        await journal.append([asked])
        await until(journal, Delivery)
        assert "wakeful approve abababab" in box.sent[0].lines[0]
        [first] = await journal.append([told("a", "critical")])
        await until(journal, Delivery, 2)
        await journal.append([Acknowledged(at_ns=time.time_ns(), about=first.seq)])
        await journal.append([told("b", "critical", "something else")])
        deliveries = await until(journal, Delivery, 4)
    assert [each.keys for each in deliveries if each.escalated] == [("b",)]
    assert [message.keys for message in other.sent] == [("b",)]
    assert len(await _none(tmp_path)) == 4


async def _none(folder: Path) -> list[Delivery]:
    async with await Journal.open(folder / "journal.db", read_only=True) as journal:
        return await events(journal, Delivery)


@pytest.mark.skipif(os.name != "posix", reason="needs a shell script in the path")
async def test_the_desktop_is_told_by_a_program_with_plain_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.txt"
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {out}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("sys.platform", "linux")
    [desktop] = places_of(["desktop"])
    await desktop.send(Message(("a",), "critical", "--help <b>x</b>", ("critical: see https://evil.example/x",)))
    arguments = out.read_text().splitlines()
    assert arguments[:3] == ["--app-name=Wakeful", "--urgency=critical", "--"]
    assert "‹b›" in arguments[3]
    assert "https://" not in arguments[4]


async def test_a_service_of_apprise_is_sent_clean_text() -> None:
    pytest.importorskip("apprise")
    posted: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        posted.append(json.loads(await request.text()))
        return web.Response(status=500 if len(posted) > 1 else 200)

    app = web.Application()
    app.router.add_post("/{rest:.*}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        [service] = places_of([f"json://127.0.0.1:{runner.addresses[0][1]}/secret-token"])
        assert service.name == "json"
        await service.send(Message(("a",), "warning", "disk full", ("warning: <b>see</b> https://evil.example/x",)))
        with pytest.raises(ToolFailed, match="did not take it"):
            await service.send(Message(("b",), "warning", "again", ()))
    finally:
        await runner.cleanup()
    assert posted[0]["title"] == "Wakeful: disk full"
    assert posted[0]["message"] == "warning: ‹b›see‹/b› https(:)//evil(.)example/x"
