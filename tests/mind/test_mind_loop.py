import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripted_model import Messages, ScriptedServer, thought

from wakeful.attention import AttentionSettings
from wakeful.attention.budget import WakeBudget
from wakeful.events import (
    ActionRequest,
    Cursor,
    Event,
    Health,
    Notification,
    Observation,
    Prediction,
    Quiet,
    SetAside,
    Summary,
    Thought,
    ThoughtFailed,
    ThoughtStarted,
)
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Recall
from wakeful.mind import Mind, MindSettings, ModelFacts, Reply, Thinker, recover
from wakeful.mind.schema import garbled

SETTINGS = MindSettings(first_look=False)
WITHIN_S = 20.0


@asynccontextmanager
async def awake(
    folder: Path, server: ScriptedServer, settings: MindSettings = SETTINGS, *, pilot: bool = False, **more: Any
) -> AsyncGenerator[tuple[Mind, Journal]]:
    """A running mind on a journal in `folder`, cancelled at the end."""
    async with (
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        AsyncLMStudioClient(server.url) as client,
    ):
        facts = ModelFacts("scripted", server.context_tokens, "LM Studio", server.url, pilot=pilot)

        async def look() -> ModelFacts:
            model = await client.loaded_model()
            return replace(facts, name=model.id, context_tokens=model.context_length or 0)

        thinker = Thinker(client, facts, answer_tokens=500, look=look)
        attention = AttentionSettings(thoughts_per_hour=36_000)
        mind = Mind(journal, thinker, Recall(Memory(journal, index)), attention=attention, settings=settings, **more)
        running = asyncio.create_task(mind.run())
        try:
            yield mind, journal
        finally:
            running.cancel()
            await asyncio.wait([running])
        assert running.cancelled() or running.exception() is None, running.exception()


def line(text: str, source: str = "log:/var/log/app") -> Observation:
    return Observation(at_ns=time.time_ns(), source=source, form="lines", text=text)


async def until(journal: Journal, wanted: type[Event], count: int = 1) -> list[Any]:
    """The first `count` events of a kind, as soon as the journal holds them."""
    found: list[Event] = []
    async with asyncio.timeout(WITHIN_S):
        async for entries in journal.tail(Cursor("")):
            found += [entry.event for entry in entries if isinstance(entry.event, wanted)]
            if len(found) >= count:
                break
    return found


async def events(journal: Journal, wanted: type[Event]) -> list[Any]:
    return [entry.event for entry in await journal.read(limit=10_000) if isinstance(entry.event, wanted)]


async def test_an_error_never_seen_before_becomes_a_thought_with_its_consequences(tmp_path: Path) -> None:
    def answer(messages: Messages, offered: list[str]) -> str:
        return thought(messages, offered, severity="critical", action_needed=True, action_details="look")

    async with ScriptedServer(answer) as server, awake(tmp_path, server) as (_, journal):
        [entry] = await journal.append([line("ERROR disk sda failed: I/O error")])
        [came] = await until(journal, Thought)
        assert came.evidence == (entry.seq,)
        assert came.severity == "critical"
        assert came.prompt_tokens > 0
        [notification] = await events(journal, Notification)
        [request] = await events(journal, ActionRequest)
        [prediction] = await events(journal, Prediction)
        assert notification.key == request.key == prediction.cycle == came.cycle
        assert "I/O error" in server.prompts[0][-1]["content"]


async def test_what_is_expected_is_not_thought_about(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server) as (mind, journal):
        quiet = [
            Observation(
                at_ns=time.time_ns() + n * 10**10,
                source="metrics",
                form="metrics",
                values={"cpu_percent": 5.0},
            )
            for n in range(300)
        ]
        await journal.append(quiet)
        await journal.append([line("ERROR unheard of: kernel panic")])
        await until(journal, Thought)
        assert len(server.prompts) == 1
        assert mind.attending.counts()[0] == 301


async def test_an_invented_citation_is_repaired_once_and_then_a_failed_thought(tmp_path: Path) -> None:
    def answer(messages: Messages, offered: list[str]) -> str:
        return thought(messages, ["#999999"])

    async with ScriptedServer(answer) as server, awake(tmp_path, server) as (_, journal):
        await journal.append([line("ERROR one: panic")])
        [failed] = await until(journal, ThoughtFailed)
        assert "#999999" in failed.error
        assert not failed.retried
        assert len(server.prompts) == 2
        server.answer = thought
        await journal.append([line("FATAL two: corrupt", "log:/other")])
        [came] = await until(journal, Thought)
        assert not came.repaired


