"""Tool calls that a model wrote as text, because it was not trained to make them or its server did not see them."""

import re
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from wakeful.lmstudio.chat.events import ToolCall
from wakeful.lmstudio.chat.tools import Tool

_MARKED = re.compile(
    r"<tool_call>(.*?)(?:</tool_call>|\Z)|\[TOOL_REQUEST\](.*?)(?:\[END_TOOL_REQUEST\]|\Z)|```(?:json|tool_call)?\s*\n(.*?)```",
    re.DOTALL,
)
"""Hermes' and Qwen's marks, LM Studio's own for models without training in tools, and a Markdown fence."""


def calls_in_text(text: str, names: Collection[str]) -> list[ToolCall]:
    """The calls of tools with these names in a text; none where the text as a whole says something else.

    A call is a JSON object with `name` and `arguments` (or `parameters`), between marks or as the whole text.
    """
    marked = [next(part for part in match.groups() if part is not None) for match in _MARKED.finditer(text)]
    found: list[ToolCall] = []
    for part in marked or [text]:
        call = _call(part.strip(), names)
        if call is not None:
            found.append(ToolCall(f"text_{len(found)}", *call))
    return found


def described(tools: Iterable[Tool]) -> str:
    """How a model without training in tools is told of them, in the manner of LM Studio's own default prompt."""
    listed = "\n".join(msgspec.json.encode(tool.openai()["function"]).decode() for tool in tools)
    return (
        "You can call these tools, one JSON description each:\n"
        f"{listed}\n"
        "To call one, answer with nothing but a line for each call:\n"
        '<tool_call>{"name": "the tool", "arguments": {…}}</tool_call>\n'
        "The result comes as the next message. When you need no tool, answer as usual."
    )


def _call(text: str, names: Collection[str]) -> tuple[str, str] | None:
    if not text.startswith("{"):
        return None
    try:
        said: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None
    name = said.get("name")
    arguments = said.get("arguments", said.get("parameters", {}))
    if not isinstance(name, str) or name not in names or not isinstance(arguments, dict):
        return None
    return name, msgspec.json.encode(arguments).decode()
