"""What is answered from the journal in so many words: a person's questions, and the reports that were asked for."""

from collections.abc import Callable

from msgspec.structs import replace

from wakeful.events import Answer, Entry, Intention, IntentionMet, Question, ThoughtFailed, WakeReason
from wakeful.journal import Journal
from wakeful.lmstudio import LMStudioError
from wakeful.memory import Recall
from wakeful.mind.ask import answer_to, since
from wakeful.mind.attempts import GONE, Attempts, OnPartial
from wakeful.mind.cycle import new_id
from wakeful.mind.intentions.standing import met
from wakeful.mind.modes import Wake
from wakeful.mind.questions import Questions
from wakeful.mind.thinker import OnText, Thinker, UnusableAnswer

_LOOKED_AT = 1000


class Answering:
    """Answers, and commits each answer once: with the place among the questions, or with the moment that was due."""

    def __init__(
        self,
        journal: Journal,
        thinker: Thinker,
        recall: Recall,
        attempts: Attempts,
        questions: Questions,
        *,
        now_ns: Callable[[], int],
        on_partial: OnPartial | None = None,
    ) -> None:
        self._journal = journal
        self._thinker = thinker
        self._recall = recall
        self._attempts = attempts
        self._questions = questions
        self._now_ns = now_ns
        self._on_partial = on_partial

    async def answer(self, wake: Wake) -> None:
        """Answers a person's question, or says why it can't."""
        [entry] = wake.about
        question, cycle = entry.event, new_id()
        assert isinstance(question, Question)
        try:
            answer = await self._written(question, self._partial(cycle, "asked"))
        except (UnusableAnswer, LMStudioError) as error:
            await self._questions.conclude(entry, self._not_answered(entry, cycle, error))
        else:
            await self._questions.conclude(entry, replace(answer, question=entry.seq))

    async def report(self, wake: Wake) -> None:
        """Writes the report that an intention asks for, and tells it; why there is none, where the model can't.

        Raises GaveWay where something that matters more comes; then nothing is told yet.
        """
        [entry] = wake.about
        intention = entry.event
        assert isinstance(intention, Intention)
        asked = Question(at_ns=self._now_ns(), text=intention.told)
        begin_ns = since(asked.text, asked.at_ns, else_ns=await self._last_ns(intention))
        writing = self._written(asked, self._partial(new_id(), "scheduled"), begin_ns)
        try:
            answer = await self._attempts.unless_called_away(writing, wake)
            text, evidence = answer.text, answer.evidence
        except (UnusableAnswer, LMStudioError) as error:
            text, evidence = f"The report could not be written: {error}", ()
        title = f"report: {intention.told}"
        told = met(entry, self._now_ns(), text, title=title, due_ns=wake.due_ns, evidence=evidence)
        await self._attempts.commit(told, self._attempts.cursor)

    async def _written(self, question: Question, on_text: OnText, since_ns: int | None = None) -> Answer:
        """The model's answer; another model's, where the owner has put one in the place of the one that is gone."""

        async def write() -> Answer:
            answer, _ = await answer_to(
                question,
                self._journal,
                self._recall,
                self._thinker,
                now_ns=self._now_ns,
                on_text=on_text,
                since_ns=since_ns,
            )
            return answer

        try:
            return await write()
        except GONE:
            if not await self._attempts.look_again():
                raise
            return await write()

    async def _last_ns(self, intention: Intention) -> int:
        """When an intention was last met; when it was said, where it never was."""
        newest = await self._journal.read(kinds=("intention_met",), limit=_LOOKED_AT, newest_first=True)
        met_ns = (
            each.event.at_ns
            for each in newest
            if isinstance(each.event, IntentionMet) and each.event.key == intention.key
        )
        return next(met_ns, intention.at_ns)

    def _partial(self, cycle: str, reason: WakeReason) -> OnText:
        def on_text(text: str) -> None:
            if self._on_partial is not None:
                self._on_partial(cycle, reason, text)

        return on_text

    def _not_answered(self, entry: Entry, cycle: str, error: UnusableAnswer | LMStudioError) -> ThoughtFailed:
        raw = error.raw if isinstance(error, UnusableAnswer) else error.partial
        return ThoughtFailed(
            at_ns=self._now_ns(), cycle=cycle, reason="asked", error=str(error), raw=raw, evidence=(entry.seq,)
        )
