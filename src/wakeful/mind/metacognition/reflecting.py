"""The slow clock: the mind looks at its own figures, observes itself, and tunes itself within the user's bounds."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping

from wakeful.events import Cursor, Entry, Event, Observation, Thought
from wakeful.journal import Journal
from wakeful.mind.metacognition.likeness import STUCK, stuck
from wakeful.mind.metacognition.tuning import RULES, TUNING_KINDS, Tuning
from wakeful.mind.metacognition.vitals import VITAL_KINDS, Vitals, figures_in_words, vitals

CONSUMER = "reflecting"
"""The name under which the place of the last reflection is kept."""

SOURCE = "mind"
"""Under this name the mind observes itself."""

PERIOD_S = 86_400.0
"""Figures are those of a day, or since the change that is being tried."""

_LEAST_TOLD = 5  # thoughts below which the figures say nothing
_HISTORY, _MOST = 1000, 5000


class Reflecting:
    """Watches over the loop by what it journaled.

    on_reflect: is given the day's figures in words, at each turn of the slow clock that has something to say
    on_tuned: the parameters may be other ones now
    tells: whether a loop that is stuck is told as an observation
    """

    def __init__(
        self,
        journal: Journal,
        tuning: Tuning,
        *,
        every_s: float,
        tells: bool,
        on_reflect: Callable[[str], None],
        on_tuned: Callable[[], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._journal = journal
        self._tuning = tuning
        self._every_s = every_s
        self._tells = tells
        self._on_reflect = on_reflect
        self._on_tuned = on_tuned
        self._now_ns = now_ns
        self._place = Cursor("")
        self._thoughts: deque[Thought] = deque(maxlen=2 * STUCK)
        self._told_stuck = False

    async def restore(self) -> None:
        """Takes up the parameters as the last run left them."""
        self._place = await self._journal.cursor(CONSUMER)
        await learn_changes(self._tuning, self._journal)
        self._on_tuned()

    async def run(self) -> None:
        """Reflects each time that the slow clock turns, for ever; cancel to stop."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.reflect()

    async def thought(self, thought: Thought) -> None:
        """Takes in a thought as it comes; a loop that is stuck is told once, until something else is thought."""
        self._thoughts.append(thought)
        alike = stuck(self._thoughts)
        if alike < STUCK:
            self._told_stuck = False
        elif not self._told_stuck and self._tells:
            self._told_stuck = True
            text = f"stuck: the last {alike} thoughts said the same, about {thought.focus}"
            await self._journal.append([Observation(at_ns=self._now_ns(), source=SOURCE, form="state", text=text)])

    async def reflect(self) -> None:
        """Looks at the figures once: tells them, judges the change that is being tried, and may make another one."""
        now_ns = self._now_ns()
        since_ns = max(now_ns - int(PERIOD_S * 1e9), self._tuning.since_ns)
        entries = await self._read(since_ns)
        whole = vitals(entries)
        figures = {rule.reasons: vitals(entries, reasons=rule.reasons) for rule in RULES}
        changes = self._tuning.judge(figures, now_ns) or self._tuning.propose(figures, now_ns)
        events: list[Event] = [*changes]
        if whole.thoughts >= _LEAST_TOLD:
            events.append(_observation(whole, now_ns))
        if events:
            end = await self._journal.end()
            for entry in await self._journal.commit(events, consumer=CONSUMER, expected=self._place, cursor=end):
                self._tuning.learn(entry)
            self._place = end
        if changes:
            self._on_tuned()
        if whole.thoughts >= _LEAST_TOLD:
            self._on_reflect(figures_in_words(whole))

    async def _read(self, since_ns: int) -> list[Entry]:
        newest = await self._journal.read(kinds=VITAL_KINDS, since_ns=since_ns, limit=_MOST, newest_first=True)
        return newest[::-1]


async def learn_changes(tuning: Tuning, journal: Journal) -> None:
    """Lets it know of all that was changed so far."""
    for entry in reversed(await journal.read(kinds=TUNING_KINDS, limit=_HISTORY, newest_first=True)):
        tuning.learn(entry)


def _observation(found: Vitals, now_ns: int) -> Observation:
    values: Mapping[str, float | None] = {
        "repeated_percent": 100 * found.repeated,
        "contradicting_percent": 100 * found.contradicting,
        "unusable_percent": 100 * found.failed,
        "led_percent": 100 * found.led,
        "answer_p95_s": found.latency_p95_s,
        "tokens_per_thought": found.per_thought,
        "brier": found.calibration.brier,
    }
    return Observation(
        at_ns=now_ns,
        source=SOURCE,
        form="metrics",
        text=figures_in_words(found),
        values={name: round(value, 3) for name, value in values.items() if value is not None},
    )
