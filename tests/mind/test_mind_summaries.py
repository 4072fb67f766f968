"""What leaves the prompt is summed up by the model, in its own time; the self-model stands where the prompt begins."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted_model import Messages, ScriptedServer, thought, tokens
from test_mind_loop import WITHIN_S, awake, events, line, until

from wakeful.attention.budget import WakeBudget
from wakeful.context.opening import KNOWN, LONG_AGO
from wakeful.events import Compaction, Summary, Thought, ThoughtFailed
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Patch, Recall, revise
from wakeful.mind import Mind, ModelFacts, Thinker, preview

NATO = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima")
WORDS = [f"{first}{last}" for first, last in itertools.product(NATO, NATO)]
CONTEXT = 4096


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mind does not wait for more that might belong to what woke it."""
    monkeypatch.setattr("wakeful.mind.mind.GATHER_S", 0.0)


def told(messages: Messages, offered: list[str]) -> str:
    """Thinks about the first word that it is shown, so that each thought is another one."""
    shown = messages[-1]["content"]
    word = shown.split("FATAL ")[-1].split()[0] if "FATAL " in shown else "nothing"
    return thought(messages, offered, focus=f"{word} is corrupt", severity="info")


def summed(messages: Messages) -> str:
    """Names what it was shown first, so that the next summary carries it on."""
    text = "\n".join(message["content"] for message in messages[1:])
    first = text.split(f"{LONG_AGO} ")[-1].split(" was ")[0] if LONG_AGO in text else text.split("FATAL ")[1].split()[0]
    return f"{first} was corrupt, and more went the same way."


def babble(messages: Messages, offered: list[str]) -> str:
    """Nothing that a thought could be made of."""
    return "no JSON at all"


class Life:
    """A mind that is shown one word after another, each thought about before the next one comes."""

    def __init__(self, mind: Mind, journal: Journal, server: ScriptedServer) -> None:
        self.mind, self.journal, self.server = mind, journal, server

    async def show(self, words: list[str]) -> list[Messages]:
        """The prompts of the thoughts about them."""
        begin = len(self.server.prompts)
        for word in words:
            before = len(await events(self.journal, Thought))
            await self.journal.append([line(f"FATAL {word} corrupt", f"log:/{word}")])
            await until(self.journal, Thought, before + 1)
        return [prompt for prompt in self.server.prompts[begin:] if "No observation" not in prompt[-1]["content"]]

    async def show_until(self, wanted: type[Any], count: int = 1) -> list[Messages]:
        """Goes on until there are so many events of a kind."""
        prompts: list[Messages] = []
        done = len(await events(self.journal, Thought))
        for word in WORDS[done:]:
            prompts += await self.show([word])
            await self.quiet()
            if len(await events(self.journal, wanted)) >= count:
                return prompts
        raise AssertionError(f"no {wanted.__name__} came")

    async def quiet(self) -> None:
        """Returns when nothing is left to do, the summary included."""
        conversation = self.mind._conversation  # pyright: ignore[reportPrivateUsage]
        async with asyncio.timeout(WITHIN_S):
            while self.mind.busy or (conversation.summary_due and not self.mind.facts.pilot):
                await asyncio.sleep(0.005)


@asynccontextmanager
async def living(folder: Path, server: ScriptedServer, **more: Any) -> AsyncGenerator[Life]:
    async with awake(folder, server, **more) as (mind, journal):
        yield Life(mind, journal, server)


@pytest.fixture
async def knowing(tmp_path: Path) -> Path:
    """The folder of a mind that knows something before it wakes."""
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await revise(journal, Patch(add=("The backup runs at 02:00.",)), now_ns=1)
    return tmp_path


async def of(journal: Journal, *, by_model: bool) -> list[Summary]:
    return [each for each in await events(journal, Summary) if each.by_model is by_model]


