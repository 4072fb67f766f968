"""How long may this request be silent before something is wrong? Learnt from the answers before it, no I/O.

A server reads the prompt in silence, ten minutes of it on a slow machine, and a dead stream is silent too.
What tells them apart is how fast this model on this machine has been: each request gets deadlines of its own
from the tokens that it makes the server read. They are a multiple of what was slow lately, never below a
floor, and the general `Timeouts` wherever too little is known, so that a rare false alarm needs a slowdown
that never happened before; and each false alarm lengthens what is allowed next.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from wakeful.lmstudio.settings import Timeouts

RECENT = 32
"""Answers that are remembered per model; older ones, and the machine they were made on, may be history."""

ENOUGH = 5
"""Answers before a deadline may become shorter than the general one."""

_REACH = 4.0
"""A prompt this many times as long as any recent one is beyond what is known: reading grows more than linearly."""

_FIXED_TOKENS = 256
"""The fixed cost of a request is counted as that of reading so many tokens."""

_SLOW = 0.9
"""The quantile of the recent rates that counts as slow."""

_NEIGHBOUR_TOKENS = 2048
"""The batch of someone else's prompt that a server may read between two of our tokens (llama.cpp's default)."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each wait of one request may last, in seconds.

    first_token_s: from the request to the first piece of the answer
    between_tokens_s: without any progress after it
    whole_s: for all of an answer that comes in one piece
    """

    first_token_s: float
    between_tokens_s: float
    whole_s: float


@dataclass(frozen=True, slots=True)
class Margins:
    """How generous deadlines are.

    factor: times what was slow lately; 1 or more (ValueError otherwise)
    first_token_floor_s, between_tokens_floor_s: seconds below which no deadline goes, however quick the answers
        were: a request may have to wait until somebody else's answer, or the reading of their prompt, is done
    load_s: seconds allowed for loading a model before any loading was seen
    """

    factor: float = 3.0
    first_token_floor_s: float = 120.0
    between_tokens_floor_s: float = 60.0
    load_s: float = 600.0

    def __post_init__(self) -> None:
        if not self.factor >= 1:
            raise ValueError("a factor below 1 cuts answers that are as quick as the recent ones")


@dataclass(frozen=True, slots=True)
class _Prefill:
    """Seconds that the server took to read so many tokens that were not cached."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.seconds / self.tokens


def _recent() -> "deque[float]":
    return deque(maxlen=RECENT)


@dataclass(slots=True)
class _Learnt:
    """What was seen of one model, newest last: seconds, and seconds per token."""

    prefills: "deque[_Prefill]" = field(default_factory=lambda: deque[_Prefill](maxlen=RECENT))
    gaps: "deque[float]" = field(default_factory=_recent)
    decodes: "deque[float]" = field(default_factory=_recent)
    loads: "deque[float]" = field(default_factory=_recent)


