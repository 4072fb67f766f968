"""The wake budget: a threshold that rises as the hour's thoughts are spent."""

import math

import msgspec

from wakeful.attention.settings import AttentionSettings

NEVER = 1.01
"""A threshold that no salience reaches: both budgets are spent."""

_STEER_RATE, _STEER_PULL = 0.1, 0.3  # of the threshold's logarithm for an observation, and for each wake ahead
_LEAST_STEERED, _MOST_STEERED, _MOST_AHEAD = 0.001, 0.98, 20.0
_RISE = 0.2  # of the threshold, from a full budget to an empty one
_HOUR_S = 3600.0
_MIN_BURST = 2.0


class Spent(msgspec.Struct):
    """What was drawn from the buckets; refills with time.

    at_s: up to when it was refilled, seconds since the epoch; latest_s: the latest time ever credited, so that a
    clock that is set back and on again does not fill the buckets twice
    steered, ahead: the quantile of salience where a share of observations should wake, and wakes above what is due
    """

    at_s: float = 0.0
    latest_s: float = 0.0
    thoughts: float = 0.0
    critical: float = 0.0
    tokens: float = 0.0
    busy_s: float = 0.0
    steered: float = 0.5
    ahead: float = 0.0


class WakeBudget:
    """Thoughts and tokens as buckets that fill again over the hour.

    Critical observations draw on a second bucket of the same size once the first is empty, so that a storm of them
    can at most double what thinking costs.
    """

    def __init__(self, settings: AttentionSettings, spent: Spent | None = None) -> None:
        self._settings = settings
        self._per_hour = settings.thoughts_per_hour
        self._tokens_per_hour = settings.tokens_per_hour
        self._busy_per_hour_s = settings.busy_share * _HOUR_S
        self._size = max(self._per_hour, _MIN_BURST)
        self._full_threshold = min(settings.threshold, settings.critical)
        self._other_limits = settings.tokens_per_hour > 0 or settings.busy_share > 0
        self._full = not self._other_limits and settings.share <= 0.0
        self.state = spent or Spent()

    def thoughts_left(self, at_ns: int) -> float:
        """Thoughts that may still be had now, critical ones apart; grows again with time."""
        self._refill(at_ns)
        return self._size - self.state.thoughts

    def threshold(self, at_ns: int) -> float:
        """Salience that is needed to wake now, in [0, 1]; above 1 when nothing may any more."""
        state, settings = self.state, self._settings
        if self._full and not state.thoughts and not state.critical:  # most of the time; nothing is to be refilled
            at_s = at_ns / 1e9
            if at_s > state.at_s:
                state.at_s = at_s
                if at_s > state.latest_s:
                    state.latest_s = at_s
                return self._full_threshold
        self._refill(at_ns)
        if settings.share > 0.0:
            return self._steered()
        if not state.thoughts and not self._other_limits:
            return self._full_threshold
        if state.thoughts > self._size - 1 or self._exhausted():
            return settings.critical if state.critical <= self._size - 1 else NEVER
        return min(settings.threshold + _RISE * state.thoughts / self._size, settings.critical)

    def steer(self, salience: float) -> None:
        """Takes in one observation where a share of them should wake: the threshold follows that quantile.

        Robbins & Monro's steps, in the threshold's logarithm, find it; and what was woken too much or too little so far
        raises or lowers the threshold above that, so that the share holds over days as well as in the long run.
        """
        share = self._settings.share
        if share <= 0:
            return
        state = self.state
        state.ahead += (salience >= self._steered()) - share
        state.steered *= math.exp(_STEER_RATE * ((salience >= state.steered) - share))
        state.steered = min(max(state.steered, _LEAST_STEERED), _MOST_STEERED)

    def _steered(self) -> float:
        ahead = min(max(self.state.ahead, -_MOST_AHEAD), _MOST_AHEAD)
        return min(self.state.steered * math.exp(_STEER_PULL * ahead), _MOST_STEERED)

    def _exhausted(self) -> bool:
        """Whether a budget other than that of thoughts is spent."""
        state = self.state
        no_tokens = self._tokens_per_hour > 0 and state.tokens >= self._tokens_per_hour
        return no_tokens or (self._busy_per_hour_s > 0 and state.busy_s >= self._busy_per_hour_s)

    def spent(self, at_ns: int, tokens: int, busy_s: float = 0.0, *, thought: bool = True) -> None:
        """Takes in what a thought cost (or, not a thought, what was done beside): tokens, and seconds of the model."""
        self._refill(at_ns)
        state = self.state
        if thought and state.thoughts <= self._size - 1 and not self._exhausted():
            state.thoughts += 1
        elif thought:
            state.critical = min(state.critical + 1, self._size)
        state.tokens = min(state.tokens + tokens, 2.0 * self._tokens_per_hour)
        state.busy_s = min(state.busy_s + busy_s, 2.0 * self._busy_per_hour_s)

    def _refill(self, at_ns: int) -> None:
        at_s = at_ns / 1e9
        state = self.state
        passed_s = at_s - state.at_s
        if passed_s < 0:
            if passed_s < -_HOUR_S:  # a clock set back by much is believed; by little it is only out of order
                state.at_s = at_s
            return
        if passed_s > _HOUR_S and at_s <= state.latest_s:
            passed_s = 0.0  # a leap through time that was credited before
        if state.thoughts or state.critical or state.tokens or state.busy_s:
            hours = passed_s / _HOUR_S
            state.thoughts = max(0.0, state.thoughts - hours * self._per_hour)
            state.critical = max(0.0, state.critical - hours * self._per_hour)
            state.tokens = max(0.0, state.tokens - hours * self._tokens_per_hour)
            state.busy_s = max(0.0, state.busy_s - hours * self._busy_per_hour_s)
        state.at_s = at_s
        if at_s > state.latest_s:
            state.latest_s = at_s
