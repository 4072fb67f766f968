"""Precision: how much a source's errors are to be trusted, from how often it surprised."""

import msgspec

from wakeful.attention.rhythm import Rhythm

SURPRISING_NATS = 4.0
"""Surprise that counts against a source's precision when it comes often."""

CRITICAL_PRECISION = 0.9
"""What is grave by itself is trusted at least so much, whoever says it."""

_LEAST = 0.3
_FREE_SHARE = 0.05  # of observations that may surprise before a source loses trust
_STEEPNESS = 6.0
_RATE = 0.01
_PRIOR = 3.0  # outcomes that not knowing any is worth
_MEMORY = 0.95  # of what earlier outcomes say, at each new one
_DULL, _TELLING = 0.4, 1.3  # least and most that outcomes may do to precision


class Record(msgspec.Struct, array_like=True, gc=False):
    """One source's history.

    useful, useless: what came of wakings, in fading counts: told and acted upon, or nothing and dismissed
    surprising: share of its latest hundred observations or so that surprised, in [0, 1]
    observed, habituated: observations scored in all, and how many of them were as expected
    woke_s: when it last woke the mind; rhythm: when it should speak again
    """

    surprising: float = 0.0
    observed: int = 0
    habituated: int = 0
    useful: float = 0.0
    useless: float = 0.0
    woke_s: float = -1e18
    rhythm: Rhythm = msgspec.field(default_factory=Rhythm)

    @property
    def precision(self) -> float:
        """In [0.1, 1]; 1 / (1 + 6 (share - 0.05)) for a share of surprising observations above five percent.

        What came of wakings moves it between 0.4 and 1.3 times that: twice the share of useful ones, with a prior.
        """
        if self.surprising <= _FREE_SHARE and self.useful == self.useless:
            return 1.0
        trusted = max(_LEAST, 1.0 / (1.0 + _STEEPNESS * max(0.0, self.surprising - _FREE_SHARE)))
        worth = 2.0 * (self.useful + _PRIOR) / (self.useful + self.useless + 2.0 * _PRIOR)
        return min(trusted * min(max(worth, _DULL), _TELLING), 1.0)

    def outcome(self, *, useful: bool, weight: float = 1.0) -> None:
        """Takes in what came of waking for this source; the user's word weighs 1."""
        self.useful = self.useful * _MEMORY + (weight if useful else 0.0)
        self.useless = self.useless * _MEMORY + (0.0 if useful else weight)

    def learn(self, nats: float, *, habituated: bool) -> None:
        """Takes in how surprising one observation was."""
        self.surprising += _RATE * ((nats > SURPRISING_NATS) - self.surprising)
        self.observed += 1
        self.habituated += habituated