async def test_what_surprised_and_could_not_be_thought_about_is_told_with_its_raw_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "error in " + 40 * "15"
    spent: list[int] = []

    def spend(_: WakeBudget, at_ns: int, *cost: float) -> None:
        spent.append(at_ns)

    monkeypatch.setattr(WakeBudget, "spent", spend)

    def answer(messages: Messages, offered: list[str]) -> str:
        return thought(messages, offered, assessment=endless)

    async with ScriptedServer(answer) as server, awake(tmp_path, server) as (_, journal):
        [entry] = await journal.append([line("ERROR one: panic")])
        [failed] = await until(journal, ThoughtFailed)
        assert "assessment says '15' again and again" in failed.error
        [told] = await until(journal, Notification)
        assert (told.title, told.evidence) == ("could not be thought about", (entry.seq,))
        assert "ERROR one: panic" in told.text
        assert len(server.prompts) == 2
        async with asyncio.timeout(5):
            while not spent:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("error: " + "r" * 40, True),
        ("6th." + "15" * 30, True),
        ("down " * 15, True),
        ("-" * 60, False),
        ("x = 0x" + "0" * 16, False),
        ("a, a, a, a, a, b and b", False),
    ],
)
def test_an_answer_that_goes_on_without_end_is_garbled(text: str, wrong: bool) -> None:
    reply = msgspec.json.decode(thought([{"content": ""}], ["#1"], assessment=text), type=Reply)
    assert bool(garbled(reply, "it is so")) is wrong
    assert not garbled(reply, f"a line with {text}")  # which it only repeats


async def test_an_answer_that_is_no_json_is_repaired(tmp_path: Path) -> None:
    texts = iter(["sorry, I can't", None])

    def answer(messages: Messages, offered: list[str]) -> str:
        return next(texts) or thought(messages, offered)

    async with ScriptedServer(answer) as server, awake(tmp_path, server) as (_, journal):
        await journal.append([line("ERROR one: panic")])
        [came] = await until(journal, Thought)
        assert came.repaired


async def test_a_thought_that_breaks_off_is_tried_again_and_then_set_aside(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server) as (_, journal):
        server.broken = True
        [entry] = await journal.append([line("ERROR poison: panic")])
        [aside] = await until(journal, SetAside)
        assert aside.evidence == (entry.seq,)
        failures = await events(journal, ThoughtFailed)
        assert [failed.interrupted for failed in failures] == [True, True]
        [notification] = await events(journal, Notification)
        assert "poison" in notification.text
        server.broken = False
        await journal.append([line("FATAL healthy: corrupt", "log:/other")])
        [came] = await until(journal, Thought)
        assert entry.seq not in came.evidence


async def test_while_the_server_is_gone_observations_wait_and_are_thought_about(tmp_path: Path) -> None:
    server = ScriptedServer()
    async with server:
        pass  # it was there, and is no more
    async with awake(tmp_path, server) as (mind, journal):
        await journal.append([line("ERROR first: panic")])
        await until(journal, ThoughtFailed)
        [down] = await events(journal, Health)
        assert down.state == "down"
        await journal.append([line("FATAL second: corrupt", "log:/other")])
        async with ScriptedServer() as back:
            mind._thinker.client.base_url = back.url
            thoughts = await until(journal, Thought, 2)
            assert sorted(seq for each in thoughts for seq in each.evidence) == sorted(
                entry.seq for entry in await journal.read(kinds=("observation",))
            )
            assert [health.state for health in await until(journal, Health, 2)] == ["down", "up"]


