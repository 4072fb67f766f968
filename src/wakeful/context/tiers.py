"""A conversation in three tiers: what is recent word for word, what is older in short, what is oldest in fewer words.

    long-term    one text                        ◄┐ merged and compressed again
    short-term   a text for each part that left  ◄┤ compressed to a share
    working      messages, word for word          ┘ pruned in large steps

What overflows a tier moves down to the next one; what overflows the last is compressed until it fits. Nothing is
ever dropped without a word of it standing below, as far as the budget of the lowest tier allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from wakeful.context.history import History
from wakeful.context.overflow import Counter
from wakeful.context.summary import Summary, TextCounter, Write, summarise
from wakeful.lmstudio import Message

COMPRESSION = 0.25
"""Share of its tokens that a part which left the working tier may keep."""


@dataclass(frozen=True, slots=True)
class TierBudgets:
    """Tokens for each tier. Together with the answer they have to fit into the context."""

    working: int
    short_term: int
    long_term: int

    @classmethod
    def of(cls, tokens: int) -> "TierBudgets":
        """A usual division of so many tokens: most of them for what is recent."""
        long_term, short_term = tokens // 8, tokens // 5
        return cls(tokens - long_term - short_term, short_term, long_term)


class Tiers:
    """Messages that move from tier to tier as they get older.

    count: tokens of a message, its template included; count_text: tokens of a text
    write: asks the model for summaries; without it, sentences are taken from the texts
    """

    def __init__(
        self, budgets: TierBudgets, count: Counter, count_text: TextCounter, *, write: Write | None = None
    ) -> None:
        self.budgets = budgets
        self.working = History(budgets.working, count)
        self.short_term: list[Summary] = []
        self.long_term = Summary("")
        self._count_text = count_text
        self._write = write

    def add(self, message: Message, *, pinned: bool = False) -> None:
        """Appends a message to the working tier; `settle` moves what has become too much."""
        self.working.add(message, pinned=pinned)

    async def settle(self) -> bool:
        """Moves down what overflows its tier; whether anything moved.

        Raises OverBudget when what has to stay is longer than the working tier, and whatever `write` raises; then
        nothing has moved that is not kept.
        """
        left = self.working.prune()
        if not left:
            return False
        texts = [_told(message) for message in left]
        tokens = self._count_text("\n".join(texts))
        # Kept at once in a form that needs nobody, so that a model which fails or takes long loses nothing.
        self.short_term.append(await summarise(texts, self._share(tokens), self._count_text))
        if self._write is not None:
            self.short_term[-1] = await summarise(texts, self._share(tokens), self._count_text, self._write)
        await self._cascade()
        return True

    def prompt(self) -> tuple[Message, ...]:
        """The messages to send: what is older stands in the rules, oldest first, so that roles stay in order."""
        older = [each.text for each in (self.long_term, *self.short_term) if each.text]
        messages = list(self.working.messages)
        if not older:
            return tuple(messages)
        told = "Earlier, in short:\n" + "\n".join(older)
        if messages and messages[0].get("role") == "system" and isinstance(messages[0].get("content"), str):
            return ({**messages[0], "content": f"{messages[0]['content']}\n\n{told}"}, *messages[1:])
        return ({"role": "system", "content": told}, *messages)

    def _share(self, tokens: int) -> int:
        return min(max(int(tokens * COMPRESSION), 1), self.budgets.short_term)

    async def _cascade(self) -> None:
        """Merges the older half of the short-term tier into the long-term one, as often as it overflows."""
        while (
            self.short_term
            and self._count_text("\n".join(each.text for each in self.short_term)) > self.budgets.short_term
        ):
            older = self.short_term[: (len(self.short_term) + 1) // 2]
            texts = [self.long_term.text, *(each.text for each in older)]
            self.long_term = await summarise(texts, self.budgets.long_term, self._count_text, self._write)
            del self.short_term[: len(older)]


def _told(message: Message) -> str:
    """What a message said, in one text."""
    content: object = message.get("content")
    if isinstance(content, str):
        text = content
    elif isinstance(content, Sequence):
        text = " ".join(str(each.get("text") or "[image]") for each in cast("Sequence[Message]", content))
    else:
        text = ""
    return f"{message.get('role')}: {text}" if text.strip() else ""
