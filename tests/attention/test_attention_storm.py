"""A storm of surprising observations, with the real journal, a mind and a page: what happens then is defined."""

import asyncio
import json
import random
import time
from pathlib import Path

import aiohttp
from scripted_model import ScriptedServer

from wakeful.attention import AttentionSettings
from wakeful.dashboard import Dashboard, Live
from wakeful.events import Cursor, Health, Observation
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Recall
from wakeful.mind import Mind, MindSettings, ModelFacts, Thinker

PER_S, BATCHES, BATCH, SOURCES = 10_000, 80, 250, 50
THOUGHTS_PER_HOUR = 6
WITHIN_S = 60.0


def storm(rng: random.Random) -> list[list[Observation]]:
    """Two seconds of lines of which each says something grave that was never said before."""
    begun_ns = time.time_ns()
    return [
        [
            Observation(
                at_ns=begun_ns + (batch * BATCH + n) * 10**9 // PER_S,
                source=f"log:/{n % SOURCES}",
                form="lines",
                text=f"panic: {''.join(rng.choices('ghijklmnop', k=9))} is corrupt",
            )
            for n in range(BATCH)
        ]
        for batch in range(BATCHES)
    ]


async def marks(http: aiohttp.ClientSession, url: str, into: dict[str, float], open_: asyncio.Event) -> None:
    """What the page is told of, and how many seconds later."""
    async with http.get(f"{url}/api/stream") as response:
        open_.set()
        async for raw in response.content:
            if raw.startswith(b"data: ") and b'"storm"' in raw:
                event = json.loads(raw[6:])["event"]
                into[event["text"]] = (time.time_ns() - event["at_ns"]) / 1e9


async def test_a_storm_is_journaled_whole_and_scored_within_the_budget_while_the_page_stays_live(
    tmp_path: Path,
) -> None:
    batches = storm(random.Random(1))
    seen_after_s: dict[str, float] = {}
    listening = asyncio.Event()
    async with (
        ScriptedServer() as server,
        await Journal.open(tmp_path / "journal.db") as journal,
        JournalIndex(journal, tmp_path / "index.db") as index,
        AsyncLMStudioClient(server.url) as client,
        Dashboard(journal, Live(), port=0) as page,
        aiohttp.ClientSession() as http,
    ):
        thinker = Thinker(client, ModelFacts("scripted", 8192, "LM Studio", server.url), answer_tokens=500)
        mind = Mind(
            journal,
            thinker,
            Recall(Memory(journal, index)),
            attention=AttentionSettings(thoughts_per_hour=THOUGHTS_PER_HOUR),
            settings=MindSettings(first_look=False, quiet_every_s=1e9),
        )
        tasks = [
            asyncio.create_task(mind.run()),
            asyncio.create_task(marks(http, page.url, seen_after_s, listening)),
        ]
        async with asyncio.timeout(WITHIN_S):
            await listening.wait()
            begun_s = time.monotonic()
            for number, batch in enumerate(batches):
                await journal.append(batch)
                if number % 10 == 0:
                    mark = Health(at_ns=time.time_ns(), part="storm", state="up", text=f"mark {number}")
                    await journal.append([mark])
                await asyncio.sleep(max(0.0, begun_s + (number + 1) * BATCH / PER_S - time.monotonic()))
            appended_s = time.monotonic() - begun_s
            while mind.attending.counts()[0] < BATCHES * BATCH or mind.busy:
                await asyncio.sleep(0.01)
            scored_s = time.monotonic() - begun_s
            while len(seen_after_s) < BATCHES // 10:
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        cursor, kept, thoughts = Cursor(""), 0, 0
        while entries := await journal.read(cursor, kinds=("observation", "thought"), limit=5000):
            kept += sum(
                isinstance(each.event, Observation) and each.event.source.startswith("log:") for each in entries
            )
            thoughts += sum(each.event.origin == "mind" for each in entries)
            cursor = entries[-1].cursor
    print(
        f"{BATCHES * BATCH:,} observations appended in {appended_s:.1f} s, scored after {scored_s:.1f} s; "
        f"the page was {max(seen_after_s.values()):.2f} s behind at most; {thoughts} thoughts"
    )
    assert kept == BATCHES * BATCH
    assert mind.attending.counts()[0] == BATCHES * BATCH
    assert 1 <= thoughts <= 2 * THOUGHTS_PER_HOUR
    assert list(seen_after_s) == [f"mark {number}" for number in range(0, BATCHES, 10)]
