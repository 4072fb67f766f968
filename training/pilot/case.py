"""What a case is: something that a source saw, and what a careful reader would make of it."""

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"\d+(?:\.\d+)?")

ORDER = {"info": 0, "warning": 1, "critical": 2}


@dataclass(slots=True)
class Case:
    """source, text, form, count, reasons: the observation; the rest: what the thought says of it.

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
    count: int = 1
    kind: str = ""
    held_wording: bool = False


def numbers(text: str) -> list[str]:
    """The numbers in `text`, in order."""
    return _NUMBER.findall(text)


def unquoted(text: str) -> str:
    """`text` as a thought repeats it: without quotes and backslashes, which JSON would have to escape."""
    return " ".join(text.replace('"', "").replace("\\", "").split())
