"""What the mind is told about its own predictions, for the end of its prompt."""

from collections.abc import Iterable, Sequence

from wakeful.events import PredictionResolved
from wakeful.journal import Journal
from wakeful.mind.predictions.scores import Calibration, calibration

LEAST_COUNT = 5
"""Predictions of a probability below which nothing is said about it: fewer say more of luck than of the mind."""

RECENT = 300
"""Resolved predictions that it rests on: older ones say less of the mind as it is."""

_MAX_BINS, _MAX_RESOLVED = 3, 3


async def notes(journal: Journal) -> list[str]:
    """What the next thought would be told, from what the journal says."""
    newest = await journal.read(kinds=("prediction_resolved",), limit=RECENT, newest_first=True)
    resolved = [(entry.seq, entry.event) for entry in newest[::-1] if isinstance(entry.event, PredictionResolved)]
    last = await journal.read(kinds=("thought",), limit=1, newest_first=True)
    since = last[0].seq if last else 0
    note = calibration_note(event for _, event in resolved)
    return [*resolved_notes([event for seq, event in resolved if seq > since]), *([note] if note else [])]


def calibration_note(recent: Iterable[PredictionResolved]) -> str:
    """Such as `Your calibration: when you said 80% it happened 55% of the time (11 of 20)`; "" for too little."""
    scores = calibration(recent)
    parts = [
        f"when you said {each.said:.0%} it happened {each.happened:.0%} of the time "
        f"({round(each.happened * each.count)} of {each.count})"
        for each in sorted(scores.bins, key=lambda each: -each.count)
        if each.count >= LEAST_COUNT
    ]
    return f"Your calibration: {'; '.join(parts[:_MAX_BINS])}.{_skill(scores)}" if parts else ""


def resolved_notes(resolved: Sequence[PredictionResolved]) -> list[str]:
    """A line for each of the newest predictions that were resolved since the last thought."""
    return [
        f"Resolved: you said {each.probability:.0%} that {each.claim}: {_OUTCOME[each.outcome]} ({each.why})"
        for each in resolved[-_MAX_RESOLVED:]
    ]


_OUTCOME = {"true": "it came true", "false": "it did not come true", "unverified": "it can't be told"}


def _skill(scores: Calibration) -> str:
    if scores.skill is None or scores.resolved < LEAST_COUNT:
        return ""
    worth = "better" if scores.skill > 0 else "no better"
    return f" You are {worth} than the base rate (skill {scores.skill:+.2f})."
