"""Is it worth asking this server at all just now? A circuit breaker; the time is passed in, no I/O.

closed: requests pass. After some server-side failures in a row it opens.
open: requests fail at once instead of each waiting for its own time-out. After a while it is half open.
half open: one request, the probe, passes. If the server answers it, the breaker closes; else it opens again,
for twice as long, up to a limit.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from wakeful.lmstudio.errors import (
    CircuitOpen,
    ClientClosed,
    LMStudioError,
    ModelCrashed,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)

State = Literal["closed", "open", "half_open"]

_PROBE_WAIT_S = 1.0
"""What we tell a request that meets a probe on its way: how long that takes cannot be known."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A request that was let through, for telling how it went. era: counts the breaker's changes of state."""

    era: int
    probe: bool = False


class CircuitBreaker:
    """The breaker of one server. All times are seconds of one monotonic clock.

    failures: server-side failures in a row that open it
    open_s: how long it is open at first; longest_open_s: the limit of the doubling
    Raises ValueError when these make no sense.
    """

    def __init__(self, *, failures: int = 5, open_s: float = 2.0, longest_open_s: float = 60.0) -> None:
        if failures < 1 or not 0 < open_s <= longest_open_s:
            raise ValueError("at least 1 failure, and 0 < open_s <= longest_open_s")
        self._limit = failures
        self._first_open_s = open_s
        self._longest_open_s = longest_open_s
        self._failures = 0
        self._open_s = open_s
        self._until_s: float | None = None  # None: closed
        self._probing = False
        self._era = 0
        self._last = ""

    def state(self, now_s: float) -> State:
        """Closed, open or half open."""
        if self._until_s is None:
            return "closed"
        return "open" if now_s < self._until_s else "half_open"

    def wait_s(self, now_s: float) -> float:
        """Seconds until a request may pass; 0.0 when it may now."""
        if self._until_s is None:
            return 0.0
        if self._probing:
            return _PROBE_WAIT_S
        return max(0.0, self._until_s - now_s)

    def before(self, now_s: float) -> Pass:
        """Ask to send a request; hand what is returned to exactly one of the methods below.

        Raises CircuitOpen.
        """
        wait_s = self.wait_s(now_s)
        if wait_s > 0:
            reason = f" The last time: {self._last}" if self._last else ""
            raise CircuitOpen(
                f"The server failed {self._limit} times in a row and is left alone for {wait_s:.1f} s.{reason}",
                retry_after_s=wait_s,
            )
        self._probing = self._until_s is not None
        return Pass(self._era, self._probing)

    def began(self, given: Pass) -> None:
        """The answer has begun: a probe has told what it was sent for, others need not wait for its end."""
        if given.probe:
            self.succeeded(given)

    def succeeded(self, given: Pass) -> None:
        """The server answered, be it with a refusal."""
        if given.era != self._era:
            return  # news from before the last change of state
        self._failures = 0
        if given.probe:
            self.reset()

    def failed(self, given: Pass, error: LMStudioError, now_s: float) -> None:
        """The request failed; only what the server is to blame for counts against it."""
        if isinstance(error, ClientClosed | CircuitOpen):
            self.released(given)  # nothing was sent
        elif not blames_server(error):
            self.succeeded(given)
        elif given.era == self._era:
            self._last = error.message
            self._failures += 1
            if given.probe:
                self._open(now_s, min(self._longest_open_s, self._open_s * 2))
            elif self._failures >= self._limit:
                self._open(now_s, self._first_open_s)

    def released(self, given: Pass) -> None:
        """The request was cancelled: nothing was learnt, and another may be the probe."""
        if given.probe and given.era == self._era:
            self._probing = False

    def reset(self) -> None:
        """Close it, as if nothing had happened: the server is known to be back."""
        self._era += 1
        self._failures, self._open_s, self._until_s, self._probing = 0, self._first_open_s, None, False

    @contextmanager
    def guard(self, clock: Callable[[], float]) -> Generator[Pass, None, None]:
        """Send a request inside: its outcome is told to the breaker. clock: gives monotonic seconds.

        Raises CircuitOpen instead of entering.
        """
        given = self.before(clock())
        try:
            yield given
        except LMStudioError as error:
            self.failed(given, error, clock())
            raise
        except BaseException:
            self.released(given)
            raise
        self.succeeded(given)

    def _open(self, now_s: float, open_s: float) -> None:
        self._era += 1
        self._open_s, self._until_s, self._probing = open_s, now_s + open_s, False


def blames_server(error: LMStudioError) -> bool:
    """Whether the server, and not the request, is to blame: unreachable, stalled, cut off, crashed, 5xx."""
    return isinstance(error, ServerUnreachable | ServerTooSlow | StreamBroken | ModelCrashed | ServerError)
