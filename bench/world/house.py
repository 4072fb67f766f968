"""One life of a mind in a world: the real parts, put together as `wakeful run` does, in a loop whose time jumps."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal, TypeVar

import wakeful
from bench.world import hands, reader
from bench.world.clock import jumping, patient_with
from bench.world.faults import Faults, play
from bench.world.plan import World
from bench.world.server import MODEL, ModelServer
from bench.world.source import WorldSource, world_ns
from wakeful.attention import AttentionSettings
from wakeful.engine import Engine
from wakeful.events import Observation, Session
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient
from wakeful.memory import Consolidation, Memory, Recall, RollUp
from wakeful.mind import Answered, Mind, ModelFacts, Thinker
from wakeful.mind.thinker import Messages
from wakeful.sources import run_sources

Model = Literal["scripted", "pilot"]
T = TypeVar("T")

AFTERWARDS_S = 300.0
"""How long a life goes on after the last observation, for what still waits; short, since silence would be told."""

_UPKEEP_S = 3600.0
_KEEP_S = 90 * 86_400.0
_CONSUMERS = ("attention", "mind")
Say = Callable[[str], None]


class _Patient(Thinker):
    """Thinks with a model that is another process: while it answers, time goes at its usual pace."""

    async def count(self, messages: Messages) -> int | None:
        with jumping().held():
            return await super().count(messages)

    async def ask(self, messages: Messages, shape: type[T], *args: object, **options: object) -> Answered[T]:
        with jumping().held():
            return await super().ask(messages, shape, *args, **options)  # type: ignore[arg-type]


async def live(
    world: World,
    folder: Path,
    *,
    until_s: float,
    faults: Faults = Faults(),  # noqa: B008 (frozen)
    model: Model = "scripted",
    say: Say = lambda _: None,
) -> None:
    """Lives from the loop's time to `until_s`, and a little longer; what happened is in the journal in `folder`.

    say: is told `day 3.25` each quarter of a day, `step` at each batch that is safe, `thinking` while an answer comes
    Raises JournalError when the journal can't be opened or fails for good.
    """
    loop = asyncio.get_running_loop()

    def now_ns() -> int:
        return world_ns(loop.time() + faults.set_by_s(loop.time()))

    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(await Journal.open(folder / "journal.db", patience_s=math.inf))
        stack.enter_context(patient_with(journal))
        index = await stack.enter_async_context(JournalIndex(journal, folder / "index.db"))
        thinker, server = await stack.enter_async_context(_model(model))
        memory = Memory(journal, index, now_ns=now_ns)
        mind = Mind(
            journal,
            thinker,
            Recall(memory, kinds=("thought",) if thinker.facts.pilot else ("thought", "memory")),
            attention=AttentionSettings(),
            now_ns=now_ns,
            on_partial=lambda cycle, reason, text: say("thinking"),
        )

        async def emit(batch: Sequence[Observation]) -> None:
            await journal.append(batch)
            say("step")

        started = Session(at_ns=now_ns(), state="started", version=wakeful.__version__)
        await journal.append([started])
        resume_points = await journal.resume_points()
        source = WorldSource(world, until_s, faults.set_by_s)
        tasks = [
            run_sources([source], resume_points, emit, now_ns=now_ns),
            mind.run(),
            index.follow(),
            Consolidation(memory, now_ns=now_ns).run(),
            hands.outbox(journal, folder, now_ns).run(),
            _keep_up(journal, now_ns),
            _tell_days(say),
            *(
                [play(faults, server), hands.ask_on(journal, now_ns, until_s=until_s)]
                if server is not None and faults.faults
                else []
            ),
        ]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(task) for task in tasks]
            await asyncio.sleep(max(0.0, until_s + AFTERWARDS_S - loop.time()))
            for task in running:
                task.cancel()


@asynccontextmanager
async def _model(model: Model) -> AsyncGenerator[tuple[Thinker, ModelServer | None]]:
    """Whoever thinks, and its server where that can be disturbed."""
    if model == "scripted":
        async with ModelServer(reader.answer) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
            facts = ModelFacts(MODEL, 8192, "LM Studio", server.url)
            yield Thinker(client, facts, answer_tokens=500), server
        return
    async with AsyncExitStack() as stack:
        with jumping().held():
            engine = await stack.enter_async_context(Engine())
            client = await stack.enter_async_context(engine.client())
            name = (await client.loaded_model()).id
        facts = ModelFacts(name, engine.context_tokens, "built-in engine", engine.base_url, pilot=True)
        yield _Patient(client, facts, answer_tokens=500, temperature=0.0), None


async def _keep_up(journal: Journal, now_ns: Callable[[], int]) -> None:
    """As `wakeful run` does, but lets no measurement go: what is missing in the end was lost."""
    roll_up = RollUp(journal, now_ns=now_ns)
    while True:
        await asyncio.sleep(_UPKEEP_S)
        await roll_up.step()
        await journal.prune(max_age_s=_KEEP_S, max_bytes=2e9, consumers=_CONSUMERS, now_ns=now_ns)


async def _tell_days(say: Say) -> None:
    while True:
        say(f"day {asyncio.get_running_loop().time() / 86_400:.3f}")
        await asyncio.sleep(21_600)
