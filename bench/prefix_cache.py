"""Prompt tokens that the engine reads per new token, over many thoughts in a small context: the limit is 1.

Named baselines: a window that drops the oldest message each turn, and a clock at the top of the prompt, both
computed over the same thoughts from the sizes that the engine itself counted.
"""

import asyncio
import itertools
import random
import statistics
import tempfile
import time
from pathlib import Path

from wakeful.attention import AttentionSettings
from wakeful.engine import Engine
from wakeful.events import Observation, Thought
from wakeful.journal import Journal, JournalIndex
from wakeful.memory import Recall
from wakeful.mind import Mind, MindSettings, ModelFacts, Thinker

THOUGHTS = 100
ANSWER_TOKENS = 500


async def measure(folder: Path) -> None:
    async with (
        Engine() as engine,
        engine.client() as client,
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
    ):
        model = await client.loaded_model()
        context_tokens = model.context_length or 2048
        facts = ModelFacts(model.id, context_tokens, "built-in engine", engine.base_url, pilot=True)
        thinker = Thinker(client, facts, answer_tokens=ANSWER_TOKENS, temperature=0.0)
        mind = Mind(
            journal,
            thinker,
            Recall(index),
            attention=AttentionSettings(thoughts_per_hour=100_000),
            settings=MindSettings(first_look=False),
        )
        running = asyncio.create_task(mind.run())
        try:
            thoughts = await _think(journal)
        finally:
            running.cancel()
            await asyncio.wait([running])
        _report(thoughts, context_tokens)


async def _think(journal: Journal) -> list[Thought]:
    """One never-seen error after another, each thought about before the next one comes."""
    rng = random.Random(1)
    thoughts: list[Thought] = []
    cursor = await journal.end()
    tail = journal.tail(cursor, kinds=("thought", "thought_failed"))
    while len(thoughts) < THOUGHTS:
        word = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7))
        text = (
            f"{word}[{rng.randint(1, 9999)}]: ERROR {word} failed: connection refused to 10.0.0.{rng.randint(1, 254)}"
        )
        now_ns = time.time_ns()
        await journal.append([Observation(at_ns=now_ns, source=f"log:/{word}", form="lines", text=text)])
        async with asyncio.timeout(60):
            for entry in await anext(tail):
                if isinstance(entry.event, Thought):
                    thoughts.append(entry.event)
    return thoughts


def _report(thoughts: list[Thought], context_tokens: int) -> None:
    """New tokens are those of each moment: what the engine can't have read or written before."""
    evaluated = sum(thought.evaluated_tokens for thought in thoughts)
    prompted = sum(thought.prompt_tokens for thought in thoughts)
    moments: list[int] = []
    compactions = 0
    for before, thought in itertools.pairwise(thoughts):
        grown = thought.prompt_tokens - before.prompt_tokens - before.completion_tokens
        if grown > 0:
            moments.append(grown)
        else:
            compactions += 1
    moment = statistics.mean(moments)
    new = moment * len(thoughts)
    sliding = len(thoughts) * (context_tokens - ANSWER_TOKENS)
    print(f"{len(thoughts)} thoughts in a context of {context_tokens} tokens, {compactions} compactions")
    print(f"  evaluated by the engine      {evaluated:>9,} tokens, {evaluated / len(thoughts):,.0f} a thought")
    print(f"  new                          {new:>9,.0f} tokens, {moment:,.0f} a thought")
    print(f"  re-read ratio                {evaluated / new:>9.2f}  (must be at most 2.5; the limit is 1)")
    print(f"  without a cache              {prompted / new:>9.2f}")
    print(f"  a window that always slides  {sliding / new:>9.2f}  (the whole context at every thought)")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
