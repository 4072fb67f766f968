"""The wake budget: a threshold that rises as the hour's thoughts are spent."""

import msgspec

from wakeful.attention.settings import AttentionSettings

BASE_THRESHOLD = 0.5
"""Salience that wakes while the budget is full: some six nats from a trusted source."""

CRITICAL = 0.72
"""Salience from which on the mind wakes even when the budget is spent; bounded by a budget of its own."""

_RISE = 0.2
_HOUR_S = 3600.0
_MIN_BURST = 2.0


class Spent(msgspec.Struct):
    """What was drawn from the buckets; refills with time. at_s: seconds since the epoch."""

    at_s: float = 0.0
    thoughts: float = 0.0
    critical: float = 0.0
    tokens: float = 0.0


class WakeBudget:
    """Thoughts and tokens as buckets that fill again over the hour.

    Critical observations draw on a second bucket of the same size once the first is empty, so that a storm of them
    can at most double what thinking costs.
    """

    def __init__(self, settings: AttentionSettings, spent: Spent | None = None) -> None:
        self._per_hour = settings.thoughts_per_hour
        self._tokens_per_hour = settings.tokens_per_hour
        self._size = max(self._per_hour, _MIN_BURST)
        self.state = spent or Spent()

    def thoughts_left(self, at_ns: int) -> float:
        """Thoughts that may still be had now; grows again with time."""
        self._refill(at_ns)
        return self._size - self.state.thoughts

    def threshold(self, at_ns: int) -> float:
        """Salience that is needed to wake now, in [0, 1]; above 1 when nothing but the critical may."""
        self._refill(at_ns)
        state = self.state
        if state.thoughts > self._size - 1 or (self._tokens_per_hour and state.tokens >= self._tokens_per_hour):
            return CRITICAL if state.critical <= self._size - 1 else 1.01
        return BASE_THRESHOLD + _RISE * state.thoughts / self._size

    def spent(self, at_ns: int, tokens: int) -> None:
        """Takes in that there was a thought, and what it cost."""
        self._refill(at_ns)
        if self.state.thoughts <= self._size - 1:
            self.state.thoughts += 1
        else:
            self.state.critical += 1
        self.state.tokens += tokens

    def _refill(self, at_ns: int) -> None:
        at_s = at_ns / 1e9
        state = self.state
        hours = min(max(at_s - state.at_s, 0.0) / _HOUR_S, 1e6)
        state.thoughts = max(0.0, state.thoughts - hours * self._per_hour)
        state.critical = max(0.0, state.critical - hours * self._per_hour)
        state.tokens = max(0.0, state.tokens - hours * self._tokens_per_hour)
        if at_s > state.at_s or state.at_s - at_s > _HOUR_S:  # a clock set back by much is believed
            state.at_s = at_s
