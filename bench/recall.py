"""What memory brings back: questions about a generated month, and a million memories.

`python -m bench.recall [--part month|million] [--memories N] [--keep FOLDER]`

The vectors of the month are made by hashing words and parts of words, with no model: what they know is that
`restarting` is like `restarted`, not that it is like `rebooted`. A real embedding model does better; none is used
here. The million vectors are random around random centres, as only their number matters for the time.
"""

import argparse
import asyncio
import itertools
import math
import random
import re
import resource
import statistics
import tempfile
import time
import zlib
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.journal import row, spread
from wakeful.events import Event, Observation, Remembered, Salience
from wakeful.journal import Journal, JournalIndex
from wakeful.journal.within import Within
from wakeful.memory import Memory, Note, Recalled, Vectors, period_in

QUESTIONS, DAYS = 2000, 30
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
DIMS = 768
_HOSTS = (
    *("atlas", "vega", "orion", "lyra", "draco", "cetus", "hydra", "corvus"),
    *("pavo", "norma", "volans", "crater", "fornax", "pyxis", "carina", "dorado"),
)
_SERVICES = (
    *("grafana", "postfix", "nginx", "jellyfin", "gitea", "immich"),
    *("nextcloud", "vaultwarden", "pihole", "mosquitto", "frigate", "samba"),
)
_PEOPLE = (
    *("Kim", "Alex", "Noor", "Ines", "Tomas", "Yuki", "Amara", "Luca"),
    *("Priya", "Sven", "Dalia", "Owen", "Mei", "Jonas", "Rosa", "Idris"),
)
# An event in several wordings; one is journaled, another one may be asked for.
_DEEDS = {
    "fan": (
        "{who} replaced the fan of {host}",
        "{who} put a new fan into {host}",
        "{who} swapped the cooler on {host}",
    ),
    "disk": (
        "{who} exchanged a disk of {host}",
        "{who} replaced a drive in {host}",
        "{who} put a new disk into {host}",
    ),
    "cert": (
        "{who} renewed the certificate of {service}",
        "{who} installed a new certificate for {service}",
        "the TLS certificate of {service} was extended by {who}",
    ),
    "upgrade": (
        "{who} upgraded {service} to version {n}.{m}",
        "{who} brought {service} to {n}.{m}",
        "{service} was updated to release {n}.{m} by {who}",
    ),
    "restart": (
        "{who} restarted {service} on {host}",
        "{who} rebooted {service} at {host}",
        "{service} on {host} was restarted by {who}",
    ),
    "move": (
        "{who} moved {service} to {host}",
        "{who} migrated {service} over to {host}",
        "{service} lives on {host} now, says {who}",
    ),
    "password": (
        "{who} changed the password of {service}",
        "{who} set a new password for {service}",
        "{who} rotated the credentials of {service}",
    ),
}
_TROUBLES = {
    "timeout": (
        "{service} on {host}: connection timed out after {n} s",
        "How often did {service} time out on {host}?",
    ),
    "memory": (
        "{host} kernel: out of memory, killed process {service}",
        "How many times was {service} killed on {host}?",
    ),
    "backup": (
        "{host}: backup of {service} failed, {n} files unreadable",
        "How often did the backup of {service} fail on {host}?",
    ),
}
_NOISE = (
    "{host} cron[{n}]: (root) CMD (run-parts /etc/cron.hourly)",
    "{host} sshd[{n}]: Accepted publickey for {who} from 10.0.0.{m} port {n}",
    "{host} systemd[1]: Started session {n} of user {who}",
    "{host} {service}[{n}]: GET /status answered 200 in {m} ms",
    "{host} smartd[{n}]: temperature changed from {m} to 31",
    "{service} on {host}: {n} requests in the last minute, {m} slow",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its kind, and the entries that answer it."""

    kind: str
    text: str
    evidence: frozenset[int]


class HashEmbedder:
    """Words and their trigrams, hashed into signed counts; a text is their direction."""

    model = "hashed trigrams"

    async def embed(self, texts: Sequence[str], *, query: bool) -> "Sequence[array[float]]":
        return [_hashed(text) for text in texts]


def _hashed(text: str) -> "array[float]":
    counts = [0.0] * DIMS
    for word in re.findall(r"\w+", text.lower()):
        parts = {f"<{word}>"} | {f"<{word}>"[at : at + 3] for at in range(len(word))}
        for part in parts:
            number = zlib.crc32(part.encode())
            counts[number % DIMS] += (1.0 if number & 0x8000_0000 else -1.0) / math.sqrt(len(parts))
    length = math.sqrt(sum(each * each for each in counts)) or 1.0
    return array("f", [each / length for each in counts])


def month(rng: random.Random) -> tuple[list[Event], list[tuple[str, str, list[int]]]]:
    """Events in order, and questions (kind, text) with the places of the events that answer them."""
    made: list[tuple[float, str, str, dict[str, str]]] = []  # second, kind, text, what it is about
    for _ in range(DAYS * 30):
        made.append((_second(rng), "deed", *_said(rng, _DEEDS)))
    for _ in range(120):
        kind = rng.choice(list(_TROUBLES))
        about = {"host": rng.choice(_HOSTS), "service": rng.choice(_SERVICES)}
        for _ in range(rng.randint(1, 6)):
            text = _TROUBLES[kind][0].format(n=rng.randint(2, 999), **about)
            made.append((_second(rng), "trouble", text, {"deed": kind, **about}))
    for _ in range(DAYS * 400):
        made.append((_second(rng), "noise", *_filled(rng, rng.choice(_NOISE))))
    made.sort(key=lambda each: each[0])
    events: list[Event] = []
    for second, kind, text, about in made:
        at_ns = int((BEGIN.timestamp() + second) * 1e9)
        host = about.get("host", "")
        if kind == "deed":
            events.append(Remembered(at_ns=at_ns, text=f"{text}.", source=f"notes:{host or about['service']}"))
        else:
            events.append(Observation(at_ns=at_ns, source=f"log:{host}", form="lines", text=text))
    return events, _questions(rng, made)


def _second(rng: random.Random) -> float:
    return rng.uniform(0, DAYS * 86_400)


def _filled(rng: random.Random, form: str) -> tuple[str, dict[str, str]]:
    about = {"host": rng.choice(_HOSTS), "service": rng.choice(_SERVICES), "who": rng.choice(_PEOPLE)}
    return form.format(n=rng.randint(2, 9999), m=rng.randint(2, 250), **about), about


def _said(rng: random.Random, deeds: dict[str, tuple[str, ...]]) -> tuple[str, dict[str, str]]:
    deed = rng.choice(list(deeds))
    text, about = _filled(rng, rng.choice(deeds[deed]))
    needed = {name for name in about if "{" + name + "}" in "".join(deeds[deed])}
    return text, {name: value for name, value in about.items() if name in needed} | {"deed": deed}


_WHO = {
    "fan": "Who {v} the fan of {host}?", "disk": "Who replaced a disk in {host}?",
    "cert": "Who renewed the certificate of {service}?", "upgrade": "Who upgraded {service}?",
    "restart": "Who restarted {service} on {host}?", "move": "Who moved {service} to {host}?",
    "password": "Who changed the password of {service}?",
}  # fmt: skip
_WHEN = {
    "fan": "When did {who} put a new fan into {host}?", "disk": "When did {who} exchange the disk of {host}?",
    "cert": "When did {who} renew the certificate of {service}?", "upgrade": "When was {service} upgraded by {who}?",
    "restart": "When did {who} restart {service} on {host}?", "move": "When did {who} move {service} to {host}?",
    "password": "When did {who} set a new password for {service}?",
}  # fmt: skip


def _questions(
    rng: random.Random, made: Sequence[tuple[float, str, str, dict[str, str]]]
) -> list[tuple[str, str, list[int]]]:
    deeds = [at for at, each in enumerate(made) if each[1] == "deed"]
    troubles = [at for at, each in enumerate(made) if each[1] == "trouble"]
    found: list[tuple[str, str, list[int]]] = []
    while len(found) < QUESTIONS:
        kind = ("who", "when", "how often", "before or after", "changed since")[len(found) % 5]
        at = rng.choice(troubles if kind == "how often" else deeds)
        _, _, _, about = made[at]
        same = [each for each in deeds if _is_same(made[each][3], about)]
        if kind == "who":
            text = _WHO[about["deed"]].format(v=rng.choice(("replaced", "swapped")), **about)
            found.append((kind, text, [each for each in same if made[each][3].get("who")]))
        elif kind == "when":
            mine = [each for each in same if made[each][3]["who"] == about["who"]]
            found.append((kind, _WHEN[about["deed"]].format(**about), mine))
        elif kind == "how often":
            alike = [each for each in troubles if made[each][3] == about]
            found.append((kind, _TROUBLES[about["deed"]][1].format(**about), alike))
        elif kind == "before or after":
            place = about.get("host", "") or about["service"]
            beside = [each for each in deeds if (made[each][3].get("host", "") or made[each][3]["service"]) == place]
            where = beside.index(at)
            which, step = rng.choice((("after", 1), ("before", -1)))
            if 0 <= where + step < len(beside) and len(same) == 1:
                deed = _WHO[about["deed"]].format(v="replaced", **about).removeprefix("Who ").rstrip("?")
                found.append((kind, f"What was done right {which} {about['who']} {deed}?", [beside[where + step]]))
        else:
            place = about.get("host", "") or about["service"]
            day = rng.randint(18, DAYS - 4)
            since = day * 86_400.0
            changed = [
                each
                for each in deeds
                if made[each][0] >= since and place in (made[each][3].get("host"), made[each][3].get("service"))
            ]
            date = (BEGIN + timedelta(days=day)).strftime("%d %B %Y")
            if changed:
                found.append((kind, f"What changed with {place} since {date}?", changed))
    return found


def _is_same(one: dict[str, str], other: dict[str, str]) -> bool:
    return all(one.get(name) == other.get(name) for name in ("deed", "host", "service"))


async def month_part(folder: Path) -> None:
    rng = random.Random(11)
    events, questions = month(rng)
    end_ns = int((BEGIN + timedelta(days=DAYS)).timestamp()) * 10**9
    async with (
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        Vectors(folder / "vectors.db") as vectors,
    ):
        seqs: list[int] = []
        for begin in range(0, len(events), 5000):
            seqs += [entry.seq for entry in await journal.append(events[begin : begin + 5000])]
        # What claims attention is embedded: here the troubles, as the gate would have it.
        noticed = [
            Salience(at_ns=e.at_ns, about=seqs[at], source=e.source, surprise_nats=9, precision=1, salience=0.8,
                     threshold=0.5)
            for at, e in enumerate(events)
            if isinstance(e, Observation) and any(word in e.text for word in ("timed out", "out of memory", "failed"))
        ]  # fmt: skip
        await journal.append(noticed)
        embedder = HashEmbedder()
        by_words = Memory(journal, index, now_ns=lambda: end_ns)
        fused = Memory(journal, index, vectors=vectors, embedder=embedder, now_ns=lambda: end_ns)
        await fused.caught_up()
        asked = [Asked(kind, text, frozenset(seqs[at] for at in places)) for kind, text, places in questions]
        print(f"a month: {len(events):,} entries, {await vectors.count():,} vectors, {len(asked):,} questions")

        async def by_vectors(text: str, k: int) -> list[set[int]]:
            named = period_in(text, end_ns)
            within = Within()
            if named is not None and named.strict:
                within = Within((), named.since_ns, named.until_ns)
            return [{seq} for seq, _ in await fused._finder._by_meaning(text, within, k)]

        async def full_text(text: str, k: int) -> list[set[int]]:
            return [_ids(each) for each in await by_words.recall(text, k, neighbours=0)]

        async def fusion(text: str, k: int) -> list[set[int]]:
            return [_ids(each) for each in await fused.recall(text, k, neighbours=0)]

        async def beside(text: str, k: int) -> list[set[int]]:
            found = await fused.recall(text, k, neighbours=1)
            return [_ids(each) | {entry.seq for entry in each.neighbours} for each in found]

        ways = {"full text": full_text, "vectors": by_vectors, "fusion": fusion, "fusion with neighbours": beside}
        for name, way in ways.items():
            await _judge(name, way, asked)


def _ids(recalled: Recalled) -> set[int]:
    return {recalled.id, *recalled.alike}


async def _judge(name: str, way: Callable[[str, int], Awaitable[list[set[int]]]], asked: Sequence[Asked]) -> None:
    shares: dict[str, dict[int, list[float]]] = {}
    begun_s = time.perf_counter()
    for question in asked:
        found = await way(question.text, 10)
        for k in (5, 10):
            got = set[int]().union(*found[:k]) & question.evidence
            share = len(got) / min(k, len(question.evidence))
            shares.setdefault(question.kind, {}).setdefault(k, []).append(min(1.0, share))
    took_s = (time.perf_counter() - begun_s) / len(asked)
    every = {k: statistics.fmean([share for by_k in shares.values() for share in by_k[k]]) for k in (5, 10)}
    row(name, f"recall@5 {every[5]:.3f}, recall@10 {every[10]:.3f}; {took_s * 1e3:.1f} ms a question")
    each = [f"{kind} {statistics.fmean(by_k[5]):.2f}/{statistics.fmean(by_k[10]):.2f}" for kind, by_k in shares.items()]
    print("      " + ", ".join(each))


class _Ready:
    """Vectors that are there already, so that the time is the memory's own."""

    model = "random"

    def __init__(self, rng: np.random.Generator, centres: Any) -> None:
        self._rng, self._centres = rng, centres
        self._queries = itertools.cycle(_rows(rng, centres, 500))

    async def embed(self, texts: Sequence[str], *, query: bool) -> "Sequence[array[float]]":
        return [next(self._queries)] if query else _rows(self._rng, self._centres, len(texts))


def _rows(rng: np.random.Generator, centres: Any, count: int) -> "list[array[float]]":
    near = centres[rng.integers(0, len(centres), count)]
    rows = (near + rng.normal(0, 0.8, (count, DIMS))).astype(np.float32)
    return [array("f", row.tobytes()) for row in rows]


async def million_part(folder: Path, count: int) -> None:
    rng, chance = np.random.default_rng(5), random.Random(5)
    ready = _Ready(rng, rng.normal(0, 1, (2000, DIMS)))
    text = _texts(chance)
    async with (
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        Vectors(folder / "vectors.db") as vectors,
    ):
        memory = Memory(journal, index, vectors=vectors, embedder=ready)
        if not (await journal.stats()).events:
            await _fill(journal, vectors, ready, text, count)
        begun_s = time.perf_counter()
        await index.catch_up()
        row(f"{count:,} memories", f"{time.perf_counter() - begun_s:.0f} s to index")
        sizes = {name: (folder / f"{name}.db").stat().st_size for name in ("journal", "index", "vectors")}
        row("on the disk", ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in sizes.items()))
        row("add, one at a time, durable", _spread(await _timed(lambda: memory.add(text(9)), 300)))
        row("add_all of 100", _spread(await _timed(lambda: memory.add_all([Note(text(9)) for _ in range(100)]), 30)))
        await memory.caught_up()
        begun_s = time.perf_counter()
        await memory.recall(text(3), 10)
        row("first recall, which reads the codes", f"{time.perf_counter() - begun_s:.1f} s")
        week_ns = 7 * 86_400 * 10**9
        cases: dict[str, Callable[[], Awaitable[object]]] = {
            "recall, three words": lambda: memory.recall(text(3), 10),
            "recall, six words": lambda: memory.recall(text(6), 10),
            "recall, ten words": lambda: memory.recall(text(10), 10),
            "recall, one week": lambda: memory.recall(text(6), 10, since=5 * 10**17, until=5 * 10**17 + week_ns),
            "full text alone, six words": lambda: index.search(text(6), limit=60),
            "vectors alone": lambda: _alone(vectors, ready),
        }
        for name, case in cases.items():
            await _timed(case, 30)
            row(name, _spread(await _timed(case, 300)))
        row("memory of the process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most")


