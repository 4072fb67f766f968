"""One cycle of thinking: from what waits, through the prompt and the answer, to what is committed."""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wakeful.actions import Toolbox
from wakeful.context import REMEMBERED, Conversation, Layout, Seen, Turn, cite, clock, moment, observation_line, shorten
from wakeful.events import (
    Entry,
    Event,
    Observation,
    Severity,
    Thought,
    ThoughtStarted,
    WakeReason,
)
from wakeful.lmstudio import ChatResult, ContextOverflow
from wakeful.mind.consequences import consequences
from wakeful.mind.one_by_one import alone, gravest, together
from wakeful.mind.predictions.offer import HOLDS, Offer, offer
from wakeful.mind.schema import FullReply, Reply, garbled, reply_schema
from wakeful.mind.thinker import Answered, OnText, Thinker
from wakeful.mind.workspace import Batch

_log = logging.getLogger(__name__)

_GIST_CHARS = 80
"""Of what a thought was about; as much as the pilot model may write of it."""

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
class Frame:
    """What stands around the observations of a thought.

    expected: what the thought before this one predicted; recalled: what memory brings along
    notes: what the mind is told about itself; known: the newest observation of each source, for what may be predicted
    tools: what may be done
    claims: whether the model is told what it may predict, which the pilot is not
    """

    expected: str = ""
    recalled: Sequence[Entry] = ()
    notes: Sequence[str] = ()
    known: Sequence[Observation] = ()
    tools: Toolbox | None = None
    claims: bool = False


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
    frame: Frame,
    prompt_version: str,
    notify_from: Severity,
    now_ns: Callable[[], int],
    on_text: OnText | None = None,
) -> Concluded:
    """Thinks about the cycle's observations.

    notify_from: the mildest severity that the user is told of
    Raises UnusableAnswer, and every LMStudioError of the client. Nothing is committed here.
    """
    begun_s = time.monotonic()
    begun_ns = now_ns()

    async def ask(part: Cycle) -> _Part:
        return await _part(part, conversation, thinker, frame, begun_ns, on_text)

    parts = [await ask(part) for part in _apart(cycle)] if thinker.facts.pilot else [await ask(cycle)]
    first, answered = _together(parts)
    observations = [each.observation for part in parts for each in part.seen]
    thought = _thought(cycle, answered, first.text, thinker, prompt_version, now_ns(), time.monotonic() - begun_s)
    events = [thought, *consequences(thought, answered.value, first.offered, observations, notify_from)]
    turn = Turn(user=first.text, reply=answered.text, gist=gist(thought), seq=0)
    return Concluded(thought=thought, turn=turn, events=tuple(events), result=answered.results[-1])


@dataclass(frozen=True, slots=True)
class _Part:
    """What the model was shown of a cycle, what it could predict of it, and what it answered."""

    seen: Sequence[Seen]
    text: str
    offered: Offer
    answered: Answered[Reply] | Answered[FullReply]


async def _part(
    cycle: Cycle, conversation: Conversation, thinker: Thinker, frame: Frame, begun_ns: int, on_text: OnText | None
) -> _Part:
    """One prompt and its answer; sent again, shorter, where the server has less room than was thought."""
    layout, seen, text = await _laid_out(
        cycle, conversation, thinker, lambda seen: _moment(cycle, seen, conversation, frame, begun_ns)
    )
    citable = [cite(each.seq) for each in seen]
    if not thinker.facts.pilot and REMEMBERED in text.splitlines():
        citable += [cite(entry.seq) for entry in frame.recalled]
    offered = Offer() if thinker.facts.pilot else offer([each.observation for each in seen], frame.known)
    try:
        answered = await _ask(layout, citable, offered, frame.tools, thinker, on_text)
    except ContextOverflow:
        layout = conversation.overflowed(text)
        answered = await _ask(layout, citable, offered, frame.tools, thinker, on_text)
    return _Part(seen, text, offered, answered)


def _apart(cycle: Cycle) -> list[Cycle]:
    """The cycle for each of its observations, strongest first: the pilot is shown one at a time."""
    shown = cycle.batch.shown
    return [replace(cycle, batch=replace(cycle.batch, shown=(alone(seen),))) for seen in shown] or [cycle]


