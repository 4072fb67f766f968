"""What a prediction or an intention says about the journal, in a form that a program can check."""

from typing import Literal

import msgspec

ClaimForm = Literal["reaches", "stays", "ends", "comes", "stays_away"]
"""How a claim speaks of its time.

reaches: a metric compares true at least once; stays: it does so each time; ends: it does so the last time
comes: an observation that matches is seen; stays_away: none is
"""

Comparison = Literal[">", "<"]

Gravity = Literal["", "warning", "error"]
"""How serious a line must be by its own words, at least."""

Outcome = Literal["true", "false", "unverified"]
"""Whether a claim came true; unverified where nobody watched, so that it can't be told."""


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, cache_hash=True):
    """A condition over observations.

    source, subject: whose observations count, "" for any
    metric, comparison, value: for a number: `disk_percent:/data` > 95
    text: words, all of which one line must hold, whatever their order and case; gravity: how serious it must be
    """

    form: ClaimForm
    source: str = ""
    subject: str = ""
    metric: str = ""
    comparison: Comparison = ">"
    value: float = 0.0
    text: str = ""
    gravity: Gravity = ""
