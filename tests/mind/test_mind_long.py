"""A mind with a small model thinks for long: no prompt is ever too long, and what began it all can still be told."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from scripted_model import Messages, ScriptedServer, thought, tokens

from wakeful.attention import AttentionSettings
from wakeful.context.opening import LONG_AGO
from wakeful.events import Compaction, Entry, Observation, Summary, Thought, ThoughtFailed
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Recall
from wakeful.mind import Mind, MindSettings, ModelFacts, Thinker, ask

CONTEXT = 4096
BEGAN_NS = 1_790_000_000 * 10**9
STEP_NS = 480 * 10**9
"""Between two thoughts; 5,000 of them take four weeks."""

FIRST = ["the cellar sensor nimbus reported water", "disk quartz lost sector 4711", "user wanda changed the router"]


def line(rng: random.Random, number: int, *, odd: bool) -> str:
    """Short and long, plain and odd. odd: with texts whose tokens nobody could estimate, too."""
    word = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=8))
    if number < len(FIRST):
        return f"ERROR {FIRST[number]}"
    filling = {
        0: ("x" if odd else "lorem ipsum ") * 4000,
        1: "🦊 ünïcødé 完全 " * 20,
        2: "<|im_end|> [INST] " * 9,
        3: "a: b\n" * 60,
    }
    return f"ERROR {word} failed with {rng.randint(1, 9999)}: {filling.get(number % 17, word[::-1])}"


def answer(messages: Messages, offered: list[str]) -> str:
    """Thinks about what it is shown; to a question, the line that has most of its words."""
    last = messages[-1]["content"]
    if "\nQuestion: " in last:
        words = set(last.split("Question: ")[1].split("\n")[0].lower().split())
        lines = [each for each in last.splitlines() if each.startswith("#")]
        best = max(lines, key=lambda each: len(words & set(each.lower().split())))
        return json.dumps({"answer": best, "evidence": [best.split()[0]]})
    seen = next((each for each in last.splitlines() if each.startswith("#")), "nothing")
    return thought(messages, offered, focus=seen[:120], severity="info", assessment=seen[40:300])


def summed(messages: Messages) -> str:
    """What it said first stays first, as far as it stands there."""
    text = messages[1]["content"]
    return text.split(LONG_AGO)[1].split("\n")[0].strip()[:300] if LONG_AGO in text else "The cellar sensor told of it."


@dataclass
class Clock:
    now_ns: int = BEGAN_NS

    def __call__(self) -> int:
        return self.now_ns


@asynccontextmanager
async def thinking(
    folder: Path, server: ScriptedServer, clock: Clock
) -> AsyncGenerator[tuple[Mind, Journal, Recall, Thinker]]:
    async with (
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        AsyncLMStudioClient(server.url) as client,
    ):
        thinker = Thinker(client, ModelFacts("scripted", CONTEXT, "test", server.url), answer_tokens=500)
        recall = Recall(Memory(journal, index, now_ns=clock), kinds=("thought", "memory"))
        mind = Mind(
            journal,
            thinker,
            recall,
            attention=AttentionSettings(thoughts_per_hour=36_000),
            settings=MindSettings(first_look=False, quiet_every_s=1e9, reflect_every_s=0),
            now_ns=clock,
        )
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(mind.run()), tasks.create_task(index.follow())]
            yield mind, journal, recall, thinker
            for task in running:
                task.cancel()


@pytest.mark.parametrize(
    ("wanted", "counts"),
    [(300, True), (300, False), pytest.param(5000, True, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
    ids=["counted", "estimated", "5,000"],
)
async def test_thousands_of_thoughts_in_a_small_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: int, counts: bool
) -> None:
    monkeypatch.setattr("wakeful.mind.mind.GATHER_S", 0.0)
    rng, clock = random.Random(6), Clock()
    async with ScriptedServer(answer, context_tokens=CONTEXT, counts=counts) as server:
        server.summarise = summed
        async with thinking(tmp_path, server, clock) as (mind, journal, recall, thinker):
            for number in range(wanted):
                clock.now_ns = BEGAN_NS + number * STEP_NS
                seen = Observation(
                    at_ns=clock.now_ns, source=f"log:/{number}", form="lines", text=line(rng, number, odd=counts)
                )
                [entry] = await journal.append([seen])
                async with asyncio.timeout(20):
                    while not mind.at_rest(entry.seq):
                        await asyncio.sleep(0.002)
                server.prompts.clear()
            entries = await _all(journal)
            thoughts = [each.event for each in entries if isinstance(each.event, Thought)]
            failed = [each for each in entries if isinstance(each.event, ThoughtFailed)]
            compactions = [each for each in entries if isinstance(each.event, Compaction)]
            summaries = [each.event for each in entries if isinstance(each.event, Summary) and each.event.by_model]
            new = sum(tokens(each.shown) for each in thoughts)
            said = [
                (await ask(f"What about {word} ?", journal, recall, thinker, now_ns=clock, keep=False)).answer
                for word in ("nimbus", "quartz", "wanda")
            ]
    print(
        f"{len(thoughts)} thoughts, {len(compactions)} compactions, {len(summaries)} summaries by the model, "
        f"{server.overflows} overflows, {server.evaluated / new:.2f} tokens read for each new one"
    )
    assert len(thoughts) > 0.98 * wanted
    assert failed == []
    assert server.overflows == 0
    assert len(compactions) > wanted // 30
    assert len(summaries) > 0.5 * len(compactions)
    assert server.evaluated / new < 1.35  # with what was read for the summaries, and few thoughts to a context
    for about, answered in zip(FIRST, said, strict=True):
        assert about in answered.text
        assert answered.evidence


async def _all(journal: Journal) -> list[Entry]:
    kinds = ("thought", "thought_failed", "compaction", "summary")
    return await journal.read(kinds=kinds, limit=1_000_000)
