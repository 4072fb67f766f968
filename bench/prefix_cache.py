"""Prompt tokens that the engine reads per new token, over many thoughts in a small context: the limit is 1.

First a mind thinks for real. Then what it saw and thought is laid out again by other schemes, each prompt sent to the
same engine, and what the engine says that it read is added up: a window that drops the oldest message each turn,
LangChain's `trim_messages`, and Letta's compaction as its documentation describes it (the oldest 30 % of the messages,
in steps of 10 % more where that is too little, become a summary of at most 2,000 characters before the rest).
"""

import asyncio
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from wakeful.attention import AttentionSettings
from wakeful.context import Conversation, Role, Turn, extract
from wakeful.context.tokens import MESSAGE_TOKENS
from wakeful.engine import Engine
from wakeful.events import Observation, Thought
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Recall
from wakeful.mind import Mind, MindSettings, ModelFacts, Thinker
from wakeful.mind.cycle import gist
from wakeful.mind.prompt import PILOT, prompt

THOUGHTS = 300
ANSWER_TOKENS = 500

Messages = list[tuple[Role, str]]
Scheme = Callable[[list[Thought], int, "Sizes"], Iterator[Messages]]


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
            Recall(Memory(journal, index)),
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
        sizes = await Sizes.of(thoughts, client)
        print(f"  the same thoughts, laid out by others ({sizes.new:,} new tokens):")
        for scheme in (ours, sliding, langchain, letta):
            evaluated = 0
            for messages in scheme(thoughts, context_tokens - ANSWER_TOKENS, sizes):
                sent = [{"role": role, "content": text} for role, text in messages]
                result = await client.chat(sent, max_tokens=1, temperature=0.0)
                evaluated += result.evaluated_tokens or 0
            told = (scheme.__doc__ or "").rstrip(".")
            print(f"    {told:<52} {evaluated:>9,} tokens, {evaluated / sizes.new:>5.2f} for each new one", flush=True)


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
    print(f"{len(thoughts)} thoughts in a context of {context_tokens} tokens, {compactions} compactions")
    print(f"  evaluated by the engine      {evaluated:>9,} tokens, {evaluated / len(thoughts):,.0f} a thought")
    print(f"  new                          {new:>9,.0f} tokens, {moment:,.0f} a thought")
    print(f"  re-read ratio                {evaluated / new:>9.2f}  (must be at most 1.3; the limit is 1)")
    print(f"  without a cache              {prompted / new:>9.2f}")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tokens of texts by the engine's own count, a message's template included."""

    tokens: dict[str, int]
    new: int

    @classmethod
    async def of(cls, thoughts: list[Thought], client: AsyncLMStudioClient) -> Self:
        tokens: dict[str, int] = {}
        for text in [prompt(PILOT), *(text for each in thoughts for text in (each.shown, each.said))]:
            tokens[text] = (await client.count_tokens(text) or 0) + MESSAGE_TOKENS
        return cls(tokens, sum(tokens[each.shown] + tokens[each.said] for each in thoughts))

    def __call__(self, text: str) -> int:
        return self.tokens.get(text) or len(text) // 2 + MESSAGE_TOKENS  # a summary: at most so many for this model


def ours(thoughts: list[Thought], room: int, sizes: Sizes) -> Iterator[Messages]:
    """Wakeful's conversation, replayed."""
    talk = Conversation(prompt(PILOT), context_tokens=room + ANSWER_TOKENS, answer_tokens=ANSWER_TOKENS)
    for at, thought in enumerate(thoughts):
        layout = talk.lay_out(thought.shown)
        yield list(layout.messages)
        turn = Turn(user=thought.shown, reply=thought.said, gist=gist(thought), seq=at)
        talk.add(
            turn, prompt_tokens=sum(sizes(text) for _, text in layout.messages), completion_tokens=sizes(turn.reply)
        )


def sliding(thoughts: list[Thought], room: int, sizes: Sizes) -> Iterator[Messages]:
    """a window that drops the oldest message each turn."""
    window: Messages = []
    rules = prompt(PILOT)
    for thought in thoughts:
        window.append(("user", thought.shown))
        while sizes(rules) + sum(sizes(text) for _, text in window) > room or window[0][0] != "user":
            window.pop(0)
        yield [("system", rules), *window]
        window.append(("assistant", thought.said))


def langchain(thoughts: list[Thought], room: int, sizes: Sizes) -> Iterator[Messages]:
    """LangChain's trim_messages."""
    from langchain_core import messages as lc

    untyped: Any = lc  # its own types are partly unknown
    roles: dict[str, Role] = {"system": "system", "human": "user", "ai": "assistant"}
    history: list[lc.BaseMessage] = [lc.SystemMessage(prompt(PILOT))]

    def count(messages: list[lc.BaseMessage]) -> int:
        return sum(sizes(str(each.content)) for each in messages)

    for thought in thoughts:
        history.append(lc.HumanMessage(thought.shown))
        trimmed: list[lc.BaseMessage] = untyped.trim_messages(
            history, max_tokens=room, token_counter=count, strategy="last", start_on="human", include_system=True
        )
        yield [(roles[each.type], str(each.content)) for each in trimmed]
        history.append(lc.AIMessage(thought.said))


def letta(thoughts: list[Thought], room: int, sizes: Sizes) -> Iterator[Messages]:
    """Letta's compaction, from its documentation."""
    rules = prompt(PILOT)
    buffer: Messages = []
    summary = ""
    for thought in thoughts:
        buffer.append(("user", thought.shown))
        share = 0.3
        while sizes(rules) + sum(sizes(text) for _, text in buffer) + len(summary) // 2 > room:
            cut = max(2, round(len(buffer) * share) // 2 * 2)
            summary = extract("\n".join([summary, *(text for _, text in buffer[:cut])]), 2000, len)
            del buffer[:cut]
            share += 0.1
        role, first = buffer[0]
        yield [("system", rules), (role, f"{summary}\n{first}" if summary else first), *buffer[1:]]
        buffer.append(("assistant", thought.said))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
