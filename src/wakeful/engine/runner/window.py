"""What gives way when a conversation does not fit into a context. No I/O.

A conversation is a head that stays and groups that may go: an assistant's turn with the results of the tools it called
is one group, and is never parted. The ways to shorten it are listed from the longest to the shortest, each of them
contained in the one before it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from wakeful.engine.runner.request import Message, OverflowPolicy

LEFT_OUT = "\n[… left out: {} characters …]\n"
"""Stands where something was cut out of a message. LM Studio cuts without a word; a model that is told can say so."""

Group = tuple[Message, ...]


def ways(messages: Sequence[Message], policy: OverflowPolicy) -> list[tuple[Message, ...]]:
    """How a conversation may be shortened, from whole to shortest; the last message is in all of them.

    truncateMiddle: the system prompt and the first user's turn stay, then the oldest go
    rollingWindow: the system prompt stays, then the oldest go, whole exchanges first
    """
    system, rest = _split(messages)
    groups = grouped(rest)
    if policy == "stopAtLimit" or not groups:
        return [tuple(messages)]
    shorter: list[tuple[Message, ...]] = []
    if policy == "truncateMiddle":
        shorter = _without_middle(groups)
    else:
        starts = [at for at in range(1, len(groups)) if _role(groups[at]) == "user"]
        shorter = [_flat(groups[at:]) for at in starts]
        shorter += _without_middle(groups[starts[-1] :] if starts else groups)
    return [tuple(messages), *((*system, *each) for each in shorter)]


def grouped(messages: Sequence[Message]) -> list[Group]:
    """Turns, each with the tool results that belong to it."""
    groups: list[list[Message]] = []
    for message in messages:
        if groups and message.get("role") == "tool":
            groups[-1].append(message)
        else:
            groups.append([message])
    return [tuple(group) for group in groups]


def shortened(message: Message, keep: int) -> Message:
    """A message of which only so many characters of its text are left, from its beginning and its end.

    It stays as it is where that would not make it shorter.
    """
    text = text_of(message)
    if keep + len(LEFT_OUT.format(len(text))) >= len(text):
        return message
    head = (keep + 1) // 2
    cut = text[:head] + LEFT_OUT.format(len(text) - keep) + (text[len(text) - (keep - head) :] if keep > head else "")
    return {**message, "content": _with_text(message, cut)}


def text_of(message: Message) -> str:
    """All text of a message."""
    content: Any = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in _parts(content) if part.get("type") == "text")


def images_in(messages: Sequence[Message]) -> int:
    """How many parts of them are no text."""
    return sum(part.get("type") != "text" for message in messages for part in _parts(message.get("content")))


def is_cuttable(message: Message) -> bool:
    """Whether text may be cut out of a message: not out of the system prompt."""
    return message.get("role") != "system" and bool(text_of(message))


def _without_middle(groups: Sequence[Group]) -> list[tuple[Message, ...]]:
    """The first user's turn stays, and ever fewer of the last ones.

    What follows on it begins with an assistant's turn, as templates want it; at the very end the first and the last
    turn of the user become one.
    """
    first = next((at for at, group in enumerate(groups) if _role(group) == "user"), 0)
    head, tail = groups[: first + 1], groups[first + 1 :]
    starts = [at for at in range(1, len(tail)) if _role(tail[at]) != "user"]
    ways = [_flat([head[-1], *tail[at:]]) for at in starts]
    if not tail:
        return [_flat([head[-1]])] if len(head) > 1 else []
    if _role(tail[-1]) == "user":
        ways.append((_joined(head[-1][0], tail[-1][0]), *head[-1][1:]))
    return ways


def _joined(one: Message, other: Message) -> Message:
    """Two turns of the same speaker as one."""
    if isinstance(one.get("content"), str) and isinstance(other.get("content"), str):
        return {**other, "content": f"{one['content']}\n\n{other['content']}"}
    return {**other, "content": [*_parts_of_any(one), *_parts_of_any(other)]}


def _split(messages: Sequence[Message]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    count = next((at for at, each in enumerate(messages) if each.get("role") != "system"), len(messages))
    return tuple(messages[:count]), tuple(messages[count:])


def _flat(groups: Sequence[Group]) -> tuple[Message, ...]:
    return tuple(message for group in groups for message in group)


def _role(group: Group) -> object:
    return group[0].get("role")


def _with_text(message: Message, text: str) -> Any:
    content: Any = message.get("content")
    if isinstance(content, str):
        return text
    return [{"type": "text", "text": text}, *(part for part in _parts(content) if part.get("type") != "text")]


def _parts_of_any(message: Message) -> list[Mapping[str, Any]]:
    content: Any = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else _parts(content)


def _parts(content: Any) -> list[Mapping[str, Any]]:
    if not isinstance(content, list):
        return []
    return [cast("Mapping[str, Any]", part) for part in cast("list[Any]", content) if isinstance(part, dict)]
