"""A storm: 10,000 surprising observations a second for 20 seconds, before the real journal, index, mind and page.

Three storms: log lines in blocks, as log sources hand over what comes fast; single lines of which each says something
grave that was never said before; and single numbers of which each jumps. A reader in another process takes the page's
stream, and says how far behind it was.
"""

import asyncio
import contextlib
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import uvloop

from wakeful.attention import AttentionSettings
from wakeful.dashboard import Dashboard, Live
from wakeful.events import Cursor, Health, Observation
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Recall
from wakeful.mind import Mind, MindSettings, ModelFacts, Thinker

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from scripted_model import ScriptedServer

PER_S, SPAN_S = 10_000, 20.0
SOURCES, BATCHES_PER_S, MARKS_PER_S = 50, 20, 10
THOUGHTS_PER_HOUR = 6
SETTLED_WITHIN_S = 240.0
_LETTERS = "ghijklmnop"

Storm = Callable[[random.Random, int, int], list[Observation]]
"""Makes what comes in one batch: of so many observations (or lines), from this time on."""


def alarm(rng: random.Random) -> str:
    """A line of a shape that nobody said before."""
    return f"panic: {''.join(rng.choices(_LETTERS, k=9))} is corrupt"


def blocks(rng: random.Random, count: int, at_ns: int) -> list[Observation]:
    """A block of lines from each of five sources."""
    each = count // 5
    return [
        Observation(
            at_ns=at_ns, source=f"log:/{n}", form="lines", text="\n".join(alarm(rng) for _ in range(each)), count=each
        )
        for n in range(5)
    ]


def lines(rng: random.Random, count: int, at_ns: int) -> list[Observation]:
    step_ns = 10**9 // PER_S
    return [
        Observation(at_ns=at_ns + n * step_ns, source=f"log:/{n % SOURCES}", form="lines", text=alarm(rng))
        for n in range(count)
    ]


def numbers(rng: random.Random, count: int, at_ns: int) -> list[Observation]:
    step_ns = 10**9 // PER_S
    return [
        Observation(
            at_ns=at_ns + n * step_ns,
            source=f"mqtt:{n % SOURCES}",
            form="metrics",
            values={"queue": rng.lognormvariate(0, 6)},
        )
        for n in range(count)
    ]


def read_page(url: str, pipe: Connection) -> None:
    """Takes the page's stream until told to end; sends how many seconds each mark was behind."""

    async def read() -> list[float]:
        behind: list[float] = []
        async with aiohttp.ClientSession() as http, http.get(f"{url}/api/stream") as response:
            pipe.send("open")
            async for raw in response.content:
                if raw.startswith(b"data: ") and b'"storm"' in raw:
                    event = json.loads(raw[6:])["event"]
                    behind.append((time.time_ns() - event["at_ns"]) / 1e9)
                    if event["text"] == "last":
                        break
        return behind

    pipe.send(asyncio.run(read()))


async def offer(journal: Journal, batches: Sequence[list[Observation]]) -> float:
    """Appends the batches at their times, each as its own call, and marks beside them; seconds until all were taken."""
    begun_s = time.monotonic()

    async def each(number: int, batch: list[Observation]) -> None:
        await asyncio.sleep(max(0.0, begun_s + number / BATCHES_PER_S - time.monotonic()))
        await journal.append(batch)

    async def marks() -> None:
        for number in range(int(SPAN_S * MARKS_PER_S)):
            await asyncio.sleep(max(0.0, begun_s + number / MARKS_PER_S - time.monotonic()))
            await journal.append([Health(at_ns=time.time_ns(), part="storm", state="up", text=f"mark {number}")])

    await asyncio.gather(marks(), *(each(number, batch) for number, batch in enumerate(batches)))
    return time.monotonic() - begun_s


async def kept(journal: Journal) -> tuple[int, int]:
    """Lines and numbers of the storm that the journal holds, and thoughts."""
    cursor, found, thoughts = Cursor(""), 0, 0
    while entries := await journal.read(cursor, kinds=("observation", "thought"), limit=5000):
        for entry in entries:
            event = entry.event
            if isinstance(event, Observation):
                found += event.count if event.source.startswith(("log:", "mqtt:")) else 0
            else:
                thoughts += 1
        cursor = entries[-1].cursor
    return found, thoughts


async def weather(folder: Path, storm: Storm) -> str:
    """One storm, and what became of it."""
    rng = random.Random(1)
    count, begun_ns = int(PER_S / BATCHES_PER_S), time.time_ns()
    batches = [
        storm(rng, count, begun_ns + number * 10**9 // BATCHES_PER_S) for number in range(int(SPAN_S * BATCHES_PER_S))
    ]
    events = sum(len(batch) for batch in batches)
    async with (
        ScriptedServer() as server,
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        AsyncLMStudioClient(server.url) as client,
        Dashboard(journal, Live(), port=0) as page,
    ):
        mind = Mind(
            journal,
            Thinker(client, ModelFacts("scripted", 8192, "LM Studio", server.url), answer_tokens=500),
            Recall(Memory(journal, index)),
            attention=AttentionSettings(thoughts_per_hour=THOUGHTS_PER_HOUR),
            settings=MindSettings(first_look=False, quiet_every_s=1e9),
        )
        running = asyncio.gather(mind.run(), index.follow())
        ours, theirs = multiprocessing.Pipe()
        reader = multiprocessing.get_context("spawn").Process(target=read_page, args=(page.url, theirs), daemon=True)
        reader.start()
        await asyncio.to_thread(ours.recv)
        begun_s, cpu_s = time.monotonic(), time.process_time()
        taken_s = await offer(journal, batches)
        scored = mind.attending.counts()[0]
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while mind.attending.counts()[0] < events or mind.busy:
                await asyncio.sleep(0.02)
        scored_s = time.monotonic() - begun_s
        cpu_s = time.process_time() - cpu_s
        await journal.append([Health(at_ns=time.time_ns(), part="storm", state="up", text="last")])
        behind = sorted(await asyncio.to_thread(ours.recv))
        reader.join(10)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        found, thoughts = await kept(journal)
    offered = int(PER_S * SPAN_S)
    return (
        f"{offered:,} offered in {SPAN_S:.0f} s, {found:,} in the journal after {taken_s:.1f} s "
        f"({found / taken_s:,.0f} a second), {scored / events:.0%} scored by then and all after {scored_s:.1f} s; "
        f"{cpu_s:.1f} s of CPU; the page {behind[len(behind) // 2] * 1e3:.0f} ms behind (median), "
        f"{behind[int(len(behind) * 0.99)] * 1e3:.0f} (p99), {behind[-1] * 1e3:.0f} (most), "
        f"{len(behind) - 1} of {int(SPAN_S * MARKS_PER_S)} marks; {thoughts} thoughts of {THOUGHTS_PER_HOUR} an hour"
    )


def main() -> None:
    for storm in (blocks, lines, numbers):
        with tempfile.TemporaryDirectory() as folder:
            print(f"  {storm.__name__:8s} {uvloop.run(weather(Path(folder), storm))}", flush=True)


if __name__ == "__main__":
    main()
