"""One cycle of thinking: from what waits, through the prompt and the answer, to what is committed."""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wakeful.context import Conversation, Layout, Seen, Turn, cite, clock, moment, observation_line
from wakeful.events import (
    SEVERITIES,
    ActionRequest,
    Entry,
    Event,
    Notification,
    Prediction,
    Severity,
    Summary,
    Thought,
    ThoughtStarted,
    WakeReason,
)
from wakeful.lmstudio import ChatResult, ContextOverflow
from wakeful.mind.schema import Reply, reply_schema
from wakeful.mind.thinker import Answered, OnText, Thinker
from wakeful.mind.workspace import Batch

_log = logging.getLogger(__name__)

PREDICTION_DUE_S = 3600.0
"""A prediction in free words is taken to speak of the next hour."""

_LAYOUTS = 3
"""How often a prompt is laid out anew when the model's own count says that it is too long."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one attempt at a thought is about; `attempt` counts how often this evidence was begun with."""

    id: str
    reason: WakeReason
    batch: Batch
    attempt: int = 1

    @property
    def evidence(self) -> tuple[int, ...]:
        """The observations that the prompt may hold."""
        return tuple(seen.seq for seen in self.batch.shown)

    def started(self, now_ns: int) -> ThoughtStarted:
        """The event that says that this attempt begins."""
        return ThoughtStarted(
            at_ns=now_ns, cycle=self.id, attempt=self.attempt, reason=self.reason, evidence=self.evidence
        )


