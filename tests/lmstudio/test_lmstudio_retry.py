"""Which failures are sent again, and when."""

import time
from dataclasses import replace
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.lmstudio.errors import (
    AnswerTooLarge,
    AuthError,
    BadRequest,
    ClientClosed,
    ContextOverflow,
    EmptyAnswer,
    LMStudioError,
    LoadFailed,
    MalformedAnswer,
    ModelCrashed,
    ModelNotFound,
    ModelUnloaded,
    NoModelLoaded,
    NotLMStudio,
    RouteMissing,
    ServerBusy,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)
from wakeful.lmstudio.http.breaker import CircuitOpen
from wakeful.lmstudio.http.retry import RetryConfig, asked_wait_s, decide, never_begun, parse_retry_after

NOT_BEGUN: list[LMStudioError] = [
    ServerUnreachable("refused", stage="connect"),
    ServerTooSlow("no connection", stage="connect"),
    ServerBusy("429", status_code=429),
    ServerBusy("told in the stream", status_code=200),
    ServerError("not whole", status_code=408),
    ServerError("loading", status_code=503),
    CircuitOpen("open", retry_after_s=0.0),
]
MAYBE_BEGUN: list[LMStudioError] = [
    ServerUnreachable("reset on a fresh connection", stage="first_token"),
    ServerTooSlow("silent", stage="first_token"),
    StreamBroken("cut"),
    MalformedAnswer("no JSON"),
    ModelCrashed("crashed", status_code=400),
    ModelUnloaded("gone", status_code=400),
    ServerError("gateway", status_code=502),
    ServerError("gateway", status_code=504),
]
HOPELESS: list[LMStudioError] = [
    ServerError("unexplained", status_code=500),
    ServerError("unexplained, in a stream", status_code=200),
    AuthError("401"),
    BadRequest("400"),
    RouteMissing("404"),
    ModelNotFound("404"),
    ContextOverflow("too long"),
    NoModelLoaded("none"),
    LoadFailed("no memory"),
    NotLMStudio("html"),
    AnswerTooLarge("long"),
    EmptyAnswer("empty"),
    ClientClosed("closed"),
]
ALL = [*NOT_BEGUN, *MAYBE_BEGUN, *HOPELESS]


def named(error: LMStudioError) -> str:
    return f"{type(error).__name__}: {error.message}"


def wait_after(
    error: LMStudioError,
    *,
    attempt: int = 1,
    began: bool = False,
    idempotent: bool = False,
    config: RetryConfig | None = None,
) -> float | None:
    config = config or RetryConfig()
    return decide(error, attempt, began=began, idempotent=idempotent, elapsed_s=0.0, config=config, random=lambda: 0.5)


@pytest.mark.parametrize("error", NOT_BEGUN, ids=named)
def test_what_was_never_begun_is_sent_again(error: LMStudioError) -> None:
    assert never_begun(error)
    assert wait_after(error) == 0.25


@pytest.mark.parametrize("error", MAYBE_BEGUN, ids=named)
def test_what_may_have_been_begun_is_sent_again_only_if_that_does_no_harm(error: LMStudioError) -> None:
    assert not never_begun(error)
    assert wait_after(error) is None
    assert wait_after(error, idempotent=True) == 0.25


@pytest.mark.parametrize("error", HOPELESS, ids=named)
def test_what_will_fail_again_is_not_sent_again(error: LMStudioError) -> None:
    assert wait_after(error, idempotent=True) is None


@pytest.mark.parametrize("error", ALL, ids=named)
def test_nothing_is_sent_again_once_the_caller_has_seen_a_piece(error: LMStudioError) -> None:
    assert wait_after(error, began=True, idempotent=True) is None


def test_the_statuses_are_the_callers_choice() -> None:
    only_500 = RetryConfig(retry_on_status=frozenset({500}))
    assert wait_after(ServerError("x", status_code=500), idempotent=True, config=only_500) is not None
    assert wait_after(ServerError("x", status_code=503), idempotent=True, config=only_500) is None
    assert wait_after(ServerBusy("x", status_code=429), idempotent=True, config=only_500) is None


