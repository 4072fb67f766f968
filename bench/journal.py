"""What the journal can do: durable appends, how soon readers see them, full-text search.

`python -m bench.journal [--events N] [--runs N]`; the number of events is that of the search.
"""

import argparse
import asyncio
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from importlib import resources
from pathlib import Path

from wakeful.events import Observation, encode, kind_of
from wakeful.journal import Journal, JournalIndex

BATCH = 100
APPENDS_S = 2.0
LATENCY_SAMPLES = 200
_WORDS = (
    *("connection", "refused", "timeout", "accepted", "closed", "session", "opened", "user", "root", "disk"),
    *("kernel", "usb", "device", "started", "stopped", "failed", "retry", "request", "response", "query"),
    *("slow", "cache", "miss", "hit", "worker", "restarted", "config", "reloaded", "certificate", "expired"),
)


def observations(count: int, seed: int = 1) -> list[Observation]:
    """Log lines of some 300 bytes as stored, with rare names (addresses, numbers) and common words."""
    chance = random.Random(seed)
    lines: list[Observation] = []
    for number in range(count):
        words = " ".join(chance.choices(_WORDS, k=14))
        address = f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
        program = f"web{number % 7} service{number % 40}[{chance.randrange(30_000)}]"
        text = f"Nov 20 03:12:09 {program}: {words} from {address}"
        lines.append(
            Observation(
                at_ns=1_790_000_000_000_000_000 + number * 10**6,
                source="log:/var/log/syslog",
                form="lines",
                text=text,
            )
        )
    return lines


