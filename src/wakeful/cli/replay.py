"""`wakeful attention explain` and `replay`: the gate again, over what the journal holds."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
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
_DRAWN, _PANELS = 1000, 6
_TYPICAL_TOKENS = 900  # of a thought, where none was had yet


async def explain_observation(file: Path, settings: AttentionSettings, seq: int, *, plot: Path | None = None) -> int:
    """Prints how an observation's claim on attention came about, and draws what led to it."""
    async with await Journal.open(file, read_only=True) as journal:
        [entry] = await journal.get([seq]) or [None]
        if entry is None or not isinstance(entry.event, Observation):
            raise typer.BadParameter(f"#{seq} is no observation; `wakeful journal -k observation` shows some")
        print(entry_line(entry))
        found, woke = await _journaled(journal, entry)
        if plot is not None or found is None:
            again, before = await _again(journal, settings, entry)
            if plot is not None:
                await asyncio.to_thread(_draw_explained, plot, entry, before)
            if found is None:
                found, woke = again, "it was counted, and not thought about"
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
    file: Path,
    settings: AttentionSettings,
    changed: dict[str, Any],
    *,
    since_ns: int | None,
    plot: Path | None = None,
) -> None:
    """Prints how often the gate would have woken with other settings, and which told things it would have missed."""
    attention = Attention(replace(settings, **changed))
    wakes: list[tuple[int, Observation, Salience]] = []
    claimed: dict[int, float] = {}
    drawn: dict[int, tuple[float, float, float, bool]] = {}
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
            woke = attention.wakes(salience)
            if plot is not None:  # the strongest of each minute
                minute, row = observation.at_ns // 60_000_000_000, (salience.salience, salience.threshold, woke)
                if minute not in drawn or (woke, salience.salience) > (drawn[minute][3], drawn[minute][1]):
                    drawn[minute] = (observation.at_ns / 1e9, *row)
            if woke:
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
    if plot is not None:
        from wakeful.cli.plot import plot_replay

        await asyncio.to_thread(plot_replay, plot, list(drawn.values()), title=f"{file.name}, run again")


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


async def _again(
    journal: Journal, settings: AttentionSettings, wanted: Entry
) -> tuple[Salience, Sequence[tuple[float, float, Mapping[str, float]]]]:
    """The gate's view when it is run again, and what it saw of the same source and subject before: time, salience,
    values."""
    attention = Attention(settings)
    about = wanted.event
    before: deque[tuple[float, float, Mapping[str, float]]] = deque(maxlen=_DRAWN)
    async for entry in _all(journal, ("observation",)):
        observation = entry.event
        if not isinstance(observation, Observation) or not isinstance(about, Observation):
            continue
        salience = attention.update(entry.seq, observation)
        if (observation.source, observation.subject) == (about.source, about.subject):
            before.append((observation.at_ns / 1e9, salience.salience, observation.values))
        if entry.seq == wanted.seq:
            return salience, before
    raise typer.BadParameter(f"there is no entry #{wanted.seq}")


def _draw_explained(plot: Path, entry: Entry, rows: Sequence[tuple[float, float, Mapping[str, float]]]) -> None:
    from wakeful.cli.plot import plot_explained

    event = entry.event
    names = list(event.values)[:_PANELS] if isinstance(event, Observation) else []
    plot_explained(plot, rows, title=f"#{entry.seq} {event.origin}, and what it said before", names=names)


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