def _together(parts: Sequence[_Part]) -> tuple[_Part, Answered[Reply] | Answered[FullReply]]:
    """The part that leads, and all answers as one."""
    if len(parts) == 1:
        return parts[0], parts[0].answered
    replies = [part.answered.value for part in parts]
    lead = parts[gravest(replies)]
    return lead, Answered(
        value=together(replies),
        text=lead.answered.text,
        results=(
            *(result for part in parts if part is not lead for result in part.answered.results),
            *lead.answered.results,
        ),
        repaired=any(part.answered.repaired for part in parts),
    )


def gist(thought: Thought) -> str:
    """The thought in one line, which stands for its turn once that has left the prompt."""
    return f"{clock(thought.at_ns)[:5]} {thought.severity} {shorten(thought.focus, _GIST_CHARS)}"


def raw_lines(shown: Sequence[Seen]) -> str:
    """The observations themselves, a line each, for a notification that no thought stands behind."""
    return "\n".join(observation_line(seen.seq, seen.observation, seen.salience) for seen in shown)


async def _laid_out(
    cycle: Cycle, conversation: Conversation, thinker: Thinker, write: Callable[[Sequence[Seen]], str]
) -> tuple[Layout, list[Seen], str]:
    """A prompt that fits by the model's own count, where it can be asked; with what it shows, and the moment's text.

    Raises ContextOverflow when even the shortest one does not fit.
    """
    for _ in range(_LAYOUTS):
        seen = _that_fit(cycle, conversation)
        text = write(seen)
        whole = conversation.whole(text)
        tokens = await thinker.count(whole)
        layout = conversation.lay_out(text, tokens)
        if layout.broken is not None:
            _log.warning("%s The server reads it anew from there.", layout.broken)
        if tokens is not None and list(layout.messages) != whole:
            tokens = await thinker.count(layout.messages)
        if tokens is None or conversation.counted(layout, tokens):
            return replace(layout, tokens=tokens or layout.tokens), seen, text
    raise ContextOverflow(
        f"The shortest prompt does not fit into {conversation.room_tokens:,} tokens.",
        n_ctx=thinker.facts.context_tokens,
    )


def _moment(
    cycle: Cycle,
    seen: Sequence[Seen],
    conversation: Conversation,
    frame: Frame,
    now_ns: int,
) -> str:
    """The user turn; without what memory brings along, and what the mind is told of itself, where that is too much."""

    def write(recalled: Sequence[Entry], notes: Sequence[str]) -> str:
        return moment(
            seen,
            now_ns=now_ns,
            reason=cycle.reason,
            expected=frame.expected,
            recalled=recalled,
            others=cycle.batch.others,
            notes=notes,
        )

    claims = (offer([each.observation for each in seen], ()).note,) if frame.claims else ()
    text = write(frame.recalled, (*frame.notes, *claims))
    if conversation.estimate.message_tokens(text) > conversation.moment_tokens:
        text = write((), claims)
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


async def _ask(
    layout: Layout,
    citable: Sequence[str],
    offered: Offer,
    tools: Toolbox | None,
    thinker: Thinker,
    on_text: OnText | None,
) -> Answered[Reply] | Answered[FullReply]:
    """The pilot is asked for what it was trained on; other models for a claim, and a call of a tool, as well."""

    shown = layout.messages[-1][1]

    def check(reply: Reply) -> str:
        invented = [each for each in reply.evidence if each not in citable]
        return f"evidence names {', '.join(invented[:3])}, which was not shown" if invented else garbled(reply, shown)

    if thinker.facts.pilot:
        schema = reply_schema(citable, shown=shown)
        return await thinker.ask(layout.messages, Reply, schema, check=check, on_text=on_text)
    schema = reply_schema(citable, claimable=offered.names, holds=HOLDS, call=tools.schema() if tools else None)

    def check_all(reply: FullReply) -> str:
        if reply.call is not None and reply.call.tool and (tools is None or tools.get(reply.call.tool) is None):
            return "call names a tool that does not exist"
        return check(reply)

    return await thinker.ask(layout.messages, FullReply, schema, check=check_all, on_text=on_text)


def _thought(
    cycle: Cycle,
    answered: Answered[Reply] | Answered[FullReply],
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
