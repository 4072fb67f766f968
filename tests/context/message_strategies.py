"""Messages as people, tools and cameras send them: empty, enormous, emoji, calls and their results, images."""

import json
from typing import Any

from hypothesis import strategies as st

Turn = dict[str, Any]
BEFORE = {"system": ("system",), "user": ("system", "assistant"), "assistant": ("user", "tool")}

TEXT = st.one_of(
    st.just(""),
    st.text(max_size=60),
    st.text("😀👩‍👩‍👧é漢", max_size=30),
    st.integers(1, 40).map(lambda times: "enormous " * times * 25),
)


def count(message: Any) -> int:
    """A token for every three bytes, and five around each message."""
    return len(json.dumps(message.get("content")).encode()) // 3 + len(str(message.get("tool_calls", ""))) // 3 + 5


@st.composite
def exchanges(draw: st.DrawFn) -> list[Turn]:
    """A user's turn, any number of rounds of tool calls, and mostly an answer."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * draw(st.integers(0, 900))}}
    text = draw(TEXT)
    turns: list[Turn] = [
        {"role": "user", "content": [{"type": "text", "text": text}, image] if draw(st.booleans()) else text}
    ]
    for number in range(draw(st.integers(0, 3))):
        ids = [f"{number}-{at}" for at in range(draw(st.integers(1, 2)))]
        calls = [{"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}} for each in ids]
        turns.append({"role": "assistant", "content": draw(TEXT), "tool_calls": calls})
        turns += [{"role": "tool", "tool_call_id": each, "content": draw(TEXT)} for each in ids]
    turns.append({"role": "assistant", "content": draw(TEXT)})
    return turns


@st.composite
def conversations(draw: st.DrawFn) -> list[Turn]:
    rules: list[Turn] = [{"role": "system", "content": "Obey."}] if draw(st.booleans()) else []
    turns = [turn for each in draw(st.lists(exchanges(), max_size=8)) for turn in each]
    return [*rules, *turns, {"role": "user", "content": draw(TEXT)}]


def in_order(turns: list[Turn]) -> bool:
    """Rules first, then the user, never two users or two plain answers in a row, each result after its call."""
    waiting: list[str] = []
    before = "system"
    for turn in turns:
        role = turn["role"]
        if role == "tool":
            if turn["tool_call_id"] not in waiting:
                return False
            waiting.remove(turn["tool_call_id"])
        elif waiting or before not in BEFORE[role]:
            return False
        waiting += [call["id"] for call in turn.get("tool_calls", [])]
        before = role
    return not waiting
