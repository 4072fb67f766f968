"""What a case is: something that a source saw, and what a careful reader would make of it."""

import random
import re
from dataclasses import dataclass

from wakeful.attention.words import gravity

_NUMBER = re.compile(r"\d+(?:\.\d+)?")

ORDER = {"info": 0, "warning": 1, "critical": 2}


@dataclass(slots=True)
class Case:
    """source, text, form, reasons: the observation; the rest: what the thought says of it.

    entity: what the focus must name exactly; kind: for the evaluation's split
    held_wording: made from a sentence that training never sees
    """

    source: str
    text: str
    severity: str
    focus: str
    observed: str
    assessment: str
    prediction: str
    action: str = ""
    entity: str = ""
    reasons: tuple[str, ...] = ()
    form: str = "lines"
    kind: str = ""
    held_wording: bool = False


def numbers(text: str) -> list[str]:
    """The numbers in `text`, in order."""
    return _NUMBER.findall(text)


def unquoted(text: str) -> str:
    """`text` as a thought repeats it: without quotes and backslashes, which JSON would have to escape."""
    return " ".join(text.replace('"', "").replace("\\", "").split())


def reasons(rng: random.Random, text: str) -> tuple[str, ...]:
    """Why the gate could let `text` through: how new it is, drawn at random, and what its words say, as the gate reads them."""
    why = gravity(text)[1]
    says = (why,) if why else ()
    rare = (f"rare: {rng.randint(2, 9)} in {rng.randint(100, 9000)} lines",)
    rate = (f"rate {round(rng.uniform(5, 900), 1)}/min, usually {round(rng.uniform(0, 9), 1)}/min",)
    return rng.choice([("never seen before", *says)] * 3 + [(*rare, *says), (*rate, *says), says])
