"""What a mind made of a world: read from its journal, and compared with what really happened.

A notification is right when it comes while an incident lasts (or half an hour after) and names the entity to blame.
Nobody but the judge looks at the plan.
"""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from bench.world.hands import ASKED
from bench.world.incident import DAY_S, Incident
from bench.world.moment import START_NS
from bench.world.plan import World
from wakeful.events import (
    ActionRequest,
    ActionResult,
    Cursor,
    Entry,
    Notification,
    Prediction,
    Thought,
    ThoughtFailed,
    kind_of,
)
from wakeful.journal import Journal

WITHIN_S = (600.0, 3600.0)
"""Within so long of becoming visible a notification is told to be quick, or to be in time."""

AFTER_S = 1800.0
"""How long after its end an incident may still be told of."""

KINDS = (
    "thought", "thought_failed", "notification", "prediction", "prediction_resolved", "action_request",
    "action_result", "set_aside",
)  # fmt: skip
_REFUSED = ("declined", "refused", "denied", "expired")


@dataclass(frozen=True, slots=True)
class Told:
    """A notification with the incidents that last at its time, and those of them that it names."""

    at_s: float
    text: str
    there: tuple[Incident, ...]
    named: tuple[Incident, ...]


@dataclass
class Figures:
    """Counts of one world. delays_s: for each incident, from visible to told (negative: before), None for never.

    false: notifications while nothing was wrong; astray: that named nothing to blame while something was; early_false:
        false ones of the first two days, in which the gate is young
    skill: 1 - Brier score / that of the base rate, None where nothing was resolved; open: predictions never resolved
    right, wrong, refused: actions asked for about an incident by name, about anything else, and turned down
    """

    days: float
    delays_s: list[tuple[Incident, float | None]] = field(default_factory=list[tuple[Incident, float | None]])
    told: list[Told] = field(default_factory=list[Told])
    false: int = 0
    astray: int = 0
    early_false: int = 0
    thoughts: int = 0
    failed: int = 0
    tokens: int = 0
    predictions: int = 0
    resolved: int = 0
    unverified: int = 0
    brier: float | None = None
    skill: float | None = None
    actions: Counter[str] = field(default_factory=Counter[str])

    def found(self, within_s: float | None = None) -> int:
        """Incidents that were told by name, at all or within so long of becoming visible."""
        return sum(delay is not None and (within_s is None or delay <= within_s) for _, delay in self.delays_s)


async def figures(world: World, folder: Path) -> Figures:
    """The figures of the journal in `folder`."""
    found = Figures(world.days)
    requests: dict[str, tuple[float, str]] = {}
    outcomes: dict[str, str] = {}
    resolved: list[dict[str, Any]] = []
    async with await Journal.open(folder / "journal.db", read_only=True) as journal:
        async for entry in entries(journal, KINDS):
            event = entry.event
            at_s = (event.at_ns - START_NS) / 1e9
            match event:
                case Notification():
                    found.told.append(_told(world, at_s, f"{event.title}. {event.text}"))
                case Thought():
                    found.thoughts += 1
                    found.tokens += event.prompt_tokens + event.completion_tokens
                case ThoughtFailed():
                    found.failed += 1
                case Prediction():
                    found.predictions += 1
                case ActionRequest() if not event.key.startswith(ASKED):
                    requests[event.key] = at_s, event.details
                case ActionResult():
                    outcomes[event.key] = event.outcome
                case _ if kind_of(event) == "prediction_resolved":
                    resolved.append(msgspec.to_builtins(event))
                case _:
                    pass
    _count_told(found, world)
    _count_predictions(found, resolved)
    for key, (at_s, details) in requests.items():
        told = _told(world, at_s, details)
        outcome = outcomes.get(key, "open")
        found.actions["right" if told.named else "wrong"] += 1
        found.actions["refused"] += outcome in _REFUSED
        found.actions[f"outcome {outcome}"] += 1
    return found