async def test_a_mind_that_died_while_thinking_takes_the_evidence_up_again(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        stuck = asyncio.Event()

        async def hold() -> None:
            stuck.set()
            await asyncio.sleep(3600)

        server.before = hold
        async with awake(tmp_path, server) as (_, journal):
            [entry] = await journal.append([line("ERROR first: panic")])
            async with asyncio.timeout(WITHIN_S):
                await stuck.wait()
        server.before = None
        async with awake(tmp_path, server) as (_, journal):
            [came] = await until(journal, Thought)
            assert came.evidence == (entry.seq,)
            assert [started.attempt for started in await events(journal, ThoughtStarted)] == [1, 2]


async def test_evidence_that_killed_the_mind_twice_is_set_aside_at_the_third_start(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        for _ in range(2):
            stuck = asyncio.Event()

            async def hold(stuck: asyncio.Event = stuck) -> None:
                stuck.set()
                await asyncio.sleep(3600)

            server.before = hold
            async with awake(tmp_path, server) as (_, journal):
                if not await journal.read(kinds=("observation",)):
                    await journal.append([line("ERROR poison: panic")])
                async with asyncio.timeout(WITHIN_S):
                    await stuck.wait()
        server.before = None
        async with awake(tmp_path, server) as (_, journal):
            [aside] = await until(journal, SetAside)
            assert aside.attempts == 2
        assert server.answered == 0


async def test_a_finished_thought_is_not_thought_again_after_a_restart(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        async with awake(tmp_path, server) as (_, journal):
            await journal.append([line("ERROR first: panic")])
            await until(journal, Thought)
        async with awake(tmp_path, server) as (_, journal):
            await journal.append([line("FATAL second: corrupt", "log:/other")])
            thoughts = await until(journal, Thought, 2)
        assert not set(thoughts[0].evidence) & set(thoughts[1].evidence)
        assert "It is so." in str(server.prompts[-1])  # the conversation goes on from the first thought


async def test_when_its_model_is_gone_for_good_it_goes_on_with_the_one_that_is_there(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server) as (mind, journal):
        await journal.append([line("ERROR first: panic")])
        await until(journal, Thought)
        server.model, server.context_tokens = "another", 6000
        await journal.append([line("FATAL second: corrupt", "log:/other")])
        thoughts = await until(journal, Thought, 2)
        assert mind.facts.name == "another"
        room = mind.room
        assert room.rules + room.opening + room.turns + room.free + room.answer == 6000
        assert len(await events(journal, ThoughtFailed)) == 1
        assert thoughts[1].evidence
        assert [each.text for each in await events(journal, Health) if each.state == "up"] == ["goes on with another"]


async def test_stopped_while_it_commits_a_score_it_keeps_what_it_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = asyncio.Event()
    async with ScriptedServer() as server:
        async with awake(tmp_path, server) as (_, journal):
            commit = journal.commit

            async def slow(*given: Any, **more: Any) -> Any:
                entries = await commit(*given, **more)
                if more["consumer"] == "attention":
                    written.set()
                    await asyncio.sleep(0.05)
                return entries

            monkeypatch.setattr(journal, "commit", slow)
            await journal.append([line("ERROR first: panic")])
            async with asyncio.timeout(WITHIN_S):
                await written.wait()
        async with await Journal.open(tmp_path / "journal.db") as journal:
            assert await journal.cursor("attention") != Cursor("")


@pytest.mark.parametrize("context_tokens", [8192, 2600], ids=["all whole", "compacted"])
async def test_after_a_restart_the_prompt_goes_on_with_the_same_bytes(tmp_path: Path, context_tokens: int) -> None:
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"]
    async with ScriptedServer(context_tokens=context_tokens) as server:
        async with awake(tmp_path, server) as (_, journal):
            for number, word in enumerate(words):
                await journal.append([line(f"FATAL {word} corrupt", f"log:/{word}")])
                await until(journal, Thought, number + 1)
            compacted = bool(await events(journal, Summary))
        before = server.prompts[-1]
        async with awake(tmp_path, server) as (_, journal):
            await journal.append([line("FATAL india corrupt", "log:/india")])
            thoughts = await until(journal, Thought, len(words) + 1)
        after = server.prompts[-1]
    assert compacted is (context_tokens < 4000)
    assert after[: len(before)] == before
    assert after[len(before)]["content"] == thoughts[-2].said


async def test_the_first_look_shows_the_machine_as_it_is(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server, MindSettings()) as (_, journal):
        text = "cpu 5.0%, memory 41.0%"
        await asyncio.sleep(0)
        metrics = Observation(
            at_ns=time.time_ns(), source="metrics", form="metrics", text=text, values={"cpu_percent": 5.0}
        )
        async with asyncio.timeout(WITHIN_S):
            while not server.prompts:
                await journal.append([metrics])
                await asyncio.sleep(0.05)
        [came] = await until(journal, Thought)
        assert came.reason == "scheduled"
        assert "[first look; nothing is high]" in server.prompts[0][-1]["content"]


async def test_quiet_is_proved(tmp_path: Path) -> None:
    settings = MindSettings(first_look=False, quiet_every_s=0.3)
    async with ScriptedServer() as server, awake(tmp_path, server, settings) as (_, journal):
        await journal.append([line("all is well")])
        reports = await until(journal, Quiet, 2)
        assert sum(report.observations for report in reports) <= 1
        assert not server.prompts


async def test_the_proof_of_quiet_does_not_bring_back_what_was_thought_about(tmp_path: Path) -> None:
    settings = MindSettings(first_look=False, quiet_every_s=0.2)
    async with ScriptedServer() as server:
        async with awake(tmp_path, server, settings) as (_, journal):
            await journal.append([line("ERROR first: panic")])
            await until(journal, Thought)
            reports = len(await events(journal, Quiet))
            await until(journal, Quiet, reports + 2)
            assert not (await recover.waiting(journal)).seen


async def test_the_text_streams_while_it_is_written(tmp_path: Path) -> None:
    parts: list[str] = []

    def collect(cycle: str, reason: str, text: str) -> None:
        parts.append(text)

    async with (
        ScriptedServer() as server,
        awake(tmp_path, server, on_partial=collect) as (_, journal),
    ):
        await journal.append([line("ERROR first: panic")])
        await until(journal, Thought)
    assert len(parts) > 3
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(parts))


async def test_the_prompt_grows_at_its_end_only(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server) as (_, journal):
        for number in range(3):
            await journal.append([line(f"FATAL {'abc'[number] * 5} corrupt", f"log:/{number}")])
            await until(journal, Thought, number + 1)
    for before, after in itertools.pairwise(server.prompts):
        assert after[: len(before)] == before


@pytest.mark.parametrize("count", [2000])
async def test_a_storm_is_thought_about_once_and_consumed(tmp_path: Path, count: int) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server) as (mind, journal):
        storm = [
            line(f"ERROR {number:x} failed: panic {number * 7919:x}", f"log:/{number % 40}") for number in range(count)
        ]
        await journal.append(storm)
        await until(journal, Thought)
        async with asyncio.timeout(WITHIN_S):
            while mind.waiting or mind.phase == "thinking":
                await asyncio.sleep(0.05)
        assert len(server.prompts) < 20
        assert any("And more, not shown:" in each[-1]["content"] for each in server.prompts)
