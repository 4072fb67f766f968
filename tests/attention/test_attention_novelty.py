"""Longer texts: how much of them was never said before."""

import random

from wakeful.attention import Attention
from wakeful.attention.novelty import Novelty
from wakeful.events import Observation

START_NS = 1_800_000_000 * 10**9
WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "pi",
    "rho",
    "sigma",
    "tau",
]


def report(rng: random.Random) -> str:
    return "\n".join(f"/dev/sd{letter} {rng.randint(1, 99)} of 100 GB used, mounted on /{letter}" for letter in "abcd")


def test_a_text_like_those_before_is_not_new_and_another_one_is() -> None:
    rng, novelty = random.Random(1), Novelty()
    usual = [novelty.update(report(rng)) for _ in range(200)]
    assert max(nats for nats, _ in usual[1:]) < 1
    nats, share = novelty.update(
        "ssh: Could not resolve hostname backup: Name or service not known, and no route to it"
    )
    assert nats > 6
    assert share == 1.0


def test_a_source_that_always_says_something_new_does_not_surprise_by_it() -> None:
    rng, novelty = random.Random(2), Novelty()
    found = [novelty.update(" ".join(rng.choices(WORDS, k=40))) for _ in range(400)]
    assert sum(nats > 5 for nats, _ in found) <= 4


def test_it_takes_a_bounded_room() -> None:
    rng, novelty = random.Random(3), Novelty()
    for _ in range(300):
        novelty.update(" ".join("".join(rng.choices("abcdefgh", k=6)) for _ in range(200)))
    assert len(novelty.present) + len(novelty.before) == 4096


def test_an_output_that_is_suddenly_another_one_is_said_to_be_new() -> None:
    rng, gate = random.Random(4), Attention()

    def said(n: int, text: str) -> Observation:
        attrs = {"exit_status": "0"}
        return Observation(at_ns=START_NS + n * 10**11, source="command:df", form="output", text=text, attrs=attrs)

    for n in range(200):
        gate.update(n, said(n, report(rng)))
    changed = report(rng) + "\n" + "\n".join(f"remote host {word} answers no longer, given up" for word in WORDS)
    salience = gate.update(200, said(200, changed))
    assert salience.surprise_nats > 3
    assert "of it was never said before" in salience.reasons[0]