class LearnedDeadlines:
    """The deadlines of one server's models.

    timeouts: the general ones, which hold until enough is known
    """

    def __init__(self, timeouts: Timeouts | None = None, margins: Margins | None = None) -> None:
        self._timeouts = timeouts or Timeouts()
        self._margins = margins or Margins()
        self._models: dict[str, _Learnt] = {}

    def learn(
        self,
        model: str,
        *,
        uncached_tokens: int,
        first_token_s: float,
        output_tokens: int = 0,
        decode_s: float = 0.0,
        longest_gap_s: float | None = None,
        loaded: bool = True,
    ) -> None:
        """Take in an answer that came, however it ended. Times are seconds.

        uncached_tokens: of the prompt, those that had to be read
        output_tokens, decode_s: tokens after the first piece, and the time from it to the last
        longest_gap_s: the longest silence between two pieces, None where it was not measured
        loaded: False when the model may have been loaded for this request: then nothing of its first token is
            learnt; tell `learn_load` where the loading was measured
        """
        learnt = self._models.setdefault(model, _Learnt())
        if loaded:
            learnt.prefills.append(_Prefill(_weighed(uncached_tokens), max(0.0, first_token_s)))
        if output_tokens > 0:
            learnt.decodes.append(max(0.0, decode_s) / output_tokens)
        if longest_gap_s is not None:
            learnt.gaps.append(max(0.0, longest_gap_s))

    def learn_load(self, model: str, load_s: float) -> None:
        """Take in how many seconds the model took to load."""
        self._models.setdefault(model, _Learnt()).loads.append(max(0.0, load_s))

    def cut(self, model: str, *, uncached_tokens: int, waited_s: float, began: bool) -> None:
        """Take in that a deadline ran out after `waited_s` of silence; began: whether the answer had begun.

        It may have been right, or the machine may have become slower than ever seen. So the silence counts as
        if an answer had followed it: the next deadline is longer by the factor (as in RFC 6298, section 5.5),
        and a server that has become slow is not cut off for ever.
        """
        learnt = self._models.setdefault(model, _Learnt())
        if began:
            learnt.gaps.append(waited_s)
        else:
            learnt.prefills.append(_Prefill(_weighed(uncached_tokens), waited_s))

    def forget(self, model: str) -> None:
        """Drop what was learnt of a model: it was loaded anew, perhaps with other settings."""
        self._models.pop(model, None)

    def for_request(
        self, model: str, uncached_tokens: int, *, max_tokens: int | None = None, loaded: bool = True
    ) -> Deadlines:
        """The deadlines of a request.

        uncached_tokens: those of the prompt that the server has to read; when unsure, all of them
        max_tokens: of the answer; None when unlimited: then `whole_s` is at least the general one
        loaded: whether the model is known to be in memory; if not, time to load it is added
        They never fall when `uncached_tokens` rises, and a request that is no slower, per token, than the slowest
        recent one of its length or longer is never cut.
        """
        learnt = self._models.get(model, _Learnt())
        first_s = self._first_token(learnt, _weighed(uncached_tokens))
        if not loaded:
            first_s += self._load(learnt)
        between_s = self._between_tokens(learnt)
        return Deadlines(first_s, between_s, self._whole(learnt, first_s, between_s, max_tokens))

    def expected_first_token_s(self, model: str, uncached_tokens: int) -> float | None:
        """The usual time to the first token, in seconds; None before enough is known."""
        learnt = self._models.get(model)
        if learnt is None or len(learnt.prefills) < ENOUGH:
            return None
        return quantile([one.rate for one in _telling(learnt)], 0.5) * _weighed(uncached_tokens)

    def expected_decode_s(self, model: str, tokens: int) -> float | None:
        """How long so many tokens take to generate when it is slow, in seconds; None before enough is known."""
        learnt = self._models.get(model)
        if learnt is None or len(learnt.decodes) < ENOUGH:
            return None
        return quantile(list(learnt.decodes), _SLOW) * tokens

    def _first_token(self, learnt: _Learnt, tokens: int) -> float:
        margins, general_s = self._margins, self._timeouts.first_token_s
        if not learnt.prefills:
            return max(general_s, margins.first_token_floor_s)
        known_s = max(margins.first_token_floor_s, margins.factor * _slow_prefill(learnt, tokens))
        reach = _REACH * max(one.tokens for one in learnt.prefills)
        if len(learnt.prefills) < ENOUGH or tokens > reach:
            return max(general_s, known_s)
        return known_s

    def _between_tokens(self, learnt: _Learnt) -> float:
        margins = self._margins
        silences = [*learnt.gaps, *learnt.decodes]
        if learnt.prefills:
            silences.append(_slow_rate(learnt) * _NEIGHBOUR_TOKENS)
        known_s = max(margins.between_tokens_floor_s, margins.factor * max(silences, default=0.0))
        enough = len(learnt.gaps) >= ENOUGH
        return known_s if enough else max(self._timeouts.between_tokens_s, known_s)

    def _whole(self, learnt: _Learnt, first_s: float, between_s: float, max_tokens: int | None) -> float:
        slowest = max(learnt.decodes, default=0.0)
        known_s = first_s + between_s + self._margins.factor * slowest * (max_tokens or 0)
        if len(learnt.decodes) < ENOUGH or max_tokens is None:
            return max(self._timeouts.whole_s, known_s)
        return known_s

    def _load(self, learnt: _Learnt) -> float:
        if not learnt.loads:
            return self._margins.load_s
        return self._margins.factor * max(learnt.loads)


def quantile(values: list[float], share: float) -> float:
    """The smallest of `values` that at least a `share` of them does not exceed. Raises ValueError when empty."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


def _weighed(tokens: int) -> int:
    return max(tokens, _FIXED_TOKENS)


def _telling(learnt: _Learnt) -> list[_Prefill]:
    """The recent prompts that tell how fast this model reads: those not much shorter than the longest.

    In a short one the fixed costs weigh most, and a rate taken from it says nothing about long ones.
    """
    longest = max(one.tokens for one in learnt.prefills)
    return [one for one in learnt.prefills if one.tokens * _REACH >= longest]


def _slow_rate(learnt: _Learnt) -> float:
    return quantile([one.rate for one in _telling(learnt)], _SLOW)


def _slow_prefill(learnt: _Learnt, tokens: int) -> float:
    """Seconds that reading takes when it is slow: by the rate, or by the slowest that was really seen."""
    seen_s = max(one.seconds * min(1.0, tokens / one.tokens) for one in learnt.prefills)
    return max(_slow_rate(learnt) * tokens, seen_s)
