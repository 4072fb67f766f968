"""Questions through the journal: from whoever asks to the mind that runs, and back.

The asker appends a question that is awaited, and follows the journal until its answer stands there. The mind keeps its
place among the questions by compare-and-set together with each answer, so that none is answered twice.
"""

import asyncio
import time
from collections.abc import Callable

from wakeful.events import Answer, Cursor, Entry, Event, Question, ThoughtFailed
from wakeful.journal import Journal
from wakeful.mind.ask import Asked
from wakeful.mind.modes import Agenda, Wake
from wakeful.mind.thinker import UnusableAnswer

CONSUMER = "questions"
"""The name under which the mind's place among the questions is kept."""

STALE_S = 600.0
"""A question that waited longer while no mind ran is passed over: nobody waits for it any more."""

_ALIVE_EVERY_S = 1.0


class Questions:
    """Brings the questions that are awaited to the agenda."""

    def __init__(self, journal: Journal, agenda: Agenda, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._journal = journal
        self._agenda = agenda
        self._now_ns = now_ns
        self._place = Cursor("")

    async def run(self) -> None:
        """Follows the journal for ever; cancel to stop."""
        self._place = await self._journal.cursor(CONSUMER)
        fresh_ns = self._now_ns() - int(STALE_S * 1e9)
        answers = await self._journal.read(kinds=("answer", "thought_failed"), since_ns=fresh_ns)
        answered = {seq for entry in answers for seq in _answered(entry.event)}
        async for entries in self._journal.tail(self._place, kinds=("question",)):
            for entry in entries:
                question = entry.event
                if (
                    isinstance(question, Question)
                    and question.awaited
                    and question.at_ns >= fresh_ns
                    and entry.seq not in answered
                ):
                    self._agenda.add(Wake("asked", (entry,)))

    async def conclude(self, entry: Entry, event: Event) -> None:
        """Commits what came of a question: its answer, or why there is none."""
        await self._journal.commit([event], consumer=CONSUMER, expected=self._place, cursor=entry.cursor)
        self._place = entry.cursor


async def through_mind(text: str, journal: Journal, alive: Callable[[], bool]) -> Asked | None:
    """The answer of the mind that runs; None where it ended (`alive` gives false) before it answered.

    Raises UnusableAnswer where the mind could not answer, and JournalError.
    """
    [asked] = await journal.append([Question(at_ns=time.time_ns(), text=text, awaited=True)])
    waiting = asyncio.create_task(_outcome(asked, journal))
    try:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=_ALIVE_EVERY_S)
            if not waiting.done() and not alive():
                return None
        event = waiting.result()
    finally:
        waiting.cancel()
    if isinstance(event, ThoughtFailed):
        raise UnusableAnswer(event.error, raw=event.raw)
    used = await journal.get(event.evidence)
    return Asked(answer=event, used=tuple(used))


async def _outcome(asked: Entry, journal: Journal) -> Answer | ThoughtFailed:
    async for entries in journal.tail(asked.cursor, kinds=("answer", "thought_failed")):
        for entry in entries:
            if isinstance(entry.event, Answer | ThoughtFailed) and asked.seq in _answered(entry.event):
                return entry.event
    raise AssertionError("a tail never ends: please report this")


def _answered(event: Event) -> tuple[int, ...]:
    """Numbers of the questions that an event concludes."""
    if isinstance(event, Answer):
        return (event.question,)
    if isinstance(event, ThoughtFailed) and event.reason == "asked" and not event.retried:
        return event.evidence
    return ()
