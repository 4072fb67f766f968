"""Attending: follows the journal, scores every observation, and hands on what claims attention."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from wakeful.attention import Attention, AttentionSettings
from wakeful.context import Seen
from wakeful.events import Cursor, Entry, Observation, Quiet, Salience
from wakeful.journal import Journal

CONSUMER = "attention"
"""The name under which attention's place in the journal is kept."""

STATE = "attention"
"""The name under which what it learnt is kept."""

SAVE_EVERY_S = 60.0

NOTABLE = 0.3
"""Salience from which on a score is journaled; below it an observation is as expected and only counted."""

_MAX_LATEST = 200
"""Sources of which the newest observation is remembered, for people to look at."""

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
    """

    def __init__(self, journal: Journal, settings: AttentionSettings, on_salient: OnSalient) -> None:
        self.attention = Attention(settings)
        self.latest: dict[str, tuple[Observation, Salience]] = {}
        self._journal = journal
        self._settings = settings
        self._on_salient = on_salient
        self._learnt = Cursor("")
        self._committed = Cursor("")
        self._saved_s = 0.0

    async def restore(self) -> None:
        """Takes up the state of the last run; call once before `run`."""
        self._committed = await self._journal.cursor(CONSUMER)
        data = await self._journal.load_state(STATE)
        if data is not None:
            saved = msgspec.msgpack.decode(data, type=_Saved)
            self.attention = Attention.load(saved.state, self._settings)
            self._learnt = Cursor(saved.cursor)
        while self._learnt != self._committed:
            entries = await self._journal.read(self._learnt, limit=1000, kinds=("observation",))
            if not entries:
                break
            for entry in entries:
                self._score(entry)
                if self._learnt == self._committed:
                    return

    async def run(self) -> None:
        """Follows the journal for ever; cancel to stop, then call `save`."""
        self._saved_s = time.monotonic()
        async for entries in self._journal.tail(self._learnt, kinds=("observation",)):
            await self._attend(entries)
            if time.monotonic() - self._saved_s > SAVE_EVERY_S:
                await self.save()

    async def save(self) -> None:
        """Keeps what was learnt so far."""
        learnt, state = self._learnt, self.attention.dump()
        if learnt != self._committed:
            await self._commit([], learnt)
        await self._journal.save_state(STATE, msgspec.msgpack.encode(_Saved(cursor=str(learnt), state=state)))
        self._saved_s = time.monotonic()

    @property
    def committed(self) -> Cursor:
        """The place up to which every notable observation has been handed on."""
        return self._committed

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
        notable: dict[int, tuple[Observation, Salience]] = {}
        for entry in entries:
            scored = self._score(entry)
            if scored is not None and scored[1].salience >= NOTABLE:
                notable[entry.seq] = scored
            if scored is not None and scored[0].count > 100:
                await asyncio.sleep(0)  # a block of many lines took milliseconds: let others go on
        if notable:
            saliences = await self._commit([salience for _, salience in notable.values()], self._learnt)
            for (observation, salience), entry in zip(notable.values(), saliences, strict=True):
                self._on_salient(Seen(salience.about, observation, salience), entry.cursor)

    async def _commit(self, saliences: list[Salience], cursor: Cursor) -> list[Entry]:
        entries = await self._journal.commit(saliences, consumer=CONSUMER, expected=self._committed, cursor=cursor)
        self._committed = cursor
        return entries

    def _score(self, entry: Entry) -> tuple[Observation, Salience] | None:
        self._learnt = entry.cursor
        observation = entry.event
        if not isinstance(observation, Observation):
            return None
        salience = self.attention.update(entry.seq, observation)
        self.latest.pop(observation.source, None)
        self.latest[observation.source] = (observation, salience)
        if len(self.latest) > _MAX_LATEST:
            del self.latest[next(iter(self.latest))]
        return observation, salience
