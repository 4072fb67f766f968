"""Shall a request that failed be sent again, and how long after? Decisions on values, no I/O.

Only what is safe is sent again. A generation that may have been begun costs minutes of the machine, and may
have called tools: it is repeated only when the caller says that this does no harm, or when the failure itself
proves that the server never began it.
"""

import random as _random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from wakeful.lmstudio.errors import LMStudioError, ServerBusy, ServerError, ServerTooSlow, ServerUnreachable

_NEVER_BEGUN = frozenset({408, 429, 503})
"""Statuses that say so: the request did not come whole, was too many, or the server is not ready.

A 502 or 504 comes from something in between, which does not know what the server behind it has begun.
"""

_SECONDS = re.compile(r"\d+(\.\d*)?")


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """How often and how soon a failed request is sent again. Raises ValueError for negative numbers.

    max_retries: sendings after the first; 0 switches retries off
    backoff_factor: seconds that bound the first wait, doubled for each further one
    max_backoff: seconds that no such bound exceeds
    retry_on_status: HTTP statuses that are worth another try
    max_retry_after: seconds; when the server asks for a longer wait, the caller is told instead of kept waiting
    total_deadline: seconds after the first sending in which another one may begin; None for no limit
    """

    max_retries: int = 3
    backoff_factor: float = 0.5
    max_backoff: float = 30.0
    retry_on_status: frozenset[int] = frozenset({408, 429, 502, 503, 504})
    max_retry_after: float = 120.0
    total_deadline: float | None = None

    def __post_init__(self) -> None:
        if self.max_retries < 0 or not (self.backoff_factor >= 0 and self.max_backoff >= 0):
            raise ValueError("max_retries, backoff_factor and max_backoff can't be negative")
        if not self.max_retry_after >= 0:
            raise ValueError("max_retry_after can't be negative")
        if self.total_deadline is not None and not self.total_deadline >= 0:
            raise ValueError("total_deadline can't be negative")

    def longest_delay_s(self, attempt: int) -> float:
        """The bound of the wait after the `attempt`-th sending (1 is the first), in seconds."""
        doublings = min(attempt - 1, 64)  # far beyond any sensible bound; larger powers overflow a float
        return min(self.max_backoff, self.backoff_factor * 2.0**doublings)

    def delay_s(self, attempt: int, random: Callable[[], float] = _random.random) -> float:
        """The wait after the `attempt`-th sending in seconds: evenly from 0 to its bound ('full jitter').

        random: gives numbers in [0, 1)
        Raises ValueError when attempt < 1.
        Source: M. Brooker, 'Exponential Backoff And Jitter', AWS Architecture Blog, 2015: of the variants
        compared there, this one spends the least calls to get all clients through.
        """
        if attempt < 1:
            raise ValueError("attempts are counted from 1")
        return self.longest_delay_s(attempt) * random()


NO_RETRY = RetryConfig(max_retries=0)
"""Every failure is told at once, for callers with a rule of their own."""


def decide(
    error: LMStudioError,
    attempt: int,
    *,
    began: bool,
    idempotent: bool,
    elapsed_s: float,
    config: RetryConfig,
    random: Callable[[], float] = _random.random,
) -> float | None:
    """Seconds to wait before the request is sent again; None: give the error to the caller.

    attempt: sendings so far, 1 after the first; those that `Transport` repeats itself are not counted
    began: whether any piece of the answer has reached the caller; then nothing is ever repeated
    idempotent: whether a repetition does no harm even if the server acted on the request
    elapsed_s: since the first sending
    What `Retry-After` asks for is waited in full, and the jitter on top of it, since many were told the same.
    """
    if began or attempt > config.max_retries or not _worth_it(error, config):
        return None
    if not (idempotent or never_begun(error)):
        return None
    wait_s = config.delay_s(attempt, random)
    if (asked_s := asked_wait_s(error)) is not None:
        if asked_s > config.max_retry_after:
            return None
        wait_s += asked_s
    if config.total_deadline is not None and elapsed_s + wait_s >= config.total_deadline:
        return None
    return wait_s


def never_begun(error: LMStudioError) -> bool:
    """Whether the failure proves that the server did not begin to work on the request."""
    if isinstance(error, ServerBusy):
        return True
    if isinstance(error, ServerUnreachable | ServerTooSlow):
        return error.stage == "connect"
    return isinstance(error, ServerError) and error.status_code in _NEVER_BEGUN


def asked_wait_s(error: LMStudioError) -> float | None:
    """How long the server asks us to wait, in seconds; None where it does not say."""
    asked_s: float | None = getattr(error, "retry_after_s", None)  # several of the classes carry it
    return asked_s


def parse_retry_after(text: str, now_s: float) -> float | None:
    """The wait that a `Retry-After` header asks for, in seconds from now; None when it can't be read.

    Both of its forms: a number of seconds (with decimals too, as some servers send) and an HTTP date, of which
    one in the past means 0.
    now_s: seconds since 1970, UTC
    Source: RFC 9110, section 10.2.3
    """
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:  # 'GMT' is understood; a date without any zone is meant in it as well
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now_s)


def _worth_it(error: LMStudioError, config: RetryConfig) -> bool:
    if isinstance(error, ServerBusy):
        return 429 in config.retry_on_status  # whatever status it came with
    if isinstance(error, ServerError):
        return error.status_code in config.retry_on_status
    return error.retry_helps
