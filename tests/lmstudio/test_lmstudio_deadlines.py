"""Learned deadlines: their laws for any history, and the histories that local servers make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.lmstudio.http.deadlines import ENOUGH, RECENT, LearnedDeadlines, Margins, quantile
from wakeful.lmstudio.settings import Timeouts

GENERAL = Timeouts()
SECONDS = st.floats(0, 1e4)
ANSWERS = st.lists(st.tuples(st.integers(-5, 200_000), SECONDS, SECONDS), max_size=2 * RECENT)


def learnt_from(answers: list[tuple[int, float, float]]) -> LearnedDeadlines:
    deadlines = LearnedDeadlines()
    for tokens, first_s, gap_s in answers:
        deadlines.learn("m", uncached_tokens=tokens, first_token_s=first_s, longest_gap_s=gap_s)
    return deadlines


def steady(tokens_per_s: float, prompts: list[int]) -> LearnedDeadlines:
    """After answers of a machine that reads that fast, with half a second of its own for each request."""
    return learnt_from([(tokens, 0.5 + tokens / tokens_per_s, 0.2) for tokens in prompts])


@given(ANSWERS, st.integers(-5, 400_000), st.integers(0, 400_000), st.booleans())
def test_a_longer_prompt_never_gets_a_shorter_deadline(
    answers: list[tuple[int, float, float]], tokens: int, more: int, loaded: bool
) -> None:
    deadlines = learnt_from(answers)
    shorter = deadlines.for_request("m", tokens, loaded=loaded)
    longer = deadlines.for_request("m", tokens + more, loaded=loaded)
    assert shorter.first_token_s <= longer.first_token_s
    assert shorter.whole_s <= longer.whole_s


@given(ANSWERS, st.integers(-5, 400_000), st.integers(0, 100_000))
def test_no_deadline_is_below_the_floor(answers: list[tuple[int, float, float]], tokens: int, out: int) -> None:
    given_ = learnt_from(answers).for_request("m", tokens, max_tokens=out)
    assert given_.first_token_s >= Margins().first_token_floor_s
    assert given_.between_tokens_s >= Margins().between_tokens_floor_s
    assert given_.whole_s >= given_.first_token_s


@given(ANSWERS.filter(bool), st.data())
def test_what_is_as_slow_as_the_slowest_recent_answer_is_never_cut(
    answers: list[tuple[int, float, float]], data: st.DataObject
) -> None:
    deadlines = learnt_from(answers)
    tokens, first_s, gap_s = data.draw(st.sampled_from(answers[-RECENT:]))
    more = data.draw(st.integers(0, 100_000))
    assert deadlines.for_request("m", tokens + more).first_token_s >= first_s
    assert deadlines.for_request("m", 0).between_tokens_s >= gap_s


@given(ANSWERS, st.integers(0, 200_000))
def test_with_little_known_the_general_ones_hold(answers: list[tuple[int, float, float]], tokens: int) -> None:
    given_ = learnt_from(answers[: ENOUGH - 1]).for_request("m", tokens)
    assert given_.first_token_s >= GENERAL.first_token_s
    assert given_.between_tokens_s >= GENERAL.between_tokens_s
    assert given_.whole_s >= GENERAL.whole_s


@given(st.floats(20, 20_000), st.lists(st.integers(1, 30_000), min_size=ENOUGH, max_size=60), st.integers(1, 300_000))
def test_a_steady_machine_is_never_cut(tokens_per_s: float, prompts: list[int], tokens: int) -> None:
    """Whatever it has read so far: a prompt of any length passes, twice as slow included."""
    deadlines = steady(tokens_per_s, prompts)
    needed_s = 2 * (0.5 + tokens / tokens_per_s)
    limit_s = deadlines.for_request("m", tokens).first_token_s
    known = tokens <= 4 * max(256, *prompts[-RECENT:])
    assert limit_s >= needed_s or (not known and limit_s >= GENERAL.first_token_s)


def test_ten_minutes_of_reading_are_told_from_a_dead_stream() -> None:
    deadlines = steady(100, [500, 8_000, 20_000, 1_000, 9_000, 700])
    assert deadlines.for_request("m", 60_000).first_token_s > 1_200  # takes 600 s by itself
    assert deadlines.for_request("m", 300).first_token_s == Margins().first_token_floor_s  # takes 3.5 s


def test_quick_answers_from_the_cache_say_nothing_about_long_prompts() -> None:
    deadlines = steady(10_000, [1] * RECENT)
    assert deadlines.for_request("m", 50_000).first_token_s == GENERAL.first_token_s
    deadlines.learn("m", uncached_tokens=2_000, first_token_s=20.0)  # 100 tokens a second, it turns out
    assert deadlines.for_request("m", 8_000).first_token_s >= 160


def test_one_answer_that_had_to_queue_does_not_blow_up_the_rest() -> None:
    deadlines = steady(1_000, [2_000] * 20)
    before_s = deadlines.for_request("m", 8_000).first_token_s
    deadlines.learn("m", uncached_tokens=300, first_token_s=60.0)
    assert deadlines.for_request("m", 8_000).first_token_s <= max(before_s, 3 * 60.0)
    for _ in range(RECENT):
        deadlines.learn("m", uncached_tokens=2_000, first_token_s=2.5)
    assert deadlines.for_request("m", 8_000).first_token_s == pytest.approx(before_s)


def test_loading_is_allowed_for_and_does_not_spoil_what_is_learnt() -> None:
    deadlines = steady(1_000, [2_000] * 10)
    warm_s = deadlines.for_request("m", 1_000).first_token_s
    assert deadlines.for_request("m", 1_000, loaded=False).first_token_s == warm_s + Margins().load_s
    deadlines.learn("m", uncached_tokens=1_000, first_token_s=90.0, loaded=False)
    deadlines.learn_load("m", 80.0)
    assert deadlines.for_request("m", 1_000).first_token_s == warm_s
    assert deadlines.for_request("m", 1_000, loaded=False).first_token_s == warm_s + 240.0


def test_a_machine_that_becomes_slow_is_not_cut_for_ever() -> None:
    deadlines = steady(1_000, [2_000] * RECENT)
    needed_s, cuts = 700.0, 0
    while (limit_s := deadlines.for_request("m", 2_000).first_token_s) < needed_s:
        deadlines.cut("m", uncached_tokens=2_000, waited_s=limit_s, began=False)
        cuts += 1
    assert cuts == 2
    while (limit_s := deadlines.for_request("m", 2_000).between_tokens_s) < 20_000:
        deadlines.cut("m", uncached_tokens=2_000, waited_s=limit_s, began=True)
        cuts += 1
    assert cuts < 15


def test_silence_between_tokens_allows_for_a_neighbours_prompt() -> None:
    quick, slow = steady(5_000, [4_000] * 10), steady(40, [4_000] * 10)
    assert quick.for_request("m", 10).between_tokens_s == Margins().between_tokens_floor_s
    assert slow.for_request("m", 10).between_tokens_s > 2 * 2048 / 40


def test_the_whole_of_an_answer_is_bounded_by_what_it_may_be_long() -> None:
    deadlines = LearnedDeadlines()
    for _ in range(ENOUGH):
        deadlines.learn("m", uncached_tokens=500, first_token_s=1.0, output_tokens=100, decode_s=10.0, longest_gap_s=1)
    short, long = (deadlines.for_request("m", 500, max_tokens=n).whole_s for n in (10, 10_000))
    assert short < 200
    assert long > 3 * 1_000
    assert deadlines.for_request("m", 500).whole_s >= GENERAL.whole_s
    assert deadlines.expected_decode_s("m", 50) == pytest.approx(5.0)
    assert deadlines.expected_first_token_s("m", 5_000) == pytest.approx(10.0)


def test_models_are_learnt_apart_and_can_be_forgotten() -> None:
    deadlines = steady(1_000, [2_000] * RECENT)
    assert deadlines.for_request("other", 100).first_token_s == GENERAL.first_token_s
    assert deadlines.expected_first_token_s("other", 100) is None
    assert deadlines.expected_decode_s("m", 100) is None
    deadlines.forget("m")
    assert deadlines.for_request("m", 100).first_token_s == GENERAL.first_token_s


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.floats(0, 1))
def test_quantiles(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)
    with pytest.raises(ValueError, match="factor"):
        Margins(factor=0.5)
