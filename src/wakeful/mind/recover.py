"""What a mind that starts finds of the one before it: the conversation, what still waits, what was interrupted."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from wakeful.context import MESSAGE_TOKENS, Conversation, Seen, Turn, cite, moment
from wakeful.events import (
    Cursor,
    Entry,
    Observation,
    Salience,
    SetAside,
    Summary,
    Thought,
    ThoughtFailed,
    ThoughtStarted,
    ThoughtYielded,
)
from wakeful.journal import Journal
from wakeful.mind.cycle import gist
from wakeful.mind.prompt import Rules
from wakeful.mind.schema import AttentionShares, Reply
from wakeful.mind.thinker import Thinker

CONSUMER = "mind"
"""The name under which the mind's place in the journal is kept."""

_KINDS = ("salience", "thought_started", "thought", "thought_failed", "thought_yielded", "set_aside")

_TURNS = 200
"""Thoughts that are looked at: more than a prompt holds turns."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Salient observations that no thought has consumed yet, each with the place just after its salience."""

    seen: tuple[tuple[Seen, Cursor], ...]
    attempts: dict[int, int]


async def waiting(journal: Journal) -> Waiting:
    """Reads what the last run left undone, from the mind's place in the journal on."""
    saliences: list[tuple[Salience, Cursor]] = []
    started: dict[str, ThoughtStarted] = {}
    attempts: Counter[int] = Counter()
    async for entry in _from(journal, await journal.cursor(CONSUMER)):
        match entry.event:
            case Salience() as salience:
                saliences.append((salience, entry.cursor))
            case ThoughtStarted() as begun:
                started[begun.cycle] = begun
            case Thought() | SetAside() | ThoughtYielded():
                started.pop(entry.event.cycle, None)
            case ThoughtFailed() as failed:
                started.pop(failed.cycle, None)
                if failed.interrupted:
                    attempts.update(failed.evidence)
            case _:
                pass
    for begun in started.values():  # begun and never concluded: the program died while thinking
        attempts.update(begun.evidence)
    entries = {entry.seq: entry.event for entry in await journal.get({each.about for each, _ in saliences})}
    seen: list[tuple[Seen, Cursor]] = []
    for salience, cursor in saliences:
        observation = entries.get(salience.about)
        if isinstance(observation, Observation):
            seen.append((Seen(salience.about, observation, salience), cursor))
    return Waiting(seen=tuple(seen), attempts=dict(attempts))


def new_conversation(thinker: Thinker, rules: Rules) -> Conversation:
    """One that has only its rules yet, in the room that the model's context leaves beside the answer."""
    return Conversation(
        rules.text,
        context_tokens=thinker.facts.context_tokens,
        answer_tokens=thinker.answer_tokens,
    )


async def into(conversation: Conversation, journal: Journal, thinker: Thinker) -> None:
    """Lets a conversation go on with the bytes that the last prompt had, as far as they still fit."""
    kept, gists = await turns(journal)
    tokens = await thinker.count(conversation.of(kept, gists)) if kept else None
    if kept and tokens is None:
        tokens = await _counted_then(journal, kept[-1].seq, thinker.facts.name)
    conversation.restore(kept, gists, tokens=tokens)


async def _counted_then(journal: Journal, seq: int, model: str) -> int | None:
    """What the server counted for the last prompt and its answer; None where that says nothing of this model."""
    [entry] = await journal.get({seq})
    last = entry.event
    if not isinstance(last, Thought) or last.repaired or not last.prompt_tokens or last.model != model:
        return None
    return last.prompt_tokens + last.completion_tokens + MESSAGE_TOKENS


async def turns(journal: Journal) -> tuple[list[Turn], list[str]]:
    """The turns that the last prompt held, oldest first, and the gists of what had left it before."""
    summaries = await journal.read(kinds=("summary",), limit=1, newest_first=True)
    newest = await journal.read(kinds=("thought",), limit=_TURNS, newest_first=True)
    last = summaries[0].event if summaries else None
    left_through = last.to_seq if isinstance(last, Summary) else 0
    thoughts = [(entry.seq, entry.event) for entry in reversed(newest) if isinstance(entry.event, Thought)]
    gists = [gist(thought) for seq, thought in thoughts if seq <= left_through]
    if isinstance(last, Summary) and last.earlier:
        gists = list(last.earlier)
    kept = [(seq, thought) for seq, thought in thoughts if seq > left_through]
    cited = {seq for _, thought in kept if not thought.shown for seq in thought.evidence}
    found = {entry.seq: entry for entry in await journal.get(cited)}
    return [_turn(seq, thought, found) for seq, thought in kept], gists


def _turn(seq: int, thought: Thought, found: dict[int, Entry]) -> Turn:
    if thought.shown:
        return Turn(user=thought.shown, reply=thought.said, gist=gist(thought), seq=seq)
    return _rebuilt(seq, thought, found)


def _rebuilt(seq: int, thought: Thought, found: dict[int, Entry]) -> Turn:
    """The turn of a thought of an older journal, which did not keep its texts: nearly what was sent then."""
    seen: list[Seen] = []
    for about in thought.evidence:
        entry = found.get(about)
        if entry is not None and isinstance(entry.event, Observation):
            seen.append(Seen(about, entry.event))
    reply = Reply(
        focus=thought.focus,
        evidence=[cite(each.seq) for each in seen],
        observed=thought.observed,
        assessment=thought.assessment,
        severity=thought.severity,
        expected=thought.expected,
        prediction_error=thought.prediction_error,
        attention=AttentionShares(thought.attention_internal, thought.attention_external, thought.attention_memory),
        action_needed=thought.action_needed,
        action_type=thought.action_type,
        action_details=thought.action_details,
        next_prediction=thought.next_prediction,
        confidence=thought.confidence,
        self_assessment=thought.self_assessment,
    )
    return Turn(
        user=moment(seen, now_ns=thought.at_ns, reason=thought.reason, expected=thought.expected),
        reply=msgspec.json.encode(reply).decode(),
        gist=gist(thought),
        seq=seq,
    )


async def _from(journal: Journal, cursor: Cursor) -> AsyncIterator[Entry]:
    while entries := await journal.read(cursor, limit=1000, kinds=_KINDS):
        for entry in entries:
            yield entry
        cursor = entries[-1].cursor
