"""Predictions as people look at them: each with its outcome, and the scores of all."""

from dataclasses import dataclass
from typing import Literal

from wakeful.events import Prediction, PredictionResolved
from wakeful.journal import Journal
from wakeful.mind.predictions.matching import in_words
from wakeful.mind.predictions.scores import Calibration, calibration

_MAX_SCORED = 10_000

State = Literal["open", "true", "false", "unverified"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """One prediction. condition: its claim in words, "" where it is in plain words only; state: how it stands."""

    seq: int
    cycle: str
    made_ns: int
    due_ns: int
    words: str
    condition: str
    probability: float
    state: State
    why: str = ""
    brier: float | None = None
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecasts:
    """The newest predictions, newest last; counts and scores of all in the period."""

    forecasts: tuple[Forecast, ...]
    open: int
    unverified: int
    calibration: Calibration


async def forecasts(journal: Journal, *, since_ns: int | None = None, limit: int = 50) -> Forecasts:
    """What was predicted since then (at most the newest 10,000 are scored), and what became of it."""
    kinds = ("prediction", "prediction_resolved")
    entries = await journal.read(kinds=kinds, since_ns=since_ns, limit=_MAX_SCORED, newest_first=True)
    made = [(entry.seq, entry.event) for entry in reversed(entries) if isinstance(entry.event, Prediction)]
    resolved = {each.event.prediction: each.event for each in entries if isinstance(each.event, PredictionResolved)}
    every = [_forecast(seq, prediction, resolved.get(seq)) for seq, prediction in made]
    return Forecasts(
        forecasts=tuple(every[len(every) - limit :] if limit < len(every) else every),
        open=sum(each.state == "open" for each in every),
        unverified=sum(each.state == "unverified" for each in every),
        calibration=calibration(resolved.values()),
    )


def _forecast(seq: int, prediction: Prediction, resolved: PredictionResolved | None) -> Forecast:
    claim = prediction.condition
    open_or_words: State = "open" if claim is not None else "unverified"
    return Forecast(
        seq=seq,
        cycle=prediction.cycle,
        made_ns=prediction.at_ns,
        due_ns=prediction.due_ns,
        words=prediction.claim,
        condition=in_words(claim) if claim is not None else "",
        probability=prediction.probability,
        state=resolved.outcome if resolved is not None else open_or_words,
        why=resolved.why if resolved is not None else "" if claim is not None else "in words only",
        brier=resolved.brier if resolved is not None else None,
        evidence=resolved.evidence if resolved is not None else (),
    )
