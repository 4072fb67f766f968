"""How a running mind stands, gathered from its parts once a second for the terminal and the page."""

import time
from collections.abc import Mapping
from dataclasses import asdict

import wakeful
from wakeful.cli.model import PILOT_NOTE
from wakeful.dashboard import SourceStatus, Status
from wakeful.mind import Mind
from wakeful.sources import SourceHealth

_MAX_VALUES = 16


class Board:
    """The parts that are there by now; `status` works from the first moment on."""

    def __init__(self, health: Mapping[str, SourceHealth], *, thoughts_per_hour: float) -> None:
        self.mind: Mind | None = None
        self.news = "starting"
        self.resumed = ""
        self._health = health
        self._per_hour = thoughts_per_hour
        self._started_ns = time.time_ns()
        self._tokens: list[tuple[int, int]] = []

    def spent(self, at_ns: int, tokens: int) -> None:
        """A thought cost so much."""
        self._tokens.append((at_ns, tokens))

    def status(self) -> Status:
        """How everything stands now."""
        day_ago_ns = time.time_ns() - 86_400 * 10**9
        self._tokens = [each for each in self._tokens if each[0] >= day_ago_ns]
        tokens = sum(tokens for _, tokens in self._tokens)
        mind = self.mind
        if mind is None:
            return Status(
                version=wakeful.__version__,
                phase="waiting for the model",
                note=self.news,
                resumed=self.resumed,
                thoughts_per_hour=self._per_hour,
                tokens_today=tokens,
                started_ns=self._started_ns,
                sources=tuple(self._source(health, None) for health in self._health.values()),
            )
        facts, now_ns = mind.facts, time.time_ns()
        budget = mind.attending.attention.budget
        observed, habituated = mind.attending.counts()
        return Status(
            version=wakeful.__version__,
            phase=mind.phase,
            model=facts.name,
            server=facts.server,
            model_url=facts.base_url,
            pilot=facts.pilot,
            context_tokens=facts.context_tokens,
            room=asdict(mind.room),
            note=PILOT_NOTE if facts.pilot else "",
            resumed=self.resumed,
            thoughts_per_hour=self._per_hour,
            thoughts_left=round(budget.thoughts_left(now_ns), 1),
            threshold=round(budget.threshold(now_ns), 2),
            tokens_today=tokens,
            observed=observed,
            habituated=habituated,
            waiting=mind.waiting,
            started_ns=self._started_ns,
            sources=tuple(self._source(health, mind) for health in self._health.values()),
        )

    def _source(self, health: SourceHealth, mind: Mind | None) -> SourceStatus:
        latest = mind.attending.latest.get(health.name) if mind else None
        observation, salience = latest or (None, None)
        return SourceStatus(
            name=health.name,
            state=health.state,
            last_seen_ns=health.last_seen_ns,
            observations=health.observations,
            error=health.last_error if health.state != "up" else "",
            text=observation.text[:300] if observation else "",
            values=dict(list(observation.values.items())[:_MAX_VALUES]) if observation else {},
            surprise_nats=salience.surprise_nats if salience else 0.0,
            salience=salience.salience if salience else 0.0,
            precision=salience.precision if salience else 1.0,
        )


def quiet_line(status: Status) -> str:
    """The one line that says that all is alive: what is watched, what was seen, what may still be spent."""
    if not status.model:
        return f"{status.note} · {sum(each.observations for each in status.sources):,} observations are kept meanwhile"
    up = sum(each.state == "up" for each in status.sources)
    share = f"{status.habituated / status.observed:.1%} as expected" if status.observed else "nothing seen yet"
    left = max(0, int(status.thoughts_left))
    return (
        f"{status.phase} · {up} of {len(status.sources)} sources alive · {status.observed:,} observations, {share} · "
        f"{left} of {status.thoughts_per_hour:g} thoughts left this hour"
    )