def test_the_number_of_retries_is_bounded() -> None:
    refused = NOT_BEGUN[0]
    assert [wait_after(refused, attempt=n) is None for n in (1, 2, 3, 4, 5)] == [False, False, False, True, True]
    assert wait_after(refused, config=RetryConfig(max_retries=0)) is None


@given(
    attempt=st.integers(1, 2000),
    factor=st.floats(0, 1e6),
    limit=st.floats(0, 1e6),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_waits_stay_within_their_bound(attempt: int, factor: float, limit: float, draw: float) -> None:
    config = RetryConfig(backoff_factor=factor, max_backoff=limit)
    assert 0 <= config.delay_s(attempt, lambda: draw) <= config.longest_delay_s(attempt) <= limit
    assert config.longest_delay_s(attempt) <= config.longest_delay_s(attempt + 1)


def test_the_bound_doubles() -> None:
    assert [RetryConfig().longest_delay_s(n) for n in (1, 2, 3, 7, 8)] == [0.5, 1.0, 2.0, 30.0, 30.0]


def test_what_the_server_asks_for_is_waited_in_full_and_jitter_on_top() -> None:
    assert wait_after(ServerBusy("x", retry_after_s=7.0)) == 7.25


def test_a_very_long_wait_is_the_callers_to_decide() -> None:
    assert wait_after(ServerBusy("x", retry_after_s=121.0)) is None
    assert wait_after(ServerBusy("x", retry_after_s=120.0)) == 120.25


@pytest.mark.parametrize(("elapsed_s", "expected"), [(0.0, 0.5), (9.4, 0.5), (9.5, None), (20.0, None)])
def test_the_total_deadline_leaves_time_for_the_request(elapsed_s: float, expected: float | None) -> None:
    config = RetryConfig(backoff_factor=1.0, total_deadline=10.0)
    decided = decide(
        NOT_BEGUN[0],
        1,
        began=False,
        idempotent=False,
        elapsed_s=elapsed_s,
        config=config,
        random=lambda: 0.5,
    )
    assert decided == expected


@given(
    error=st.sampled_from(ALL),
    attempt=st.integers(1, 6),
    elapsed_s=st.floats(0, 100),
    deadline_s=st.floats(0, 100),
    idempotent=st.booleans(),
)
def test_no_decision_breaks_the_deadline(
    error: LMStudioError, attempt: int, elapsed_s: float, deadline_s: float, idempotent: bool
) -> None:
    wait_s = decide(
        error,
        attempt,
        began=False,
        idempotent=idempotent,
        elapsed_s=elapsed_s,
        config=RetryConfig(total_deadline=deadline_s),
    )
    assert wait_s is None or (wait_s >= 0 and elapsed_s + wait_s < deadline_s and error.retry_helps)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wednesday, 21-Oct-15 07:28:30 GMT", 30.0),
        ("Wed Oct 21 07:28:30 2015", 30.0),
        ("Wed, 21 Oct 2015 07:28:30 -0000", 30.0),
        ("Wed, 21 Oct 2015 09:28:30 +0200", 30.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("1e9", None),
        ("Wed, 99 Oct 2015 07:28:30 GMT", None),
    ],
)
def test_retry_after_in_all_its_forms(text: str, expected: float | None) -> None:
    assert parse_retry_after(text, now_s=1445412480.0) == expected  # 07:28:00 of that day


@given(st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ (GMT|[+-]\d{1,6})"))
def test_any_header_gives_a_wait_or_nothing(text: str) -> None:
    wait_s = parse_retry_after(text, time.time())
    assert wait_s is None or wait_s >= 0


@given(st.integers(0, 4_000_000_000))
def test_a_date_means_the_time_until_it(at_s: int) -> None:
    assert parse_retry_after(formatdate(at_s, usegmt=True), now_s=at_s - 5.0) == 5.0


def test_errors_without_a_wait_say_none() -> None:
    assert asked_wait_s(BadRequest("x")) is None
    assert asked_wait_s(CircuitOpen("x", retry_after_s=3.0)) == 3.0


@pytest.mark.parametrize("wrong", ["max_retries", "backoff_factor", "max_backoff", "max_retry_after", "total_deadline"])
def test_negative_settings_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="negative"):
        replace(RetryConfig(), **{wrong: -1})


def test_attempts_start_at_one() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        RetryConfig().delay_s(0)
