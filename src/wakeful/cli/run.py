"""`wakeful run`: puts the parts together, starts them in order, and ends them within two seconds."""

import asyncio
import contextlib
import math
import os
import secrets
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import cast

from rich.text import Text

import wakeful
from wakeful.actions import Approvals
from wakeful.attention import AttentionSettings
from wakeful.cli import runtime
from wakeful.cli.board import Board, quiet_line
from wakeful.cli.home import home_folder, index_file, journal_file
from wakeful.cli.model import PILOT_NOTE, Connection, connected
from wakeful.cli.tending import recalled_kinds, tended
from wakeful.cli.terminal import Screen, event_text, local_clock, thought_text
from wakeful.cli.toolbox import Acting, build_acting
from wakeful.cli.watching import build_sources, hooks_of, observers_of
from wakeful.config import Settings
from wakeful.dashboard import ApprovalRoutes, Dashboard, IntentionRoutes, Live
from wakeful.events import Cursor, Observation, Session, Thought
from wakeful.journal import Journal, JournalIndex
from wakeful.memory import Recall, RollUp
from wakeful.mind import Intentions, Mind, MindSettings, Thinker, forecasts, rules
from wakeful.sources import SourceHealth, run_sources

_UPKEEP_S = 3600.0
_LAST_WORD_S = 0.5
_TOOLS_S = 5.0  # so long a model waits for servers, to be told of their tools
_TELL_KINDS = (
    "thought",
    "thought_failed",
    "health",
    "notification",
    "answer",
    "approval_requested",
    "action_result",
    "brake",
)
_CONSUMERS = ("attention", "mind")


def run_mind(settings: Settings, watch: Sequence[str]) -> int:
    """Runs until Ctrl-C or a signal; returns the exit code."""
    try:
        asyncio.run(_until_stopped(settings, watch))
    except BaseExceptionGroup as group:
        raise _first(group) from group
    return 0


async def _until_stopped(settings: Settings, watch: Sequence[str]) -> None:
    """Runs the mind, and cancels it at the first signal; at the second one the program ends at once."""
    task = asyncio.create_task(_Run(settings, watch).run())
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            os._exit(1)
        asked = True
        task.cancel()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C comes as KeyboardInterrupt
                loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
        print("Stopped. Everything is kept; started again, it goes on from here.")


