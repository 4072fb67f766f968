"""What the user may decide about attention."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    """What thinking may cost, and what it takes to wake.

    thoughts_per_hour, tokens_per_hour: the budget (tokens 0: no limit)
    busy_share: share of the time that the model may be busy with thinking, in [0, 1] (0: no limit)
    share: share of observations that should wake, in [0, 1): the threshold then steers itself so that just so many do,
        the most salient ones; 0: nothing wakes unless it is salient by itself
    threshold: salience in [0, 1] that wakes while the budget is full; it rises as the budget is spent
    critical: salience from which on the mind wakes even when the budget is spent, within a second budget of equal size
    interests: words; what has to do with them is more relevant (`backups`)
    """

    thoughts_per_hour: float = 6.0
    tokens_per_hour: int = 0
    busy_share: float = 0.0
    share: float = 0.0
    threshold: float = 0.5
    critical: float = 0.72
    interests: tuple[str, ...] = ()
