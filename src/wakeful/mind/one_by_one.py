"""How does the pilot model think of several observations? One by one; what it says of the gravest leads the thought.

A model of a few million parameters mixes up what stands side by side: of moments with two to five observations it got
the severity right in 87 of 100, of moments with one in 99 (`engine/models/MODEL_CARD.md`). One takes it a fraction of a
second, and what is thought at the end is one thought. Of a burst of lines it is shown the one that matters.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from wakeful.attention import gravity
from wakeful.context import Seen
from wakeful.events import SEVERITIES
from wakeful.mind.schema import Reply

MOST_TOLD = 3
"""Of how many observations one assessment tells."""


_WORST = re.compile(r"most surprising of \d+ lines: (.*)", re.DOTALL)


def alone(seen: Seen) -> Seen:
    """A burst as one line: the one that surprised most, as far as the gate names it, else the gravest by its words."""
    observation, salience = seen.observation, seen.salience
    lines = observation.text.splitlines()
    if observation.count < 2 or len(lines) < 2 or observation.form != "lines":
        return seen
    worst, reasons = "", salience.reasons if salience is not None else ()
    if reasons and (named := _WORST.match(reasons[0])):
        worst, reasons = named[1], reasons[1:]
        worst = next((line for line in lines if line.startswith(worst)), worst)  # the reason may have shortened it
    line = worst or max(lines, key=lambda each: gravity(each)[0])
    return replace(
        seen,
        observation=msgspec.structs.replace(observation, text=line, count=1),
        salience=salience and msgspec.structs.replace(salience, reasons=reasons),
    )


def gravest(replies: Sequence[Reply]) -> int:
    """Which of the replies leads: the most severe one, of equals the first."""
    return max(range(len(replies)), key=lambda at: (SEVERITIES.index(replies[at].severity), -at))


def together(replies: Sequence[Reply]) -> Reply:
    """The gravest reply, with what else is no mere info told after it, and the evidence of all that it tells of.

    Observations of which the same is said are one cause: it is told once, and all of them are cited.
    """
    first = replies[gravest(replies)]
    causes = {first.focus: first}
    for reply in sorted(replies, key=lambda each: -SEVERITIES.index(each.severity)):
        if reply.severity != SEVERITIES[0] and len(causes) < MOST_TOLD:
            causes.setdefault(reply.focus, reply)
    cited = [each for focus in causes for reply in replies if reply.focus == focus for each in reply.evidence]
    return msgspec.structs.replace(
        first,
        assessment=" ".join(cause.assessment for cause in causes.values()),
        evidence=list(dict.fromkeys(cited)),
    )