class _Run:
    """One run of a mind: the parts that all of its tasks share."""

    def __init__(self, settings: Settings, watch: Sequence[str]) -> None:
        self._settings = settings
        self._home = home_folder(settings)
        rules(pilot=False, stance=settings.thinking.stance, file=settings.thinking.prompt)  # a wrong one is said now
        self._sources = build_sources(settings, watch)
        self._health: dict[str, SourceHealth] = {}
        self._board = Board(self._health, thoughts_per_hour=settings.attention.thoughts_per_hour)
        self._live = Live()
        self._screen = Screen()
        self._page = ""
        self._approve_token = secrets.token_urlsafe(24)
        self._started_s = time.time()

    async def run(self) -> None:
        """Opens what has to be open, and runs the tasks until cancelled."""
        page = self._settings.page
        async with AsyncExitStack() as stack:
            stack.enter_context(self._screen)
            journal = await stack.enter_async_context(await Journal.open(journal_file(self._home), patience_s=math.inf))
            if page.enabled:
                hooks = hooks_of(self._sources)
                dashboard = Dashboard(
                    journal,
                    self._live,
                    host=page.host,
                    port=page.port,
                    token=page.token,
                    hooks=hooks,
                    reports={"predictions": lambda: forecasts(journal)},
                    approvals=ApprovalRoutes(Approvals(journal), self._approve_token),
                    intentions=IntentionRoutes(journal, Intentions(journal), self._approve_token),
                )
                self._page = (await stack.enter_async_context(dashboard)).url
            index = await stack.enter_async_context(JournalIndex(journal, index_file(self._home)))
            stack.callback(runtime.remove, self._home)
            acting = build_acting(self._settings, journal, index)
            self._leave_note(None)
            try:
                await self._greet(journal)
                begin = await journal.end()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._watch(journal))
                    tasks.create_task(self._think(journal, index, acting))
                    tasks.create_task(index.follow())
                    for work in acting.tasks:
                        tasks.create_task(work())
                    tasks.create_task(self._tell(journal, begin))
                    tasks.create_task(self._show())
                    tasks.create_task(self._keep_up(journal))
            finally:
                stopped = Session(at_ns=time.time_ns(), state="stopped", version=wakeful.__version__)
                with contextlib.suppress(TimeoutError):  # a full disk; the session's end is no loss
                    async with asyncio.timeout(_LAST_WORD_S):
                        await journal.append([stopped])

    # --- tasks ---

    async def _watch(self, journal: Journal) -> None:
        """Runs the sources; a full disk holds them back until there is space again."""

        async def emit(batch: Sequence[Observation]) -> None:
            await journal.append(batch)

        await run_sources(self._sources, await journal.resume_points(), emit, health=self._health)
        self._screen.say("All sources have ended.")

    async def _think(self, journal: Journal, index: JournalIndex, acting: Acting) -> None:
        """Connects to the model, waiting as long as it takes, and thinks with it."""
        settings = self._settings
        async with (
            connected(settings, self._news, observers=observers_of(self._sources)) as model,
            tended(journal, index, self._home, model.thinker) as kept,
        ):
            thinker = model.thinker
            self._introduce(thinker)
            if not thinker.facts.pilot:  # which can think its own kind of thought and nothing else
                acting.specialists.use(thinker.client, thinker.facts.name)
                await acting.ready(within_s=_TOOLS_S)
            mind = Mind(
                journal,
                thinker,
                Recall(kept.memory, kinds=recalled_kinds(thinker.facts)),
                attention=AttentionSettings(
                    thoughts_per_hour=settings.attention.thoughts_per_hour,
                    tokens_per_hour=settings.attention.tokens_per_hour,
                    busy_share=settings.attention.busy_share,
                    interests=tuple(settings.attention.interests),
                ),
                settings=MindSettings(
                    notify_from=settings.notify.least,
                    first_look=settings.thinking.first_look,
                    idle_every_s=settings.thinking.idle_every_s,
                    quiet_every_s=settings.thinking.quiet_every_s,
                    reflect_every_s=settings.thinking.reflect_every_s,
                    bounds=_bounds(settings),
                    stance=settings.thinking.stance,
                    stances=tuple(settings.tuning.stance),
                    prompt=settings.thinking.prompt,
                ),
                on_partial=lambda cycle, reason, text: self._partial(reason, text),
                tools=acting.tools,
            )
            self._board.mind = mind
            self._leave_note(model)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(kept.tend())
                tasks.create_task(mind.run())

    async def _tell(self, journal: Journal, begin: Cursor) -> None:
        """Prints what a person wants to see go by."""
        async for entries in journal.tail(begin, kinds=_TELL_KINDS):
            for entry in entries:
                event = entry.event
                if isinstance(event, Thought):
                    self._partial(event.reason, "")
                    self._board.spent(event.at_ns, event.prompt_tokens + event.completion_tokens)
                    self._screen.say(thought_text(event, await journal.get(event.evidence)))
                elif (text := event_text(event)) is not None:
                    self._partial("", "")
                    self._screen.say(text)

    async def _show(self) -> None:
        """Keeps the page's and the terminal's last line up to date."""
        while True:
            status = self._board.status()
            self._live.update(status)
            self._screen.status(quiet_line(status))
            await asyncio.sleep(1.0)

    async def _keep_up(self, journal: Journal) -> None:
        """Keeps the journal within its age and size."""
        limits = self._settings.journal
        roll_up = RollUp(journal, now_ns=time.time_ns)
        while True:
            await asyncio.sleep(_UPKEEP_S)
            await roll_up.step()
            thin = await roll_up.thin()
            await journal.prune(
                max_age_s=limits.keep_days * 86_400, max_bytes=limits.max_gb * 1e9, consumers=_CONSUMERS, thin=thin
            )
            await roll_up.dropped(thin)

    # --- what a person is told ---

    async def _greet(self, journal: Journal) -> None:
        """Says what is found of an earlier run, and journals that this one began."""
        newest = await journal.read(limit=1, newest_first=True)
        if newest:
            stats = await journal.stats()
            last = local_clock(newest[0].event.at_ns)
            self._board.resumed = f"Going on where it was: {stats.events:,} events, the last one at {last}."
        started = Session(at_ns=time.time_ns(), state="started", version=wakeful.__version__, text=self._board.resumed)
        await journal.append([started])
        head = Text(f"Wakeful {wakeful.__version__}", "bold")
        if self._page:
            head.append(f"   {self._page}", "cyan")
        self._screen.say(head)
        if self._board.resumed:
            self._screen.say(Text(self._board.resumed, "green"))
        names = ", ".join(source.name for source in self._sources)
        self._screen.say(f"watching  {names or 'nothing: name a [[source]] in wakeful.toml'}")
        for hook in hooks_of(self._sources):
            self._screen.say(f"webhook   {self._page}/hook/{hook.hook}")
        budget = self._settings.attention
        tokens = f", {budget.tokens_per_hour:,} tokens" if budget.tokens_per_hour else ""
        self._screen.say(f"budget    {budget.thoughts_per_hour:g} thoughts{tokens} an hour")

    def _introduce(self, thinker: Thinker) -> None:
        facts = thinker.facts
        line = Text(f"model     {facts.name} ({facts.server}, {facts.context_tokens:,} tokens of context)")
        self._screen.say(line)
        if facts.pilot:
            self._screen.say(Text(f"          {PILOT_NOTE}", "yellow"))

    def _news(self, text: str) -> None:
        self._board.news = text
        self._screen.say(Text(text, "dim"))

    def _partial(self, reason: str, text: str) -> None:
        self._screen.partial(text)
        self._live.partial(reason, text)

    def _leave_note(self, model: Connection | None) -> None:
        facts = model.thinker.facts if model else None
        runtime.leave(
            self._home,
            runtime.Runtime(
                pid=os.getpid(),
                started_s=self._started_s,
                page=self._page,
                model=facts.name if facts else "",
                model_url=model.url if model else "",
                model_token=model.token if model else "",
                pilot=facts.pilot if facts else False,
                approve_token=self._approve_token,
            ),
        )


def _bounds(settings: Settings) -> dict[str, tuple[float, float]]:
    """What the mind may change about itself; what begins where it ends may not be changed."""
    tuning = settings.tuning
    given = {"threshold": tuning.threshold, "idle_every_s": tuning.idle_every_s, "keep_share": tuning.keep_share}
    return {name: (min(ends), max(ends)) for name, ends in given.items() if min(ends) < max(ends)}


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first single error of a group, which is the one that ended the run."""
    first = group.exceptions[0]
    return _first(cast("BaseExceptionGroup[BaseException]", first)) if isinstance(first, BaseExceptionGroup) else first
