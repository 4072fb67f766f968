"""An outbox at work on a real journal, for tests."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from wakeful.actions import Call, Limits, Outbox, Policy, Tool, Toolbox, Verdict, probe_tools
from wakeful.events import ActionRequest, ActionResult, Cursor, Event
from wakeful.journal import Journal

WITHIN_S = 20.0
E = TypeVar("E", bound=Event)


@asynccontextmanager
async def acting(
    folder: Path, tools: Iterable[Tool] = (), rules: Mapping[str, Verdict] | None = None, **more: Any
) -> AsyncGenerator[Journal]:
    """A journal with an outbox that follows it. more: limits, or `dry_run`"""
    dry_run = more.pop("dry_run", False)
    policy = Policy(rules or {}, Limits(**more), dry_run=dry_run)
    async with await Journal.open(folder / "journal.db") as journal:
        box = Toolbox([*probe_tools(), *tools], policy)
        running = asyncio.create_task(Outbox(journal, box, policy).run())
        try:
            yield journal
        finally:
            running.cancel()
            await asyncio.wait([running])
        assert running.cancelled() or running.exception() is None, running.exception()


def request(key: str, tool: str = "", action: str = "observe", **arguments: Any) -> ActionRequest:
    given = msgspec.json.encode(arguments).decode() if arguments else ""
    return ActionRequest(
        at_ns=time.time_ns(), key=key, cycle=key, action=action, details="look at x", tool=tool, arguments=given
    )


async def until(journal: Journal, wanted: type[E], count: int = 1) -> list[E]:
    """The first `count` events of a kind, as soon as the journal holds them."""
    found: list[E] = []
    async with asyncio.timeout(WITHIN_S):
        async for entries in journal.tail(Cursor("")):
            found += [entry.event for entry in entries if isinstance(entry.event, wanted)]
            if len(found) >= count:
                break
    return found


async def results(journal: Journal, count: int) -> list[ActionResult]:
    return await until(journal, ActionResult, count)


async def events(journal: Journal, wanted: type[E]) -> list[E]:
    return [entry.event for entry in await journal.read(limit=10_000) if isinstance(entry.event, wanted)]


class Counted:
    """A tool that counts its runs. risk: as of tools; holds: where given, it waits for that first"""

    def __init__(self, name: str, risk: Any = "change", holds: asyncio.Event | None = None, **more: Any) -> None:
        self.calls: list[Call] = []
        self.begun = asyncio.Event()
        self._holds = holds
        self.tool = Tool(name, "counts", self._run, risk=risk, **more)

    async def _run(self, call: Call) -> str:
        self.calls.append(call)
        self.begun.set()
        if self._holds is not None:
            await self._holds.wait()
        return f"ran {len(self.calls)}"
