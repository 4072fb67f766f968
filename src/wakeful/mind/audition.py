"""An audition: the same observations again, with another model, prompt or gate, in a journal of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wakeful.attention import Attention, AttentionSettings
from wakeful.events import Entry, Event, Notification, Observation, Thought
from wakeful.journal import Journal, JournalIndex
from wakeful.memory import Memory, Recall
from wakeful.mind.attend import prime
from wakeful.mind.metacognition.vitals import VITAL_KINDS, Vitals, vitals
from wakeful.mind.mind import Mind
from wakeful.mind.settings import MindSettings
from wakeful.mind.thinker import Thinker

WARM_UP_S = 86_400.0
"""So much of what came before is shown to the gate alone, so that it knows what is normal when the audition begins."""

STEP_S = 10.0
"""Observations are handed over in steps of so much of their own time; the mind comes to rest after each."""

_BATCH = 2000
_LOOK_S = 0.002
_OWN = "wakeful:"

OnProgress = Callable[[int, int, int], None]
"""Is told how far it has come: the time of the observations (nanoseconds), how many there were, and thoughts so far."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one mind made of a period.

    model, prompt: which thought, "" where none did; thoughts: with the numbers of their evidence in the journal that is
    replayed; told: how many notifications
    """

    model: str
    prompt: str
    thoughts: tuple[tuple[Thought, tuple[int, ...]], ...]
    told: int
    vitals: Vitals


@dataclass(frozen=True, slots=True)
class Audition:
    """Both sides of a period: what was really thought then, and what was thought now."""

    observations: int
    then: Side
    now: Side

    def pairs(self) -> list[tuple[Thought | None, Thought | None]]:
        """Thoughts then and now about the same observations beside each other, in order of time."""
        left = list(self.now.thoughts)
        found: list[tuple[Thought | None, Thought | None]] = []
        for thought, evidence in self.then.thoughts:
            same = next((each for each in left if set(each[1]) & set(evidence)), None)
            if same is not None:
                left.remove(same)
            found.append((thought, same[0] if same is not None else None))
        found += [(None, thought) for thought, _ in left]
        return sorted(found, key=lambda pair: min(each.at_ns for each in pair if each is not None))


async def audition(
    journal: Journal,
    scratch: Path,
    thinker: Thinker,
    *,
    since_ns: int,
    until_ns: int,
    attention: AttentionSettings,
    settings: MindSettings,
    on_progress: OnProgress | None = None,
) -> Audition:
    """Thinks about what was observed in [since_ns, until_ns) again.

    scratch: a folder for the journal of the audition; nothing is written to `journal`, and nothing is carried out
    Raises every error of the journal; failures of the model are journaled there, and waited out as ever.
    """
    clock_ns = since_ns
    fed: dict[int, int] = {}
    async with (
        await Journal.open(scratch / "journal.db") as heard,
        JournalIndex(heard, scratch / "index.db") as index,
    ):
        await prime(heard, await _warm(journal, attention, since_ns))
        mind = Mind(
            heard,
            thinker,
            Recall(Memory(heard, index)),
            attention=attention,
            settings=settings,
            now_ns=lambda: clock_ns,
        )
        running = asyncio.create_task(mind.run())
        try:
            async for step in _steps(journal, since_ns, until_ns):
                clock_ns = max(clock_ns, *(entry.event.at_ns for entry in step))
                copies = await heard.append([entry.event for entry in step])
                fed |= {copy.seq: entry.seq for copy, entry in zip(copies, step, strict=True)}
                await _at_rest(mind, running, copies[-1].seq)
                if on_progress is not None:
                    on_progress(clock_ns, len(fed), len(await heard.read(kinds=("thought",), limit=_BATCH)))
        finally:
            running.cancel()
            await asyncio.wait([running])
        now = _side(await heard.read(kinds=VITAL_KINDS, limit=100_000), fed)
    then = await journal.read(kinds=VITAL_KINDS, since_ns=since_ns, until_ns=until_ns, limit=100_000)
    return Audition(observations=len(fed), then=_side(then, None), now=now)


async def _warm(journal: Journal, settings: AttentionSettings, since_ns: int) -> Attention:
    """A gate that has seen the day before."""
    gate = Attention(settings)
    async for step in _steps(journal, since_ns - int(WARM_UP_S * 1e9), since_ns):
        for entry in step:
            if isinstance(entry.event, Observation):
                gate.update(entry.seq, entry.event)
        await asyncio.sleep(0)
    return gate


async def _steps(journal: Journal, since_ns: int, until_ns: int) -> AsyncIterator[list[Entry]]:
    """The observations of a period, in order, those of a few seconds together; Wakeful's own are left out."""
    step: list[Entry] = []
    found = await journal.read(kinds=("observation",), since_ns=since_ns, until_ns=until_ns, limit=1)
    while found:
        for entry in found:
            observation = entry.event
            if not isinstance(observation, Observation) or not since_ns <= observation.at_ns < until_ns:
                continue
            if observation.source.startswith(_OWN) or observation.source == "mind":
                continue
            if step and observation.at_ns - step[0].event.at_ns > STEP_S * 1e9:
                yield step
                step = []
            step.append(entry)
        found = await journal.read(found[-1].cursor, kinds=("observation",), until_ns=until_ns, limit=_BATCH)
    if step:
        yield step


async def _at_rest(mind: Mind, running: "asyncio.Task[None]", seq: int) -> None:
    """Waits until the mind is quiet again: the past must not outrun it."""
    while not mind.at_rest(seq):
        if running.done():
            running.result()
        await asyncio.sleep(_LOOK_S)


def _side(entries: Sequence[Entry], fed: dict[int, int] | None) -> Side:
    """fed: from numbers of the audition's journal to those of the journal that is replayed, None where it is that."""
    events: list[Event] = [entry.event for entry in entries]
    thoughts = [event for event in events if isinstance(event, Thought)]

    def original(seqs: Sequence[int]) -> tuple[int, ...]:
        return tuple(seqs) if fed is None else tuple(fed[seq] for seq in seqs if seq in fed)

    return Side(
        model=thoughts[-1].model if thoughts else "",
        prompt=thoughts[-1].prompt_version if thoughts else "",
        thoughts=tuple((thought, original(thought.evidence)) for thought in thoughts),
        told=sum(isinstance(event, Notification) for event in events),
        vitals=vitals(entries),
    )
