"""Attending: follows the journal, scores every observation, and hands on what claims attention."""

import asyncio
import random
import time
from collections.abc import Callable

import msgspec

from wakeful.attention import CANARY, EVERY_S, WITHIN_S, Attention, AttentionSettings, canary
from wakeful.context import Seen
from wakeful.events import Cursor, Entry, Feedback, Health, Observation, PredictionResolved, Quiet, Salience, Thought
from wakeful.journal import Journal

CONSUMER = "attention"
"""The name under which attention's place in the journal is kept."""

STATE = "attention"
"""The name under which what it learnt is kept."""

SAVE_EVERY_S = 60.0

NOTABLE = 0.3
"""Salience from which on a score is journaled; below it an observation is as expected and only counted."""

KINDS = ("observation", "thought", "feedback", "prediction_resolved")
"""What it follows: what is seen, and what came of thinking about it."""

_MODEL_WEIGHT = 0.2  # of what the model made of it, where the user's word weighs 1
_PREDICTED_WEIGHT = 0.5  # of a prediction that was quite right where the base rate was quite wrong
_MAX_CYCLES = 500
"""Thoughts whose sources are remembered until what they predicted is resolved."""

_MAX_NOTABLE = 1000
"""Notable observations whose source is remembered until there is a thought about them."""

_MAX_LATEST = 200
"""Sources of which the newest observation is remembered, for people to look at."""

_AT_ONCE = 100
"""Lines and numbers that are scored before others may go on: some milliseconds."""

OnSalient = Callable[[Seen, Cursor], None]


class _Saved(msgspec.Struct, frozen=True):
    """What was learnt, with the place in the journal up to which it was."""

    cursor: str
    state: bytes


