"""What stands for the thoughts that leave the prompt: a summary by the model, written while nothing else waits."""

import asyncio
import time
from collections.abc import Callable

from wakeful.context import Conversation, as_data, extract, faults
from wakeful.events import Compaction, Event, Summary
from wakeful.journal import Journal
from wakeful.lmstudio import ContextOverflow, LMStudioError
from wakeful.mind.modes import Agenda
from wakeful.mind.thinker import Thinker

_TRIES = 2
_CHARS_PER_TOKEN = 6  # no text that counts
_ASKED = (
    "No observation. The above leaves your sight: in plain text, no JSON, at most {words} words, say what of it still "
    "matters, the gravest first. Names, numbers and times as they stand above, no others."
)
_AGAIN = " Your last answer could not be used: {wrong}."


class Summarising:
    """Has the next summary written in time, while nothing waits to be thought about.

    It goes on from the prompt that the model has read already, and is journaled before it is ever shown.
    """

    def __init__(
        self,
        journal: Journal,
        thinker: Thinker,
        conversation: Conversation,
        agenda: Agenda,
        now_ns: Callable[[], int],
        spent: Callable[[int, float], None],
    ) -> None:
        """spent: is told what was asked of the model, in tokens and seconds."""
        self._spent = spent
        self._journal = journal
        self._thinker = thinker
        self._conversation = conversation
        self._agenda = agenda
        self._now_ns = now_ns

    async def while_nothing_waits(self) -> None:
        """Writes a summary where one is due; breaks off at once when there is a reason to think. Raises JournalError.

        The pilot model is not asked: it was not taught to, and the gists of its thoughts stand for them.
        """
        if self._thinker.facts.pilot or self._agenda or not self._conversation.summary_due:
            return
        writing = asyncio.ensure_future(self._written())
        called = asyncio.ensure_future(self._agenda.anything())
        try:
            await asyncio.wait((writing, called), return_when=asyncio.FIRST_COMPLETED)
            summary = writing.result() if writing.done() else None
        finally:
            for task in (writing, called):
                task.cancel()
            await asyncio.gather(writing, called, return_exceptions=True)
        if summary is not None:
            await self._journal.append([summary])
            self._conversation.prepare(summary=summary.text, through=summary.to_seq)

    async def _written(self) -> Summary:
        """The model's summary; the weightiest lines of what it is of, where the model fails or none stands the check.

        A model that does not answer is left in peace: the next thought finds out how it does.
        """
        conversation, most = self._conversation, self._conversation.summary_tokens
        turns = conversation.turns
        count = conversation.estimate.tokens
        source = "\n".join([conversation.opening.text, *(f"{turn.user}\n{turn.reply}" for turn in turns)])
        wrong: list[str] = []
        text, by_model = "", False
        for _ in range(_TRIES):
            asked = _ASKED.format(words=most // 2) + (_AGAIN.format(wrong="; ".join(wrong[:3])) if wrong else "")
            try:
                said = await self._said(asked)
            except LMStudioError:
                break
            text = as_data(said, max_chars=most * _CHARS_PER_TOKEN)
            wrong = faults(text, source, count)
            if count(text) > most:
                wrong.append("it is too long")
            if not wrong:
                by_model = True
                break
        if not by_model:
            # Not said again: what stands in the opening is the beginning of what this is of.
            short = [conversation.opening.summary, *conversation.opening.gists, *(turn.gist for turn in turns)]
            text = as_data(
                extract("\n".join(short), most, count).replace("\n", "; "), max_chars=most * _CHARS_PER_TOKEN
            )
        return Summary(
            at_ns=self._now_ns(),
            text=text,
            from_seq=0 if conversation.through else turns[0].seq,
            to_seq=turns[-1].seq,
            by_model=by_model,
            provenance="model" if by_model else "recalled",
        )

    async def _said(self, asked: str) -> str:
        """Raises LMStudioError, ContextOverflow among them where there is no room left to ask."""
        layout = self._conversation.to_summarise(asked)
        if layout is None:
            raise ContextOverflow("There is no room left to ask for a summary.")
        begun_s = time.monotonic()
        answer = await self._thinker.tell(layout.messages, room_tokens=self._conversation.room_tokens)
        tokens = (answer.usage.prompt_tokens or 0) + (answer.usage.completion_tokens or 0)
        self._spent(tokens, time.monotonic() - begun_s)
        return answer.text


def compacted(conversation: Conversation, now_ns: int) -> list[Event]:
    """What is to be journaled of what left the prompt, and of what it begins with now; nothing where that is known.

    No model had a hand in what stands for turns that no summary tells of: it is the gists of their thoughts.
    """
    if conversation.is_saved:
        return []
    events: list[Event] = []
    if left := conversation.left:
        text = "; ".join(turn.gist for turn in left)
        events.append(
            Summary(at_ns=now_ns, text=text, from_seq=left[0].seq, to_seq=left[-1].seq, provenance="recalled")
        )
    opening = conversation.opening
    events.append(
        Compaction(
            at_ns=now_ns,
            through=conversation.through,
            summed_through=conversation.summed_through if opening.summary else 0,
            known=opening.known,
            summary=opening.summary,
            gists=opening.gists,
        )
    )
    return events
