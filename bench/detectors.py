"""Detectors beside each other on labelled streams, one threshold each over all of them; `python -m bench detectors`.

Streams that were developed on, the same families from other seeds, and families that were held out.
"""

import math
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from bench.streams import DEVELOPED, HELD_OUT, Stream, streams
from bench.window_score import best
from wakeful.attention import score_numbers

Detector = Callable[[Stream], list[float]]


def gate(stream: Stream) -> list[float]:
    return [row.score for row in score_numbers(zip(stream.times_s, stream.values, strict=True))]


def chance(stream: Stream) -> list[float]:
    rng = random.Random(len(stream.values))
    return [rng.random() for _ in stream.values]


def three_sigmas(stream: Stream) -> list[float]:
    """Distance from the mean of the last 288 rows, in their deviations."""
    window: deque[float] = deque(maxlen=288)
    scores: list[float] = []
    total = squares = 0.0
    for value in stream.values:
        n, z = len(window), 0.0
        if n > 10:
            mean = total / n
            z = abs(value - mean) / math.sqrt(max(squares / n - mean * mean, 1e-12))
        if n == 288:
            total, squares = total - window[0], squares - window[0] ** 2
        window.append(value)
        total, squares = total + value, squares + value * value
        scores.append(z / (z + 3))
    return scores


def river(module: str) -> Any:
    """A module of river, which only `make bench` installs."""
    return import_module(f"river.{module}")


def gaussian_tail(stream: Stream) -> list[float]:
    anomaly = river("anomaly")

    scorer: Any = anomaly.GaussianScorer(window_size=2000, grace_period=100)
    scores: list[float] = []
    for value in stream.values:
        scores.append(float(scorer.score_one(None, value)))
        scorer.learn_one(None, value)
    return scores


def half_space_trees(stream: Stream) -> list[float]:
    anomaly, compose, preprocessing = river("anomaly"), river("compose"), river("preprocessing")

    model: Any = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(window_size=250, seed=1))
    scores: list[float] = []
    for value in stream.values:
        scores.append(float(model.score_one({"value": value})))
        model.learn_one({"value": value})
    return scores


def random_cut_forest(stream: Stream) -> list[float]:
    """Amazon's random cut forest, with the shingle and the size that it advises, on values scaled by those before."""
    krcf: Any = import_module("krcf")  # which only `make bench` installs
    forest = krcf.RandomCutForest(
        {"dimensions": 1, "shingle_size": _SHINGLE, "num_trees": 50, "sample_size": 256,
         "random_seed": 1, "internal_shingling": True, "output_after": 32}
    )  # fmt: skip
    scores: list[float] = []
    mean, square = stream.values[0], 1e-12
    for n, value in enumerate(stream.values, 1):
        point = [(value - mean) / math.sqrt(square)]
        scores.append(float(forest.score(point)))
        forest.update(point)
        rate = max(1.0 / n, 0.001)
        mean += rate * (value - mean)
        square += rate * ((value - mean) ** 2 - square) + 1e-12
    return scores


_SHINGLE = 8
CONTESTANTS: tuple[Detector, ...] = (
    gate, chance, three_sigmas, gaussian_tail, half_space_trees, random_cut_forest,
)  # fmt: skip


def compare(title: str, over: Sequence[Stream], detectors: Sequence[Detector] = CONTESTANTS) -> None:
    rows = sum(len(stream.values) for stream in over)
    print(f"{title}: {len(over)} streams, {rows:,} rows, {sum(len(stream.windows) for stream in over)} windows")
    for detector in detectors:
        begun_s = time.process_time()
        scores = [detector(stream) for stream in over]
        took_us = (time.process_time() - begun_s) / rows * 1e6
        result = best(over, scores)
        print(
            f"  {detector.__name__:18s} {result.score:6.1f}   {result.found} of {result.windows} windows, "
            f"{result.false} false alarms, at {result.threshold:.6f}; {took_us:.0f} us a row",
            flush=True,
        )


def main() -> None:
    compare("developed on", streams(DEVELOPED, range(4)))
    compare("same families, other seeds", streams(DEVELOPED, range(100, 104)))
    compare("held-out families", streams(HELD_OUT, range(100, 108)))


if __name__ == "__main__":
    main()