class Attending:
    """Runs the gate over the journal.

    The scores of a batch and attention's place in the journal are committed together, so that no observation is
    scored twice or passed over. What was learnt is saved more rarely; after a crash the gate learns again, without
    journaling, from the observations between the two places.

    latest: the newest observation of each source with its score
    through: number of the newest entry that was taken in
    """

    def __init__(self, journal: Journal, settings: AttentionSettings, on_salient: OnSalient) -> None:
        self.attention = Attention(settings)
        self.latest: dict[str, tuple[Observation, Salience]] = {}
        self.through = 0
        self._journal = journal
        self._settings = settings
        self._on_salient = on_salient
        self._learnt = Cursor("")
        self._committed = Cursor("")
        self._reached = (0, Cursor(""))
        self._saved_s = 0.0
        self._sources: dict[int, str] = {}
        self._behind: dict[str, frozenset[str]] = {}
        self._notable: list[tuple[Observation, Salience]] = []
        self._canary_came = asyncio.Event()

    async def restore(self) -> None:
        """Takes up the state of the last run; call once before `run`."""
        self._committed = await self._journal.cursor(CONSUMER)
        data = await self._journal.load_state(STATE)
        if data is not None:
            saved = msgspec.msgpack.decode(data, type=_Saved)
            self.attention = Attention.load(saved.state, self._settings)
            self._learnt = Cursor(saved.cursor)
        while self._learnt != self._committed:
            entries = await self._journal.read(self._learnt, limit=1000, kinds=KINDS)
            if not entries:
                break
            for entry in entries:
                self._score(entry)
                if self._learnt == self._committed:
                    return

    async def run(self) -> None:
        """Follows the journal for ever; cancel to stop, then call `save`."""
        self._saved_s = time.monotonic()
        async for entries in self._journal.tail(self._learnt, kinds=KINDS):
            await self._attend(entries)
            if time.monotonic() - self._saved_s > SAVE_EVERY_S:
                await self.save()

    async def prove_awake(self, now_ns: Callable[[], int] = time.time_ns, every_s: float = EVERY_S) -> None:
        """Sends in a canary from time to time; one that does not wake the gate is journaled as an incident."""
        rng = random.Random()
        well = True
        while True:
            await asyncio.sleep(every_s)
            self._canary_came.clear()
            await self._journal.append([canary(now_ns(), rng)])
            try:
                async with asyncio.timeout(WITHIN_S):
                    await self._canary_came.wait()
                text = ""
            except TimeoutError:
                text = f"a canary that must wake the gate did not within {WITHIN_S:.0f} s"
            if text or not well:
                state = "down" if text else "up"
                news = Health(
                    at_ns=now_ns(), part="attention", state=state, text=text or "the canary wakes the gate again"
                )
                await self._journal.append([news])
            well = not text

    async def save(self) -> None:
        """Keeps what was learnt so far."""
        learnt, state = self._learnt, self.attention.dump()
        if learnt != self._committed:
            await self._commit()  # with what was scored before we were cancelled
        await self._journal.save_state(STATE, msgspec.msgpack.encode(_Saved(cursor=str(learnt), state=state)))
        self._saved_s = time.monotonic()

    @property
    def reached(self) -> Cursor:
        """The place up to which every notable observation has been handed on: never before one that was."""
        return self._reached[1]

    def quiet(self, since_ns: int, before: tuple[int, int], now_ns: int) -> Quiet:
        """The proof that nothing was missed since then; `before` is what `counts` gave at that time."""
        observed, habituated = self.counts()
        return Quiet(
            at_ns=now_ns,
            since_ns=since_ns,
            observations=observed - before[0],
            habituated=habituated - before[1],
            last_seen_ns={source: observation.at_ns for source, (observation, _) in self.latest.items()},
            thoughts_left=int(self.attention.budget.thoughts_left(now_ns)),
        )

    def counts(self) -> tuple[int, int]:
        """Observations seen, and how many of them were as expected, since the mind first woke."""
        return self.attention.observed, self.attention.habituated

    async def _attend(self, entries: list[Entry]) -> None:
        lines = 0
        for entry in entries:
            scored = self._score(entry)
            if scored is None:
                continue
            observation, salience = scored
            if observation.source == CANARY:
                if salience.salience >= salience.threshold:
                    self._canary_came.set()
            elif salience.salience >= NOTABLE:
                self._notable.append(scored)
            lines += observation.count
            if lines >= _AT_ONCE:
                lines = 0
                await asyncio.sleep(0)
        if self._notable:
            await self._commit()
        self.through = entries[-1].seq
        newest_ns = max((e.event.at_ns for e in entries if isinstance(e.event, Observation)), default=0)
        if newest_ns and (silences := self.attention.silences(newest_ns)):
            await self._journal.append(silences)

    async def _commit(self) -> None:
        """Journals the scores that are notable with the place up to which all was scored, and hands them on."""
        notable, learnt = self._notable.copy(), self._learnt
        saliences = [salience for _, salience in notable]
        writing = asyncio.ensure_future(
            self._journal.commit(saliences, consumer=CONSUMER, expected=self._committed, cursor=learnt)
        )
        try:
            await asyncio.shield(writing)
        finally:
            # What was handed to the journal is written though we are cancelled, and `save` goes on from there.
            await asyncio.wait([writing])
            if not writing.cancelled() and writing.exception() is None:
                self._committed = learnt
                del self._notable[: len(notable)]
        for (observation, salience), entry in zip(notable, writing.result(), strict=True):
            self._reach(entry)
            self._on_salient(Seen(salience.about, observation, salience), entry.cursor)

    def _reach(self, entry: Entry) -> None:
        """Scores are written behind what they are about, so that the newest place is not always the furthest one."""
        self._reached = max(self._reached, (entry.seq, entry.cursor))

    def _score(self, entry: Entry) -> tuple[Observation, Salience] | None:
        self._learnt = entry.cursor
        self._reach(entry)
        observation = entry.event
        if not isinstance(observation, Observation):
            self._learn_outcome(entry)
            return None
        salience = self.attention.update(entry.seq, observation)
        if observation.source == CANARY:
            return observation, salience
        if salience.salience >= NOTABLE:
            self._sources[entry.seq] = observation.source
            if len(self._sources) > _MAX_NOTABLE:
                del self._sources[next(iter(self._sources))]
        self.latest.pop(observation.source, None)
        self.latest[observation.source] = (observation, salience)
        if len(self.latest) > _MAX_LATEST:
            del self.latest[next(iter(self.latest))]
        return observation, salience

    def _learn_outcome(self, entry: Entry) -> None:
        """What came of waking: the user's word, or whether the thought found anything worth telling."""
        event = entry.event
        if isinstance(event, Feedback):
            for source in event.sources:
                self.attention.outcome(source, useful=event.useful)
        elif isinstance(event, Thought) and event.reason == "salience" and not event.pilot:
            useful = event.severity != "info" or event.action_needed
            sources = frozenset(self._sources[seq] for seq in event.evidence if seq in self._sources)
            for source in sources:
                self.attention.outcome(source, useful=useful, weight=_MODEL_WEIGHT)
            self._behind[event.cycle] = sources
            if len(self._behind) > _MAX_CYCLES:
                del self._behind[next(iter(self._behind))]
        elif isinstance(event, PredictionResolved) and event.outcome != "unverified":
            # What everybody could have said teaches nothing; what was better or worse than the base rate does.
            came = float(event.outcome == "true")
            better = (event.base - came) ** 2 - (event.probability - came) ** 2
            for source in self._behind.pop(event.cycle, ()):
                self.attention.outcome(source, useful=better > 0.0, weight=_PREDICTED_WEIGHT * abs(better))


async def prime(journal: Journal, learnt: Attention) -> None:
    """Lets the gate of a new journal begin with what another one has learnt."""
    await journal.save_state(STATE, msgspec.msgpack.encode(_Saved(cursor="", state=learnt.dump())))
