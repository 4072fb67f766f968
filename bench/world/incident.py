"""What an incident is: what happens, from when on somebody could know, and what a right notification names."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.world.moment import Moment
from bench.world.names import Names

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400

Act = Callable[[Moment], None]


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that a person would have wanted to know; times in seconds of the world.

    cause: why, in words; names: any of which names the entity to blame
    begins_s, visible_s, ends_s: when it begins, when a careful reader of all sources could know, when it is over
    act: what it makes of each moment from its beginning to its end
    """

    kind: str
    cause: str
    names: tuple[str, ...]
    begins_s: int
    visible_s: int
    ends_s: int
    act: Act


Maker = Callable[[Names, int, random.Random], Incident]
"""Makes the incident that begins at a time."""
