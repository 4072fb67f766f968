"""A process of its own with an outbox, which kills itself with SIGKILL at a step that is named."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acting_house import request, results

from wakeful.actions import Command, Limits, Outbox, Policy, Toolbox, command_tool, probe_tools
from wakeful.events import Cursor, Entry, Event
from wakeful.journal import Journal


class Mortal(Journal):
    """Dies before or after it commits an event of a kind."""

    step = ""

    async def commit(self, events: Sequence[Event], **more: Any) -> list[Entry]:
        kinds = [type(event).__name__ for event in events]
        self._die("before", kinds)
        entries = await super().commit(events, **more)
        self._die("after", kinds)
        return entries

    def _die(self, when: str, kinds: list[str]) -> None:
        if self.step in [f"{when} {kind}" for kind in kinds]:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(folder: Path, step: str, count: int) -> None:
    """Asks for `count` runs of the command, unless that was done before, and ends when all have a result."""
    trace = folder / "ran.txt"
    ends = "kill -9 $PPID" if step == "running" else "true"
    commands = [
        Command(
            "mark", ["/bin/sh", "-c", f"echo {{n}} >> {trace}; {ends}"], choices={"n": [str(n) for n in range(count)]}
        ),
        Command("look", ["/bin/sh", "-c", f"echo look >> {trace}; {ends}"], risk="read"),
    ]
    policy = Policy({"run_mark": "allow"}, Limits(changes_per_hour=1000, per_hour=1000))
    tools = Toolbox([*probe_tools(), *map(command_tool, commands)], policy)
    async with await Mortal.open(folder / "journal.db") as journal:
        journal.step = step
        if await journal.end() == Cursor(""):
            wanted = [request(f"k{n}", "run_mark", n=str(n)) for n in range(count)]
            await journal.append(wanted or [request("look", "run_look")])
        running = asyncio.create_task(Outbox(journal, tools, policy).run())
        await results(journal, count or 1)
        await journal.end()  # meanwhile whoever wrote the last result goes on, and dies where it is to
        running.cancel()
        await asyncio.wait([running])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
