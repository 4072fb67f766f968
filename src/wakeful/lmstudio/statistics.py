"""What do our calls take? Requests, errors, tokens and times per model, in bounded memory.

Quantiles: DDSketch (Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
Relative-Error Guarantees", PVLDB 12, 2019): counts in buckets whose bounds grow by a constant factor.
"""

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from wakeful.lmstudio.chat.events import Usage
from wakeful.lmstudio.errors import ErrorType, LMStudioError

Operation = Literal["chat", "text_completion", "embeddings"]
"""What was asked for, in the words of OpenTelemetry's `gen_ai.operation.name`."""

RELATIVE_ERROR = 0.01
"""How far a quantile may be from the true one, as a share of it."""

MAX_MODELS = 256
"""Models that are told apart; what comes after them is counted together, under `OTHERS`."""

OTHERS = "(others)"

_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GROWTH = math.log(_GROWTH)
_SMALLEST, _LARGEST = 1e-6, 1e9


class CallRecord(msgspec.Struct, frozen=True):
    """One call of the client, told once it is over, however it ended.

    model: the one that was asked for, "" for whichever is loaded; response_model: the one that answered
    started_at: seconds since the epoch; duration_s: all of it, its retries included
    first_token_s: from the start to the first piece of the answer; None of an answer in one piece
    error: what it failed with, None for a success; a cancelled call has neither error nor finish_reason
    retries: how often it was sent again
    base_url: the server's
    parameters: the request's fields but for its content, such as temperature and max_tokens
    """

    operation: Operation
    model: str
    started_at: float
    duration_s: float
    first_token_s: float | None = None
    usage: Usage = Usage()
    finish_reason: str = ""
    error: LMStudioError | None = None
    retries: int = 0
    response_model: str = ""
    base_url: str = ""
    parameters: Mapping[str, Any] = {}

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens generated a second once the first was there; None where that can't be told."""
        tokens = self.usage.completion_tokens
        if self.first_token_s is None or tokens is None or tokens < 2:
            return None
        spent_s = self.duration_s - self.first_token_s
        return (tokens - 1) / spent_s if spent_s > 0 else None


Observer = Callable[[CallRecord], None]
"""Is told of each call when it is over, in the task that made it. It must be quick and must not raise."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The spread of one measure; all 0.0 when nothing was measured. Each is within 1 % of the true value."""

    count: int = 0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0


class Sketch:
    """Positive numbers, kept as counts per bucket: at most 1,728 of them, however many numbers there are."""

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0

    def add(self, value: float) -> None:
        """Take a number in; what is outside [1e-6, 1e9] counts as the nearer bound. Raises ValueError for NaN."""
        if not _SMALLEST <= value <= _LARGEST:
            if math.isnan(value):
                raise ValueError("not a number")
            value = min(max(value, _SMALLEST), _LARGEST)
        bucket = math.ceil(math.log(value) / _LOG_GROWTH)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1  # twice as quick as a Counter's own
        self.count += 1

    def quantile(self, share: float) -> float:
        """The number below which `share` of all lie, `share` in [0, 1]; 0.0 of none at all."""
        rank = share * (self.count - 1)
        seen = 0
        for index in sorted(self._buckets):
            seen += self._buckets[index]
            if seen > rank:
                return 2 * _GROWTH**index / (_GROWTH + 1)  # the point of the bucket that is nearest to all of it
        return 0.0

    def quantiles(self) -> Quantiles:
        """The usual three."""
        return Quantiles(self.count, self.quantile(0.5), self.quantile(0.9), self.quantile(0.99))


@dataclass(frozen=True, slots=True)
class ModelStatistics:
    """What the calls to one model took so far.

    errors: how many of `requests` failed, by kind
    prompt_tokens, completion_tokens, cached_tokens: sums of what the server said
    first_token_s: seconds; tokens_per_s: while generating; duration_s: seconds of calls that succeeded
    """

    requests: int = 0
    retries: int = 0
    errors: Mapping[ErrorType, int] = field(default_factory=dict[ErrorType, int])
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    first_token_s: Quantiles = field(default_factory=Quantiles)
    tokens_per_s: Quantiles = field(default_factory=Quantiles)
    duration_s: Quantiles = field(default_factory=Quantiles)


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    retries: int = 0
    errors: Counter[ErrorType] = field(default_factory=Counter[ErrorType])
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    first_token_s: Sketch = field(default_factory=Sketch)
    tokens_per_s: Sketch = field(default_factory=Sketch)
    duration_s: Sketch = field(default_factory=Sketch)

    def add(self, call: CallRecord) -> None:
        self.requests += 1
        self.retries += call.retries
        self.prompt_tokens += call.usage.prompt_tokens or 0
        self.completion_tokens += call.usage.completion_tokens or 0
        self.cached_tokens += call.usage.cached_tokens or 0
        if call.first_token_s is not None:
            self.first_token_s.add(call.first_token_s)
        if call.error is not None:
            self.errors[call.error.error_type] += 1
            return  # how long failures take says nothing about the model
        self.duration_s.add(call.duration_s)
        if (speed := call.tokens_per_s) is not None:
            self.tokens_per_s.add(speed)

    def taken(self) -> ModelStatistics:
        return ModelStatistics(
            requests=self.requests,
            retries=self.retries,
            errors=MappingProxyType(dict(self.errors)),
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cached_tokens=self.cached_tokens,
            first_token_s=self.first_token_s.quantiles(),
            tokens_per_s=self.tokens_per_s.quantiles(),
            duration_s=self.duration_s.quantiles(),
        )


class Statistics:
    """Counts calls per model; `observe` is an `Observer`. Safe to read from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, _Tally] = {}

    def observe(self, call: CallRecord) -> None:
        """Take a call in, under the model that answered, or else the one that was asked for."""
        model = call.response_model or call.model
        with self._lock:
            tally = self._models.get(model)
            if tally is None:
                model = model if len(self._models) < MAX_MODELS else OTHERS
                tally = self._models.setdefault(model, _Tally())
            tally.add(call)

    def per_model(self) -> dict[str, ModelStatistics]:
        """What there is so far, by model, the first one used first."""
        with self._lock:
            return {model: tally.taken() for model, tally in self._models.items()}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._models.clear()
