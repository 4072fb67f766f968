"""`wakeful attention explain` and `replay`: the gate again, over what the journal holds."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from wakeful.attention import Attention, AttentionSettings
from wakeful.cli.terminal import local_clock
from wakeful.context import entry_line
from wakeful.events import Cursor, Entry, Notification, Observation, Salience, Thought
from wakeful.journal import Journal

_BATCH = 2000
_SHOWN = 10
_TYPICAL_TOKENS = 900  # of a thought, where none was had yet


async def explain_observation(file: Path, settings: AttentionSettings, seq: int) -> int:
    """Prints how an observation's claim on attention came about."""
    async with await Journal.open(file, read_only=True) as journal:
        [entry] = await journal.get([seq]) or [None]
        if entry is None or not isinstance(entry.event, Observation):
            raise typer.BadParameter(f"#{seq} is no observation; `wakeful journal -k observation` shows some")
        print(entry_line(entry))
        found, woke = await _journaled(journal, entry)
        if found is None:
            found, woke = await _again(journal, settings, seq)
            print("It claimed too little attention to be journaled; this is the gate's view when run again:")
    weighted = found.precision * found.surprise_nats
    print(f"  surprise   {found.surprise_nats:.2f} nats, a chance of about 1 in {_one_in(found.surprise_nats)}")
    print(f"  precision  {found.precision:.2f}: how much errors of {found.source} are trusted")
    print(
        f"  salience   {found.salience:.2f}, of {weighted:.2f} weighted nats; {found.threshold:.2f} was needed to wake"
    )
    print(f"  why        {'; '.join(found.reasons) or 'as expected'}")
    print(f"  {woke}")
    return 0


async def replay_journal(
    file: Path, settings: AttentionSettings, changed: dict[str, Any], *, since_ns: int | None
) -> None:
    """Prints how often the gate would have woken with other settings, and which told things it would have missed."""
    attention = Attention(replace(settings, **changed))
    wakes: list[tuple[int, Observation, Salience]] = []
    claimed: dict[int, float] = {}
    first_ns = last_ns = 0
    async with await Journal.open(file, read_only=True) as journal:
        thoughts = [entry async for entry in _all(journal, ("thought",))]
        told = [entry async for entry in _all(journal, ("notification",))]
        tokens = _tokens(thoughts)
        async for entry in _all(journal, ("observation",)):
            observation = entry.event
            if not isinstance(observation, Observation):
                continue
            salience = attention.update(entry.seq, observation)
            if since_ns is not None and observation.at_ns < since_ns:
                continue
            first_ns, last_ns = first_ns or observation.at_ns, observation.at_ns
            if attention.wakes(salience):
                attention.budget.spent(observation.at_ns, tokens)
                wakes.append((entry.seq, observation, salience))
                claimed[entry.seq] = salience.salience
    days = max((last_ns - first_ns) / 86_400e9, 1e-9)
    count = sum(entry.event.at_ns >= (since_ns or 0) for entry in thoughts)
    print(f"{attention.observed:,} observations over {days:.1f} days, {attention.habituated:,} as expected")
    print(f"would have woken {len(wakes)} times ({len(wakes) / days:.1f} a day), about {len(wakes) * tokens:,} tokens")
    print(f"really thought   {count} times ({count / days:.1f} a day)")
    for source, number in Counter(observation.source for _, observation, _ in wakes).most_common(_SHOWN):
        print(f"  {number:>5}  {source}")
    for seq, observation, salience in sorted(wakes, key=lambda each: -each[2].salience)[:_SHOWN]:
        print(f"  {salience.salience:.2f}  #{seq} {local_clock(observation.at_ns)} {'; '.join(salience.reasons)[:120]}")
    missed = [entry for entry in told if _missed(entry, claimed, since_ns or 0)]
    print(f"of {len(told)} notifications, {len(missed)} rest on nothing that would have woken it")
    for entry in missed[:_SHOWN]:
        print(f"  {entry_line(entry)}")


def _missed(entry: Entry, claimed: dict[int, float], since_ns: int) -> bool:
    event = entry.event
    return (
        isinstance(event, Notification)
        and event.at_ns >= since_ns
        and bool(event.evidence)
        and not any(seq in claimed for seq in event.evidence)
    )


async def _journaled(journal: Journal, entry: Entry) -> tuple[Salience | None, str]:
    """The score that was journaled for an observation, and what came of it."""
    found: Salience | None = None
    for near in await journal.read(entry.cursor, kinds=("salience",), limit=_BATCH):
        if isinstance(near.event, Salience) and near.event.about == entry.seq:
            found = near.event
            break
    if found is None:
        return None, ""
    for near in await journal.read(entry.cursor, kinds=("thought",), limit=_BATCH):
        if isinstance(near.event, Thought) and entry.seq in near.event.evidence:
            return found, f"thought #{near.seq} rests on it"
    if found.salience >= found.threshold:
        return found, "it was enough to wake, but no thought rests on it (yet)"
    return found, "it was not enough to wake the mind by itself"


async def _again(journal: Journal, settings: AttentionSettings, seq: int) -> tuple[Salience, str]:
    attention = Attention(settings)
    async for entry in _all(journal, ("observation",)):
        if isinstance(entry.event, Observation):
            salience = attention.update(entry.seq, entry.event)
            if entry.seq == seq:
                return salience, "it was counted, and not thought about"
    raise typer.BadParameter(f"there is no entry #{seq}")


async def _all(journal: Journal, kinds: tuple[str, ...]) -> AsyncIterator[Entry]:
    cursor = Cursor("")
    while entries := await journal.read(cursor, kinds=kinds, limit=_BATCH):
        for entry in entries:
            yield entry
        cursor = entries[-1].cursor


def _tokens(thoughts: list[Entry]) -> int:
    spent = [
        each.event.prompt_tokens + each.event.completion_tokens for each in thoughts if isinstance(each.event, Thought)
    ]
    return round(sum(spent) / len(spent)) if spent else _TYPICAL_TOKENS


def _one_in(nats: float) -> str:
    return f"{2.718281828459045**nats:,.0f}"
