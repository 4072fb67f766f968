"""What a mind that starts finds of the one before it: the conversation, what still waits, what was interrupted."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from wakeful.context import MAX_GISTS, MESSAGE_TOKENS, Conversation, Opening, Seen, Turn, as_data, cite, moment
from wakeful.events import (
    Compaction,
    Cursor,
    Entry,
    Event,
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
from wakeful.memory import newest
from wakeful.mind.cycle import gist
from wakeful.mind.prompt import Rules
from wakeful.mind.schema import AttentionShares, Reply
from wakeful.mind.thinker import Thinker

CONSUMER = "mind"
"""The name under which the mind's place in the journal is kept."""

_KINDS = ("salience", "thought_started", "thought", "thought_failed", "thought_yielded", "set_aside")

_TURNS, _MOST_TURNS = 200, 12_800
"""Thoughts that are looked at first, and at most: more than the longest prompt holds turns."""


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
    if not thinker.facts.pilot:  # which was not trained on either
        conversation.prepare(known=await known(journal))
    left = await left_by(journal)
    if left.waiting is not None and not thinker.facts.pilot:
        conversation.prepare(summary=left.waiting.text, through=left.waiting.to_seq)
    kept = left.turns
    tokens = await thinker.count(conversation.of(kept, left.opening)) if kept else None
    if kept and tokens is None:
        tokens = await _counted_then(journal, kept[-1].seq, thinker.facts.name)
    conversation.restore(kept, left.opening, through=left.through, summed_through=left.summed_through, tokens=tokens)


async def known(journal: Journal) -> tuple[str, ...]:
    """The lines of the self-model that is in force, each as a line of a prompt."""
    version = await newest(journal)
    lines = version.text.splitlines() if version is not None else []
    return tuple(as_data(line) for line in lines if line.strip())


async def _counted_then(journal: Journal, seq: int, model: str) -> int | None:
    """What the server counted for the last prompt and its answer; None where that says nothing of this model."""
    [entry] = await journal.get({seq})
    last = entry.event
    if not isinstance(last, Thought) or not last.prompt_tokens or last.model != model:
        return None
    if last.repaired or last.pilot:  # what it cost is that of several prompts
        return None
    return last.prompt_tokens + last.completion_tokens + MESSAGE_TOKENS


@dataclass(frozen=True, slots=True)
class Left:
    """The prompt as the last run left it.

    turns: oldest first; opening: what stands before them; through, summed_through: as of `Compaction`
    waiting: a summary that was written and does not stand in the prompt yet
    """

    turns: tuple[Turn, ...]
    opening: Opening
    through: int
    summed_through: int
    waiting: Summary | None


async def left_by(journal: Journal) -> Left:
    """The prompt of the last run, from the journal alone."""
    compactions = await journal.read(kinds=("compaction",), limit=1, newest_first=True)
    summaries = await journal.read(kinds=("summary",), limit=1, newest_first=True)
    last = compactions[0].event if compactions else None
    summary = summaries[0].event if summaries else None
    if not isinstance(last, Compaction):
        last = await _as_before(journal, summary)
    thoughts = await _thoughts(journal, last.through)
    cited = {seq for _, thought in thoughts if not thought.shown for seq in thought.evidence}
    found = {entry.seq: entry for entry in await journal.get(cited)}
    waits = isinstance(summary, Summary) and summary.to_seq > max(last.through, last.summed_through)
    return Left(
        turns=tuple(_turn(seq, thought, found) for seq, thought in thoughts),
        opening=Opening(last.known, last.summary, last.gists),
        through=last.through,
        summed_through=last.summed_through,
        waiting=summary if waits and isinstance(summary, Summary) else None,
    )


async def _as_before(journal: Journal, summary: Event | None) -> Compaction:
    """What a journal says that was written before there were compactions: they stood in summaries."""
    if not isinstance(summary, Summary):
        return Compaction(at_ns=0, through=0)
    gists = summary.earlier or tuple(
        gist(entry.event)
        for entry in reversed(await journal.read(kinds=("thought",), limit=_TURNS, newest_first=True))
        if isinstance(entry.event, Thought) and entry.seq <= summary.to_seq
    )
    return Compaction(at_ns=0, through=summary.to_seq, gists=gists[-MAX_GISTS:])


async def _thoughts(journal: Journal, through: int) -> list[tuple[int, Thought]]:
    """The thoughts after one, oldest first; of very many the newest."""
    limit = _TURNS
    while True:
        newest_ones = await journal.read(kinds=("thought",), limit=limit, newest_first=True)
        if len(newest_ones) < limit or newest_ones[-1].seq <= through or limit >= _MOST_TURNS:
            break
        limit *= 4
    found = [(entry.seq, entry.event) for entry in reversed(newest_ones)]
    return [(seq, event) for seq, event in found if seq > through and isinstance(event, Thought)]


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
