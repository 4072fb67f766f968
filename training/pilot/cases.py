"""A case of any kind."""

from collections.abc import Callable

from training.pilot.case import Case
from training.pilot.changes import command, container, file, source
from training.pilot.logs import log
from training.pilot.metrics import metrics
from training.pilot.names import Names
from training.pilot.watched import watched

_MAKERS: dict[Callable[[Names], Case], tuple[int, int]] = {  # how often, in evaluation and in training
    log: (15, 17),
    metrics: (9, 11),
    container: (3, 6),
    file: (3, 4),
    command: (2, 4),
    source: (2, 2),
    watched: (3, 6),
}


def draw(names: Names) -> Case:
    """A case of any kind, the commoner ones more often; training sees more of those that are hard to learn."""
    weights = [each[0 if names.held_out else 1] for each in _MAKERS.values()]
    return names.rng.choices(list(_MAKERS), weights=weights)[0](names)
