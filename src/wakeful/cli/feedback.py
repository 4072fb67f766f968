"""`wakeful feedback`: the user's word on what was told."""

import time
from pathlib import Path

import typer

from wakeful.events import Entry, Feedback, Notification, Observation, Salience, Thought
from wakeful.journal import Journal


async def give_feedback(file: Path, seq: int, *, useful: bool) -> None:
    """Journals it; a running mind learns from it at once, another one when it wakes."""
    async with await Journal.open(file, read_only=True):
        pass  # a journal that does not exist must not be made
    async with await Journal.open(file, lock=False) as journal:
        [entry] = await journal.get([seq]) or [None]
        if entry is None:
            raise typer.BadParameter(f"there is no entry #{seq}")
        sources = await _sources(journal, entry)
        if not sources:
            raise typer.BadParameter(f"#{seq} rests on no observation, so that there is nothing to learn from")
        await journal.append([Feedback(at_ns=time.time_ns(), about=seq, useful=useful, sources=sources)])
    print(f"Noted: {', '.join(sources)} will be trusted {'more' if useful else 'less'}.")


async def _sources(journal: Journal, entry: Entry) -> tuple[str, ...]:
    """Whose observations an entry rests on."""
    event = entry.event
    if isinstance(event, Observation | Salience):
        return (event.source,)
    if not isinstance(event, Thought | Notification):
        return ()
    behind = await journal.get(event.evidence)
    return tuple(sorted({each.event.source for each in behind if isinstance(each.event, Observation)}))