def new_id() -> str:
    """A name for a cycle that no other one has."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Concluded:
    """A thought, the turn that it adds to the conversation, and all that is to be committed with it."""

    thought: Thought
    turn: Turn
    events: tuple[Event, ...]
    result: ChatResult

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.thought.prompt_tokens + self.thought.completion_tokens


async def think(
    cycle: Cycle,
    conversation: Conversation,
    thinker: Thinker,
    *,
    expected: str,
    recalled: Sequence[Entry],
    prompt_version: str,
    notify_from: Severity,
    now_ns: Callable[[], int],
    on_text: OnText | None = None,
) -> Concluded:
    """Thinks about the cycle's observations.

    expected: what the thought before this one predicted; recalled: what memory brings along
    notify_from: the mildest severity that the user is told of
    Raises UnusableAnswer, and every LMStudioError of the client. Nothing is committed here.
    """
    begun_s = time.monotonic()
    begun_ns = now_ns()
    layout, seen, text = await _laid_out(
        cycle, conversation, thinker, lambda seen: _moment(cycle, seen, conversation, expected, recalled, begun_ns)
    )
    left = layout.left
    try:
        answered = await _ask(layout, seen, thinker, on_text)
    except ContextOverflow:
        layout = conversation.overflowed(text)
        left += layout.left
        answered = await _ask(layout, seen, thinker, on_text)
    thought = _thought(cycle, answered, text, thinker, prompt_version, now_ns(), time.monotonic() - begun_s)
    events: list[Event] = [thought, *_consequences(thought, notify_from)]
    if left:
        events.append(_summary(left, conversation.gists, now_ns()))
    turn = Turn(user=text, reply=answered.text, gist=gist(thought), seq=0)
    return Concluded(thought=thought, turn=turn, events=tuple(events), result=answered.results[-1])


def gist(thought: Thought) -> str:
    """The thought in one line, which stands for its turn once that has left the prompt."""
    return f"{clock(thought.at_ns)[:5]} {thought.severity} {thought.focus}"


def raw_lines(shown: Sequence[Seen]) -> str:
    """The observations themselves, a line each, for a notification that no thought stands behind."""
    return "\n".join(observation_line(seen.seq, seen.observation, seen.salience) for seen in shown)


async def _laid_out(
    cycle: Cycle, conversation: Conversation, thinker: Thinker, write: Callable[[Sequence[Seen]], str]
) -> tuple[Layout, list[Seen], str]:
    """A prompt that fits by the model's own count, where it can be asked; with what it shows, and the moment's text.

    Raises ContextOverflow when even the shortest one does not fit.
    """
    left: tuple[Turn, ...] = ()
    for _ in range(_LAYOUTS):
        seen = _that_fit(cycle, conversation)
        text = write(seen)
        layout = conversation.lay_out(text)
        left += layout.left
        if layout.broken is not None:
            _log.warning("%s The server reads it anew from there.", layout.broken)
        tokens = await thinker.count(layout.messages)
        if tokens is None or conversation.counted(layout, tokens):
            return replace(layout, tokens=tokens or layout.tokens, left=left), seen, text
    raise ContextOverflow(
        f"The shortest prompt does not fit into {conversation.room_tokens:,} tokens.",
        n_ctx=thinker.facts.context_tokens,
    )


def _moment(
    cycle: Cycle,
    seen: Sequence[Seen],
    conversation: Conversation,
    expected: str,
    recalled: Sequence[Entry],
    now_ns: int,
) -> str:
    """The user turn; without what memory brings along where that is too much."""
    others = cycle.batch.others
    text = moment(seen, now_ns=now_ns, reason=cycle.reason, expected=expected, recalled=recalled, others=others)
    if conversation.estimate.message_tokens(text) > conversation.moment_tokens:
        text = moment(seen, now_ns=now_ns, reason=cycle.reason, expected=expected, others=others)
    return text


def _that_fit(cycle: Cycle, conversation: Conversation) -> list[Seen]:
    """As many of the strongest observations as one moment may hold, at least one, in the order seen."""
    room = conversation.moment_tokens
    fitting: list[Seen] = []
    for seen in cycle.batch.shown:
        room -= conversation.estimate.tokens(observation_line(seen.seq, seen.observation, seen.salience))
        if fitting and room < 0:
            break
        fitting.append(seen)
    return sorted(fitting, key=lambda each: each.seq)


async def _ask(layout: Layout, seen: Sequence[Seen], thinker: Thinker, on_text: OnText | None) -> Answered[Reply]:
    schema = reply_schema([cite(each.seq) for each in seen], short=thinker.facts.pilot)
    offered = {cite(each.seq) for each in seen}

    def check(reply: Reply) -> str:
        invented = [each for each in reply.evidence if each not in offered]
        return f"evidence names {', '.join(invented[:3])}, which was not shown" if invented else ""

    return await thinker.ask(layout.messages, Reply, schema, check=check, on_text=on_text)


def _thought(
    cycle: Cycle,
    answered: Answered[Reply],
    shown: str,
    thinker: Thinker,
    prompt_version: str,
    at_ns: int,
    duration_s: float,
) -> Thought:
    reply = answered.value
    results = answered.results
    evaluated = [result.evaluated_tokens for result in results]
    return Thought(
        at_ns=at_ns,
        cycle=cycle.id,
        reason=cycle.reason,
        focus=reply.focus,
        observed=reply.observed,
        assessment=reply.assessment,
        severity=reply.severity,
        evidence=tuple(dict.fromkeys(int(each.removeprefix("#")) for each in reply.evidence)),
        expected=reply.expected,
        prediction_error=reply.prediction_error,
        confidence=reply.confidence,
        next_prediction=reply.next_prediction,
        attention_internal=reply.attention.internal,
        attention_external=reply.attention.external,
        attention_memory=reply.attention.memory,
        action_needed=reply.action_needed,
        action_type=reply.action_type,
        action_details=reply.action_details,
        self_assessment=reply.self_assessment,
        model=results[-1].model or thinker.facts.name,
        prompt_version=prompt_version,
        pilot=thinker.facts.pilot,
        repaired=answered.repaired,
        prompt_tokens=sum(result.usage.prompt_tokens or 0 for result in results),
        evaluated_tokens=-1 if None in evaluated else sum(each for each in evaluated if each is not None),
        completion_tokens=sum(result.usage.completion_tokens or 0 for result in results),
        duration_s=duration_s,
        shown=shown,
        said=answered.text,
    )


def _consequences(thought: Thought, notify_from: Severity) -> list[Event]:
    """What follows from a thought: its prediction, what it asks for, and what the user is told."""
    events: list[Event] = []
    if thought.next_prediction:
        events.append(
            Prediction(
                at_ns=thought.at_ns,
                cycle=thought.cycle,
                claim=thought.next_prediction,
                probability=thought.confidence,
                due_ns=thought.at_ns + int(PREDICTION_DUE_S * 1e9),
            )
        )
    if thought.action_needed:
        events.append(
            ActionRequest(
                at_ns=thought.at_ns,
                key=thought.cycle,
                cycle=thought.cycle,
                action=thought.action_type,
                details=thought.action_details,
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


def _summary(left: Sequence[Turn], earlier: Sequence[str], now_ns: int) -> Summary:
    """What left the prompt, by the gists of its thoughts: no model had a hand in it."""
    text = "; ".join(turn.gist for turn in left)
    return Summary(
        at_ns=now_ns,
        text=text,
        from_seq=left[0].seq,
        to_seq=left[-1].seq,
        earlier=tuple(earlier),
        provenance="recalled",
    )
