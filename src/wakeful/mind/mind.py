"""The loop: attends, wakes, thinks, commits, and otherwise is quiet, with proof."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from wakeful.attention import AttentionSettings
from wakeful.context import Room, Seen
from wakeful.events import (
    Cursor,
    Entry,
    Event,
    Health,
    HealthState,
    Notification,
    Observation,
    Salience,
    SetAside,
    Severity,
    ThoughtFailed,
    WakeReason,
)
from wakeful.journal import Journal
from wakeful.lmstudio import (
    AnswerTooLarge,
    BadRequest,
    ContextOverflow,
    EmptyAnswer,
    LMStudioError,
    MalformedAnswer,
    ModelCrashed,
    ServerTooSlow,
    StreamBroken,
)
from wakeful.memory import Recall
from wakeful.mind import recover
from wakeful.mind.attend import Attending
from wakeful.mind.cycle import Concluded, Cycle, new_id, raw_lines, think
from wakeful.mind.prompt import version_for
from wakeful.mind.recover import new_conversation
from wakeful.mind.thinker import ModelFacts, Thinker, UnusableAnswer
from wakeful.mind.workspace import MAX_SHOWN, Batch, Workspace

Phase = Literal["starting", "watching", "thinking", "waiting for the model"]
OnPartial = Callable[[str, WakeReason, str], None]
"""Is called while a thought streams, with its cycle, why the mind woke, and the whole text so far."""

GATHER_S = 0.5
"""How long the mind waits after waking, so that what belongs together is thought about together."""

MAX_INTERRUPTIONS = 2
"""How often a thought may be interrupted before its evidence is set aside."""

FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 60.0
"""Seconds before a thought is tried again; doubled from failure to failure, whatever kind they are of."""

_HOPELESS = (ContextOverflow, BadRequest, EmptyAnswer, AnswerTooLarge)
"""Sending the same prompt again would fail again."""

_INTERRUPTED = (StreamBroken, ServerTooSlow, ModelCrashed, MalformedAnswer)
"""The model was thinking about it when it failed, so that the evidence itself may be to blame."""


@dataclass(frozen=True, slots=True)
class MindSettings:
    """What the user may decide about thinking.

    notify_from: the mildest severity that is told to the user
    first_look: whether the mind looks at the machine once when it starts
    idle_every_s: seconds of quiet after which it thinks without being woken, 0 for never
    quiet_every_s: seconds between two proofs of being awake
    """

    notify_from: Severity = "warning"
    first_look: bool = True
    idle_every_s: float = 0.0
    quiet_every_s: float = 3600.0


class Mind:
    """One mind on one journal.

    `run` goes on for ever; whatever the model, the server or an observation does, it only ends when cancelled or
    when the journal can't be written any more.
    """

    def __init__(
        self,
        journal: Journal,
        thinker: Thinker,
        recall: Recall,
        *,
        attention: AttentionSettings,
        settings: MindSettings = MindSettings(),
        now_ns: Callable[[], int] = time.time_ns,
        on_partial: OnPartial | None = None,
    ) -> None:
        self.phase: Phase = "starting"
        self.attending = Attending(journal, attention, self._on_salient)
        self._journal = journal
        self._thinker = thinker
        self._recall = recall
        self._settings = settings
        self._now_ns = now_ns
        self._on_partial = on_partial
        self._prompt_version = version_for(pilot=thinker.facts.pilot)
        self._conversation = new_conversation(thinker)
        self._workspace = Workspace()
        self._woken = asyncio.Event()
        self._committing = asyncio.Lock()
        self._cursor = Cursor("")
        self._interrupted: Counter[int] = Counter()
        self._expected = ""
        self._pause_s = FIRST_PAUSE_S
        self._model_down = False

    async def run(self) -> None:
        """Thinks until cancelled. Raises JournalError when the journal fails for good."""
        await self._recover()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.attending.run(), name="attend")
                tasks.create_task(self._think_on(), name="think")
                tasks.create_task(self._prove_quiet(), name="quiet")
                tasks.create_task(self.attending.prove_awake(self._now_ns), name="canary")
        finally:
            # The learnt state is worth the moment that it takes, also when we are being cancelled.
            await asyncio.shield(self.attending.save())

    @property
    def facts(self) -> ModelFacts:
        """Which model thinks."""
        return self._thinker.facts

    @property
    def room(self) -> Room:
        """What the model's context is taken up by."""
        return self._conversation.room

    @property
    def busy(self) -> bool:
        """Whether it thinks, or is about to."""
        return self.phase in ("thinking", "waiting for the model") or self._woken.is_set()

    @property
    def waiting(self) -> int:
        """Salient observations that no thought has taken up yet."""
        return len(self._workspace)

    async def _recover(self) -> None:
        await self.attending.restore()
        left = await recover.waiting(self._journal)
        self._interrupted.update(left.attempts)
        self._cursor = await self._journal.cursor(recover.CONSUMER)
        for seen, cursor in left.seen:
            self._on_salient(seen, cursor)
        await recover.into(self._conversation, self._journal, self._thinker)
        self._expected = await self._last_expectation()

    async def _last_expectation(self) -> str:
        newest = await self._journal.read(kinds=("prediction",), limit=1, newest_first=True)
        return newest[0].event.body if newest else ""

    def _on_salient(self, seen: Seen, cursor: Cursor) -> None:
        self._workspace.add(seen, cursor)
        if seen.salience is not None and self.attending.attention.wakes(seen.salience):
            self._woken.set()

    async def _think_on(self) -> None:
        if self._settings.first_look:
            await self._think(await self._first_look())
        while True:
            self.phase = "watching"
            reason = await self._wake()
            await asyncio.sleep(GATHER_S)
            self._woken.clear()
            await self._think(Cycle(new_id(), reason, self._workspace.drain(MAX_SHOWN)))

    async def _wake(self) -> WakeReason:
        """Waits until there is a reason to think, and says which."""
        try:
            async with asyncio.timeout(self._settings.idle_every_s or None):
                await self._woken.wait()
        except TimeoutError:
            return "idle"
        return "salience"

    async def _first_look(self) -> Cycle:
        """What the machine looks like now, so that a person sees at once that the mind works.

        The newest metrics are shown first; what an earlier run left waiting comes along.
        """
        begin = await self._journal.end()
        shown: list[Seen] = []
        async for entries in self._journal.tail(begin, kinds=("observation",)):
            shown = [_as_first_look(entry) for entry in entries if _is_metrics(entry)][-1:]
            if shown:
                break
        left = self._workspace.drain(MAX_SHOWN - len(shown))
        batch = Batch(shown=(*left.shown, *shown), others=left.others, through=left.through)
        return Cycle(new_id(), "scheduled", batch)

    async def _think(self, cycle: Cycle) -> None:
        """Thinks about the cycle's evidence until there is a thought, or a reason why there is none."""
        while True:
            poison = [seq for seq in cycle.evidence if self._interrupted[seq] >= MAX_INTERRUPTIONS]
            if poison:
                await self._set_aside(cycle)
                return
            attempt = 1 + max((self._interrupted[seq] for seq in cycle.evidence), default=0)
            cycle = Cycle(new_id(), cycle.reason, cycle.batch, attempt)
            self.phase = "thinking"
            await self._journal.append([cycle.started(self._now_ns())])
            try:
                concluded = await self._once(cycle)
            except UnusableAnswer as error:
                await self._conclude([self._failed(cycle, error.message, raw=error.raw)], cycle)
                return
            except LMStudioError as error:
                if not await self._broke(cycle, error):
                    return
            else:
                await self._keep(cycle, concluded)
                return

    async def _once(self, cycle: Cycle) -> Concluded:
        recalled = await self._recall.recall(
            [seen.observation for seen in cycle.batch.shown],
            without={turn.seq for turn in self._conversation.turns},
        )
        on_partial = self._on_partial

        def on_text(text: str) -> None:
            if on_partial is not None:
                on_partial(cycle.id, cycle.reason, text)

        return await think(
            cycle,
            self._conversation,
            self._thinker,
            expected=self._expected,
            recalled=recalled,
            prompt_version=self._prompt_version,
            notify_from=self._settings.notify_from,
            now_ns=self._now_ns,
            on_text=on_text,
        )

    async def _keep(self, cycle: Cycle, concluded: Concluded) -> None:
        """Commits a thought with all that follows from it, then lets the conversation grow by it."""
        entries = await self._conclude(concluded.events, cycle)
        usage = concluded.result.usage
        self._conversation.add(
            replace(concluded.turn, seq=entries[0].seq),
            prompt_tokens=usage.prompt_tokens or 0,
            completion_tokens=usage.completion_tokens or 0,
        )
        self._expected = concluded.thought.next_prediction
        self._pause_s = FIRST_PAUSE_S
        if self._model_down:
            self._model_down = False
            await self._journal.append([self._health("up", "thinks again")])
        thought = concluded.thought
        self.attending.attention.budget.spent(thought.at_ns, concluded.tokens, thought.duration_s)

    async def _conclude(self, events: Sequence[Event], cycle: Cycle) -> list[Entry]:
        """One transaction: what the cycle came to, and how far the journal is consumed."""
        entries = await self._commit(events, cycle.batch.through or self._cursor)
        for seq in cycle.evidence:
            del self._interrupted[seq]
        return entries

    async def _commit(self, events: Sequence[Event], cursor: Cursor) -> list[Entry]:
        async with self._committing:
            entries = await self._journal.commit(
                events, consumer=recover.CONSUMER, expected=self._cursor, cursor=cursor
            )
            self._cursor = cursor
        return entries

    async def _broke(self, cycle: Cycle, error: LMStudioError) -> bool:
        """Journals that the model server failed, and waits until the thought can be tried again.

        Returns False where this prompt can't be answered however often it is sent; then the evidence is consumed
        as a failed thought.
        """
        if isinstance(error, _HOPELESS):
            await self._conclude([self._failed(cycle, str(error), raw=error.partial)], cycle)
            return False
        interrupted = isinstance(error, _INTERRUPTED)
        if interrupted:
            self._interrupted.update(cycle.evidence)
        failed = self._failed(cycle, str(error), raw=error.partial, retried=True, interrupted=interrupted)
        self.phase = "waiting for the model"
        news = [] if self._model_down else [self._health("down", str(error))]
        self._model_down = True
        await self._journal.append([failed, *news])
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
        await self._thinker.client.wait_until_up(first_wait_s=FIRST_PAUSE_S)
        return True

    async def _set_aside(self, cycle: Cycle) -> None:
        """Gives up on evidence that broke its thought too often, and tells the user with the raw lines."""
        now_ns = self._now_ns()
        why = f"thinking about this broke off {MAX_INTERRUPTIONS} times; it is set aside for you to look at"
        await self._conclude(
            [
                SetAside(at_ns=now_ns, cycle=cycle.id, evidence=cycle.evidence, attempts=MAX_INTERRUPTIONS, why=why),
                Notification(
                    at_ns=now_ns,
                    key=cycle.id,
                    severity="warning",
                    title="could not be thought about",
                    text=f"{why}:\n{raw_lines(cycle.batch.shown)}",
                    evidence=cycle.evidence,
                ),
            ],
            cycle,
        )

    def _failed(
        self, cycle: Cycle, error: str, *, raw: str = "", retried: bool = False, interrupted: bool = False
    ) -> ThoughtFailed:
        return ThoughtFailed(
            at_ns=self._now_ns(),
            cycle=cycle.id,
            reason=cycle.reason,
            error=error,
            raw=raw,
            evidence=cycle.evidence,
            retried=retried,
            interrupted=interrupted,
        )

    def _health(self, state: HealthState, text: str) -> Health:
        return Health(at_ns=self._now_ns(), part="model", state=state, text=text)

    async def _prove_quiet(self) -> None:
        """Journals from time to time what was seen and passed over, as a proof of being awake.

        Where nothing waits, all of that is consumed with it, so that retention can let it go.
        """
        while True:
            since_ns, before = self._now_ns(), self.attending.counts()
            await asyncio.sleep(self._settings.quiet_every_s)
            report = self.attending.quiet(since_ns, before, self._now_ns())
            nothing_waits = self.phase == "watching" and not self._workspace and not self._woken.is_set()
            await self._commit([report], self.attending.committed if nothing_waits else self._cursor)


def _is_metrics(entry: Entry) -> bool:
    return isinstance(entry.event, Observation) and entry.event.source == "metrics"


def _as_first_look(entry: Entry) -> Seen:
    observation = entry.event
    assert isinstance(observation, Observation)
    look = Salience(
        at_ns=observation.at_ns,
        about=entry.seq,
        source=observation.source,
        surprise_nats=0.0,
        precision=1.0,
        salience=0.0,
        threshold=0.0,
        reasons=("first look",),
    )
    return Seen(entry.seq, observation, look)
