"""How good probabilities were: proper scores, skill against a base rate, reliability."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wakeful.events import PredictionResolved

LEAST_PROBABILITY = 0.01
"""What a probability of 0 or 1 is taken for in the log score, which would else be infinite after one error."""

BINS = 10
"""Of the reliability diagram, equally wide."""


def brier(probability: float, happened: bool) -> float:
    """Squared error of a probability: 0 perfect, 0.25 a coin, 1 certain and wrong.

    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2 (two outcomes: half of his sum)
    """
    return (probability - happened) ** 2


def log_score_nats(probability: float, happened: bool) -> float:
    """Negative log of the probability that was given to what came, in nats: 0 perfect, 0.69 a coin.

    Source: Good 1952, doi:10.1111/j.2517-6161.1952.tb00104.x
    """
    given = probability if happened else 1.0 - probability
    return -math.log(min(max(given, LEAST_PROBABILITY), 1.0 - LEAST_PROBABILITY))


def base_rate(true: int, resolved: int) -> float:
    """What the base-rate forecaster says of a claim, from how many earlier ones of its form came true.

    Laplace's rule of succession, (true + 1) / (resolved + 2): a half where there is no history.
    """
    return (true + 1) / (resolved + 2)


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of about the same probability, in [low, high).

    count: how many; said: their mean probability; happened: the share of them that came true
    """

    low: float
    high: float
    count: int
    said: float
    happened: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How good resolved predictions were. Means are None where nothing is resolved.

    brier, log_score_nats, base_brier: means, of the mind and of the base-rate forecaster
    skill: 1 - brier / base_brier: 1 perfect, 0 no better than the base rate, below it worse
    said, happened: mean probability, and share that came true
    """

    resolved: int
    unverified: int
    brier: float | None = None
    log_score_nats: float | None = None
    base_brier: float | None = None
    skill: float | None = None
    said: float | None = None
    happened: float | None = None
    bins: tuple[Bin, ...] = ()


def calibration(predictions: Iterable[PredictionResolved]) -> Calibration:
    """The scores of resolved predictions."""
    every = list(predictions)
    judged = [each for each in every if each.outcome != "unverified"]
    unverified = len(every) - len(judged)
    if not judged:
        return Calibration(resolved=0, unverified=unverified)
    ours = _mean([brier(each.probability, each.outcome == "true") for each in judged])
    base = _mean([brier(each.base, each.outcome == "true") for each in judged])
    return Calibration(
        resolved=len(judged),
        unverified=unverified,
        brier=ours,
        log_score_nats=_mean([log_score_nats(each.probability, each.outcome == "true") for each in judged]),
        base_brier=base,
        skill=1.0 - ours / base if base > 0 else None,
        said=_mean([each.probability for each in judged]),
        happened=_mean([float(each.outcome == "true") for each in judged]),
        bins=tuple(_bins(judged)),
    )


def _bins(judged: Sequence[PredictionResolved]) -> Iterable[Bin]:
    """The bins that hold anything; a probability of 1 belongs to the last."""
    held: dict[int, list[PredictionResolved]] = {}
    for each in judged:
        held.setdefault(min(int(each.probability * BINS + 1e-9), BINS - 1), []).append(each)
    for number, those in sorted(held.items()):
        yield Bin(
            low=number / BINS,
            high=(number + 1) / BINS,
            count=len(those),
            said=_mean([each.probability for each in those]),
            happened=_mean([float(each.outcome == "true") for each in those]),
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
