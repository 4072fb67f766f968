"""What follows from a thought: a prediction to check, an action to ask for, a word to the user, a reminder."""

from collections.abc import Sequence

import msgspec

from wakeful.events import (
    SEVERITIES,
    ActionRequest,
    Claim,
    Event,
    Intention,
    Notification,
    Observation,
    Prediction,
    Severity,
    Thought,
)
from wakeful.mind.predictions.matching import in_words
from wakeful.mind.predictions.offer import Offer, claim_from
from wakeful.mind.predictions.plain import claim_of
from wakeful.mind.schema import CallReply, FullReply, Reply

PREDICTION_DUE_S = 3600.0
"""A prediction in plain words is taken to speak of the next hour."""

THINK_AGAIN_S = 3600.0
"""When something that was to be thought over later is thought over."""


def consequences(
    thought: Thought, reply: Reply, offered: Offer, shown: Sequence[Observation], notify_from: Severity
) -> list[Event]:
    """The events that are committed together with a thought.

    offered: what could be predicted; shown: the observations
    notify_from: the mildest severity that the user is told of
    """
    claim, due_s = _claim(reply, offered, shown)
    call = reply.call if isinstance(reply, FullReply) else None
    events = [*_prediction(thought, claim, due_s), *_wishes(thought, call, notify_from)]
    if thought.action_needed and thought.action_type == "reflect" and not thought.pilot:
        events.append(_to_think_again(thought))
    return events


def _claim(reply: Reply, offered: Offer, shown: Sequence[Observation]) -> tuple[Claim | None, float]:
    """What a thought predicts, as a claim, and by when in seconds: as it was chosen, else as its words say plainly."""
    chosen = claim_from(reply.claim, offered) if isinstance(reply, FullReply) and reply.claim is not None else None
    return chosen or (claim_of(reply.next_prediction, shown), PREDICTION_DUE_S)


def _prediction(thought: Thought, claim: Claim | None, due_s: float) -> list[Event]:
    words = thought.next_prediction or (in_words(claim) if claim is not None else "")
    if not words:
        return []
    return [
        Prediction(
            at_ns=thought.at_ns,
            cycle=thought.cycle,
            claim=words,
            probability=thought.confidence,
            due_ns=thought.at_ns + int(due_s * 1e9),
            condition=claim,
        )
    ]


def _wishes(thought: Thought, call: CallReply | None, notify_from: Severity) -> list[Event]:
    """What else follows from a thought: what it asks for, and what the user is told."""
    events: list[Event] = []
    if thought.action_needed:
        events.append(
            ActionRequest(
                at_ns=thought.at_ns,
                key=thought.cycle,
                cycle=thought.cycle,
                action=thought.action_type,
                details=thought.action_details,
                tool=call.tool if call is not None else "",
                arguments=msgspec.json.encode(call.arguments).decode() if call is not None and call.tool else "",
            )
        )
    if SEVERITIES.index(thought.severity) >= SEVERITIES.index(notify_from):
        events.append(
            Notification(
                at_ns=thought.at_ns,
                key=thought.cycle,
                severity=thought.severity,
                title=thought.focus,
                text=thought.assessment,
                evidence=thought.evidence,
            )
        )
    return events


def _to_think_again(thought: Thought) -> Intention:
    """The reminder that a thought sets itself when it wants to be thought over later."""
    return Intention(
        at_ns=thought.at_ns,
        key=f"m{thought.cycle[:8]}",
        text=f"think again about {thought.focus}",
        form="remind",
        told=thought.action_details or thought.focus,
        due_ns=thought.at_ns + int(THINK_AGAIN_S * 1e9),
        evidence=thought.evidence,
        provenance="model",
    )
