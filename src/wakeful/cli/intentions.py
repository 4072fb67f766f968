"""`wakeful intend` and `wakeful intentions`: what the user wants kept in mind."""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from wakeful.context import as_data, entry_line
from wakeful.events import Entry, Intention, Observation
from wakeful.journal import Journal
from wakeful.mind import Intentions, NoSuchIntention, holds, meaning

_BATCH = 2000
_SHOWN = 10


async def intend(file: Path, text: str, *, key: str, test: bool, since_ns: int) -> None:
    """Stores an intention, or only tells what it would have meant; key: the one whose place it takes."""
    async with await Journal.open(file, read_only=True) as journal:
        try:
            intention = await Intentions(journal).meant(text, key)
        except NoSuchIntention as error:
            raise typer.BadParameter(f"{error.message}; {error.hint}") from error
        print(f"{intention.key}: {meaning(intention, time.time_ns())}")
        if test:
            await _test(journal, intention, since_ns)
            return
    async with await Journal.open(file, lock=False) as journal:
        await journal.append([intention])
    print(f"Kept. `wakeful intentions --remove {intention.key}` takes it back.")


async def list_intentions(file: Path, *, remove: Sequence[str], as_json: bool) -> None:
    """Prints the intentions that stand, after taking some back."""
    async with await Journal.open(file, read_only=True):
        pass  # a journal that does not exist must not be made
    async with await Journal.open(file, lock=False) as journal:
        intentions = Intentions(journal)
        standing = {each.key for each in await intentions.kept()} if remove else set[str]()
        if unknown := [key for key in remove if key not in standing]:
            raise typer.BadParameter(f"there is no intention {', '.join(unknown)}")
        for key in dict.fromkeys(remove):
            await intentions.take_back(key)
        kept = await intentions.kept()
    if as_json:
        rows = [{"met": each.met, "next_ns": each.next_ns, "intention": each.intention} for each in kept]
        print(msgspec.json.encode(rows).decode())
        return
    if not kept:
        print('There are none. Such as: wakeful intend "watch for failed backups"')
        return
    console = Console(highlight=False, soft_wrap=True)
    for each in kept:
        line = Text(f"{each.key:<4} met {each.met:>3}  {as_data(each.text)}")
        console.print(line.append(f"  [{as_data(each.meaning)}]", "dim"))


async def _test(journal: Journal, intention: Intention, since_ns: int) -> None:
    """Prints what a watch would have met since then."""
    claim = intention.claim
    if claim is None:
        return
    found: list[Entry] = []
    seen = 0
    async for entry in _observations(journal, since_ns):
        seen += 1
        if isinstance(entry.event, Observation) and holds(claim, entry.event):
            found.append(entry)
    since = datetime.fromtimestamp(since_ns / 1e9).strftime("%a %d %b %Y %H:%M")
    print(f"It would have matched {len(found)} of {seen:,} observations since {since}.")
    for entry in found[-_SHOWN:]:
        print(f"  {entry_line(entry)}")


async def _observations(journal: Journal, since_ns: int) -> AsyncIterator[Entry]:
    first = await journal.read(kinds=("observation",), since_ns=since_ns, limit=1)
    for entry in first:
        yield entry
    cursor = first[0].cursor if first else await journal.end()
    while entries := await journal.read(cursor, kinds=("observation",), limit=_BATCH):
        for entry in entries:
            if entry.event.at_ns >= since_ns:
                yield entry
        cursor = entries[-1].cursor
