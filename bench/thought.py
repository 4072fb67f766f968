"""What a thought costs apart from the model, with a million events in the journal: the limit is 15 ms at p50.

Everything is real but the model, which answers at once: recall by full text, layout, both commits to the disk, and the
follower of the journal that is handed what is to be done.

`python -m bench.thought [--keep FOLDER]`
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wakeful.attention import AttentionSettings
from wakeful.context import Seen
from wakeful.events import (
    ActionRequest,
    Claim,
    Cursor,
    Event,
    Observation,
    Prediction,
    PredictionResolved,
    Salience,
    Thought,
)
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient, ChatResult, Usage
from wakeful.memory import Memory, Recall
from wakeful.mind import Answered, Mind, MindSettings, ModelFacts, Thinker
from wakeful.mind.cycle import Cycle, new_id
from wakeful.mind.modes import Wake
from wakeful.mind.workspace import Batch

EVENTS, THOUGHTS_KEPT, THOUGHTS = 1_000_000, 5_000, 200
LIMIT_MS = 15.0
START_NS = 1_800_000_000 * 10**9
_TROUBLES = (
    "connection refused",
    "slow answers",
    "permission denied",
    "disk nearly full",
    "restarts often",
    "timeouts",
)
_WORDS = ("nginx", "postgres", "restic", "sshd", "kernel", "docker", "cron", "smartd", "dhclient", "backup")


class Instant(Thinker):
    """Answers at once, and notes when it was asked and when it had answered."""

    def __init__(self, client: AsyncLMStudioClient, facts: ModelFacts) -> None:
        super().__init__(client, facts, answer_tokens=500)
        self.asked_s = self.answered_s = 0.0

    async def count(self, messages: Any) -> int | None:
        return None

    async def ask(self, messages: Any, shape: Any, schema: Any, *, check: Any = None, on_text: Any = None) -> Any:
        self.asked_s = time.perf_counter()
        offered = schema["properties"]["evidence"]["items"]["enum"]
        text = json.dumps(_reply(offered))
        value = msgspec.json.decode(text, type=shape)
        result = ChatResult(text=text, usage=Usage(prompt_tokens=1500, completion_tokens=150))
        self.answered_s = time.perf_counter()
        return Answered(value=value, text=text, results=(result,))


def _reply(offered: Sequence[str]) -> dict[str, Any]:
    return {
        "focus": "nginx refuses connections",
        "evidence": list(offered[:6]),
        "observed": "nginx refused a connection",
        "assessment": "nginx does not answer.",
        "severity": "warning",
        "expected": "nothing",
        "prediction_error": 0.7,
        "attention": {"internal": 0.1, "external": 0.8, "memory": 0.1},
        "action_needed": True,
        "action_type": "observe",
        "action_details": "look",
        "next_prediction": "nginx refuses again",
        "confidence": 0.7,
        "self_assessment": "Sure.",
        "claim": {"about": "any source", "holds": "says", "value": 0, "text": "refused", "within_minutes": 60},
    }


def history(rng: random.Random) -> Iterator[list[Event]]:
    """A year's journal in short, a thousand events at a time: observations, with thoughts in between."""
    every = EVENTS // THOUGHTS_KEPT
    batch: list[Event] = []
    for number in range(EVENTS - 3 * THOUGHTS_KEPT):
        at_ns = START_NS + number * 10**9
        name = rng.choice(_WORDS)
        if number % 4:
            text = f"{name}[{rng.randint(100, 9999)}]: request {rng.randint(1, 10**6)} took {rng.randint(1, 900)} ms"
            batch.append(Observation(at_ns=at_ns, source=f"log:{name}", form="lines", text=text))
        else:
            values = {"cpu_percent": rng.random() * 100, "memory_percent": 40 + rng.random()}
            batch.append(Observation(at_ns=at_ns, source="metrics", form="metrics", values=values))
        if number % every == 0:
            batch += _thought(number, at_ns, name, rng.choice(_TROUBLES))
        if len(batch) >= 1000:
            yield batch
            batch = []
    yield batch


