import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from wakeful.actions import Outbox, look_closer
from wakeful.events import ActionRequest, ActionResult, Cursor
from wakeful.journal import Journal


@asynccontextmanager
async def outbox(folder: Path) -> AsyncGenerator[Journal]:
    async with await Journal.open(folder / "journal.db") as journal:
        running = asyncio.create_task(Outbox(journal).run())
        try:
            yield journal
        finally:
            running.cancel()
            await asyncio.wait([running])


def request(key: str, action: str = "reflect") -> ActionRequest:
    return ActionRequest(at_ns=time.time_ns(), key=key, cycle=key, action=action, details="look at x")


async def results(journal: Journal, count: int) -> list[ActionResult]:
    found: list[ActionResult] = []
    async with asyncio.timeout(20):
        async for entries in journal.tail(Cursor(""), kinds=("action_result",)):
            found += [entry.event for entry in entries if isinstance(entry.event, ActionResult)]
            if len(found) >= count:
                break
    return found


async def test_each_request_has_one_result_over_restarts(tmp_path: Path) -> None:
    async with outbox(tmp_path) as journal:
        await journal.append([request("a"), request("b")])
        await results(journal, 2)
    async with outbox(tmp_path) as journal:
        await journal.append([request("c")])
        assert [result.key for result in await results(journal, 3)] == ["a", "b", "c"]


async def test_looking_closer_is_done_and_what_is_not_allowed_is_declined(tmp_path: Path) -> None:
    async with outbox(tmp_path) as journal:
        await journal.append([request("a", "observe"), request("b", "delegate"), request("c", "rm -rf /")])
        looked, delegated, unknown = await results(journal, 3)
    assert looked.outcome == "done"
    assert "busiest" in looked.text
    assert delegated.outcome == unknown.outcome == "declined"
    assert "rm -rf" in unknown.text


def test_a_closer_look_names_processes_and_disks() -> None:
    text = look_closer()
    assert "% cpu" in text
    assert "GB" in text