def _texts(chance: random.Random) -> Callable[[int], str]:
    """Texts of so many words, which come as often as words do in a language (Zipf)."""
    syllables = ("ka", "lo", "mi", "ne", "su", "ra", "to", "ve", "shi", "pu", "do", "ge")
    words = ["".join(parts) for parts in itertools.product(syllables, repeat=4)]
    often = list(itertools.accumulate(1 / (rank + 3) ** 1.05 for rank in range(len(words))))
    return lambda count: " ".join(chance.choices(words, cum_weights=often, k=count))


async def _fill(journal: Journal, vectors: Vectors, ready: _Ready, text: Callable[[int], str], count: int) -> None:
    chance, step = random.Random(6), 5000
    journal_s = vectors_s = 0.0
    place = await vectors.begin(ready.model)
    for _ in range(0, count, step):
        events = [Remembered(at_ns=chance.randrange(10**18), text=text(12)) for _ in range(step)]
        rows = await ready.embed([""] * step, query=False)
        begun_s = time.perf_counter()
        entries = await journal.append(events)
        kept_s = time.perf_counter()
        await vectors.add(ready.model, [entry.seq for entry in entries], rows, place, entries[-1].cursor)
        journal_s, vectors_s = journal_s + kept_s - begun_s, vectors_s + time.perf_counter() - kept_s
        place = entries[-1].cursor
    row("to journal, to keep the vector of each", f"{journal_s / count * 1e3:.3f} ms, {vectors_s / count * 1e3:.3f} ms")


