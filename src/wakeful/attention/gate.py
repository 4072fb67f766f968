"""The gate: every observation in, its salience out. Pure: no clock, no file, microseconds."""

import math
from typing import Self

import msgspec

from wakeful.attention.budget import Spent, WakeBudget
from wakeful.attention.numbers import Metric
from wakeful.attention.settings import AttentionSettings
from wakeful.attention.text import Speaker
from wakeful.events import Observation, Salience

VERSION = 1
"""Of the state that `dump` writes; another one is not read, and the gate begins anew."""

HALF_NATS = 6.0
"""Weighted surprise of salience one half."""

HABITUATED_BELOW = 0.3
"""Salience below which an observation was as expected."""

MAX_METRICS, MAX_SPEAKERS = 5000, 1000
"""Models kept; the one not used for longest is forgotten."""

_SENSITIVE = (
    "/etc/passwd", "/etc/shadow", "/etc/sudoers", "/etc/ssh/", "/.ssh/", "/etc/crontab", "/etc/cron", "/etc/pam.d",
    "/etc/systemd/", "/etc/hosts", "/etc/fstab", "/boot/",
)  # fmt: skip
_SENSITIVE_NATS = 6.5
_SURPRISING_NATS = 4.0
_MAX_REASONS = 3
_PRIORITY_NATS = {
    "0": 8.0,
    "1": 8.0,
    "2": 8.0,
    "3": 5.0,
    "4": 2.0,
}  # of syslog: emerg, alert, crit, err, warning


class _State(msgspec.Struct):
    """All that was learnt. shares: how often each source surprised lately, in [0, 1]."""

    version: int = VERSION
    metrics: dict[str, Metric] = msgspec.field(default_factory=dict[str, Metric])
    speakers: dict[str, Speaker] = msgspec.field(default_factory=dict[str, Speaker])
    shares: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    exits: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    spent: Spent = msgspec.field(default_factory=Spent)
    observed: int = 0
    habituated: int = 0


