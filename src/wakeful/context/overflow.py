"""What gives way when a conversation is longer than its budget: LM Studio's three policies, on whole messages."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from wakeful.context.errors import OverBudget
from wakeful.context.exchange import Exchange, part
from wakeful.lmstudio import Message

OverflowPolicy = Literal["stopAtLimit", "truncateMiddle", "rollingWindow"]
"""LM Studio's words: refuse; keep the beginning and the end; keep the end."""

Counter = Callable[[Message], int]
"""Gives the tokens of one message, with what the template adds around it; at least 1."""

_LEAST_CHARS = 16
"""What is left of a shortened text at least."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A conversation within its budget.

    positions: of its messages in the conversation that was given
    left: the messages that are no longer in it, in order
    shortened: how many of those that stayed have lost their middle or an image, visibly
    """

    messages: tuple[Message, ...]
    tokens: int
    positions: tuple[int, ...]
    left: tuple[Message, ...] = ()
    shortened: int = 0


def fit(
    messages: Sequence[Message],
    budget_tokens: int,
    count: Counter,
    *,
    policy: OverflowPolicy = "rollingWindow",
    pinned: Collection[int] = (),
) -> Fitted:
    """The conversation, or as much of it as the budget holds.

    Rules, pinned exchanges and the last exchange stay. First whole exchanges leave, the oldest first (with
    `truncateMiddle` the very first one stays too, as long as that is possible); then rounds of tool calls of those
    that stay; last, the longest texts lose their middle. A tool call never loses its result, and an answer never
    its question, so that what was in an order that templates accept still is.
    pinned: positions of messages whose exchange stays whole
    Raises OverBudget when what has to stay is longer, with `stopAtLimit` when the conversation is.
    """
    tokens = sum(map(count, messages))
    if tokens <= budget_tokens:
        return Fitted(tuple(messages), tokens, tuple(range(len(messages))))
    if policy == "stopAtLimit":
        raise _too_long(tokens, budget_tokens)
    distinct = [dict(each) for each in messages]  # so that each is told from one that is the same object
    rules, exchanges = part(distinct, pinned)
    fitting = _Fitting(rules, exchanges, budget_tokens, count)
    fitting.drop_exchanges(keep_first=policy == "truncateMiddle")
    fitting.drop_rounds()
    fitting.drop_exchanges(keep_first=False)
    return fitting.shortened(distinct)


class _Fitting:
    """A conversation on its way into a budget."""

    def __init__(self, rules: Sequence[Message], exchanges: list[Exchange], budget_tokens: int, count: Counter) -> None:
        self.rules = rules
        self.exchanges = exchanges
        self.budget_tokens = budget_tokens
        self.count = count
        self.kept_rules: list[Message] = []  # of exchanges that left
        self.tokens = sum(map(count, rules)) + sum(self._size(each.messages) for each in exchanges)

    def _size(self, messages: Sequence[Message]) -> int:
        return sum(map(self.count, messages))

    def drop_exchanges(self, *, keep_first: bool) -> None:
        """Lets whole exchanges go, oldest first, never the last one."""
        at = 1 if keep_first else 0
        while self.tokens > self.budget_tokens and at < len(self.exchanges) - 1:
            exchange = self.exchanges[at]
            if exchange.pinned:
                at += 1
                continue
            del self.exchanges[at]
            self.kept_rules += exchange.rules
            self.tokens -= self._size(exchange.messages) - self._size(exchange.rules)

    def drop_rounds(self) -> None:
        """Lets rounds go from the exchanges that stay, oldest first, never an exchange's last one."""
        for at, exchange in enumerate(self.exchanges):
            while self.tokens > self.budget_tokens and len(exchange.rounds) > 1 and not exchange.pinned:
                self.tokens -= self._size(exchange.rounds[0].messages)
                exchange = self.exchanges[at] = replace(exchange, rounds=exchange.rounds[1:])

    def shortened(self, before: Sequence[Message]) -> Fitted:
        """What stays, its longest texts without their middle where it is still too long. Raises OverBudget."""
        messages: list[Message] = [*self.rules, *self.kept_rules]
        free: list[int] = []
        for exchange in self.exchanges:
            first = len(messages) + len(exchange.rules)
            messages += exchange.messages
            if not exchange.pinned:
                free += range(first, len(messages))
        where = {id(message): at for at, message in enumerate(before)}
        positions = tuple(where[id(message)] for message in messages)
        left = tuple(before[at] for at in sorted(set(where.values()).difference(positions)))
        changed: set[int] = set()
        sizes = [self.count(message) for message in messages]
        while (tokens := sum(sizes)) > self.budget_tokens:
            at = max(free, key=lambda each: sizes[each], default=None)
            if at is None:
                raise _too_long(tokens, self.budget_tokens)
            # At most to half at once, so that one long text does not pay alone for two.
            goal = max(sizes[at] - (tokens - self.budget_tokens), sizes[at] // 2)
            shorter = shorten_message(messages[at], goal, self.count)
            if shorter is None:
                free.remove(at)
                continue
            messages[at], sizes[at] = shorter, self.count(shorter)
            changed.add(at)
        return Fitted(tuple(messages), sum(sizes), positions, left, len(changed))


def shorten_message(message: Message, goal_tokens: int, count: Counter) -> Message | None:
    """The message with less in it, of `goal_tokens` if that is possible; None when nothing more can go.

    An image gives way to a word about it; then the longest text loses its middle. Tool calls stay as they are.
    """
    parts, plain = _parts(message)
    image = next((at for at, each in enumerate(parts) if each.get("type") not in ("text", None)), None)
    if image is not None:
        parts[image] = {"type": "text", "text": "[image left out]"}
        return _with(message, parts, plain=plain)
    longest = max(range(len(parts)), key=lambda at: len(_text(parts[at])), default=None)
    if longest is None or len(text := _text(parts[longest])) <= _LEAST_CHARS:
        return None

    def cut(chars: int) -> Message:
        return _with(
            message,
            [*parts[:longest], {"type": "text", "text": _middle_out(text, chars)}, *parts[longest + 1 :]],
            plain=plain,
        )

    low, high = _LEAST_CHARS, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if count(cut(middle)) <= goal_tokens:
            low = middle
        else:
            high = middle - 1
    shorter = cut(low)
    return shorter if count(shorter) < count(message) else None


def _middle_out(text: str, chars: int) -> str:
    head = chars * 2 // 3
    tail = chars - head
    return f"{text[:head]} … {text[len(text) - tail :]}" if chars < len(text) else text


def _parts(message: Message) -> tuple[list[dict[str, Any]], bool]:
    """The parts of a message's content, and whether it is plain text."""
    content: object = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}], True
    if isinstance(content, Sequence):
        return [dict(cast("Message", each)) for each in cast("Sequence[object]", content)], False
    return [], False


def _text(of: Message) -> str:
    return str(of.get("text") or "")


def _with(message: Message, parts: list[dict[str, Any]], *, plain: bool) -> Message:
    return {**message, "content": _text(parts[0]) if plain else parts}


def _too_long(tokens: int, budget_tokens: int) -> OverBudget:
    return OverBudget(
        f"What has to stay has {tokens:,} tokens, and {budget_tokens:,} are free.",
        needed_tokens=tokens,
        budget_tokens=budget_tokens,
    )