_WORDS = (
    *("load", "start", "write", "read", "place", "move", "build", "turn", "mount", "link", "route", "sync", "scan"),
    *(
        "index",
        "lock",
        "hash",
        "parse",
        "queue",
        "cache",
        "store",
        "fetch",
        "probe",
        "match",
        "label",
        "count",
        "weigh",
    ),
)


async def _alone(vectors: Vectors, ready: _Ready) -> None:
    [vector] = await ready.embed(["x"], query=True)
    await vectors.search(ready.model, vector, 60)


async def _timed(call: Callable[[], Awaitable[object]], times: int) -> list[tuple[float, float]]:
    """Seconds by the clock and of CPU (of all threads) that calls take: on a busy machine the clock tells little."""
    took: list[tuple[float, float]] = []
    for _ in range(times):
        begun_s, used_s = time.perf_counter(), time.process_time()
        await call()
        took.append((time.perf_counter() - begun_s, time.process_time() - used_s))
    return took


def _spread(took: Sequence[tuple[float, float]]) -> str:
    walls, cpus = zip(*took, strict=True)
    return f"{spread(list(walls))}; CPU {spread(list(cpus))}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=("month", "million"), action="append")
    parser.add_argument("--memories", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="keep the million here, and measure it again without building it")
    asked = parser.parse_args() if __name__ == "__main__" else parser.parse_args([])
    parts: dict[str, Callable[[Path], Awaitable[None]]] = {
        "month": month_part,
        "million": lambda folder: million_part(asked.keep or folder, asked.memories),
    }
    for name in asked.part or list(parts):
        with tempfile.TemporaryDirectory() as folder:

            async def measure(part: Callable[[Path], Awaitable[None]] = parts[name], where: str = folder) -> None:
                await part(Path(where))

            asyncio.run(measure())


if __name__ == "__main__":
    main()
