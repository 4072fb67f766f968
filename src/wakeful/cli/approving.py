"""What the commands of acting do: each reads or writes a few entries of the journal."""

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wakeful.actions import DEFAULTS, Approvals
from wakeful.cli.home import journal_file
from wakeful.cli.runtime import find
from wakeful.cli.toolbox import build_policy, build_tools
from wakeful.config import Settings
from wakeful.context import as_data
from wakeful.events import Acknowledged, Notification
from wakeful.journal import Journal


async def show_approvals(home: Path, *, as_json: bool) -> None:
    """Prints what waits for a person."""
    async with await Journal.open(journal_file(home), read_only=True) as journal:
        waiting = await Approvals(journal).waiting()
    if as_json:
        for each in waiting:
            print(msgspec.json.encode({"code": each.code, "request": each.request}).decode())
        return
    console = _console()
    if not waiting:
        console.print("Nothing waits for your yes.")
    for each in waiting:
        left_min = max(each.request.expires_ns - time.time_ns(), 0) / 60e9
        line = Text(each.code, "bold")
        line.append(f"  {each.request.tool}, for {left_min:.0f} more min\n", "dim")
        line.append(f"          will run: {each.request.shown}\n")
        if each.request.details:
            line.append(f"          the model says why: {as_data(each.request.details, max_chars=300)}\n", "dim")
        console.print(line)
    running = find(home)
    if waiting and running is not None and running.page and running.approve_token:
        console.print(f"On the page: {running.page}/#approve={running.approve_token}", style="dim")


async def decide(home: Path, code: str, *, approve: bool) -> None:
    """Journals a person's yes or no. Raises NoSuchApproval."""
    async with _writing(home) as journal:
        request = await Approvals(journal).decide(code, approve=approve, by="terminal")
    console = _console()
    console.print(Text(f"{'Approved, once' if approve else 'Refused'}: {request.shown}"))
    if approve and find(home) is None:
        console.print("No mind is awake: it runs only if one wakes before the approval expires.", style="yellow")


async def move_brake(home: Path, *, on: bool, why: str) -> None:
    """Journals that acting is paused, or goes on."""
    async with _writing(home) as journal:
        await Approvals(journal).brake(on=on, by="terminal", why=why)
    print("Acting is paused: nothing begins until `wakeful resume`." if on else "It may act again, within its policy.")


async def acknowledge(home: Path, seq: int) -> None:
    """Journals that a notification, or all of them, were seen. Raises BadParameter for what is none."""
    async with _writing(home) as journal:
        if seq:
            entries = await journal.get([seq])
            if not entries or not isinstance(entries[0].event, Notification):
                raise typer.BadParameter(f"#{seq} is no notification")
            await journal.append([Acknowledged(at_ns=time.time_ns(), about=seq)])
        else:
            newest = await journal.read(kinds=("notification",), limit=1, newest_first=True)
            if not newest:
                print("There is nothing to acknowledge.")
                return
            await journal.append([Acknowledged(at_ns=time.time_ns(), through=newest[0].seq)])
    print(f"Noted: you have seen {f'#{seq}' if seq else 'all of them'}.")


def show_tools(settings: Settings) -> None:
    """Prints the tools that the settings give; those of MCP servers show when a mind has connected to them."""
    policy = build_policy(settings)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("tool", "risk", "policy", "what it does"):
        table.add_column(column)
    style = {"allow": "green", "ask": "yellow", "deny": "red"}
    found = build_tools(settings).tools
    for tool in found:
        verdict = policy.verdict(tool)
        table.add_row(tool.name, tool.risk, Text(verdict, style[verdict]), Text(tool.description))
    console = _console()
    console.print(table)
    names = [*(tool.name for tool in found), *DEFAULTS]
    for rule in settings.actions.policy:
        if not rule.startswith(("mcp_", "specialist_")) and not any(fnmatchcase(name, rule) for name in names):
            console.print(Text(f"actions.policy.{rule} fits no tool", "red"))
    for name in settings.actions.specialists:
        console.print(Text(f"and specialist_{name}, as risky as the riskiest of its tools", "dim"))
    for name in settings.actions.mcp:
        console.print(Text(f"and the tools of the MCP server {name}, named mcp_{name}_…", "dim"))


@asynccontextmanager
async def _writing(home: Path) -> AsyncGenerator[Journal]:
    """The journal, to write a word of a person into it; one that does not exist is not made."""
    file = journal_file(home)
    async with await Journal.open(file, read_only=True):
        pass
    async with await Journal.open(file, lock=False) as journal:
        yield journal


def _console() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())
