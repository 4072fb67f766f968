"""A prediction in plain words as a claim, where the words leave no doubt; None where they do.

These are the forms that the pilot model was taught, which other models use too. Words that need a judgement to check
(`it stays slow`, `the cooling is worse`) are no claim: they are kept, and stay unverified.
"""

import re
from collections.abc import Iterable

from wakeful.events import Claim, Gravity, Observation

_NO_WARNING = re.compile(r"no (?:warnings?|errors?) follows?", re.IGNORECASE)
_MORE = re.compile(r"more (?P<what>errors|warnings|attempts|logins) (?:of|on|from|by) (?P<name>\S+)", re.IGNORECASE)
_AGAIN = re.compile(
    r"(?P<name>\S+) (?P<verb>fails|crashes|panics|hangs|refuses|connects|comes|restarts|is killed|is denied|misses \S+)"
    r" again",
    re.IGNORECASE,
)
_FAIL = re.compile(r"(?:reads of|writes to) (?P<name>\S+) fail", re.IGNORECASE)
_FILLS = re.compile(r"(?:disk )?(?P<name>\S+) fills further", re.IGNORECASE)
_GO_ON = re.compile(r"errors on (?P<name>\S+) go on", re.IGNORECASE)
_GRAVITY: dict[str, Gravity] = {"errors": "error", "warnings": "warning"}
_QUIET_AGAIN = ("comes", "connects", "restarts")  # what they do again need not be said as an error


def claim_of(words: str, shown: Iterable[Observation]) -> Claim | None:
    """The claim that a prediction makes. shown: what its thought was shown, for the numbers as they were then."""
    words = words.strip().rstrip(".")
    if found := _NO_WARNING.fullmatch(words):
        return Claim(form="stays_away", gravity="error" if "error" in found[0].lower() else "warning")
    if found := _MORE.fullmatch(words):
        return Claim(form="comes", text=found["name"], gravity=_GRAVITY.get(found["what"].lower(), ""))
    if found := _AGAIN.fullmatch(words):
        verb = found["verb"].lower()
        return Claim(form="comes", text=found["name"], gravity="" if verb in _QUIET_AGAIN else "error")
    if found := _FAIL.fullmatch(words):
        return Claim(form="comes", text=found["name"], gravity="error")
    if found := _FILLS.fullmatch(words):
        return _more_of(f"disk_percent:{found['name']}", shown)
    if found := _GO_ON.fullmatch(words):
        return _errors_of(f"net_errors_per_s:{found['name']}", shown)
    return None


def _more_of(metric: str, shown: Iterable[Observation]) -> Claim | None:
    """That a metric ends higher than it was last shown."""
    last = _last_with(metric, shown)
    if last is None:
        return None
    return Claim(form="ends", source=last.source, subject=last.subject, metric=metric, value=last.values[metric])


def _errors_of(metric: str, shown: Iterable[Observation]) -> Claim | None:
    last = _last_with(metric, shown)
    return None if last is None else Claim(form="reaches", source=last.source, subject=last.subject, metric=metric)


def _last_with(metric: str, shown: Iterable[Observation]) -> Observation | None:
    return max((each for each in shown if metric in each.values), key=lambda each: each.at_ns, default=None)
