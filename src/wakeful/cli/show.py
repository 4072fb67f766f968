"""`wakeful journal` and `wakeful status`: readers of the journal."""

import sys
import time
from collections.abc import Collection
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wakeful.cli.runtime import Runtime
from wakeful.cli.terminal import SEVERITY_STYLE, local_clock
from wakeful.context import as_data, entry_line
from wakeful.events import Cursor, Entry, Health, Quiet, Session, Thought, encode
from wakeful.journal import Journal
from wakeful.mind import VITAL_KINDS, figures_in_words, vitals

_DAY_ENTRIES = 5000


async def show_journal(
    path: Path,
    *,
    kinds: Collection[str],
    source: str,
    since_ns: int | None,
    until_ns: int | None,
    limit: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Prints the newest `limit` entries in order, and with `follow` those that come."""
    async with await Journal.open(path, read_only=True) as journal:
        end = await journal.end()
        newest = await journal.read(
            kinds=kinds, source=source, since_ns=since_ns, until_ns=until_ns, limit=limit, newest_first=True
        )
        for entry in reversed(newest):
            _print(entry, as_json=as_json)
        if not follow:
            return
        sys.stdout.flush()
        async for entries in journal.tail(end, kinds=kinds):
            for entry in entries:
                if not source or entry.event.origin == source:
                    _print(entry, as_json=as_json)
            sys.stdout.flush()


def _print(entry: Entry, *, as_json: bool) -> None:
    if as_json:
        # The event as it is stored, with its number in front.
        print('{"seq":' + str(entry.seq) + "," + encode(entry.event).decode()[1:])
    else:
        print(entry_line(entry))


async def show_status(path: Path, runtime: Runtime | None, console: Console) -> None:
    """Prints whether a mind is awake, what it last thought, and how large its journal is."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    async with await Journal.open(path, read_only=True) as journal:
        if runtime is not None:
            table.add_row("mind", Text(f"awake for {_span(time.time() - runtime.started_s)}", "green"))
            table.add_row("page", runtime.page or "switched off")
            table.add_row("model", runtime.model or "waiting for one")
        else:
            table.add_row("mind", Text(f"asleep; {await _last_session(journal)}", "yellow"))
        health = await journal.read(kinds=("health",), limit=1, newest_first=True)
        if health and isinstance(health[0].event, Health) and health[0].event.state != "up":
            table.add_row("health", Text(f"{health[0].event.part} is {health[0].event.state}", "red"))
        stats = await journal.stats()
        table.add_row("journal", f"{stats.events:,} events, {stats.bytes / 1e6:.1f} MB, {path}")
        thoughts = await journal.read(
            kinds=("thought",), since_ns=time.time_ns() - 86400 * 10**9, limit=1000, newest_first=True
        )
        tokens = sum(
            entry.event.prompt_tokens + entry.event.completion_tokens
            for entry in thoughts
            if isinstance(entry.event, Thought)
        )
        table.add_row("last day", f"{len(thoughts)} thoughts, {tokens:,} tokens")
        since_ns = time.time_ns() - 86_400 * 10**9
        day = await journal.read(kinds=VITAL_KINDS, since_ns=since_ns, limit=_DAY_ENTRIES, newest_first=True)
        if thoughts:
            table.add_row("thinking", figures_in_words(vitals(day[::-1])))
        quiet = await journal.read(Cursor(""), kinds=("quiet",), limit=1, newest_first=True)
        if quiet and isinstance(quiet[0].event, Quiet):
            report = quiet[0].event
            share = report.habituated / max(report.observations, 1)
            table.add_row("quiet", f"{report.observations:,} observations, {share:.1%} as expected")
        for entry in thoughts[:3]:
            if isinstance(thought := entry.event, Thought):
                line = Text(f"{local_clock(thought.at_ns)} ")
                line.append(thought.severity, SEVERITY_STYLE[thought.severity])
                line.append(f" {as_data(thought.focus)}: {as_data(thought.assessment)}")
                table.add_row("thought", line)
    console.print(table)


async def _last_session(journal: Journal) -> str:
    newest = await journal.read(kinds=("session",), limit=1, newest_first=True)
    if not newest or not isinstance(newest[0].event, Session):
        return "it never woke"
    ago = _span(time.time() - newest[0].event.at_ns / 1e9)
    return f"last {newest[0].event.state} {ago} ago"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
