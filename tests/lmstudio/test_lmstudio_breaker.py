"""The circuit breaker: against a plain model of itself, and case by case."""

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from wakeful.lmstudio.errors import (
    AuthError,
    BadRequest,
    ClientClosed,
    ContextOverflow,
    LMStudioError,
    ModelCrashed,
    ServerBusy,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)
from wakeful.lmstudio.http.breaker import CircuitBreaker, CircuitOpen, Pass, blames_server

SERVER_SIDE: list[LMStudioError] = [
    ServerUnreachable("refused"),
    ServerTooSlow("silent"),
    StreamBroken("cut"),
    ModelCrashed("crashed", status_code=400),
    ServerError("failed", status_code=500),
    ServerError("not ready", status_code=503),
    ServerError("told in a stream", status_code=200),
]
REFUSALS: list[LMStudioError] = [
    BadRequest("400", status_code=400),
    AuthError("401", status_code=401),
    ContextOverflow("too long"),
    ServerBusy("429", status_code=429),
]
DOWN = SERVER_SIDE[0]


class BreakerMachine(RuleBasedStateMachine):
    """Requests begin and end in any order while time passes; the laws of a breaker hold throughout."""

    passes = Bundle("passes")

    def __init__(self) -> None:
        super().__init__()
        self.breaker = CircuitBreaker(failures=3, open_s=2.0, longest_open_s=7.0)
        self.now_s = 100.0
        self.probes: set[int] = set()
        self.in_a_row = 0

    @rule(target=passes)
    def send(self) -> Pass:
        state = self.breaker.state(self.now_s)
        if state == "open" or self.probes:
            with pytest.raises(CircuitOpen) as caught:
                self.breaker.before(self.now_s)
            assert 0 < caught.value.retry_after_s <= 7.0
            return Pass(-1)
        given = self.breaker.before(self.now_s)
        assert given.probe == (state == "half_open")
        if given.probe:
            self.probes.add(given.era)
        return given

    @rule(given=consumes(passes))
    def succeed(self, given: Pass) -> None:
        before = self.breaker.state(self.now_s)
        self.breaker.succeeded(given)
        self._ended(given)
        if before != "closed" and self.breaker.state(self.now_s) == "closed":
            assert given.probe  # only a probe closes it

    @rule(given=consumes(passes), error=st.sampled_from(REFUSALS))
    def refused(self, given: Pass, error: LMStudioError) -> None:
        before = self.breaker.state(self.now_s)
        self.breaker.failed(given, error, self.now_s)
        self._ended(given)
        if before == "closed":
            assert self.breaker.state(self.now_s) == "closed"  # a refusal never opens it

    @rule(given=consumes(passes), error=st.sampled_from(SERVER_SIDE))
    def fail(self, given: Pass, error: LMStudioError) -> None:
        current = given.probe and given.era in self.probes
        self.breaker.failed(given, error, self.now_s)
        self._ended(given)
        if current:
            assert self.breaker.state(self.now_s) == "open"

    @rule(given=consumes(passes))
    def cancel(self, given: Pass) -> None:
        before = self.breaker.state(self.now_s)
        self.breaker.released(given)
        self._ended(given)
        assert self.breaker.state(self.now_s) == before

    @rule(seconds=st.floats(0, 8))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @invariant()
    def it_never_stays_shut(self) -> None:
        """Whatever happened: after the longest time, and with no probe on its way, a request passes."""
        if not self.probes:
            assert self.breaker.wait_s(self.now_s + 7.0) == 0

    def _ended(self, given: Pass) -> None:
        if given.probe:
            self.probes.discard(given.era)


TestBreaker = BreakerMachine.TestCase


