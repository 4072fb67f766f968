"""What the user may decide about attention."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    """What thinking may cost, and what it takes to wake.

    thoughts_per_hour, tokens_per_hour: the budget (tokens 0: no limit)
    threshold: salience in [0, 1] that wakes while the budget is full; it rises as the budget is spent
    critical: salience from which on the mind wakes even when the budget is spent, within a second budget of equal size
    """

    thoughts_per_hour: float = 6.0
    tokens_per_hour: int = 0
    threshold: float = 0.5
    critical: float = 0.72
