"""What the gate costs: CPU per observation of numbers and per log line, and the memory of what it learnt."""

import random
import statistics
import time

from bench.idle_day import idle_day
from wakeful.attention import Attention
from wakeful.events import Observation

RUNS = 5
SAMPLES = 20_000


def numbers() -> list[Observation]:
    """Observations of nine metrics each."""
    seen = [each for step in idle_day(1) for each in step if each.form == "metrics"]
    return (seen * (SAMPLES // len(seen) + 1))[:SAMPLES]


def lines() -> list[Observation]:
    """Log lines of some fifty shapes."""
    rng = random.Random(1)
    words = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
    shapes = [" ".join(rng.choices(words, k=9)) for _ in range(50)]
    return [
        Observation(
            at_ns=1_800_000_000 * 10**9 + n * 10**8,
            source="journald",
            form="lines",
            text=f"app[{rng.randint(1, 99999)}]: {rng.choice(shapes)} from 10.0.0.{rng.randint(1, 254)} in {n} ms",
        )
        for n in range(SAMPLES)
    ]


def cost_us(observations: list[Observation]) -> tuple[float, Attention]:
    """Microseconds of CPU per observation, the median of several runs, and the last gate."""
    taken: list[float] = []
    gate = Attention()
    for _ in range(RUNS):
        gate = Attention()
        begun_s = time.process_time()
        for seq, observation in enumerate(observations):
            gate.update(seq, observation)
        taken.append((time.process_time() - begun_s) / len(observations) * 1e6)
    return statistics.median(taken), gate


def main() -> None:
    for name, observations, each in (("nine metrics", numbers(), 9), ("a log line", lines(), 1)):
        us, gate = cost_us(observations)
        print(
            f"  {name:<14} {us:6.1f} us an observation ({us / each:.1f} us a value), state {len(gate.dump()):,} bytes"
        )


if __name__ == "__main__":
    main()
