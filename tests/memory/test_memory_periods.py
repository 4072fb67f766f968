"""Time words: what each means on a Friday at half past nine."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.memory import period_in

NOW_NS = int(datetime(2026, 11, 27, 9, 30, tzinfo=UTC).timestamp()) * 10**9


def shown(at_ns: int | None) -> str:
    return "" if at_ns is None else datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "since", "until", "rest"),
    [
        ("what happened last night?", "11-26 20:00", "11-27 08:00", "what happened ?"),
        ("errors since Monday", "11-23 00:00", "", "errors"),
        ("what broke yesterday evening", "11-26 18:00", "11-26 23:00", "what broke"),
        ("nginx 3 hours ago", "11-27 06:00", "11-27 07:00", "nginx"),
        ("nginx in the last 2 days", "11-25 09:30", "11-27 09:30", "nginx"),
        ("last week", "11-16 00:00", "11-23 00:00", ""),
        ("the past week", "11-20 09:30", "11-27 09:30", ""),
        ("two weeks ago", "11-09 00:00", "11-16 00:00", ""),
        ("last month", "10-01 00:00", "11-01 00:00", ""),
        ("before yesterday", "", "11-26 00:00", ""),
        ("the disk between 3 am and 4 am", "11-27 03:00", "11-27 04:00", "the disk"),
        ("between 23:00 and 01:30", "11-26 23:00", "11-27 01:30", ""),
        ("from Monday to Wednesday", "11-23 00:00", "11-26 00:00", ""),
        ("this morning", "11-27 06:00", "11-27 12:00", ""),
        ("since 03:15", "11-27 03:15", "", ""),
        ("what changed since last Friday", "11-20 00:00", "", "what changed"),
        ("on Friday", "11-27 00:00", "11-28 00:00", ""),
        ("at noon", "11-26 12:00", "11-26 13:00", ""),
        ("the weekend", "11-21 00:00", "11-23 00:00", ""),
        ("nginx after 2026-11-20", "11-21 00:00", "", "nginx"),
        ("today", "11-27 00:00", "11-28 00:00", ""),
    ],
)
def test_words_relative_to_now_are_strict(text: str, since: str, until: str, rest: str) -> None:
    period = period_in(text, NOW_NS, UTC)
    assert period is not None
    assert (shown(period.since_ns), shown(period.until_ns), period.rest) == (since, until, rest)
    assert period.strict


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("on 3 May 2026", "05-03 00:00", "05-04 00:00"),
        ("on May 3rd", "05-03 00:00", "05-04 00:00"),
        ("the outage in May", "05-01 00:00", "06-01 00:00"),
        ("2026-11-20T03:15", "11-20 03:15", "11-20 03:16"),
    ],
)
def test_a_date_that_is_named_is_not_strict(text: str, since: str, until: str) -> None:
    period = period_in(text, NOW_NS, UTC)
    assert period is not None
    assert (shown(period.since_ns), shown(period.until_ns), period.strict) == (since, until, False)


@pytest.mark.parametrize(
    "text", ["May I ask you something", "10.0.0.9 refused", "31 June", "march on", "", "in 10:44:12"]
)
def test_what_is_no_time(text: str) -> None:
    assert period_in(text, NOW_NS, UTC) is None


@given(st.text(max_size=80), st.integers(0, 2**61))
def test_any_text_is_read(text: str, now_ns: int) -> None:
    period = period_in(text, now_ns, UTC)
    if period is not None and period.since_ns is not None and period.until_ns is not None:
        assert period.since_ns <= period.until_ns
