"""How well the loop does, in numbers, from what it journaled."""

from collections.abc import Sequence
from dataclasses import dataclass

from wakeful.events import (
    ActionResult,
    Entry,
    Feedback,
    Notification,
    Prediction,
    PredictionResolved,
    Thought,
    ThoughtFailed,
    ThoughtYielded,
    WakeReason,
)
from wakeful.mind.metacognition.likeness import contradicting, opposed, repeated, stuck
from wakeful.mind.predictions.scores import Calibration, calibration

VITAL_KINDS = (
    "thought",
    "thought_failed",
    "thought_yielded",
    "notification",
    "action_result",
    "feedback",
    "prediction",
    "prediction_resolved",
)
"""What has to be read for it."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Figures of a period. Shares are in [0, 1], of the thoughts where nothing else is said; 0 where there are none.

    repeated: said nearly the same as one of the twenty before; stuck: so many of the newest in a row do
    contradicting: contradicted one of the hour before, in severity or in what was predicted
    failed: of all attempts that were concluded, those that came to nothing usable; repaired: needed a second try
    yielded: how often a thought gave way to something that matters more
    led: led to something: the user was told, something was done, or the user found it useful
    useless: of the user's verdicts, those that were bad, None for none
    latency_p50_s, latency_p95_s: seconds from asking the model to its answer
    tokens: read and written, in all; per_thought: of one
    reread: of the tokens of all prompts, those that were not in the server's cache; 0 where it does not tell
    """

    thoughts: int
    repeated: float
    stuck: int
    contradicting: float
    failed: float
    repaired: float
    yielded: int
    led: float
    useless: float | None
    latency_p50_s: float
    latency_p95_s: float
    tokens: int
    per_thought: float
    reread: float
    calibration: Calibration


def vitals(entries: Sequence[Entry], *, reasons: Sequence[WakeReason] = ()) -> Vitals:
    """The figures of what was journaled in a period, in order.

    reasons: only thoughts that were woken so count, and what came of them
    """
    kept = [
        (entry.seq, entry.event)
        for entry in entries
        if isinstance(entry.event, Thought) and (not reasons or entry.event.reason in reasons)
    ]
    thoughts = [thought for _, thought in kept]
    cycles = {thought.cycle for thought in thoughts}
    failed = [each.event for each in entries if isinstance(each.event, ThoughtFailed) and not each.event.retried]
    failed = [each for each in failed if not reasons or each.reason in reasons]
    verdicts = [each.event.useful for each in entries if isinstance(each.event, Feedback)]
    durations = sorted(thought.duration_s for thought in thoughts)
    tokens = sum(thought.prompt_tokens + thought.completion_tokens for thought in thoughts)
    told = [thought for thought in thoughts if thought.evaluated_tokens >= 0]
    resolved = [each.event for each in entries if isinstance(each.event, PredictionResolved)]
    against = [one or other for one, other in zip(contradicting(thoughts), _predicted_against(entries, thoughts))]
    return Vitals(
        thoughts=len(thoughts),
        repeated=_share(sum(repeated(thoughts)), len(thoughts)),
        stuck=stuck(thoughts),
        contradicting=_share(sum(against), len(thoughts)),
        failed=_share(len(failed), len(thoughts) + len(failed)),
        repaired=_share(sum(thought.repaired for thought in thoughts), len(thoughts)),
        yielded=sum(isinstance(each.event, ThoughtYielded) for each in entries),
        led=_share(len(_led(entries, dict(kept)) & cycles), len(thoughts)),
        useless=_share(verdicts.count(False), len(verdicts)) if verdicts else None,
        latency_p50_s=_quantile(durations, 0.5),
        latency_p95_s=_quantile(durations, 0.95),
        tokens=tokens,
        per_thought=_share(tokens, len(thoughts)),
        reread=_share(sum(each.evaluated_tokens for each in told), sum(each.prompt_tokens for each in told)),
        calibration=calibration(each for each in resolved if not reasons or each.cycle in cycles),
    )


def figures_in_words(found: Vitals) -> str:
    """The figures in one line, for a prompt, a page, or a terminal."""
    parts = [
        f"{found.thoughts} thoughts",
        f"led to something {found.led:.0%}",
        f"repeated {found.repeated:.0%}",
        f"contradicting {found.contradicting:.0%}",
        f"unusable {found.failed:.0%}",
        f"repaired {found.repaired:.0%}",
        f"answers take {found.latency_p50_s:.1f} s (95%: {found.latency_p95_s:.1f} s)",
        f"{found.per_thought:.0f} tokens each",
    ]
    if found.calibration.brier is not None:
        parts.append(f"Brier score {found.calibration.brier:.2f}")
    return ", ".join(parts)


def _led(entries: Sequence[Entry], thoughts: dict[int, Thought]) -> set[str]:
    """Cycles that led to something."""
    cycles: set[str] = set()
    told: dict[int, str] = {}
    for entry in entries:
        match entry.event:
            case Notification() as notification:
                cycles.add(notification.key)
                told[entry.seq] = notification.key
            case ActionResult() as result if result.outcome == "done":
                cycles.add(result.key)
            case Feedback() as feedback if feedback.useful:
                about = thoughts.get(feedback.about)
                cycles.add(about.cycle if about is not None else told.get(feedback.about, ""))
            case _:
                pass
    return cycles


def _predicted_against(entries: Sequence[Entry], thoughts: Sequence[Thought]) -> list[bool]:
    """For each thought, whether its prediction is opposed to an earlier one."""
    made = [entry.event for entry in entries if isinstance(entry.event, Prediction)]
    against = {
        each.cycle
        for at, each in enumerate(made)
        if any(opposed(each, before) for before in made[max(0, at - 20) : at])
    }
    return [thought.cycle in against for thought in thoughts]


def _share(part: float, whole: int) -> float:
    return part / whole if whole else 0.0


def _quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values, the least that so many do not exceed; 0 for none."""
    return values[min(int(share * len(values)), len(values) - 1)] if values else 0.0
