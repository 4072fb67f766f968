"""The loop: attends, wakes, thinks, commits, and otherwise is quiet, with proof."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

from wakeful.actions import Toolbox
from wakeful.attention import AttentionSettings
from wakeful.context import KEEP_SHARE, Room, Seen
from wakeful.events import Cursor, Entry, Intention, Observation, PredictionResolved
from wakeful.journal import Journal
from wakeful.memory import Recall
from wakeful.mind import recover
from wakeful.mind.acted import acted_notes
from wakeful.mind.answering import Answering
from wakeful.mind.attempts import Attempts, GaveWay, OnPartial, Phase, led_to_something
from wakeful.mind.attend import Attending
from wakeful.mind.checking import Checking
from wakeful.mind.cycle import Cycle, Frame, new_id
from wakeful.mind.first_look import as_seen, newest_metrics
from wakeful.mind.intentions import standing
from wakeful.mind.intentions.standing import Standing
from wakeful.mind.metacognition.reflecting import Reflecting
from wakeful.mind.metacognition.tuning import IDLE, KEEP, STANCE, THRESHOLD, Tuning
from wakeful.mind.modes import Agenda, IdlePace, Wake
from wakeful.mind.predictions import ledger
from wakeful.mind.predictions.ledger import Ledger
from wakeful.mind.predictions.told import calibration_note, resolved_notes
from wakeful.mind.prompt import Rules, Stance, rules, stance_of
from wakeful.mind.questions import Questions
from wakeful.mind.recover import new_conversation
from wakeful.mind.settings import MindSettings
from wakeful.mind.summaries import Summarising, compacted
from wakeful.mind.thinker import ModelFacts, Thinker
from wakeful.mind.workspace import MAX_SHOWN, Batch, Workspace

GATHER_S = 0.5
"""How long the mind waits after waking, so that what belongs together is thought about together."""

SURE_NATS = 1.6
"""Log score of a prediction from which on it is worth a thought how it turned out: it was given one chance in five."""

_DEFAULT = MindSettings()
_KEPT_BACK = 2.0  # thoughts of the budget that only what surprises may have
_LATELY = 200  # observations that were thought about, by number
_MAX_TOLD = 5  # resolved predictions that wait to be told at the next thought
_WANDERS_OVER, _WANDERS_TO = 200, 3  # earlier thoughts that an idle one looks back on


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
        settings: MindSettings = _DEFAULT,
        now_ns: Callable[[], int] = time.time_ns,
        on_partial: OnPartial | None = None,
        tools: Toolbox | None = None,
    ) -> None:
        self.attending = Attending(journal, attention, self._on_salient)
        self._journal = journal
        self._thinker = thinker
        self._recall = recall
        self._settings = settings
        self._now_ns = now_ns
        self._tools = None if thinker.facts.pilot else tools  # the pilot was trained without any
        self._acted_ns = now_ns()
        self._stance: Stance = settings.stance
        thinks_by = self._rules()
        self._conversation = new_conversation(thinker, thinks_by)
        self._workspace = Workspace()
        self._agenda = Agenda()
        self._pace = IdlePace(settings.idle_every_s)
        self._attempts = Attempts(
            journal,
            thinker,
            self._conversation,
            self._agenda,
            self._frame,
            settings=settings,
            prompt_version=thinks_by.version,
            now_ns=now_ns,
            on_partial=on_partial,
        )
        self._summarising = Summarising(journal, thinker, self._conversation, self._agenda, now_ns, self._beside)
        self._questions = Questions(journal, self._agenda, now_ns)
        self._answering = Answering(
            journal, thinker, recall, self._attempts, self._questions, now_ns=now_ns, on_partial=on_partial
        )
        self._ledger = Ledger()
        self._standing = Standing(self._on_report, self._on_intentions, self._on_again)
        self._checking = Checking(
            journal,
            [self._ledger, self._standing],
            kinds={*ledger.KINDS, *standing.KINDS},
            on_decided=self._on_decided,
            now_ns=now_ns,
        )
        self._tuning = Tuning(
            {
                THRESHOLD: attention.threshold,
                IDLE: settings.idle_every_s,
                KEEP: KEEP_SHARE,
                STANCE: settings.stance,
            },
            settings.bounds,
            {STANCE: () if thinker.facts.pilot or settings.prompt else settings.stances},
        )
        self._reflecting = Reflecting(
            journal,
            self._tuning,
            every_s=settings.reflect_every_s,
            tells=not thinker.facts.pilot,
            on_reflect=self._on_reflect,
            on_tuned=self._on_tuned,
            now_ns=now_ns,
        )
        self._figures = self._again = ""
        self._left_over = False
        self._expected = ""
        self._lately = deque[int](maxlen=_LATELY)
        self._resolved: list[PredictionResolved] = []
        self._told: list[PredictionResolved] = []

    async def run(self) -> None:
        """Thinks until cancelled. Raises JournalError when the journal fails for good."""
        await self._recover()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.attending.run(), name="attend")
                tasks.create_task(self._checking.run(), name="check")
                tasks.create_task(self._questions.run(), name="questions")
                tasks.create_task(self._think_on(), name="think")
                tasks.create_task(self._prove_quiet(), name="quiet")
                tasks.create_task(self.attending.prove_awake(self._now_ns), name="canary")
                if self._settings.reflect_every_s:
                    tasks.create_task(self._reflecting.run(), name="reflect")
                if self._settings.first_look:
                    tasks.create_task(self._look_first(), name="first look")
        finally:
            # The learnt state is worth the moment that it takes, also when we are being cancelled.
            await asyncio.shield(self.attending.save())

    @property
    def phase(self) -> Phase:
        """What it is doing."""
        return self._attempts.phase

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
        return self.phase in ("thinking", "waiting for the model") or bool(self._agenda)

    def at_rest(self, seq: int) -> bool:
        """Whether all entries up to a number were taken in, and nothing is left to think or to check about them."""
        taken_in = min(self.attending.through, self._checking.through) >= seq
        return taken_in and not self._checking.is_due and not self.busy

    @property
    def waiting(self) -> int:
        """Salient observations that no thought has taken up yet."""
        return len(self._workspace)

    # --- what wakes it ---

    async def _recover(self) -> None:
        await self.attending.restore()
        await self._checking.restore()
        await self._reflecting.restore()
        self._adopt()
        left = await recover.waiting(self._journal)
        self._attempts.interrupted.update(left.attempts)
        self._attempts.cursor = await self._journal.cursor(recover.CONSUMER)
        self._left_over = bool(left.seen)  # which has been gathered already
        for seen, cursor in left.seen:
            self._on_salient(seen, cursor)
        await recover.into(self._conversation, self._journal, self._thinker)
        self._conversation.renew()  # the server reads it all anew anyway
        await self._journal.append(compacted(self._conversation, self._now_ns()))
        self._conversation.saved()
        newest = await self._journal.read(kinds=("prediction",), limit=1, newest_first=True)
        self._expected = newest[0].event.body if newest else ""

    def _on_salient(self, seen: Seen, cursor: Cursor) -> None:
        self._workspace.add(seen, cursor)
        if seen.salience is not None and self.attending.attention.wakes(seen.salience):
            self._agenda.add(Wake("salience"))

    def _on_decided(self, entry: Entry) -> None:
        resolved = entry.event
        if isinstance(resolved, PredictionResolved):
            self._resolved = [*self._resolved, resolved][-_MAX_TOLD:]
            # The pilot was not trained to be told; a surprise about itself would only confuse it.
            if (resolved.log_score_nats or 0.0) >= SURE_NATS and not self.facts.pilot:
                self._agenda.add(Wake("due", (entry,)))

    def _on_report(self, entry: Entry, due_ns: int) -> None:
        self._agenda.add(Wake("scheduled", (entry,), due_ns))

    def _on_again(self, entry: Entry) -> None:
        self._agenda.add(Wake("due", (entry,)))

    def _on_intentions(self) -> None:
        self.attending.attention.interested_in(self._standing.words)

    def _on_reflect(self, figures: str) -> None:
        self._figures = figures
        if not self.facts.pilot:
            self._agenda.add(Wake("reflective"))

    def _on_tuned(self) -> None:
        self._pace.every_s = self._tuning.value(IDLE)
        self.attending.attention.wakes_from(self._tuning.value(THRESHOLD))

    def _rules(self) -> Rules:
        """What the model is told before all else."""
        described = self._tools.described() if self._tools else ""
        settings = self._settings
        return rules(pilot=self.facts.pilot, stance=self._stance, file=settings.prompt, tools=described)

    def _adopt(self) -> None:
        """Thinks as it has come to, where that is otherwise than before; not in the middle of a thought."""
        self._conversation.keep_share = self._tuning.value(KEEP)
        stance = stance_of(self._tuning.chosen(STANCE), self._stance)
        if stance != self._stance:
            self._stance = stance
            self._attempts.think_by(self._rules())

    async def _look_first(self) -> None:
        self._agenda.add(Wake("scheduled", (await newest_metrics(self._journal),)))

    # --- how it thinks ---

    async def _think_on(self) -> None:
        while True:
            self._attempts.phase = "watching"
            await self._summarising.while_nothing_waits()
            wake = await self._agenda.next(self._pace.wait_s)
            self._attempts.phase = "thinking"
            try:
                await self._serve(wake)
            except GaveWay:
                self._agenda.put_back(wake)

    async def _serve(self, wake: Wake) -> None:
        """Does what a reason asks for. Raises GaveWay where something that matters more comes meanwhile."""
        if wake.reason == "asked":
            await self._answering.answer(wake)
        elif wake.due_ns:
            await self._answering.report(wake)
        elif wake.reason not in ("due", "idle", "reflective") or self._may_spend():
            await self._think(wake)

    def _may_spend(self) -> bool:
        """Whether the budget has more than what is kept back for what surprises."""
        return self.attending.attention.budget.thoughts_left(self._now_ns()) >= _KEPT_BACK

    async def _think(self, wake: Wake) -> None:
        batch, began_ns = await self._batch(wake), self._now_ns()
        if wake.reason == "salience" and not batch.shown:  # another thought took it along, or it is no news any more
            if batch.through:
                await self._attempts.commit([], batch.through)
            return
        if self._thought_over(wake, batch):  # what became of the prediction is told with the next thought
            return
        self._adopt()
        try:
            concluded = await self._attempts.think(Cycle(new_id(), wake.reason, batch), wake)
        except GaveWay:
            self._workspace.put_back(batch)
            raise
        if concluded is None:  # it cost what a thought costs all the same
            self.attending.attention.budget.spent(self._now_ns(), 0)
            return
        thought = concluded.thought
        self._lately.extend(seen.seq for seen in batch.shown)
        self._acted_ns = began_ns
        self._expected = thought.next_prediction
        self._resolved = [each for each in self._resolved if each not in self._told]
        self._pace.thought(wake, led_to_something=led_to_something(thought))
        await self._reflecting.thought(thought)
        self.attending.attention.budget.spent(thought.at_ns, concluded.tokens, thought.duration_s)

    def _beside(self, tokens: int, busy_s: float) -> None:
        """Takes in what was asked of the model beside thoughts."""
        self.attending.attention.budget.spent(self._now_ns(), tokens, busy_s, thought=False)

    def _thought_over(self, wake: Wake, batch: Batch) -> bool:
        """Whether all that decided a prediction surprised by itself, and was thought about: it is not told twice."""
        decided = wake.reason == "due" and all(isinstance(entry.event, PredictionResolved) for entry in wake.about)
        return decided and bool(batch.shown) and all(seen.seq in self._lately for seen in batch.shown)

    async def _batch(self, wake: Wake) -> Batch:
        """What a thought is about: all that surprised so far comes along, except where it only looks back."""
        if wake.reason == "salience" and not self._left_over:
            await asyncio.sleep(GATHER_S)
        self._left_over = False
        observed = {seq for entry in wake.about if not isinstance(entry.event, Observation) for seq in _behind(entry)}
        about = [*wake.about, *await self._journal.get(observed)]
        again = [entry.event.told for entry in wake.about if isinstance(entry.event, Intention)]
        self._again = f"You wanted to think again about this: {again[0]}" if again else ""
        reason = "to be thought over" if again else "" if wake.reason == "scheduled" else "it was predicted"
        own = [as_seen(entry, reason) for entry in about if isinstance(entry.event, Observation)][-MAX_SHOWN:]
        if wake.reason in ("idle", "reflective", "due"):
            return Batch(shown=tuple(own), others={}, through=Cursor(""))
        left = self._workspace.drain(MAX_SHOWN - len(own))
        return Batch(shown=(*left.shown, *own), others=left.others, through=left.through)

    async def _frame(self, cycle: Cycle) -> Frame:
        """What stands around the observations of a cycle."""
        if not self.facts.pilot:
            self._conversation.prepare(known=await recover.known(self._journal))
        without = {turn.seq for turn in self._conversation.turns}
        recalled = await self._recall.recall([seen.observation for seen in cycle.batch.shown], without=without)
        if cycle.reason in ("idle", "reflective") and not self.facts.pilot:
            recalled = await self._wandered(without)
        return Frame(
            expected=self._expected,
            recalled=recalled,
            notes=() if self.facts.pilot else [*self._notes(cycle), *await self._acted(cycle)],
            claims=not self.facts.pilot,
            tools=self._tools,
            known=[observation for observation, _ in reversed(self.attending.latest.values())],
        )

    def _notes(self, cycle: Cycle) -> list[str]:
        """What the mind is told about itself: how its predictions turned out, how good they are, its own figures."""
        self._told = list(self._resolved)
        note = calibration_note(self._ledger.recent)
        figures = f"Your last day: {self._figures}." if cycle.reason == "reflective" else ""
        return [*resolved_notes(self._told), *filter(None, (self._again, note, figures))]

    async def _acted(self, cycle: Cycle) -> list[str]:
        shown = [seen.observation for seen in cycle.batch.shown]
        return await acted_notes(self._journal, self._acted_ns, shown)

    async def _wandered(self, without: set[int]) -> list[Entry]:
        """Some earlier thoughts at random, for an idle one to connect."""
        newest = await self._journal.read(kinds=("thought",), limit=_WANDERS_OVER, newest_first=True)
        left = [entry for entry in newest if entry.seq not in without]
        return sorted(random.sample(left, min(_WANDERS_TO, len(left))), key=lambda entry: entry.seq)

    async def _prove_quiet(self) -> None:
        """Journals from time to time what was seen and passed over, as a proof of being awake.

        Where nothing waits, all of that is consumed with it, so that retention can let it go.
        """
        while True:
            since_ns, before = self._now_ns(), self.attending.counts()
            await asyncio.sleep(self._settings.quiet_every_s)
            report = self.attending.quiet(since_ns, before, self._now_ns())
            nothing_waits = self.phase == "watching" and not self._workspace and not self._agenda
            await self._attempts.commit([report], self.attending.reached if nothing_waits else self._attempts.cursor)


def _behind(entry: Entry) -> tuple[int, ...]:
    return getattr(entry.event, "evidence", ())
