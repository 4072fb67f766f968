"""The gate: every observation in, its salience out. Pure: no clock, no file, microseconds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

from wakeful.attention import state as states
from wakeful.attention.budget import WakeBudget
from wakeful.attention.canary import CANARY
from wakeful.attention.forms import block, change, silence, whole
from wakeful.attention.interests import Interests, raised
from wakeful.attention.kinds import kind_of, said
from wakeful.attention.manner import manner
from wakeful.attention.numbers import Judged, Metric
from wakeful.attention.precision import CRITICAL_PRECISION, SURPRISING_NATS, Record
from wakeful.attention.settings import AttentionSettings
from wakeful.attention.silence import DEAF_S, LOOK_EVERY_S, SILENCE, silences
from wakeful.attention.state import Series, State
from wakeful.attention.text import Scored, Speaker
from wakeful.attention.words import CRITICAL_NATS
from wakeful.events import Observation, Salience

HALF_NATS = 6.0
"""Weighted surprise of salience one half."""

HABITUATED_BELOW = 0.3
"""Salience below which an observation was as expected."""

MAX_METRICS, MAX_SPEAKERS, MAX_TEMPLATES = 5000, 1000, 20_000
"""Models kept over all sources; those not used for longest are forgotten."""

_FORGOTTEN_TOGETHER = 100  # shapes, so that the largest source is not looked for at every line
_MAX_REASONS = 3
_TOLD_FROM_NATS = 3.0
_FAINT, _MOST_FAINT = 0.25, 2.0
_MOST_CHANCES = 20.0
_ONE_CAUSE_S, _ONE_CAUSE_NATS = 300.0, 2.0  # within which other metrics of a subject must surprise so much more
_LARGEST = 1e100  # of numbers that are judged; larger ones are no measurement
_OUTPUT_NATS = 4.0  # most that a command's output is worth while its exit status stays
_REFRACTORY_S, _REFRACTORY_RISE = 60.0, 0.1
_HOUR_S, _KEPT_BACK = 3600.0, 2.0  # thoughts left below which the last one is kept for a source that was quiet
_FAILED_NATS, _RECOVERED_NATS = 6.5, 2.0
_NOT_GRAVE = (0.0, "")
_HALF_SQUARED = HALF_NATS * HALF_NATS
_PRIORITY = {  # of syslog: emerg, alert, crit, err, warning
    "0": (8.0, "says error"),
    "1": (8.0, "says error"),
    "2": (8.0, "says error"),
    "3": (5.0, "says error"),
    "4": (2.0, "says warning"),
}


class Attention:
    """Scores observations and learns from them.

    salience = s² / (s² + 36) with s = precision x surprise in nats: one half at six weighted nats.

    budget: the wake budget; tell it of every thought with `budget.spent`
    """

    def __init__(self, settings: AttentionSettings | None = None) -> None:
        self._settings = settings or AttentionSettings()
        self._steers = self._settings.share > 0.0
        self._interests = Interests(self._settings.interests)
        self._use(State())

    @property
    def observed(self) -> int:
        """Observations scored since the gate was new."""
        return self._state.observed

    @property
    def habituated(self) -> int:
        """How many of them were as expected."""
        return self._state.habituated

    @property
    def sources(self) -> Mapping[str, Record]:
        """Each source's history: how often it surprised, its precision, and its counts."""
        return self._state.records

    @property
    def threshold(self) -> float:
        """Salience that is needed to wake, as of the newest observation; above 1 when both budgets are spent."""
        return self.budget.threshold(self._state.at_ns)

    def precision(self, source: str) -> float:
        """How much a source's errors are trusted, in [0.3, 1]: less, the more often it surprised lately."""
        return self._state.records.get(source, Record()).precision

    def update(self, seq: int, observation: Observation) -> Salience:
        """The claim of an observation on attention; learns from it. Any observation is valid."""
        state = self._state
        if observation.source == CANARY:
            return self._canary(seq, observation)
        at_s = observation.at_ns / 1e9
        if not 0.0 <= at_s - state.at_ns / 1e9 < DEAF_S:
            state.awake_s = at_s
        if observation.form == "metrics":
            nats, reasons = self._numbers(observation, at_s)
        elif observation.source == SILENCE:
            nats, reasons = silence(observation)
        else:
            nats, reasons = self._words(observation)
        if nats > 0.0 and self._interests.any and (interest := self._interests.about(observation)):
            nats, reasons = raised(nats), (*reasons[: _MAX_REASONS - 1], f"you asked about {interest}")
        records, source = state.records, observation.source
        record = records.pop(source, None) or Record()
        records[source] = record
        record.rhythm.came(at_s, state.awake_s)
        if len(records) > MAX_SPEAKERS:
            del records[next(iter(records))]
        return self._weighed(seq, observation, record, nats, reasons)

    def _weighed(
        self, seq: int, observation: Observation, record: Record, nats: float, reasons: tuple[str, ...]
    ) -> Salience:
        """A surprise as a claim on attention, with all that is counted."""
        state = self._state
        precision = record.precision
        if nats >= CRITICAL_NATS and precision < CRITICAL_PRECISION:
            precision = CRITICAL_PRECISION
        weighted = precision * nats
        squared = weighted * weighted
        salience = int(squared / (squared + _HALF_SQUARED) * 1e4 + 0.5) / 1e4  # a third of the cost of `round`
        at_ns = observation.at_ns
        threshold = self.budget.threshold(at_ns)
        habituated = salience < HABITUATED_BELOW
        record.learn(nats, habituated=habituated)
        state.observed += 1
        state.habituated += habituated
        state.at_ns = at_ns
        if self._steers:
            self.budget.steer(salience)
        return Salience(
            at_ns=at_ns,
            about=seq,
            source=observation.source,
            surprise_nats=int(nats * 1e4 + 0.5) / 1e4,
            precision=int(precision * 1e4 + 0.5) / 1e4,
            salience=salience,
            threshold=int(threshold * 1e4 + 0.5) / 1e4,
            reasons=reasons[:_MAX_REASONS] if reasons else reasons,
        )

    def wakes(self, salience: Salience) -> bool:
        """Whether a salience is enough to wake the mind, as the budget stands now; notes that its source did.

        A source that woke it within the last minute must be more salient, and the hour's last thought is kept for one
        that did not wake it yet, so that a loud source does not starve the quiet ones. What is critical always may.
        """
        if salience.source == CANARY:
            return False
        if self._settings.share > 0:
            return salience.salience >= salience.threshold
        threshold = self.budget.threshold(salience.at_ns)
        record = self._state.records.get(salience.source)
        if record is not None and salience.salience < self._settings.critical:
            since_s = salience.at_ns / 1e9 - record.woke_s
            if 0.0 <= since_s < _REFRACTORY_S:
                threshold += _REFRACTORY_RISE
            if 0.0 <= since_s < _HOUR_S and self.budget.thoughts_left(salience.at_ns) < _KEPT_BACK:
                return False
        woke = salience.salience >= threshold
        if woke and record is not None:
            record.woke_s = salience.at_ns / 1e9
        return woke

    def wakes_from(self, threshold: float) -> None:
        """Sets the salience that wakes while the budget is full, in place of the settings'."""
        self._settings = replace(self._settings, threshold=threshold)
        self.budget = WakeBudget(self._settings, self._state.spent)

    def interested_in(self, words: Sequence[str]) -> None:
        """Raises what has to do with these words from now on, besides those of the settings."""
        self._interests = Interests((*self._settings.interests, *words))

    def outcome(self, source: str, *, useful: bool, weight: float = 1.0) -> None:
        """Takes in what came of waking for a source, so that its errors are trusted more or less; user's word: 1."""
        record = self._state.records.get(source)
        if record is not None:
            record.outcome(useful=useful, weight=weight)

    def silences(self, now_ns: int) -> list[Observation]:
        """What did not come although it should have; to be journaled and scored like anything else."""
        state, now_s = self._state, now_ns / 1e9
        if 0.0 <= now_s - state.looked_s < LOOK_EVERY_S:
            return []
        state.looked_s = now_s
        return silences(state, now_s)

    def dump(self) -> bytes:
        """What was learnt, for `load`; versioned, see `wakeful.attention.state`."""
        return states.encode(self._state)

    @classmethod
    def load(cls, data: bytes, settings: AttentionSettings | None = None) -> Self:
        """A gate that goes on where `dump` left; one that can't be read begins anew."""
        gate = cls(settings)
        gate._use(states.decode(data))
        return gate

    def _use(self, state: State) -> None:
        self._state = state
        self._metrics = sum(len(series.metrics) for series in state.series.values())
        self._templates = sum(len(speaker.shapes) for speaker in state.speakers.values())
        self.budget = WakeBudget(self._settings, state.spent)

    def _canary(self, seq: int, observation: Observation) -> Salience:
        """A canary takes the way of any line, but is not counted and learns nothing about its source."""
        nats, reasons = self._words(observation)
        weighted = CRITICAL_PRECISION * nats
        return Salience(
            at_ns=observation.at_ns,
            about=seq,
            source=CANARY,
            surprise_nats=_rounded(nats),
            precision=CRITICAL_PRECISION,
            salience=_rounded(weighted * weighted / (weighted * weighted + HALF_NATS * HALF_NATS)),
            threshold=self._settings.threshold,
            reasons=reasons[:_MAX_REASONS],
        )

    def _numbers(self, observation: Observation, at_s: float) -> Scored:
        """Several metrics of one subject are judged together: one cause is one surprise."""
        series = self._series(f"{observation.source}\0{observation.subject}")
        metrics = series.metrics
        told: list[tuple[float, str]] = []
        surprise = end = faint = 0.0
        for name, value in observation.values.items():
            if not -_LARGEST < value < _LARGEST:  # neither is NaN
                continue
            metric = metrics.get(name) or self._new_metric(series, name)
            judged = metric.update(kind_of(name), value, at_s)
            if judged.surprise > faint:
                faint = judged.surprise
            nats, end_nats = judged.nats, judged.end_nats
            if nats > _TOLD_FROM_NATS or end_nats > _TOLD_FROM_NATS:
                # Many metrics are many chances: the largest of n surprises is smaller by log n than if it came alone.
                # How much it matters and how near an end is are no matters of chance.
                nats = min(nats - math.log(min(len(observation.values), _MOST_CHANCES)), judged.matters)
                surprise, end = max(surprise, nats), max(end, end_nats)
                told.append((max(nats, end_nats), _why(name, value, judged, at_s)))
        faint *= _FAINT  # no news, but it ranks what is left when thoughts are left over
        if faint > _MOST_FAINT:
            faint = _MOST_FAINT
        if not told:
            return faint, ()
        told.sort(reverse=True)
        return max(_one_cause(series, surprise, at_s), end, faint), tuple(why for _, why in told)

    def _series(self, key: str) -> Series:
        """The models of one subject, marked as used last."""
        kept = self._state.series
        series = kept.pop(key, None)
        if series is None:
            series = Series()
            if len(kept) >= MAX_METRICS:
                self._forget_series()
        kept[key] = series
        return series

    def _new_metric(self, series: Series, name: str) -> Metric:
        if self._metrics >= MAX_METRICS:
            if len(self._state.series) > 1:
                self._forget_series()
            else:
                del series.metrics[next(iter(series.metrics))]
                self._metrics -= 1
        self._metrics += 1
        metric = series.metrics[name] = Metric()
        return metric

    def _forget_series(self) -> None:
        oldest = self._state.series.pop(next(iter(self._state.series)))
        self._metrics -= len(oldest.metrics)

    def _words(self, observation: Observation) -> Scored:
        speaker = self._speaker(observation.source)
        speaker.awake_s = self._state.awake_s
        at_s = observation.at_ns / 1e9
        before = len(speaker.shapes)
        if observation.form == "change":
            scored = change(speaker, observation, at_s)
        elif observation.form == "output":
            scored = self._output(speaker, observation, at_s)
        elif observation.count > 1 and "\n" in observation.text:
            scored = block(speaker, observation, at_s)
        else:
            attrs = observation.attrs
            grave = _PRIORITY.get(attrs.get("priority", ""), _NOT_GRAVE) if attrs else _NOT_GRAVE
            read = whole if observation.form == "text" else Speaker.update
            scored = read(speaker, observation.text, at_s, grave=grave)
        self._templates += len(speaker.shapes) - before
        self._bound_templates()
        return scored

    def _speaker(self, source: str) -> Speaker:
        kept = self._state.speakers
        speaker = kept.pop(source, None)
        if speaker is None:
            speaker = Speaker()
            if len(kept) >= MAX_SPEAKERS:
                self._templates -= len(kept.pop(next(iter(kept))).shapes)
        kept[source] = speaker
        return speaker

    def _bound_templates(self) -> None:
        """Keeps all sources' shapes together within bounds, at the cost of whoever has most of them."""
        if self._templates > MAX_TEMPLATES:
            largest = max(self._state.speakers.values(), key=lambda each: len(each.shapes))
            for _ in range(_FORGOTTEN_TOGETHER):
                self._templates -= largest.forget_oldest()

    def _output(self, speaker: Speaker, observation: Observation, at_s: float) -> Scored:
        """A command's exit status matters most, its output a little."""
        status = observation.attrs.get("exit_status", "")
        exits = self._state.exits
        before = exits.pop(observation.source, "0")
        exits[observation.source] = status
        if len(exits) > MAX_SPEAKERS:
            del exits[next(iter(exits))]
        nats, reasons = whole(speaker, observation.text, at_s)
        if status == before:
            return min(nats, _OUTPUT_NATS), reasons
        changed = _RECOVERED_NATS if status == "0" else _FAILED_NATS
        return max(nats, changed), (f"exit code {status or 'none'}, was {before or 'none'}", *reasons)


def _rounded(value: float) -> float:
    """To four digits, for a value >= 0; a third of the cost of `round`."""
    return int(value * 1e4 + 0.5) / 1e4


def _why(name: str, value: float, judged: Judged, at_s: float) -> str:
    kind = kind_of(name)
    if judged.end_nats >= judged.nats and judged.full_in_h < math.inf:
        return f"{said(name, value)}, full in about {judged.full_in_h:.1f} hours"
    if not judged.known:  # what is new here and near its end: a disk that was just mounted
        return f"{said(name, value)} is high"
    shown = judged.value if kind.counter else value
    plain = f"{said(name, shown)}, usually {kind.value(judged.usual)}"
    return f"{plain}{manner(judged, at_s)}"


def _one_cause(series: Series, nats: float, at_s: float) -> float:
    """What is left of a surprise that follows upon another of the same subject and is hardly larger."""
    if nats < SURPRISING_NATS:
        return nats
    if 0.0 <= at_s - series.told_s < _ONE_CAUSE_S and nats < series.told_nats + _ONE_CAUSE_NATS:
        return min(nats, _TOLD_FROM_NATS)
    series.told_s, series.told_nats = at_s, nats
    return nats
