"""What a year takes on the disk at default settings, and how long recall over it takes.

`python -m bench.year_size [--days N]`

The journal of an ordinary machine: its figures every ten seconds, those of ten containers every thirty, the lines of
its own journal and of the containers' logs, two thoughts an hour with what claimed attention. Figures, retention,
consolidation, index and vectors are the real ones, as `wakeful run` keeps them, a day at a time; only the embedding
model is a stand-in (hashed trigrams): its vectors take what those of any model of 768 numbers take.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.journal import row
from bench.recall import HashEmbedder
from wakeful.events import Event, Observation, Salience, Thought
from wakeful.journal import Journal, JournalIndex
from wakeful.memory import Consolidation, Memory, RollUp, Vectors

BEGIN_NS = 1_790_812_800 * 10**9  # 2026-10-01, UTC
DAY_NS, HOUR_NS = 86_400 * 10**9, 3600 * 10**9
CONTAINERS = (
    *("grafana", "postfix", "nginx", "jellyfin", "gitea"),
    *("immich", "nextcloud", "vaultwarden", "pihole", "mosquitto"),
)
LINES_PER_HOUR = {"journald": 100, "containers": 300}
THOUGHTS_PER_HOUR = 2
BUDGET_BYTES = 2e9
_CONSUMERS = ("attention", "mind")
_LINES = (
    "GET /api/items/{n} HTTP/1.1 200 {m} ms",
    "session {n} opened for user alex by (uid=0)",
    "connection from 10.0.0.{m} port {n}: authenticated",
    "worker {m}: processed job {n} in 0.{m} s",
    "cron[{n}]: (root) CMD (run-parts /etc/cron.hourly)",
    "checkpoint complete: wrote {n} buffers ({m} %)",
    "smartd[{n}]: temperature changed from {m} to 31",
)
_TROUBLE = (
    "{name}: connection to database timed out after {n} s",
    "{name}: out of memory, killed process {n}",
    "{name}: backup failed, {n} files unreadable",
    "{name}: certificate expires in {m} days",
)
_ASKED = (
    "when was the backup of gitea unreadable?",
    "nextcloud out of memory",
    "certificate of grafana",
    "what did immich say about its database last week?",
    "temperature of the disk",
)


async def measure(folder: Path, days: int) -> None:
    rng = random.Random(3)
    now = [BEGIN_NS]
    async with (
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        Vectors(folder / "vectors.db") as vectors,
    ):
        memory = Memory(journal, index, vectors=vectors, embedder=HashEmbedder(), now_ns=lambda: now[0])
        roll_up = RollUp(journal, now_ns=lambda: now[0])
        consolidation = Consolidation(memory, now_ns=lambda: now[0])
        most = 0.0
        for day in range(days):
            for hour in range(24):
                await _live(journal, rng, BEGIN_NS + day * DAY_NS + hour * HOUR_NS)
            now[0] = BEGIN_NS + (day + 1) * DAY_NS + 600 * 10**9
            for consumer in _CONSUMERS:
                place = await journal.cursor(consumer)
                await journal.commit([], consumer=consumer, expected=place, cursor=await journal.end())
            await consolidation.step()
            await roll_up.step()
            thin = await roll_up.thin()
            await journal.prune(
                max_age_s=90 * 86_400, max_bytes=2e9, consumers=_CONSUMERS, thin=thin, now_ns=lambda: now[0]
            )
            await roll_up.dropped(thin)
            await index.tallies()  # indexes what is new, and builds the index anew where most of it is gone
            await memory.caught_up()
            sizes = {file: _bytes(folder, file) for file in ("journal", "index", "vectors")}
            most = max(most, sum(sizes.values()))
            if (day + 1) in (1, 10, 30, 60, 90, 120, 180, 240, 300, days):
                stats = await journal.stats()
                told = ", ".join(f"{file} {size / 1e6:,.0f} MB" for file, size in sizes.items())
                row(f"day {day + 1}", f"{told}; {stats.events:,} events of {stats.events + stats.dropped:,}")
        row("at most", f"{most / 1e6:,.0f} MB in all (budget: {BUDGET_BYTES / 1e6:,.0f} MB)")
        took = [await _recall_s(memory, query) for _ in range(20) for query in _ASKED]
        p50, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
        row("recall over it", f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms")


async def _live(journal: Journal, rng: random.Random, at_ns: int) -> None:
    """An hour: what was seen, then what was thought of it."""
    seen = sorted(_seen(rng, at_ns), key=lambda each: each.at_ns)
    entries = await journal.append(seen)
    lines = [entry for entry in entries if isinstance(entry.event, Observation) and entry.event.form == "lines"]
    thought: list[Event] = []
    for entry in rng.sample(lines, THOUGHTS_PER_HOUR):
        event = entry.event
        assert isinstance(event, Observation)
        score = Salience(
            at_ns=event.at_ns, about=entry.seq, source=event.source, surprise_nats=4.0, precision=0.9, salience=0.8,
            threshold=0.7, reasons=("never seen before",),
        )  # fmt: skip
        thought += [score, _thought(event, entry.seq)]
    await journal.append(thought)


def _seen(rng: random.Random, at_ns: int) -> Iterator[Observation]:
    for step in range(360):
        values = {f"figure_{n}_percent": round(rng.uniform(0, 100), 2) for n in range(30)}
        text = f"cpu {rng.random():.1%}, memory {rng.random():.1%}, load 0.{rng.randrange(99)}, busiest firefox"
        yield Observation(
            at_ns=at_ns + step * 10 * 10**9, source="metrics", form="metrics", values=values, text=text
        )  # fmt: skip
    for step in range(120):
        for name in CONTAINERS:
            cpu, size = round(rng.uniform(0, 100), 2), float(rng.randrange(10**9))
            yield Observation(
                at_ns=at_ns + step * 30 * 10**9, source="containers", form="metrics", subject=name,
                text=f"container {name} cpu {cpu:.1f}%, memory {size / 1e6:.1f} MB",
                values={"cpu_percent": cpu, "memory_bytes": size}, attrs={"container": name, "image": f"{name}:latest"},
            )  # fmt: skip
    for source, count in LINES_PER_HOUR.items():
        for _ in range(count):
            name = rng.choice(CONTAINERS)
            shape = rng.choice(_TROUBLE if rng.random() < 0.01 else _LINES)
            text = shape.format(name=name, n=rng.randrange(100_000), m=rng.randrange(100))
            yield Observation(
                at_ns=at_ns + rng.randrange(3600) * 10**9, source=source, form="lines", text=text,
                subject=name if source == "containers" else "", resume=f"s=4c1f;i={rng.randrange(10**9):x}",
            )  # fmt: skip


def _thought(about: Observation, seq: int) -> Thought:
    text = f"{about.source} said {about.text!r}; this was not seen before and may come again within the day."
    shown = f"Observations:\n#{seq} 12:00:00 {about.source}: {about.text} [never seen before]\nExpected: nothing\n" * 3
    return Thought(
        at_ns=about.at_ns + 10**9, cycle=f"{seq}", reason="salience", focus=about.text[:80], observed=text,
        assessment=text, severity="info", evidence=(seq,), expected=text[:80], prediction_error=0.1, confidence=0.7,
        next_prediction=text[:80], attention_internal=0.1, attention_external=0.8, attention_memory=0.1,
        action_needed=False, action_type="observe", action_details="", self_assessment=text[:60], model="a-model",
        prompt_version="base-2", shown=shown, said=text * 6,
    )  # fmt: skip


def _bytes(folder: Path, name: str) -> int:
    """What a file takes with its write-ahead log."""
    return sum(path.stat().st_size for path in folder.glob(f"{name}.db*"))


async def _recall_s(memory: Memory, query: str) -> float:
    begun_s = time.perf_counter()
    await memory.recall(query, 5)
    return time.perf_counter() - begun_s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=365)
    asked = parser.parse_args() if __name__ == "__main__" else parser.parse_args([])
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), asked.days))


if __name__ == "__main__":
    main()