async def entries(journal: Journal, kinds: Collection[str]) -> AsyncGenerator[Entry]:
    """All entries of some kinds, in order."""
    cursor = Cursor("")
    while page := await journal.read(cursor, kinds=kinds):
        for entry in page:
            yield entry
        cursor = page[-1].cursor


def names(incident: Incident, text: str) -> bool:
    """Whether a text names the entity to blame, as a word of its own."""
    return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE) for name in incident.names)


def _told(world: World, at_s: float, text: str) -> Told:
    there = tuple(each for each in world.incidents if each.begins_s <= at_s <= each.ends_s + AFTER_S)
    return Told(at_s, text, there, tuple(each for each in there if names(each, text)))


def _count_told(found: Figures, world: World) -> None:
    for incident in world.incidents:
        first = next((told.at_s for told in found.told if incident in told.named), None)
        found.delays_s.append((incident, first - incident.visible_s if first is not None else None))
    for told in found.told:
        if not told.there:
            found.false += told.at_s >= 2 * DAY_S
            found.early_false += told.at_s < 2 * DAY_S
        elif not told.named:
            found.astray += 1


def _count_predictions(found: Figures, resolved: list[dict[str, Any]]) -> None:
    """Skill as the base-rate forecaster of the journal sees it, over all that could be resolved."""
    judged = [each for each in resolved if each.get("outcome") in ("true", "false")]
    found.resolved, found.unverified = len(judged), found.predictions - len(judged)
    if judged:
        came = [float(each["outcome"] == "true") for each in judged]
        found.brier = _mean((each["probability"] - true) ** 2 for each, true in zip(judged, came, strict=True))
        base = _mean((each["base"] - true) ** 2 for each, true in zip(judged, came, strict=True))
        found.skill = 1 - found.brier / base if base > 0 else None


def _mean(values: Iterable[float]) -> float:
    every = list(values)
    return sum(every) / len(every)


def report(found: Figures) -> list[str]:
    """The figures as lines for a person."""
    all_, days = len(found.delays_s), found.days
    quick, in_time = (found.found(within_s) for within_s in WITHIN_S)
    late_days = max(days - 2, 1e-9) if days > 2 else days
    skill = f"skill {found.skill:+.2f}, Brier {found.brier:.3f}" if found.skill is not None else "skill not known"
    actions = found.actions
    outcomes = ", ".join(f"{key.removeprefix('outcome ')} {n}" for key, n in actions.items() if key.startswith("outc"))
    return [
        f"incidents told by name: {found.found()} of {all_}; within 10 min {quick}, within an hour {in_time}",
        f"false alarms: {found.false / late_days if days > 2 else found.early_false / days:.2f} a day"
        f" ({found.false} after two days of learning, {found.early_false} before); {found.astray} named nothing to"
        f" blame while something was wrong; {len(found.told)} notifications in all",
        f"thoughts: {found.thoughts} ({found.thoughts / days:.1f} a day), {found.failed} failed;"
        f" {found.tokens / days:,.0f} tokens a day",
        f"predictions: {found.predictions}, {found.resolved} resolved, {found.unverified} unverified; {skill}",
        f"actions: {actions['right']} right, {actions['wrong']} wrong, {actions['refused']} refused ({outcomes})",
    ]


def by_kind(all_found: Iterable[Figures]) -> list[str]:
    """For each kind of incident, how many were told, and how long after it became visible."""
    kinds: dict[str, list[float | None]] = {}
    for found in all_found:
        for incident, delay in found.delays_s:
            kinds.setdefault(incident.kind, []).append(delay)
    lines: list[str] = []
    for kind, delays in sorted(kinds.items()):
        told = sorted(delay for delay in delays if delay is not None)
        median = f", median {told[len(told) // 2] / 60:+.0f} min" if told else ""
        lines.append(f"{kind:22s} {len(told)} of {len(delays)}{median}")
    return lines
