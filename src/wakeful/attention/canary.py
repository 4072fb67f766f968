"""The canary: an observation that must wake the gate, sent in from time to time to prove that it is awake."""

import random

from wakeful.events import Observation

CANARY = "wakeful:canary"
"""The source of canaries; the mind is not woken by them, and they are not counted."""

EVERY_S = 1800.0
"""Between two canaries."""

WITHIN_S = 120.0
"""Time in which a canary must have been scored."""

_LETTERS = "ghjkmnpqrstvwxyz"  # no hexadecimal digits, so that each word is a shape of its own


def canary(at_ns: int, rng: random.Random) -> Observation:
    """One that was never seen before and says something grave, as the worst real lines do."""
    words = " ".join("".join(rng.choices(_LETTERS, k=7)) for _ in range(3))
    return Observation(at_ns=at_ns, source=CANARY, form="lines", text=f"canary {words}: panic, data is corrupt")
