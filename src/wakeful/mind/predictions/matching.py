"""Whether an observation bears on a claim, and whether the claim holds for it."""

import functools
import operator

from wakeful.attention import gravity
from wakeful.events import Claim, Gravity, Observation

_COMPARE = {">": operator.gt, "<": operator.lt}
_LEAST_NATS: dict[Gravity, float] = {"": 0.0, "warning": 2.0, "error": 5.0}
_PRIORITY: dict[Gravity, str] = {"": "", "warning": "01234", "error": "0123"}  # of syslog
_OWN, _ITSELF = "wakeful:", "mind"


@functools.lru_cache(maxsize=256)
def _nats(line: str) -> float:
    """How serious a line is by its own words; kept, since many open claims ask the same of it."""
    return gravity(line)[0]


def concerns(claim: Claim, observation: Observation) -> bool:
    """Whether it is of the source, and about the subject, that the claim speaks of; Wakeful's own never are."""
    source = observation.source
    if claim.source:
        return source == claim.source and claim.subject in ("", observation.subject)
    return not source.startswith(_OWN) and source != _ITSELF


def compared(claim: Claim, observation: Observation) -> bool | None:
    """Whether the claim's metric compares true; None where the observation does not hold it."""
    value = observation.values.get(claim.metric)
    return None if value is None else bool(_COMPARE[claim.comparison](value, claim.value))


def bearing(claim: Claim, observation: Observation) -> bool | None:
    """What an observation says about a claim: whether its metric compares true, or that its line has come.

    None where it says nothing about it.
    """
    if not concerns(claim, observation):
        return None
    if claim.metric:
        return compared(claim, observation)
    return True if line_of(claim, observation) is not None else None


def line_of(claim: Claim, observation: Observation) -> str | None:
    """The first line that holds all words of the claim's text, and is as serious as it says; None for none."""
    words = claim.text.casefold().split()
    if words:  # most claims speak of few lines: that is seen from the whole
        whole = f"{observation.source} {observation.subject} {observation.text}".casefold()
        if not all(word in whole for word in words):
            return None
    grave = observation.attrs.get("priority", "-") in _PRIORITY[claim.gravity]
    least = 0.0 if grave else _LEAST_NATS[claim.gravity]
    head = f"{observation.source} {observation.subject} ".casefold()
    for line in observation.text.splitlines() or [""]:
        if all(word in head or word in line.casefold() for word in words) and (least == 0.0 or _nats(line) >= least):
            return line
    return None


def in_words(claim: Claim) -> str:
    """The claim for a person: `disk_percent:/data of metrics reaches > 95`."""
    of = " ".join(part for part in (claim.source, claim.subject) if part)
    if claim.metric:
        verb = {"reaches": "reaches", "stays": "stays", "ends": "is at the end"}.get(claim.form, claim.form)
        return f"{claim.metric} of {of or 'any source'} {verb} {claim.comparison} {claim.value:g}"
    what = {"": "a line", "warning": "a warning or worse", "error": "an error or worse"}[claim.gravity]
    text = f" with {claim.text!r}" if claim.text else ""
    verb = "does not come" if claim.form == "stays_away" else "comes"
    return f"{what}{text} of {of or 'any source'} {verb}"