def bare(path: Path, batch: list[Observation]) -> float:
    """The baseline: the same rows by sqlite3's executemany, same table and pragmas, a transaction per batch."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000").fetchone()
    connection.executescript((resources.files("wakeful.journal") / "schema-1.sql").read_text(encoding="utf-8"))
    rows = [(event.at_ns, kind_of(event), event.origin, encode(event)) for event in batch]
    written, began = 0, time.perf_counter()
    while time.perf_counter() - began < APPENDS_S:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO event (at_ns, kind, source, body) VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
        written += len(rows)
    rate = written / (time.perf_counter() - began)
    connection.close()
    return rate


async def appends(path: Path, batch: list[Observation], callers: int) -> float:
    """Durable appends a second, of batches by so many callers at once."""
    written = 0
    async with await Journal.open(path) as journal:
        began = time.perf_counter()

        async def call() -> None:
            nonlocal written
            while time.perf_counter() - began < APPENDS_S:
                await journal.append(batch)
                written += len(batch)

        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(call())
        return written / (time.perf_counter() - began)


async def latency_here(path: Path) -> list[float]:
    """Seconds from the call of append until a reader in this process has the entry."""
    delays: list[float] = []
    async with await Journal.open(path) as journal, aclosing(journal.tail(await journal.end())) as tail:
        for event in observations(LATENCY_SAMPLES):
            waiting = asyncio.ensure_future(anext(tail))
            await asyncio.sleep(0.005)
            began = time.perf_counter()
            await journal.append([event])
            await waiting
            delays.append(time.perf_counter() - began)
    return delays


async def latency_there(path: Path) -> list[float]:
    """Seconds from the call of append until a reader in another process has the entry."""
    chance = random.Random(3)
    async with await Journal.open(path) as journal:
        reader = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--follow", str(path), stdout=subprocess.PIPE
        )
        assert reader.stdout is not None
        await reader.stdout.readline()
        began: list[float] = []
        for event in observations(LATENCY_SAMPLES):
            await asyncio.sleep(chance.uniform(0.005, 0.12))
            began.append(time.time())
            await journal.append([event])
        ended = [float(await reader.stdout.readline()) for _ in began]
        reader.kill()
        await reader.wait()
    return [end - begin for begin, end in zip(began, ended, strict=True)]


async def follow(path: Path) -> None:
    """The other process: says when it saw each entry."""
    async with await Journal.open(path, read_only=True) as journal:
        tail = journal.tail(await journal.end())
        print("open", flush=True)
        async for entries in tail:
            now = time.time()
            for _ in entries:
                print(now, flush=True)


async def idle(path: Path, seconds: float = 5.0) -> float:
    """Share of a core that three waiting readers take while nothing happens."""
    async with await Journal.open(path) as journal:
        waiting = [asyncio.ensure_future(anext(journal.tail(await journal.end()))) for _ in range(3)]
        await asyncio.sleep(0.2)
        began = time.process_time()
        await asyncio.sleep(seconds)
        used = time.process_time() - began
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return used / seconds


def index_bytes(folder: Path) -> int:
    """What the index takes on the disk."""
    return sum(file.stat().st_size for file in folder.glob("index.db*"))


async def search(folder: Path, count: int) -> None:
    """Builds an index over so many events and searches it."""
    path = folder / "search.db"
    async with await Journal.open(path) as journal, JournalIndex(journal, folder / "index.db") as index:
        for begin in range(0, count, 10_000):
            await journal.append(observations(min(10_000, count - begin), seed=begin))
        began = time.perf_counter()
        await index.catch_up()
        built = time.perf_counter() - began
        stats = await journal.stats()
        row(f"index of {count:,} events", f"{built:.1f} s to build, {count / built:,.0f} events/s")
        size = await asyncio.to_thread(index_bytes, folder)
        row(
            "size per event",
            f"{stats.bytes / count:.0f} bytes in the journal, {size / count:.0f} in the index",
        )
        chance = random.Random(5)

        def address() -> str:
            return f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"

        kinds: dict[str, Callable[[], str]] = {
            "an address": address,
            "a rare and two common words": lambda: (
                f"{chance.randrange(30_000)} {' '.join(chance.choices(_WORDS, k=2))}"
            ),
            "three common words": lambda: " ".join(chance.choices(_WORDS, k=3)),
            "a word that is nowhere": lambda: f"nowhere{chance.randrange(99)}",
        }
        for name, query in kinds.items():
            delays: list[float] = []
            for _ in range(100):
                began = time.perf_counter()
                await index.search(query(), limit=20)
                delays.append(time.perf_counter() - began)
            row(f"search for {name}", spread(delays))


def spread(delays: list[float]) -> str:
    """Median and 99th percentile of seconds, in milliseconds."""
    cuts = statistics.quantiles(delays, n=100)
    return f"p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms"


def row(name: str, result: str) -> None:
    """Prints a line of the table."""
    print(f"  {name:<42} {result}", flush=True)


async def measure(folder: Path, runs: int) -> None:
    """Appends, against the baseline of the same run."""
    batch = observations(BATCH)
    cases: dict[str, Callable[[Path], Awaitable[float]]] = {
        f"appends/s, batches of {BATCH}, one caller": lambda path: appends(path, batch, 1),
        f"appends/s, batches of {BATCH}, 16 callers": lambda path: appends(path, batch, 16),
        "appends/s, single, one caller": lambda path: appends(path, batch[:1], 1),
        "appends/s, single, 50 callers": lambda path: appends(path, batch[:1], 50),
    }
    figures: dict[str, list[float]] = {name: [] for name in cases}
    baseline: dict[int, list[float]] = {BATCH: [], 1: []}
    for run in range(runs):
        for size, rates in baseline.items():
            rates.append(bare(folder / f"bare-{run}-{size}.db", batch[:size]))
        for name, case in cases.items():
            figures[name].append(await case(folder / f"{run}-{len(figures[name])}-{hash(name)}.db"))
    for size, rates in baseline.items():
        row(f"baseline: sqlite3 alone, {size} a transaction", f"{statistics.median(rates):,.0f} appends/s")
    for name, rates in figures.items():
        reference = statistics.median(baseline[BATCH if "batches" in name else 1])
        rate = statistics.median(rates)
        row(name, f"{rate:,.0f}, {rate / reference:.2f} times the baseline")


def main(events: int = 1_000_000, runs: int = 3) -> None:
    """Prints the table; takes some three minutes with a million events."""
    folder = Path(tempfile.mkdtemp(prefix="wakeful-bench-"))
    try:
        print(f"Journal (fully synchronised; medians of {runs} runs of {APPENDS_S:.0f} s)")
        asyncio.run(measure(folder, runs))
        row("append to reader, this process", spread(asyncio.run(latency_here(folder / "here.db"))))
        row("append to reader, another process", spread(asyncio.run(latency_there(folder / "there.db"))))
        row("three readers waiting", f"{100 * asyncio.run(idle(folder / 'idle.db')):.2f} % of a core")
        asyncio.run(search(folder, events))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--follow", type=Path)
    arguments = parser.parse_args()
    if arguments.follow:
        asyncio.run(follow(arguments.follow))
    else:
        main(arguments.events, arguments.runs)
