"""From a cycle's evidence to a committed thought, through all failures of the model and of its server."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from wakeful.context import Conversation
from wakeful.events import (
    Cursor,
    Entry,
    Event,
    Health,
    HealthState,
    Notification,
    SetAside,
    Thought,
    ThoughtFailed,
    ThoughtYielded,
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
    ModelNotFound,
    NoModelLoaded,
    ServerTooSlow,
    StreamBroken,
)
from wakeful.mind import recover
from wakeful.mind.cycle import Concluded, Cycle, Frame, new_id, raw_lines, think
from wakeful.mind.modes import Agenda, Wake
from wakeful.mind.prompt import Rules
from wakeful.mind.settings import MindSettings
from wakeful.mind.summaries import compacted
from wakeful.mind.thinker import Thinker, UnusableAnswer

T = TypeVar("T")

Phase = Literal["starting", "watching", "thinking", "waiting for the model"]
OnPartial = Callable[[str, WakeReason, str], None]
"""Is called while a thought streams, with its cycle, why the mind woke, and the whole text so far."""

MAX_INTERRUPTIONS = 2
"""How often a thought may be interrupted before its evidence is set aside."""

FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 60.0
"""Seconds before a thought is tried again; doubled from failure to failure, whatever kind they are of."""

_HOPELESS = (ContextOverflow, BadRequest, EmptyAnswer, AnswerTooLarge)
"""Sending the same prompt again would fail again."""

_INTERRUPTED = (StreamBroken, ServerTooSlow, ModelCrashed, MalformedAnswer)
"""The model was thinking about it when it failed, so that the evidence itself may be to blame."""


GONE = (ModelNotFound, NoModelLoaded)
"""The model that thought so far is not there any more: its owner may have put another one in its place."""


class GaveWay(Exception):
    """A thought was broken off for something that matters more."""

    def __init__(self, to: WakeReason) -> None:
        super().__init__(to)
        self.to: WakeReason = to


class Attempts:
    """Thinks about evidence until there is a thought, or a reason why there is none; commits each outcome once.

    conversation: what the model still sees; grows by each thought
    frame: gives what stands around the observations of a cycle
    """

    def __init__(
        self,
        journal: Journal,
        thinker: Thinker,
        conversation: Conversation,
        agenda: Agenda,
        frame: Callable[[Cycle], Awaitable[Frame]],
        *,
        settings: MindSettings,
        prompt_version: str,
        now_ns: Callable[[], int],
        on_partial: OnPartial | None = None,
    ) -> None:
        self.phase: Phase = "starting"
        self.interrupted: Counter[int] = Counter()
        self.cursor = Cursor("")
        self._journal = journal
        self._thinker = thinker
        self._conversation = conversation
        self._agenda = agenda
        self._frame = frame
        self._settings = settings
        self._prompt_version = prompt_version
        self._now_ns = now_ns
        self._on_partial = on_partial
        self._committing = asyncio.Lock()
        self._pause_s = FIRST_PAUSE_S
        self._model_down = False

    async def think(self, cycle: Cycle, wake: Wake) -> Concluded | None:
        """The thought, committed with all that follows from it; None where there is none, which is committed too.

        Raises GaveWay where something that matters more came while the model wrote, or was waited for; then nothing is
        consumed.
        """
        while True:
            poison = [seq for seq in cycle.evidence if self.interrupted[seq] >= MAX_INTERRUPTIONS]
            if poison:
                await self._set_aside(cycle)
                return None
            attempt = 1 + max((self.interrupted[seq] for seq in cycle.evidence), default=0)
            cycle = Cycle(new_id(), cycle.reason, cycle.batch, attempt)
            self.phase = "thinking"
            await self._note([cycle.started(self._now_ns())])
            try:
                concluded = await self.unless_called_away(self._once(cycle), wake)
            except GaveWay as error:
                yielded = ThoughtYielded(
                    at_ns=self._now_ns(), cycle=cycle.id, reason=cycle.reason, to=error.to, evidence=cycle.evidence
                )
                await self._note([yielded])
                raise
            except UnusableAnswer as error:
                await self._conclude([self._failed(cycle, error.message, raw=error.raw), *self._raw(cycle)], cycle)
                return None
            except LMStudioError as error:
                if not await self._broke(cycle, error, wake):
                    return None
            else:
                await self._keep(cycle, concluded)
                return concluded

    async def commit(self, events: Sequence[Event], cursor: Cursor) -> list[Entry]:
        """Appends events together with the mind's place in the journal."""
        async with self._committing:
            entries = await self._journal.commit(events, consumer=recover.CONSUMER, expected=self.cursor, cursor=cursor)
            self.cursor = cursor
        return entries

    async def look_again(self) -> bool:
        """Goes on with another model where the owner has put one in the place of the one that is gone."""
        try:
            other = await self._thinker.look_again()
        except LMStudioError:
            return False  # none is there yet: the next attempt says so
        if other:
            facts, answer_tokens = self._thinker.facts, self._thinker.answer_tokens
            self._conversation.move_to(context_tokens=facts.context_tokens, answer_tokens=answer_tokens)
            await self._journal.append([self._health("up", f"goes on with {facts.name}")])
            self._model_down = False
        return other

    def think_by(self, rules: Rules) -> None:
        """Goes on under other rules, from the next thought on: the server then reads the whole prompt once more."""
        facts = self._thinker.facts
        self._conversation.rules, self._prompt_version = rules.text, rules.version
        self._conversation.move_to(context_tokens=facts.context_tokens, answer_tokens=self._thinker.answer_tokens)

    async def unless_called_away(self, thinking: Awaitable[T], wake: Wake) -> T:
        """What the model writes, unless a reason comes that `wake` gives way to: then it is broken off.

        Raises GaveWay, and what `thinking` raises.
        """
        writing = asyncio.ensure_future(thinking)
        called = asyncio.ensure_future(self._agenda.more_important(wake))
        try:
            await asyncio.wait((writing, called), return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                return writing.result()
            raise GaveWay(called.result())
        finally:
            for task in (writing, called):
                task.cancel()
            await asyncio.gather(writing, called, return_exceptions=True)

    async def _once(self, cycle: Cycle) -> Concluded:
        on_partial = self._on_partial

        def on_text(text: str) -> None:
            if on_partial is not None:
                on_partial(cycle.id, cycle.reason, text)

        return await think(
            cycle,
            self._conversation,
            self._thinker,
            frame=await self._frame(cycle),
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
        self._pause_s = FIRST_PAUSE_S
        if self._model_down:
            self._model_down = False
            await self._journal.append([self._health("up", "thinks again")])

    async def _conclude(self, events: Sequence[Event], cycle: Cycle) -> list[Entry]:
        """One transaction: what the cycle came to, and how far the journal is consumed."""
        compacted_too = compacted(self._conversation, self._now_ns())
        entries = await self.commit([*events, *compacted_too], cycle.batch.through or self.cursor)
        self._conversation.saved()
        for seq in cycle.evidence:
            del self.interrupted[seq]
        return entries

    async def _broke(self, cycle: Cycle, error: LMStudioError, wake: Wake) -> bool:
        """Journals that the model server failed, and waits until the thought can be tried again.

        Raises GaveWay where something that matters more comes while it waits: a person is told at once how it stands.
        Returns False where this prompt can't be answered however often it is sent; then the evidence is consumed
        as a failed thought.
        """
        if isinstance(error, _HOPELESS):
            await self._conclude([self._failed(cycle, str(error), raw=error.partial), *self._raw(cycle)], cycle)
            return False
        interrupted = isinstance(error, _INTERRUPTED)
        if interrupted:
            self.interrupted.update(cycle.evidence)
        failed = self._failed(cycle, str(error), raw=error.partial, retried=True, interrupted=interrupted)
        self.phase = "waiting for the model"
        news = [] if self._model_down else [self._health("down", str(error))]
        self._model_down = True
        await self._note([failed, *news])
        await self.unless_called_away(self._server_is_back(), wake)
        if isinstance(error, GONE):
            await self.look_again()
        return True

    async def _server_is_back(self) -> None:
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
        await self._thinker.client.wait_until_up(first_wait_s=FIRST_PAUSE_S)

    def _raw(self, cycle: Cycle) -> list[Event]:
        """What the user is told where something surprised and no thought of it came: the lines themselves."""
        if cycle.reason != "salience":
            return []
        return [self._unthought(cycle, "the model's answer to this could not be used")]

    def _unthought(self, cycle: Cycle, why: str) -> Notification:
        return Notification(
            at_ns=self._now_ns(),
            key=cycle.id,
            severity="warning",
            title="could not be thought about",
            text=f"{why}:\n{raw_lines(cycle.batch.shown)}",
            evidence=cycle.evidence,
        )

    async def _note(self, events: Sequence[Event]) -> None:
        """Journals what happened on the way, and with it what left the prompt, so that the two never part."""
        await self._journal.append([*events, *compacted(self._conversation, self._now_ns())])
        self._conversation.saved()

    async def _set_aside(self, cycle: Cycle) -> None:
        """Gives up on evidence that broke its thought too often, and tells the user with the raw lines."""
        now_ns = self._now_ns()
        why = f"thinking about this broke off {MAX_INTERRUPTIONS} times; it is set aside for you to look at"
        await self._conclude(
            [
                SetAside(at_ns=now_ns, cycle=cycle.id, evidence=cycle.evidence, attempts=MAX_INTERRUPTIONS, why=why),
                self._unthought(cycle, why),
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


def led_to_something(thought: Thought) -> bool:
    """Whether a thought was more than that all is well."""
    return thought.severity != "info" or thought.action_needed
