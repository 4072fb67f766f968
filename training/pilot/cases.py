"""A case of any kind."""

from collections.abc import Callable

from training.pilot.case import Case
from training.pilot.changes import command, container, file, source
from training.pilot.logs import log
from training.pilot.metrics import metrics
from training.pilot.names import Names

_MAKERS: dict[Callable[[Names], Case], int] = {
    log: 15,
    metrics: 9,
    container: 3,
    file: 3,
    command: 2,
    source: 2,
}


def draw(names: Names) -> Case:
    """A case of any kind, the commoner ones more often."""
    return names.rng.choices(list(_MAKERS), weights=list(_MAKERS.values()))[0](names)
