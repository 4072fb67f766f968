"""Scores of probabilities, against what the literature says they must hold."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeful.events import Outcome, PredictionResolved
from wakeful.mind.predictions.scores import base_rate, brier, calibration, log_score_nats
from wakeful.mind.predictions.told import calibration_note, resolved_notes

SHARE = st.floats(0, 1)


def resolved(said: float, outcome: Outcome, base: float = 0.5) -> PredictionResolved:
    return PredictionResolved(
        at_ns=0,
        prediction=1,
        cycle="c",
        claim="it rains",
        form="comes",
        outcome=outcome,
        why="it came",
        probability=said,
        base=base,
    )


@settings(deadline=None)
@given(SHARE, SHARE)
def test_both_scores_are_proper(truth: float, said: float) -> None:
    """Whoever says what is true expects the best score."""
    for score, least in ((brier, 0.0), (log_score_nats, 0.011)):  # the log score is cut off at 1 in 100
        honest = truth * score(truth, True) + (1 - truth) * score(truth, False)
        other = truth * score(said, True) + (1 - truth) * score(said, False)
        assert honest <= other + least


def test_the_log_score_of_a_sure_error_is_finite() -> None:
    assert log_score_nats(0.0, True) == pytest.approx(-math.log(0.01))
    assert log_score_nats(0.5, True) == pytest.approx(math.log(2))


def test_the_base_rate_begins_at_a_half() -> None:
    assert base_rate(0, 0) == 0.5
    assert base_rate(9, 10) == pytest.approx(10 / 12)


def test_skill_is_against_the_base_rate() -> None:
    scores = calibration([resolved(0.9, "true"), resolved(0.1, "false"), resolved(0.9, "unverified")])
    assert (scores.resolved, scores.unverified) == (2, 1)
    assert scores.brier == pytest.approx(0.01)
    assert scores.base_brier == pytest.approx(0.25)
    assert scores.skill == pytest.approx(0.96)


@settings(deadline=None)
@given(st.lists(st.tuples(SHARE, st.booleans()), min_size=1))
def test_the_bins_hold_each_prediction_once_and_agree_with_the_whole(made: list[tuple[float, bool]]) -> None:
    scores = calibration([resolved(said, "true" if came else "false") for said, came in made])
    assert sum(each.count for each in scores.bins) == len(made)
    assert all(each.low <= each.said + 1e-6 and each.said <= each.high + 1e-6 for each in scores.bins)
    happened = sum(each.happened * each.count for each in scores.bins) / len(made)
    assert happened == pytest.approx(scores.happened)


def test_nothing_resolved_is_no_score() -> None:
    assert calibration([resolved(0.9, "unverified")]).brier is None
    assert calibration([]).bins == ()


def test_the_mind_is_told_how_good_it_is_once_that_says_something() -> None:
    made = [resolved(0.8, "true")] * 2 + [resolved(0.8, "false")] * 2
    assert calibration_note(made) == ""
    note = calibration_note([*made, resolved(0.8, "false")])
    assert note.startswith("Your calibration: when you said 80% it happened 40% of the time (2 of 5).")
    assert "no better than the base rate" in note
    assert resolved_notes([resolved(0.8, "false")]) == [
        "Resolved: you said 80% that it rains: it did not come true (it came)"
    ]
