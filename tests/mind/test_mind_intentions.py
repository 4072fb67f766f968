"""Intentions: what plain words mean, and that what they wait for is told, once."""

import asyncio
import contextlib
import itertools
import json
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_model import Messages, ScriptedServer, thought
from test_mind_loop import WITHIN_S, awake, events, line, until

from wakeful.events import Claim, Cursor, Entry, Event, Intention, IntentionMet, Notification, Observation
from wakeful.mind import MindSettings
from wakeful.mind.intentions.plain import NotUnderstood, understood
from wakeful.mind.intentions.standing import AGAIN_NS, Standing, moments
from wakeful.mind.intentions.times import find_moment, find_schedule

SETTINGS = MindSettings(first_look=False)
NOW = datetime(2026, 3, 11, 14, 30)  # a Wednesday
NOW_NS = int(NOW.timestamp() * 1e9)
S = 10**9
KNOWN = [
    Observation(
        at_ns=1,
        source="metrics",
        form="metrics",
        values={"cpu_percent": 1.0, "disk_percent:/data": 2.0, "disk_percent:/": 3.0, "load_1": 0.1},
    ),
    Observation(at_ns=1, source="journald", form="lines", text="x"),
]


def meant(text: str) -> Intention:
    return understood(text, "i1", now_ns=NOW_NS, known=KNOWN)


@pytest.mark.parametrize(
    ("text", "cron", "rest"),
    [
        ("every friday at 17:00 report the week", "0 17 * * 5", "report the week"),
        ("Every Friday, report the week", "0 8 * * 5", "report the week"),
        ("every day at 8 say what happened", "0 8 * * *", "say what happened"),
        ("report the night every morning at 7:15", "15 7 * * *", "report the night"),
        ("every sunday at 9 pm: sum up", "0 21 * * 0", "sum up"),
        ("each weekday at 12am x", "0 0 * * 1-5", "x"),
        ("every 15 minutes look", "*/15 * * * *", "look"),
        ("every 6 hours look", "0 */6 * * *", "look"),
        ("daily at 6.30: report", "30 6 * * *", "report"),
        ("every month report", "0 8 1 * *", "report"),
        ("every evening report", "0 19 * * *", "report"),
    ],
)
def test_schedules_are_understood(text: str, cron: str, rest: str) -> None:
    assert find_schedule(text) == (cron, rest)
    following = list(itertools.islice(moments(cron, NOW), 2))
    assert NOW < following[0] < following[1]


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("in 2 hours", NOW + timedelta(hours=2)),
        ("in an hour", NOW + timedelta(hours=1)),
        ("tomorrow", datetime(2026, 3, 12, 8)),
        ("tomorrow at 9", datetime(2026, 3, 12, 9)),
        ("tonight", datetime(2026, 3, 11, 22)),
        ("tonight at 9", datetime(2026, 3, 11, 21)),
        ("on friday at 17:15", datetime(2026, 3, 13, 17, 15)),
        ("on wednesday at 9", datetime(2026, 3, 18, 9)),
        ("at 18:00", datetime(2026, 3, 11, 18)),
        ("at 9", datetime(2026, 3, 12, 9)),
        ("2026-04-01 at 10", datetime(2026, 4, 1, 10)),
    ],
)
def test_moments_are_understood(text: str, when: datetime) -> None:
    found = find_moment(f"remind me {text} to renew it", NOW)
    assert found == (when, "remind me to renew it")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_words_are_understood_or_refused(text: str) -> None:
    for each in (text, f"remind me {text}", f"every {text}", f"watch for {text}"):
        with contextlib.suppress(NotUnderstood):
            assert meant(each).told


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("watch for failed backups", Claim(form="comes", text="fail backup")),
        (
            "tell me when the backup has failed in journald",
            Claim(form="comes", source="journald", text="backup fail"),
        ),
        ('watch for "connection refused"', Claim(form="comes", text="connection refused")),
        ("watch cpu above 90%", Claim(form="reaches", source="metrics", metric="cpu_percent", value=90)),
        (
            "warn me if disk /data goes over 95.5 percent",
            Claim(form="reaches", source="metrics", metric="disk_percent:/data", value=95.5),
        ),
        (
            "tell me when load is below 0.5",
            Claim(form="reaches", source="metrics", metric="load_1", comparison="<", value=0.5),
        ),
    ],
)
def test_watches_are_understood(text: str, claim: Claim) -> None:
    intention = meant(text)
    assert (intention.form, intention.claim) == ("watch", claim)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("be nice", "not understood"),
        ("remind me to eat", "when"),
        ("remind me tomorrow", "what for"),
        ("remind me on 2020-01-01 to look", "is over"),
        ("every day at 25 report", "no time"),
        ("every 99 minutes report", "1 to 59"),
        ("watch disk above 90", "several"),
        ("watch fan above 90", "No metric"),
        ("watch for any of the", "what to watch"),
    ],
)
def test_what_is_not_understood_is_said(text: str, says: str) -> None:
    with pytest.raises(NotUnderstood, match=says):
        meant(text)


def test_what_is_told_and_what_is_asked_differ() -> None:
    assert meant("every day at 8 report the night").asks
    reminder = meant("every friday remind me to water the plants")
    assert (reminder.asks, reminder.told) == (False, "water the plants")
    assert meant("remind me to renew the certificate tomorrow at 9.").told == "renew the certificate"


