"""What `wakeful context show` shows is what the next thought is really asked."""

import asyncio
from pathlib import Path

from scripted_model import ScriptedServer
from test_mind_loop import WITHIN_S, awake, line, until

from wakeful.events import Thought
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Recall
from wakeful.mind import ModelFacts, Thinker, preview


async def test_the_preview_is_the_next_prompt(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        async with awake(tmp_path, server) as (_, journal):
            for number, word in enumerate(["alpha", "bravo"]):
                await journal.append([line(f"FATAL {word} corrupt", f"log:/{word}")])
                await until(journal, Thought, number + 1)
            server.before = asyncio.Event().wait  # the next one is asked, but never answered
            await journal.append([line("FATAL charlie corrupt", "log:/charlie")])
            async with asyncio.timeout(WITHIN_S):
                while len(server.prompts) < 3:
                    await asyncio.sleep(0.02)
        async with (
            await Journal.open(tmp_path / "journal.db", read_only=True) as journal,
            JournalIndex(journal, tmp_path / "index.db") as index,
            AsyncLMStudioClient(server.url) as client,
        ):
            facts = ModelFacts("scripted", server.context_tokens, "test", server.url)
            shown = await preview(journal, Thinker(client, facts, answer_tokens=500), Recall(Memory(journal, index)))
    texts = [text for part in shown.parts for _, text in part.texts]
    sent = [message["content"] for message in server.prompts[-1]]
    assert texts[:-1] == sent[:-1]
    assert texts[-1].split("\nNow:")[0] == sent[-1].split("\nNow:")[0]
    assert [part.name for part in shown.parts] == ["rules", "turn", "turn", "moment"]
    assert [part.kept for part in shown.parts] == [True, True, True, False]
    assert shown.tokens <= shown.room_tokens
    assert not shown.exact