async def test_a_summary_by_the_model_enters_at_compaction_and_the_prefix_stays(
    knowing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside: list[int] = []
    spent = WakeBudget.spent

    def count(budget: WakeBudget, at_ns: int, tokens: int, busy_s: float = 0.0, *, thought: bool = True) -> None:
        beside.extend([] if thought else [tokens])
        spent(budget, at_ns, tokens, busy_s, thought=thought)

    monkeypatch.setattr(WakeBudget, "spent", count)
    async with ScriptedServer(told, context_tokens=CONTEXT) as server, living(knowing, server) as life:
        server.summarise = summed
        prompts = await life.show_until(Compaction, 7)
        compactions = await events(life.journal, Compaction)
        summaries = await of(life.journal, by_model=True)
        thoughts = await events(life.journal, Thought)
    assert server.overflows == 0
    assert len(summaries) >= 5
    assert len(beside) >= len(summaries)
    assert min(beside) > 1000  # what they take counts, though none of them counts as a thought
    first, *compactions = compactions
    assert (first.through, first.known) == (0, ("The backup runs at 02:00.",))
    # Where a prompt does not go on from the one before it.
    changes = [now for before, now in itertools.pairwise(prompts) if now[: len(before)] != before]
    assert len(changes) == len(compactions) >= 5
    for prompt, compaction in zip(changes, compactions, strict=True):
        assert prompt[1]["content"].startswith(f"{KNOWN}\n- The backup runs at 02:00.\n{LONG_AGO} ")
        assert compaction.summary in prompt[1]["content"]
        assert compaction.summary.startswith(f"{WORDS[0]} was corrupt")  # what began it all is still told
    new = sum(tokens(each.shown) for each in thoughts)
    assert server.evaluated / new < 1.3  # also of what was read for the summaries
    assert [each.summary for each in compactions] == [each.text for each in summaries][: len(compactions)]


@pytest.mark.parametrize("event", [Compaction, Summary], ids=["after a compaction", "while a summary waits"])
async def test_a_restart_goes_on_with_the_same_bytes(knowing: Path, event: type[Any]) -> None:
    async with ScriptedServer(told, context_tokens=CONTEXT) as server:
        server.summarise = summed
        async with living(knowing, server) as life:
            await life.show_until(Compaction, 2)
            if event is Summary:
                await life.show_until(Summary, len(await events(life.journal, Summary)) + 1)
            last = (await life.show([WORDS[-1]]))[-1]
        async with living(knowing, server) as life:
            again = (await life.show([WORDS[-2]]))[-1]
            whole = await life.show_until(Compaction, 3)
            third = (await events(life.journal, Compaction))[-1]
            waited = (await of(life.journal, by_model=True))[-1]
    assert again[: len(last)] == last
    assert third.summary == waited.text
    assert third.summary in whole[-1][1]["content"]


async def test_a_summary_gives_way_at_once_and_is_written_later(tmp_path: Path) -> None:
    async with ScriptedServer(told, context_tokens=CONTEXT) as server, living(tmp_path, server) as life:
        hanging = asyncio.Event()

        async def hang() -> None:
            hanging.set()
            await asyncio.Event().wait()

        server.before_summary, server.summarise = hang, summed
        for word in WORDS:
            await life.show([word])
            if life.mind._conversation.summary_due:  # pyright: ignore[reportPrivateUsage]
                break
        async with asyncio.timeout(WITHIN_S):
            await hanging.wait()
        await life.show(["zulu"])  # is thought about although the model would write for ever
        assert await of(life.journal, by_model=True) == []
        server.before_summary = None
        await life.show(["yankee"])
        await life.quiet()
        [summary] = await of(life.journal, by_model=True)
        assert summary.text.startswith(WORDS[0])
        assert server.summaries >= 2


async def test_where_no_summary_stands_the_check_lines_stand_in(tmp_path: Path) -> None:
    asked: list[str] = []

    def lie(messages: Messages) -> str:
        asked.append(messages[-1]["content"])
        return "All 99 services of Bob are well."

    async with ScriptedServer(told, context_tokens=CONTEXT) as server, living(tmp_path, server) as life:
        server.summarise = lie
        await life.show_until(Summary)
        [summary] = await events(life.journal, Summary)
    assert not summary.by_model
    assert summary.provenance == "recalled"
    assert f"{WORDS[0]} is corrupt" in summary.text
    assert "Bob" not in summary.text
    assert "the number 99 is not in the source" in asked[1]
    assert len(asked) == 2


async def test_a_model_that_fails_is_left_in_peace(tmp_path: Path) -> None:
    def fail(messages: Messages) -> str:
        raise RuntimeError("it broke")

    async with ScriptedServer(told, context_tokens=CONTEXT) as server, living(tmp_path, server) as life:
        server.summarise = fail
        await life.show_until(Compaction)
        [compaction] = await events(life.journal, Compaction)
        assert f"{WORDS[0]} is corrupt" in compaction.summary
        assert await of(life.journal, by_model=True) == []


async def test_the_pilot_is_neither_asked_nor_told(knowing: Path) -> None:
    async with ScriptedServer(told, context_tokens=2600) as server, living(knowing, server, pilot=True) as life:
        prompts = await life.show_until(Compaction, 2)
        compactions = await events(life.journal, Compaction)
    assert server.summaries == 0
    assert {each.summary for each in compactions} == {""}
    assert {each.known for each in compactions} == {()}
    assert prompts[-1][1]["content"].startswith("Earlier:\n- ")
    assert "02:00" not in str(prompts)


async def test_a_new_self_model_waits_for_a_compaction_or_a_restart(tmp_path: Path) -> None:
    async with ScriptedServer(told, context_tokens=CONTEXT) as server:
        server.summarise = summed
        async with living(tmp_path, server) as life:
            await life.show(WORDS[:2])
            await revise(life.journal, Patch(add=("The backup runs at 02:00.",)), now_ns=1)
            [waits] = await life.show([WORDS[2]])
        async with living(tmp_path, server) as life:
            [knows] = await life.show([WORDS[3]])
            await revise(life.journal, Patch(add=("Alex sleeps until 09:00.",)), now_ns=2)
            [same] = await life.show([WORDS[4]])
            *_, last = await life.show_until(Compaction, 2)  # the first one came with the restart
        async with living(tmp_path, server) as life:
            [after] = await life.show(["zulu"])
            kept = len(await events(life.journal, Compaction))
    assert "02:00" not in str(waits)
    assert knows[1]["content"].startswith(f"{KNOWN}\n- The backup runs at 02:00.\nObservations:")
    assert same[: len(knows)] == knows
    assert last[1]["content"].startswith(f"{KNOWN}\n- The backup runs at 02:00.\n- Alex sleeps until 09:00.\n")
    assert after[: len(last)] == last
    assert kept == 2  # nothing changed, so that nothing is to be told


async def test_a_long_self_model_keeps_to_its_share(tmp_path: Path) -> None:
    async with ScriptedServer(told, context_tokens=2600) as server:
        async with await Journal.open(tmp_path / "journal.db") as journal:
            for number in range(9):
                rule = f"Rule {number}: " + "it is as it is " * 14
                await revise(journal, Patch(add=(rule.strip(),)), now_ns=number)
        async with living(tmp_path, server) as life:
            [prompt] = await life.show(WORDS[:1])
    known = prompt[1]["content"].split("\nObservations:")[0]
    assert "Rule 8" in known
    assert "Rule 0" not in known
    assert tokens(known) < 0.12 * 2100
    assert server.overflows == 0


async def test_what_is_shown_of_the_context_has_every_part(knowing: Path) -> None:
    async with ScriptedServer(told, context_tokens=CONTEXT) as server:
        server.summarise = summed
        async with living(knowing, server) as life:
            await life.show_until(Compaction, 2)
            [sent] = await life.show(["zulu"])
            room = life.mind.room
        async with (
            await Journal.open(knowing / "journal.db", read_only=True) as journal,
            JournalIndex(journal, knowing / "index.db") as index,
            AsyncLMStudioClient(server.url) as client,
        ):
            facts = ModelFacts("scripted", server.context_tokens, "test", server.url)
            shown = await preview(
                journal, Thinker(client, facts, answer_tokens=500), Recall(Memory(journal, index)), awake=True
            )
    names = [part.name for part in shown.parts]
    assert names[:3] == ["rules", "self-model", "summary"]
    assert names[-1] == "moment"
    opening = [part for part in shown.parts if part.name in ("self-model", "summary", "earlier")]
    turns = [part for part in shown.parts if part.name == "turn"]
    first = "\n".join([*(part.texts[0][1] for part in opening), turns[0].texts[0][1]])
    assert first == sent[1]["content"]
    assert [text for part in turns for _, text in part.texts[1:]][: len(sent) - 3] == [
        each["content"] for each in sent[2:-1]
    ]
    assert room.opening > tokens("\n".join(part.texts[0][1] for part in opening)) // 2
    assert all(part.kept for part in shown.parts[:-1])


async def test_what_left_is_journaled_also_where_its_thought_fails(tmp_path: Path) -> None:
    async with ScriptedServer(told, context_tokens=CONTEXT) as server, living(tmp_path, server) as life:
        await life.show_until(Summary)
        server.answer = babble
        many = [line(f"FATAL {word} " + "zulu " * 90, f"log:/{word}") for word in WORDS[-9:]]
        await life.journal.append(many)  # more than there is room for beside what was said
        await until(life.journal, ThoughtFailed)
        [compaction] = await events(life.journal, Compaction)
        assert compaction.through == life.mind._conversation.through  # pyright: ignore[reportPrivateUsage]
