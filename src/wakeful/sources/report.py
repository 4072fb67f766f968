"""How a source says that it fails and that it works again (the texts are a contract with the pilot model)."""

from wakeful.events import Observation, WakefulError
from wakeful.sources.errors import reason

HEALTH = "health"
"""The attribute that marks such an observation: `down` or `up`."""


def failed(source: str, error: BaseException, *, next_try_s: float, at_ns: int) -> Observation:
    """`source log:/x failed: permission denied; next try in 8 s`, with what to do in the attribute `hint`."""
    why = reason(error)
    attrs = {HEALTH: "down", "reason": why}
    if isinstance(error, WakefulError) and error.hint:
        attrs["hint"] = error.hint
    return Observation(
        at_ns=at_ns,
        source=source,
        form="state",
        text=f"source {source} failed: {why}; next try in {max(1, round(next_try_s))} s",
        attrs=attrs,
        subject=source,
    )


def works_again(source: str, *, at_ns: int) -> Observation:
    """`source log:/x works again`."""
    return Observation(
        at_ns=at_ns,
        source=source,
        form="state",
        text=f"source {source} works again",
        attrs={HEALTH: "up"},
        subject=source,
    )
