"""Memory stays flat however long the gate runs; a million of each are run by `python -m bench attention`."""

import gc
import random
import tracemalloc

from wakeful.attention import Attention
from wakeful.attention.shape import look
from wakeful.events import Observation

START_NS = 1_800_000_000 * 10**9
WARM, LONG = 500, 1500
MOST_BYTES = 100_000
"""Of growth over three times the samples of the beginning; a list of all of them would take several times that."""


def test_memory_does_not_grow_with_what_is_seen() -> None:
    rng, attention = random.Random(1), Attention()
    for _ in range(5000):  # as many shapes as are remembered
        look("".join(rng.choices("ghijklmnop", k=12)))

    def live(steps: range) -> None:
        for n in steps:
            at_ns = START_NS + n * 300 * 10**9
            values = {f"m{metric}": rng.gauss(50, 5) + 40.0 * (rng.random() < 0.002) for metric in range(4)}
            attention.update(n, Observation(at_ns=at_ns, source="metrics", form="metrics", values=values))
            for _ in range(2):
                text = f"app[{rng.randint(1, 99_999)}]: request {rng.randint(1, 9999)} took {rng.randint(5, 50)} ms"
                attention.update(n, Observation(at_ns=at_ns, source="log:x", form="lines", text=text))

    live(range(WARM))
    gc.collect()
    tracemalloc.start()
    try:
        live(range(WARM, WARM + LONG))
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < MOST_BYTES
