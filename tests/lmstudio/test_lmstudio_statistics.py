"""What calls took, per model, in bounded memory."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.lmstudio.chat.events import Usage
from wakeful.lmstudio.errors import ErrorType, ServerBusy
from wakeful.lmstudio.statistics import MAX_MODELS, OTHERS, RELATIVE_ERROR, CallRecord, Sketch, Statistics


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=300), st.floats(0, 1))
def test_a_quantile_is_within_its_bound(numbers: list[float], share: float) -> None:
    sketch = Sketch()
    for number in numbers:
        sketch.add(number)
    true = sorted(numbers)[math.floor(share * (len(numbers) - 1))]
    assert sketch.quantile(share) == pytest.approx(true, rel=RELATIVE_ERROR * 1.0001)


def test_memory_is_bounded_and_odd_numbers_do_no_harm() -> None:
    sketch = Sketch()
    assert sketch.quantiles().p50 == 0.0
    for exponent in range(-20_000, 20_000):
        sketch.add(1.002**exponent)
    for odd in (0.0, -1.0, math.inf):
        sketch.add(odd)
    assert len(sketch._buckets) <= 1_728
    with pytest.raises(ValueError, match="not a number"):
        sketch.add(math.nan)


def test_calls_are_counted_per_model() -> None:
    statistics = Statistics()
    usage = Usage(prompt_tokens=100, completion_tokens=21, cached_tokens=60)
    statistics.observe(CallRecord("chat", "", 0.0, 3.0, 1.0, usage, "stop", response_model="m"))
    statistics.observe(CallRecord("chat", "m", 0.0, 9.0, error=ServerBusy("no"), retries=2))
    [(model, taken)] = statistics.per_model().items()
    assert (model, taken.requests, taken.retries, taken.errors) == ("m", 2, 2, {ErrorType.RATE_LIMIT_ERROR: 1})
    assert (taken.prompt_tokens, taken.completion_tokens, taken.cached_tokens) == (100, 21, 60)
    assert taken.tokens_per_s.p50 == pytest.approx(10, rel=0.01)
    assert taken.first_token_s.p99 == pytest.approx(1, rel=0.01)
    assert taken.duration_s.count == 1
    statistics.clear()
    assert statistics.per_model() == {}


def test_more_models_than_anybody_has_are_counted_together() -> None:
    statistics = Statistics()
    for number in range(MAX_MODELS + 50):
        statistics.observe(CallRecord("chat", f"m{number}", 0.0, 1.0))
    assert len(statistics.per_model()) == MAX_MODELS + 1
    assert statistics.per_model()[OTHERS].requests == 50
