"""What the user may decide about thinking."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wakeful.events import Severity
from wakeful.mind.prompt import Stance


@dataclass(frozen=True, slots=True)
class MindSettings:
    """How it thinks, and what of it is told.

    notify_from: the mildest severity that is told to the user
    first_look: whether the mind looks at the machine once when it starts
    idle_every_s: seconds of quiet after which it thinks without being woken, 0 for never; longer while that leads to
        nothing
    quiet_every_s: seconds between two proofs of being awake
    reflect_every_s: seconds between two looks at its own figures, 0 for never
    bounds: from where to where it may change its own parameters (`threshold`, `idle_every_s`, `keep_share`); it changes
        no others
    stance: how the model is asked to think; prompt: a file of the user's in its place (the pilot has its own)
    stances: those that it may change to by itself, in this order, where neither stands in its place
    """

    notify_from: Severity = "warning"
    first_look: bool = True
    idle_every_s: float = 0.0
    quiet_every_s: float = 3600.0
    reflect_every_s: float = 21_600.0
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    stance: Stance = "base"
    stances: tuple[Stance, ...] = ()
    prompt: str = ""