def standing(*happened: Event) -> tuple[Standing, list[Event], list[int]]:
    reports: list[int] = []
    book = Standing(lambda entry, due_ns: reports.append(due_ns))
    told: list[Event] = []
    for seq, event in enumerate(happened, 1):
        told += book.learn(Entry(seq, Cursor(str(seq)), event))
    return book, told, reports


def seen(at_s: int, text: str) -> Observation:
    return Observation(at_ns=NOW_NS + at_s * S, source="log:a", form="lines", text=text)


def test_a_watch_is_told_with_its_line_and_not_again_for_an_hour() -> None:
    block = Observation(
        at_ns=NOW_NS + S, source="log:a", form="lines", text="all well\nbackup FAILED: disk\nwell", count=3
    )
    later = seen(AGAIN_NS // S + 2, "backup failed again")
    _, told, _ = standing(meant("watch for failed backups"), block, seen(5, "backup failed"), later)
    notifications = [each for each in told if isinstance(each, Notification)]
    assert [each.evidence for each in notifications] == [(2,), (4,)]
    assert "backup FAILED: disk" in notifications[0].text
    assert "all well" not in notifications[0].text
    assert len([each for each in told if isinstance(each, IntentionMet)]) == 2


def test_an_intention_taken_back_or_edited_is_met_no_more() -> None:
    first = meant("watch for failed backups")
    edited = meant("watch for zeppelins")
    gone = Intention(at_ns=NOW_NS, key="i1", text="x", form="watch", told="x", active=False)
    _, told, _ = standing(first, edited, seen(1, "backup failed"), gone, seen(2, "a zeppelin landed"))
    assert told == []


def test_a_reminder_comes_once_and_late_where_nobody_was_awake() -> None:
    book, _, _ = standing(meant("remind me in 1 hour to look"))
    assert book.due(NOW_NS) == []
    assert book.next_due_ns == NOW_NS + 3600 * S
    [met, told] = book.due(NOW_NS + 86_400 * S)
    assert isinstance(met, IntentionMet)
    assert isinstance(told, Notification)
    assert told.text == "look"
    assert book.due(NOW_NS + 90_000 * S) == []
    assert book.next_due_ns is None


def test_a_reminder_that_was_met_is_not_met_again_after_a_restart() -> None:
    intention = meant("remind me in 1 hour to look")
    book, _, _ = standing(intention, IntentionMet(at_ns=1, intention=1, key="i1", due_ns=intention.due_ns))
    assert book.due(NOW_NS + 90_000 * S) == []


def test_a_schedule_comes_each_time_and_of_those_missed_only_the_last() -> None:
    book, _, reports = standing(meant("every hour report"))
    at = NOW + timedelta(hours=1)
    for _ in range(3):
        book.due(int(at.timestamp() * 1e9))
        book.due(int(at.timestamp() * 1e9) + S)
        at += timedelta(hours=1)
    assert len(reports) == 3
    at += timedelta(hours=5)
    book.due(int(at.timestamp() * 1e9))
    assert len(reports) == 4
    assert datetime.fromtimestamp(reports[-1] / 1e9).hour == at.hour
    assert (book.next_due_ns or 0) > int(at.timestamp() * 1e9)


def test_a_schedule_missed_long_ago_waits_for_its_next_time() -> None:
    book, _, reports = standing(meant("every friday at 9 report"))
    late_ns = int(datetime(2026, 3, 16, 9).timestamp() * 1e9)  # the Monday after
    book.due(late_ns)
    assert reports == []
    assert (book.next_due_ns or 0) > late_ns


async def test_a_watch_is_told_by_the_running_mind_without_a_thought(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server, SETTINGS) as (mind, journal):
        intention = understood("watch for zeppelins", "i1", now_ns=time.time_ns(), known=[])
        await journal.append([intention])
        [observed] = await journal.append([line("the zeppelin has landed")])
        [told] = await until(journal, Notification)
        assert told.intention == "i1"
        assert told.evidence == (observed.seq,)
        assert mind._standing.words == ["zeppelin"]
    async with ScriptedServer() as server, awake(tmp_path, server, SETTINGS) as (mind, journal):
        await journal.append([line("another zeppelin"), line("ERROR one: panic")])
        async with asyncio.timeout(WITHIN_S):
            while not server.prompts:
                await asyncio.sleep(0.02)
        assert len(await events(journal, IntentionMet)) == 1  # it was told within the hour


async def test_a_report_is_written_by_the_model_and_told(tmp_path: Path) -> None:
    def answer(messages: Messages, offered: list[str]) -> str:
        if "Answer the question" in messages[0]["content"]:
            return json.dumps({"answer": "All was quiet.", "evidence": offered[:1]})
        return thought(messages, offered)

    now_ns = time.time_ns()
    due = Intention(
        at_ns=now_ns - 3600 * S,
        key="i1",
        text="every minute report",
        form="schedule",
        told="what happened?",
        cron="* * * * *",
        asks=True,
    )
    async with ScriptedServer(answer) as server, awake(tmp_path, server, SETTINGS) as (_, journal):
        await journal.append([line("all is well")])
        await journal.append([due])
        [told] = await until(journal, Notification)
        assert told.text == "All was quiet."
        [met] = await events(journal, IntentionMet)
        assert now_ns - met.due_ns < 120 * S
