"""What the user may decide about attention."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    """What thinking may cost: thoughts an hour, and tokens an hour (0: no limit)."""

    thoughts_per_hour: float = 6.0
    tokens_per_hour: int = 0