def _thought(number: int, at_ns: int, name: str, trouble: str) -> list[Event]:
    cycle = f"c{number}"
    thought = Thought(
        at_ns=at_ns,
        cycle=cycle,
        reason="salience",
        focus=f"{name}: {trouble}",
        observed=f"{name} said {trouble}",
        assessment=f"{name} has had {trouble} {number % 97} times today.",
        severity="info",
        evidence=(),
        expected="",
        prediction_error=0.2,
        confidence=0.7,
        next_prediction=f"{name} stays slow",
        attention_internal=0.1,
        attention_external=0.8,
        attention_memory=0.1,
        action_needed=False,
        action_type="observe",
        action_details="",
        self_assessment="Fine.",
        model="m",
        prompt_version="base-2",
    )
    prediction = Prediction(
        at_ns=at_ns,
        cycle=cycle,
        claim=f"{name} fails",
        probability=0.7,
        due_ns=at_ns + 3600 * 10**9,
        condition=Claim(form="comes", text=name),
    )
    resolved = PredictionResolved(
        at_ns=at_ns,
        prediction=number,
        cycle=cycle,
        claim=f"{name} fails",
        form="comes",
        outcome="true",
        why="it came",
        probability=0.7,
        base=0.5,
    )
    return [thought, prediction, resolved]


async def measure(folder: Path) -> None:
    rng = random.Random(3)
    async with (
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        AsyncLMStudioClient("http://127.0.0.1:1") as client,
    ):
        if not (await journal.stats()).events:
            for batch in history(rng):
                await journal.append(batch)
        await index.catch_up()
        events = (await journal.stats()).events
        thinker = Instant(client, ModelFacts("m", 16_384, "LM Studio", "http://127.0.0.1:1"))
        settings = MindSettings(first_look=False)
        mind = Mind(journal, thinker, Recall(Memory(journal, index)), attention=AttentionSettings(), settings=settings)
        began_s = time.perf_counter()
        await mind._recover()
        print(f"  {events:,} events; taking up where the last run was: {time.perf_counter() - began_s:.2f} s")
        checking = asyncio.create_task(mind._checking.run())
        requests: asyncio.Queue[float] = asyncio.Queue()
        dispatching = asyncio.create_task(_dispatch(journal, await journal.end(), requests))
        parts = [await _one(journal, mind, thinker, requests, rng) for _ in range(THOUGHTS)]
        for task in (checking, dispatching):
            task.cancel()
        await asyncio.gather(checking, dispatching, return_exceptions=True)
    _report(parts[10:])


async def _dispatch(journal: Journal, begin: Cursor, requests: "asyncio.Queue[float]") -> None:
    async for entries in journal.tail(begin, kinds=("action_request",)):
        for entry in entries:
            assert isinstance(entry.event, ActionRequest)
            requests.put_nowait(time.perf_counter())


async def _one(
    journal: Journal, mind: Mind, thinker: Instant, requests: "asyncio.Queue[float]", rng: random.Random
) -> tuple[float, float, float, float]:
    """Seconds of assembling, committing and dispatching one thought, and of CPU in all."""
    now_ns = time.time_ns()
    name = rng.choice(_WORDS)
    texts = [f"{name}: connection refused, client {rng.randint(1, 10**6)}" for _ in range(3)]
    seen = await journal.append(
        [Observation(at_ns=now_ns, source=f"log:{name}", form="lines", text=text) for text in texts]
    )
    salience = [
        Salience(at_ns=now_ns, about=e.seq, source="x", surprise_nats=6, precision=1, salience=0.7, threshold=0.5)
        for e in seen
    ]
    last = (await journal.append(salience))[-1]
    shown = [
        Seen(entry.seq, entry.event, each)
        for entry, each in zip(seen, salience, strict=True)
        if isinstance(entry.event, Observation)
    ]
    batch = Batch(shown=tuple(shown), others={}, through=last.cursor)
    await asyncio.sleep(0.01)  # what follows the journal has taken this in: it is not the thought's own cost
    began_s, cpu_s = time.perf_counter(), time.process_time()
    await mind._attempts.think(Cycle(new_id(), "salience", batch), Wake("salience"))
    committed_s = time.perf_counter()
    dispatched_s = await requests.get()
    cpu_s = time.process_time() - cpu_s
    return thinker.asked_s - began_s, committed_s - thinker.answered_s, max(dispatched_s - committed_s, 0.0), cpu_s


def _report(parts: Sequence[tuple[float, float, float, float]]) -> None:
    for name, at in (("assembling", 0), ("committing", 1), ("dispatching", 2), ("CPU, of all threads", 3)):
        _line(name, [part[at] for part in parts])
    whole = [sum(part[:3]) for part in parts]
    _line(f"in all (p50 must be under {LIMIT_MS:.0f} ms)", whole)


def _line(name: str, seconds: Sequence[float]) -> None:
    cuts = statistics.quantiles(seconds, n=100)
    print(f"  {name:<38} p50 {cuts[49] * 1e3:>6.2f} ms, p99 {cuts[98] * 1e3:>6.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path, help="keep the journal here, and measure it again without building it")
    asked = parser.parse_args() if __name__ == "__main__" else parser.parse_args([])
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(asked.keep or Path(folder)))


if __name__ == "__main__":
    main()
