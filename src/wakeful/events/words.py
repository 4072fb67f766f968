"""The closed vocabularies that events use; `docs/glossary.md` explains each word."""

from typing import Literal

Severity = Literal["info", "warning", "critical"]
"""How much a person would want to know: `info` can wait, `warning` today, `critical` now."""

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""All severities, mildest first."""

Form = Literal["metrics", "lines", "change", "output", "state", "text"]
"""What an observation is made of.

metrics: numbers in `values`; lines: log lines; change: a file was created, modified, moved or deleted;
output: what a command printed; state: a source, container or process changed its state; text: anything else.
"""

Provenance = Literal["observed", "user", "model", "recalled", "prompted"]
"""Where a text comes from. Only `observed` and `user` can become facts without corroboration."""

ActionType = Literal["observe", "reflect", "delegate", "update_model"]
"""What a thought may ask for."""

WakeReason = Literal["salience", "due", "asked", "scheduled", "idle", "retry", "reflective"]
"""Why the mind woke."""

HealthState = Literal["up", "degraded", "down"]
"""Whether a part (a source, the model server) does its work."""
