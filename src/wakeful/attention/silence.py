"""Silence is an observation: what should have come and did not."""

from collections.abc import Iterator
from typing import NamedTuple

from wakeful.attention.kinds import kind_of
from wakeful.attention.rhythm import SILENT_NATS, Rhythm
from wakeful.attention.state import State
from wakeful.events import Observation

SILENCE = "wakeful:silence"
"""The source of observations that say that something did not come."""

LOOK_EVERY_S = 10.0
"""Between two looks at who is silent, in the time of observations."""

DEAF_S = 600.0
"""Without any observation for so long, nobody listened: what did not come then is nobody's silence."""

_MOST_NATS = 12.0
_MOST_AT_ONCE = 5
_METRIC_FROM, _METRIC_MISSED = 30, 10  # samples of a metric, and of its fellows since its last one


class Silence(NamedTuple):
    """Who is silent, what did not come, how surprising that is, for how long, and what was usual."""

    source: str
    what: str
    nats: float
    silent_s: float
    usual_s: float


def silences(state: State, now_s: float) -> list[Observation]:
    """What has become silent since the last look; each silence is told once."""
    found = [*_sources(state, now_s), *_lines(state, now_s), *_metrics(state)]
    found.sort(key=lambda each: -each.nats)
    return [_observation(each, now_s) for each in found[:_MOST_AT_ONCE]]


def _sources(state: State, now_s: float) -> Iterator[Silence]:
    for source, record in state.records.items():
        if not source.startswith("wakeful:") and (nats := _told(record.rhythm, state, now_s)):
            yield Silence(source, "", nats, now_s - record.rhythm.last_s, record.rhythm.gap_s)


def _lines(state: State, now_s: float) -> Iterator[Silence]:
    for source, speaker in state.speakers.items():
        for template in speaker.shapes.values():
            if template.example and template.rhythm.regular and (nats := _told(template.rhythm, state, now_s)):
                yield Silence(source, template.example, nats, now_s - template.rhythm.last_s, template.rhythm.gap_s)


def _metrics(state: State) -> Iterator[Silence]:
    for key, series in state.series.items():
        source, _, subject = key.partition("\0")
        newest_s = max((metric.forecast.at_s for metric in series.metrics.values()), default=0.0)
        for name, metric in series.metrics.items():
            at_s, usual_s = metric.forecast.at_s, max(metric.forecast.interval_s, metric.forecast.longest_s)
            rhythm = series.rhythms.get(name)
            if rhythm is not None and at_s > rhythm.last_s:
                rhythm.came(at_s, state.awake_s)
            missed = (newest_s - at_s) / usual_s if usual_s > 0 else 0.0
            if missed < 1.0:
                if name in series.missing:
                    series.missing.remove(name)
            elif missed >= _METRIC_MISSED and metric.forecast.n >= _METRIC_FROM and name not in series.missing:
                if rhythm is None:  # from now on its hours are learnt
                    series.rhythms[name] = Rhythm(last_s=at_s)
                elif rhythm.lulls is not None and rhythm.silence(newest_s, state.awake_s) < SILENT_NATS:
                    continue
                series.missing.append(name)
                label = kind_of(name).label.format(name.partition(":")[2]).strip()
                what = f"{label} of {subject}" if subject else label
                yield Silence(source, what, SILENT_NATS, newest_s - at_s, usual_s)


def _told(rhythm: Rhythm, state: State, now_s: float) -> float:
    """Nats of a silence that is to be told now, 0 for none."""
    if rhythm.told or now_s - state.awake_s < rhythm.gap_s:
        return 0.0
    nats = rhythm.silence(now_s, state.awake_s)
    if nats < SILENT_NATS:
        return 0.0
    rhythm.told = True
    return min(nats, _MOST_NATS)


def _observation(silence: Silence, now_s: float) -> Observation:
    what = f"{silence.source}: no line like {silence.what!r}" if silence.what else f"{silence.source} says nothing"
    return Observation(
        at_ns=int(now_s * 1e9),
        source=SILENCE,
        form="state",
        subject=silence.source,
        text=f"{what} for {_span(silence.silent_s)}, usually every {_span(silence.usual_s)}",
        attrs={"nats": f"{silence.nats:.2f}"},
    )


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
