"""How a source is, as pages and the quiet line show it."""

from dataclasses import dataclass, field

from wakeful.events import HealthState, Observation
from wakeful.sources.report import HEALTH


@dataclass(slots=True)
class SourceHealth:
    """How one source is; kept up to date by `supervise`.

    state: up: it is being read; degraded: a part of it fails (one file of many), or what it saw can't be
        stored at the moment; down: it failed and waits for its next try, or it has ended
    last_seen_ns: when its newest observation was made, 0 before the first
    observations: how many were taken over by the journal since the start
    restarts: how often it was started anew
    last_error: why it last failed, "" if it never did
    ended: it will never say more (the end of standard input)
    """

    name: str
    state: HealthState = "up"
    last_seen_ns: int = 0
    observations: int = 0
    restarts: int = 0
    last_error: str = ""
    ended: bool = False
    _failing: set[str] = field(default_factory=set[str])
    _down: bool = False
    _unstored: bool = False

    def saw(self, observation: Observation) -> None:
        """The source yielded an observation; it may say that a part of the source fails."""
        self.last_seen_ns = max(self.last_seen_ns, observation.at_ns)
        told = observation.attrs.get(HEALTH)
        if told == "down":
            self._failing.add(observation.source)
            self.last_error = observation.attrs.get("reason", "")
        elif told == "up":
            self._failing.discard(observation.source)
        self._settle()

    def went_down(self, why: str) -> None:
        """The source failed as a whole."""
        self._down, self.last_error = True, why
        self._settle()

    def came_up(self) -> None:
        """The source is being read again."""
        self._down = False
        self._settle()

    def stored(self, count: int) -> None:
        """The journal took `count` observations over."""
        self.observations += count
        self._unstored = False
        self._settle()

    def not_stored(self, why: str) -> None:
        """The journal refused a batch, which is held and offered again."""
        self._unstored, self.last_error = True, why
        self._settle()

    def _settle(self) -> None:
        if self._down or self.ended:
            self.state = "down"
        else:
            self.state = "degraded" if self._failing or self._unstored else "up"
