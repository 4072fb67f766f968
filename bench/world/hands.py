"""Actions whose effects can be counted: a tool that may never run twice, and somebody who asks for it again and again.

Each run leaves a line in a file that is not the journal, and then takes its time, so that kills meet it half done.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from wakeful.actions import Call, Limits, Outbox, Policy, Tool, Toolbox, probe_tools
from wakeful.events import ActionRequest
from wakeful.journal import Journal

EFFECTS = "effects"
"""The file, a key a line."""

ASKED = "hand-"
"""What the keys of these requests begin with; those of the mind are its cycles."""

_TOOL = "leave_a_line"
_EVERY_S, _TAKES_S = 1800.0, 600.0
_LIMITS = Limits(per_hour=120, changes_per_hour=60)


def outbox(journal: Journal, folder: Path, now_ns: Callable[[], int]) -> Outbox:
    """An outbox with the tools that look at this machine, and the one that leaves a line."""

    async def leave(call: Call) -> str:
        await asyncio.to_thread(_append, folder / EFFECTS, call.key)
        await asyncio.sleep(_TAKES_S)
        return "left"

    tool = Tool(_TOOL, "leaves a line", leave, risk="change", timeout_s=2 * _TAKES_S)
    policy = Policy({_TOOL: "allow"}, _LIMITS)
    return Outbox(journal, Toolbox([*probe_tools(None), tool], policy), policy, now_ns=now_ns)


async def ask_on(journal: Journal, now_ns: Callable[[], int], *, until_s: float) -> None:
    """Asks for a line each half hour, going on with the number after the last, for as long as there is time for it."""
    loop = asyncio.get_running_loop()
    newest = await journal.read(kinds=("action_request",), limit=1000, newest_first=True)
    keys = (entry.event.key for entry in newest if isinstance(entry.event, ActionRequest))
    number = max((int(key.removeprefix(ASKED)) for key in keys if key.startswith(ASKED)), default=0)
    while True:
        await asyncio.sleep(_EVERY_S)
        if loop.time() > until_s - 2 * _TAKES_S:
            return
        number += 1
        request = ActionRequest(
            at_ns=now_ns(), key=f"{ASKED}{number}", cycle="", action="observe", tool=_TOOL, arguments="{}"
        )
        await journal.append([request])


def effects(folder: Path) -> list[str]:
    """The keys of all runs that left their line, in order."""
    path = folder / EFFECTS
    return path.read_text().split() if path.exists() else []


def _append(path: Path, key: str) -> None:
    with path.open("a") as file:
        file.write(f"{key}\n")
        file.flush()
        os.fsync(file.fileno())