def opened(now_s: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker(failures=3, open_s=2.0, longest_open_s=7.0)
    for _ in range(3):
        breaker.failed(breaker.before(now_s), DOWN, now_s)
    return breaker


@pytest.mark.parametrize("error", SERVER_SIDE, ids=lambda error: type(error).__name__)
def test_it_opens_after_failures_of_the_server_in_a_row(error: LMStudioError) -> None:
    assert blames_server(error)
    breaker = CircuitBreaker(failures=2)
    breaker.failed(breaker.before(0), error, 0)
    breaker.succeeded(breaker.before(0))
    breaker.failed(breaker.before(0), error, 0)
    assert breaker.state(0) == "closed"
    breaker.failed(breaker.before(0), error, 0)
    assert breaker.state(0) == "open"


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_refusals_never_open_it(error: LMStudioError) -> None:
    breaker = CircuitBreaker(failures=1)
    for _ in range(5):
        breaker.failed(breaker.before(0), error, 0)
    assert breaker.state(0) == "closed"


def test_while_open_it_says_when_to_come_back_and_why() -> None:
    breaker = opened()
    with pytest.raises(CircuitOpen, match="refused") as caught:
        breaker.before(0.5)
    assert caught.value.retry_after_s == 1.5
    assert isinstance(caught.value, ServerUnreachable)
    assert caught.value.attempts == 0
    assert caught.value.stage == "connect"


def test_a_single_probe_passes_and_closes_it() -> None:
    breaker = opened()
    probe = breaker.before(2.0)
    assert probe.probe
    with pytest.raises(CircuitOpen):
        breaker.before(2.0)
    breaker.succeeded(probe)
    assert breaker.state(2.0) == "closed"


def test_a_probe_whose_answer_has_begun_lets_the_others_through() -> None:
    breaker = opened()
    probe = breaker.before(2.0)
    breaker.began(probe)
    assert breaker.state(2.0) == "closed"
    breaker.failed(probe, DOWN, 3.0)  # old news: it does not open it again by itself
    assert breaker.state(3.0) == "closed"


def test_an_answer_that_begins_does_not_hide_a_row_of_stalls() -> None:
    breaker = CircuitBreaker(failures=2)
    for _ in range(2):
        given = breaker.before(0)
        breaker.began(given)
        breaker.failed(given, ServerTooSlow("stalled", stage="between_tokens"), 0)
    assert breaker.state(0) == "open"


def test_its_open_time_doubles_up_to_the_limit_and_starts_anew_when_it_closes() -> None:
    breaker, now_s, waits = opened(), 0.0, list[float]()
    for _ in range(4):
        waits.append(breaker.wait_s(now_s))
        now_s += waits[-1]
        breaker.failed(breaker.before(now_s), DOWN, now_s)
    assert waits == [2.0, 4.0, 7.0, 7.0]
    now_s += 7.0
    breaker.succeeded(breaker.before(now_s))
    for _ in range(3):
        breaker.failed(breaker.before(now_s), DOWN, now_s)
    assert breaker.wait_s(now_s) == 2.0


def test_news_of_requests_from_before_it_opened_change_nothing() -> None:
    breaker = CircuitBreaker(failures=1, open_s=2.0)
    early, late = breaker.before(0), breaker.before(0)
    breaker.failed(early, DOWN, 0)
    breaker.succeeded(late)
    assert breaker.wait_s(0) == 2.0
    breaker.failed(late, DOWN, 1)
    assert breaker.wait_s(1) == 1.0


def test_a_refusal_of_the_probe_shows_that_the_server_is_back() -> None:
    breaker = opened()
    breaker.failed(breaker.before(2.0), REFUSALS[0], 2.0)
    assert breaker.state(2.0) == "closed"


@pytest.mark.parametrize("error", [ClientClosed("closed"), CircuitOpen("open", retry_after_s=1.0)])
def test_what_was_never_sent_counts_for_nothing(error: LMStudioError) -> None:
    breaker = opened()
    breaker.failed(breaker.before(2.0), error, 2.0)
    assert breaker.state(2.0) == "half_open"
    assert breaker.before(2.0).probe


def test_the_guard_tells_how_it_went() -> None:
    breaker = opened()
    now_s = 2.0

    def clock() -> float:
        return now_s

    with pytest.raises(ServerUnreachable, match="refused"), breaker.guard(clock):
        raise DOWN
    assert breaker.wait_s(now_s) == 4.0
    now_s = 6.0
    with pytest.raises(asyncio.CancelledError), breaker.guard(clock):
        raise asyncio.CancelledError
    with breaker.guard(clock) as given:
        assert given.probe  # the cancelled probe was given free
        with pytest.raises(CircuitOpen), breaker.guard(clock):
            pass
    assert breaker.state(now_s) == "closed"


def test_it_can_be_reset() -> None:
    breaker = opened()
    breaker.reset()
    assert not breaker.before(0).probe


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"open_s": 0.0}, {"open_s": 5.0, "longest_open_s": 1.0}])
def test_senseless_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 1 failure"):
        CircuitBreaker(**wrong)  # pyright: ignore[reportArgumentType]  # that is the test
