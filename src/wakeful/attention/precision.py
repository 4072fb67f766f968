"""Precision: how much a source's errors are to be trusted, from how often it surprised."""

import msgspec

SURPRISING_NATS = 4.0
"""Surprise that counts against a source's precision when it comes often."""

CRITICAL_PRECISION = 0.9
"""What is grave by itself is trusted at least so much, whoever says it."""

_LEAST = 0.3
_FREE_SHARE = 0.05  # of observations that may surprise before a source loses trust
_STEEPNESS = 6.0
_RATE = 0.01


class Record(msgspec.Struct, array_like=True):
    """One source's history.

    surprising: share of its latest hundred observations or so that surprised, in [0, 1]
    observed, habituated: observations scored in all, and how many of them were as expected
    """

    surprising: float = 0.0
    observed: int = 0
    habituated: int = 0

    @property
    def precision(self) -> float:
        """In [0.3, 1]; 1 / (1 + 6 (share - 0.05)) for a share of surprising observations above five percent."""
        return max(_LEAST, 1.0 / (1.0 + _STEEPNESS * max(0.0, self.surprising - _FREE_SHARE)))

    def learn(self, nats: float, *, habituated: bool) -> None:
        """Takes in how surprising one observation was."""
        self.surprising += _RATE * ((nats > SURPRISING_NATS) - self.surprising)
        self.observed += 1
        self.habituated += habituated
