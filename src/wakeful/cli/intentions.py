"""`wakeful intend` and `wakeful intentions`: what the user wants kept in mind."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from wakeful.context import as_data, entry_line
from wakeful.events import Cursor, Entry, Intention, IntentionMet, Observation
from wakeful.journal import Journal
from wakeful.mind import holds, in_words, moments, understood

_RECENT = 2000  # observations by which metrics and sources are known
_BATCH = 2000
_SHOWN = 10


async def intend(file: Path, text: str, *, key: str, test: bool, since_ns: int) -> None:
    """Stores an intention, or only tells what it would have meant; key: the one whose place it takes."""
    async with await Journal.open(file, read_only=True) as journal:
        standing = await _standing(journal)
        if key and key not in standing:
            raise typer.BadParameter(f"there is no intention {key}; `wakeful intentions` lists them")
        newest = await journal.read(kinds=("observation",), limit=_RECENT, newest_first=True)
        known = [entry.event for entry in newest if isinstance(entry.event, Observation)]
        intention = understood(text, key or await _new_key(journal), now_ns=time.time_ns(), known=known)
        print(f"{intention.key}: {meaning(intention)}")
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
        standing = await _standing(journal)
        if unknown := [key for key in remove if key not in standing]:
            raise typer.BadParameter(f"there is no intention {', '.join(unknown)}")
        gone = [standing.pop(key) for key in remove]
        now_ns = time.time_ns()
        await journal.append([msgspec.structs.replace(each, at_ns=now_ns, active=False) for each in gone])
        met = Counter(
            each.key for each in await _met(journal) if each.key in standing and each.at_ns >= standing[each.key].at_ns
        )
        standing = {key: each for key, each in standing.items() if each.form != "remind" or not met[key]}
    if as_json:
        rows = [{"met": met[key], "intention": each} for key, each in standing.items()]
        print(msgspec.json.encode(rows).decode())
        return
    if not standing:
        print('There are none. Such as: wakeful intend "watch for failed backups"')
        return
    console = Console(highlight=False, soft_wrap=True)
    for key, each in standing.items():
        line = Text(f"{key:<4} met {met[key]:>3}  {as_data(each.text)}")
        console.print(line.append(f"  [{as_data(meaning(each))}]", "dim"))


def meaning(intention: Intention) -> str:
    """What was understood, for the person to see whether it was meant so."""
    if intention.claim is not None:
        return f"tells you when {in_words(intention.claim)}"
    if intention.form == "remind":
        whom = "you" if intention.provenance == "user" else "itself"
        return f"reminds {whom} at {_local(intention.due_ns)}: {intention.told}"
    following = islice(moments(intention.cron, datetime.now()), 3)
    times = ", ".join(moment.strftime("%a %d %b %H:%M") for moment in following)
    does = "reports" if intention.asks else "reminds you"
    return f"{does} by the schedule {intention.cron!r} ({times}, …): {intention.told}"


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
    print(f"It would have matched {len(found)} of {seen:,} observations since {_local(since_ns)}.")
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


async def _standing(journal: Journal) -> dict[str, Intention]:
    """The intentions that were not taken back, by key, oldest first."""
    standing: dict[str, Intention] = {}
    async for entry in _all(journal, "intention"):
        if isinstance(intention := entry.event, Intention):
            standing.pop(intention.key, None)
            if intention.active:
                standing[intention.key] = intention
    return standing


async def _new_key(journal: Journal) -> str:
    """A name that no intention ever had."""
    keys = {entry.event.key async for entry in _all(journal, "intention") if isinstance(entry.event, Intention)}
    return f"i{len(keys) + 1}"


async def _met(journal: Journal) -> list[IntentionMet]:
    return [entry.event async for entry in _all(journal, "intention_met") if isinstance(entry.event, IntentionMet)]


async def _all(journal: Journal, kind: str) -> AsyncIterator[Entry]:
    cursor = Cursor("")
    while entries := await journal.read(cursor, kinds=(kind,), limit=_BATCH):
        for entry in entries:
            yield entry
        cursor = entries[-1].cursor


def _local(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9).strftime("%a %d %b %Y %H:%M")
