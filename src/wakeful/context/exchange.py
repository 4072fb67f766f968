"""A conversation parted into what can leave it as a whole: an exchange, and within it a round of tool calls."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from wakeful.lmstudio import Message

RULES = frozenset({"system", "developer"})
RESULTS = frozenset({"tool", "function"})


@dataclass(frozen=True, slots=True)
class Round:
    """Messages that need each other: tool calls and all their results, or one message alone."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the user said, and the rounds that followed until they spoke again.

    opening: the user's messages; empty where the conversation begins with an answer
    rules: messages that tell the model what to obey and stand among the rest; they outlive the exchange
    pinned: it may not leave
    """

    opening: tuple[Message, ...]
    rounds: tuple[Round, ...]
    rules: tuple[Message, ...] = ()
    pinned: bool = False

    @property
    def messages(self) -> tuple[Message, ...]:
        """All of it, rules first."""
        return (*self.rules, *self.opening, *(message for each in self.rounds for message in each.messages))


def part(messages: Sequence[Message], pinned: Collection[int] = ()) -> tuple[tuple[Message, ...], list[Exchange]]:
    """The rules that a conversation begins with, and its exchanges in order.

    pinned: positions of messages whose exchange may not leave
    """
    begin = next((at for at, each in enumerate(messages) if each.get("role") not in RULES), len(messages))
    exchanges: list[Exchange] = []
    at = begin
    while at < len(messages):
        end = _end_of_exchange(messages, at)
        exchanges.append(_exchange(messages[at:end], pinned=any(at <= each < end for each in pinned)))
        at = end
    return tuple(messages[:begin]), exchanges


def _end_of_exchange(messages: Sequence[Message], at: int) -> int:
    answered = False
    for end in range(at, len(messages)):
        role = messages[end].get("role")
        if role == "user" and answered:
            return end
        answered = answered or role not in RULES | {"user"}
    return len(messages)


def _exchange(messages: Sequence[Message], *, pinned: bool) -> Exchange:
    rounds: list[Round] = []
    for message in messages:
        role = message.get("role")
        if role in RULES or (role == "user" and not rounds):
            continue
        if role in RESULTS and rounds:
            rounds[-1] = Round((*rounds[-1].messages, message))
        else:
            rounds.append(Round((message,)))
    return Exchange(
        opening=tuple(each for each in messages if each.get("role") == "user"),
        rounds=tuple(rounds),
        rules=tuple(each for each in messages if each.get("role") in RULES),
        pinned=pinned,
    )