class Attention:
    """Scores observations and learns from them.

    salience = s² / (s² + 36) with s = precision x surprise in nats: one half at six weighted nats.
    """

    def __init__(self, settings: AttentionSettings | None = None) -> None:
        self._settings = settings or AttentionSettings()
        self._use(_State())

    @property
    def observed(self) -> int:
        """Observations scored since the gate was new."""
        return self._state.observed

    @property
    def habituated(self) -> int:
        """How many of them were as expected."""
        return self._state.habituated

    def precision(self, source: str) -> float:
        """How much a source's errors are trusted, in [0.3, 1]: less, the more often it surprised lately."""
        return max(0.3, 1.0 / (1.0 + 6.0 * max(0.0, self._state.shares.get(source, 0.0) - 0.05)))

    def update(self, seq: int, observation: Observation) -> Salience:
        """The claim of an observation on attention; learns from it. Any observation is valid."""
        state = self._state
        source = observation.source
        if observation.form == "metrics":
            nats, reasons = self._numbers(observation)
        else:
            nats, reasons = self._words(observation)
        share = state.shares.get(source, 0.0)
        precision = self.precision(source)
        state.shares[source] = share + 0.01 * ((nats > _SURPRISING_NATS) - share)
        weighted = precision * nats
        salience = weighted * weighted / (weighted * weighted + HALF_NATS * HALF_NATS)
        state.observed += 1
        state.habituated += salience < HABITUATED_BELOW
        return Salience(
            at_ns=observation.at_ns,
            about=seq,
            source=source,
            surprise_nats=round(nats, 3),
            precision=round(precision, 3),
            salience=round(salience, 4),
            threshold=round(self.budget.threshold(observation.at_ns), 4),
            reasons=reasons[:_MAX_REASONS],
        )

    def wakes(self, salience: Salience) -> bool:
        """Whether a salience is enough to wake the mind, as the budget stood when it was scored."""
        return salience.salience >= self.budget.threshold(salience.at_ns)

    def dump(self) -> bytes:
        """What was learnt, for `load`; some 100 bytes a metric, 60 a shape of line."""
        return msgspec.msgpack.encode(self._state)

    @classmethod
    def load(cls, data: bytes, settings: AttentionSettings | None = None) -> Self:
        """A gate that goes on where `dump` left; one that can't be read begins anew."""
        gate = cls(settings)
        try:
            state = msgspec.msgpack.decode(data, type=_State)
        except msgspec.DecodeError:
            return gate
        if state.version == VERSION:
            gate._use(state)
        return gate

    def _use(self, state: _State) -> None:
        self._state = state
        self.budget = WakeBudget(self._settings, state.spent)

    def _numbers(self, observation: Observation) -> tuple[float, tuple[str, ...]]:
        """Several metrics of one observation are judged together: one cause is one surprise."""
        metrics = self._state.metrics
        at_s = observation.at_ns / 1e9
        surprises: list[tuple[float, str]] = []
        for name, value in observation.values.items():
            if not math.isfinite(value):
                continue
            key = f"{observation.source}\0{observation.subject}\0{name}"
            metric = metrics.get(key)
            if metric is None:
                metric = metrics[key] = Metric()
                if len(metrics) > MAX_METRICS:
                    del metrics[next(iter(metrics))]
            nats, why = metric.update(name, value, at_s)
            if nats > 2.0:
                surprises.append((nats, why))
        surprises.sort(reverse=True)
        # Many metrics are many chances: the largest of n surprises is smaller by log n than if it came alone.
        discount = math.log(max(len(observation.values), 1)) if surprises else 0.0
        nats = max(surprises[0][0] - discount, 0.0) if surprises else 0.0
        if surprises and surprises[0][0] in (7.0, 9.0, 11.0, 13.0):
            nats = surprises[0][0]  # nearness to an end is no matter of chance
        return nats, tuple(why for nats, why in surprises if nats > 4.0)

    def _words(self, observation: Observation) -> tuple[float, tuple[str, ...]]:
        at_s = observation.at_ns / 1e9
        speakers = self._state.speakers
        speaker = speakers.get(observation.source)
        if speaker is None:
            speaker = speakers[observation.source] = Speaker(shapes={})
            if len(speakers) > MAX_SPEAKERS:
                del speakers[next(iter(speakers))]
        extra = self._beyond_words(observation)
        if observation.count > 1 and "\n" in observation.text:
            return _strongest(speaker, observation, at_s)
        nats, reasons = speaker.update(observation.text, at_s, extra[0])
        if extra[1]:
            reasons = (extra[1], *reasons)
        if observation.form == "change":
            # Files come and go; only those that matter by themselves wake, and they do each time.
            nats = extra[0] or min(nats, 3.0)
        if observation.form == "output":
            nats = max(nats, extra[0])
        return nats, reasons

    def _beyond_words(self, observation: Observation) -> tuple[float, str]:
        """What is known of an observation's gravity apart from its words: nats, and why."""
        if observation.form == "change":
            sensitive = any(part in observation.subject for part in _SENSITIVE)
            return (_SENSITIVE_NATS, "") if sensitive else (0.0, "")
        if observation.form == "output":
            return self._exit(observation)
        return _PRIORITY_NATS.get(observation.attrs.get("priority", ""), 0.0), ""

    def _exit(self, observation: Observation) -> tuple[float, str]:
        now = observation.attrs.get("exit_status", "")
        key = observation.source
        before = self._state.exits.get(key, "0")
        self._state.exits[key] = now
        if now == before:
            return 0.0, ""
        return (6.0 if now != "0" else 2.0), f"exit code {now or 'none'}, was {before or 'none'}"


def _strongest(speaker: Speaker, observation: Observation, at_s: float) -> tuple[float, tuple[str, ...]]:
    """A block of lines claims what its most surprising line does."""
    best, best_line, best_reasons = -1.0, "", ()
    for line in observation.text.split("\n"):
        nats, reasons = speaker.update(line, at_s)
        if nats > best:
            best, best_line, best_reasons = nats, line, reasons
    told = f"most surprising of {observation.count} lines: {best_line[:160]}"
    return best, (told, *best_reasons)
