"""What the commands of memory do."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from wakeful.cli.home import home_folder, index_file, journal_file, vectors_file
from wakeful.config import Settings
from wakeful.context import entry_line
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient, Timeouts
from wakeful.memory import (
    Memory,
    Recalled,
    Vectors,
    audit,
    embedder_of,
    export,
    forget,
    take_in,
    that_must_go,
)

_SERVER_S = 5.0  # a recall does not wait longer for the model server


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be recalled: as the arguments of `Memory.recall`."""

    query: str
    k: int
    kinds: Sequence[str]
    sources: Sequence[str]
    since_ns: int | None
    until_ns: int | None


async def remember_text(settings: Settings, text: str, *, about: str, at_ns: int | None, importance: float) -> None:
    """Keeps a text, and prints the number under which it is found."""
    async with _memory(settings, make=True) as memory:
        form = "fact" if about else "note"
        seq = await memory.add(text, at_ns, kind=form, about=about, importance=importance)
    print(f"Remembered as #{seq}.")


async def recall_memories(settings: Settings, wanted: Wanted, *, as_json: bool) -> None:
    """Prints what comes back; how it was looked for goes to standard error."""
    client = AsyncLMStudioClient(
        settings.model.url,
        api_token=settings.model.api_token,
        timeouts=Timeouts(connect_s=1.0, first_token_s=_SERVER_S),
        retry=NO_RETRY,
    )
    async with client, _memory(settings, client) as memory:
        found = await memory.recall(
            wanted.query,
            wanted.k,
            kinds=wanted.kinds,
            sources=wanted.sources,
            since=wanted.since_ns,
            until=wanted.until_ns,
        )
        says = memory.says
    console = Console(highlight=False, soft_wrap=True)
    for each in found:
        if as_json:
            print(msgspec.json.encode(_as_json(each)).decode())
        else:
            _print(each, console)
    if not as_json:
        Console(stderr=True, highlight=False).print(Text(f"{len(found) or 'Nothing'} found, {says}.", "dim"))


async def forget_entries(settings: Settings, seqs: Sequence[int], text: str, *, sure: bool) -> int:
    """Deletes entries for good, after showing them; returns the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    async with _memory(settings) as memory:
        named = {*seqs, *(await memory.journal.containing(text) if text else ())}
        going = await that_must_go(memory.journal, named)
        if not going:
            console.print("There is nothing to forget.")
            return 0
        for entry in going:
            console.print(Text(entry_line(entry)))
        if not sure and not typer.confirm(f"Delete {_entries(len(going))} for good?"):
            return 0
        count = await forget(memory, going, now_ns=time.time_ns())
    console.print(f"Forgotten: {_entries(count)}. A mind that is awake forgets its prompt when it starts again.")
    return 0


async def write_memories(settings: Settings, file: Path | None) -> None:
    """Writes all memories, a line each."""
    async with _memory(settings) as memory:
        lines = [line async for line in export(memory.journal)]
    if file is None:
        sys.stdout.buffer.writelines(lines)
    else:
        await asyncio.to_thread(file.write_bytes, b"".join(lines))
        print(f"Wrote {len(lines)} memories to {file}.")


async def read_memories(settings: Settings, file: Path) -> None:
    """Takes the memories of a file in."""
    async with _memory(settings, make=True) as memory:
        count = await take_in(memory, (await asyncio.to_thread(file.read_bytes)).splitlines())
    print(f"Took in {count} memories.")


async def audit_memories(settings: Settings, sample: int, *, as_json: bool) -> None:
    """Prints what the audit finds."""
    async with _memory(settings) as memory:
        found = await audit(memory.journal, sample)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{found.looked_at} memories looked at, {found.junk_share:.1%} junk")
    for name, seqs in found.junk.items():
        shown = ", ".join(f"#{seq}" for seq in seqs[:10])
        console.print(f"  {name:<12} {len(seqs):>5}  {shown}")
    if found.gone:
        console.print(f"  {found.gone} rest on entries that retention has dropped, and can't be checked")


@asynccontextmanager
async def _memory(
    settings: Settings, client: AsyncLMStudioClient | None = None, *, make: bool = False
) -> AsyncGenerator[Memory]:
    """The memory of the settings' folder. make: whether a journal that does not exist is begun."""
    home = home_folder(settings)
    if not make:
        async with await Journal.open(journal_file(home), read_only=True):
            pass  # a journal that does not exist must not be made
    async with (
        await Journal.open(journal_file(home), lock=False) as journal,
        JournalIndex(journal, index_file(home)) as index,
        Vectors(vectors_file(home)) as vectors,
    ):
        embedder = await embedder_of(client, prefer=await vectors.model()) if client is not None else None
        yield Memory(journal, index, vectors=vectors, embedder=embedder)


def _print(recalled: Recalled, console: Console) -> None:
    day = datetime.fromtimestamp(recalled.at_ns / 1e9).strftime("%Y-%m-%d")
    console.print(Text(f"{day} ", "dim"), end="")
    console.print(Text(entry_line(recalled.entry)))
    also = f"; {len(recalled.alike)} more like it" if recalled.alike else ""
    console.print(Text(f"           {', '.join(recalled.reasons)}{also}", "dim"))
    for each in recalled.neighbours:
        console.print(Text(f"           beside it: {entry_line(each)}", "dim"))


def _as_json(recalled: Recalled) -> dict[str, object]:
    return {
        "id": recalled.id,
        "score": recalled.score,
        "reasons": recalled.reasons,
        "alike": recalled.alike,
        "neighbours": [each.seq for each in recalled.neighbours],
        "event": recalled.entry.event,
    }


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"
