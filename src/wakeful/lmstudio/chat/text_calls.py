"""Tool calls that a model wrote as text, because it was not trained to make them or its server did not see them."""

import re
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from wakeful.lmstudio.chat.events import ToolCall
from wakeful.lmstudio.chat.tools import Tool

# After a fence only blanks up to the one line break: models write line breaks without end, and `\s*\n` before `.*?`
# takes time quadratic in their number.
_MARKED = re.compile(
    r"<tool_call>(?P<hermes>.*?)(?:</tool_call>|\Z)"
    r"|\[TOOL_REQUEST\](?P<native>.*?)(?:\[END_TOOL_REQUEST\]|\Z)"
    r"|```(?:json|tool_call)?[^\S\n]*\n(?P<fenced>.*?)```",
    re.DOTALL,
)
"""Hermes' and Qwen's marks, LM Studio's own for models without training in tools, and a Markdown fence."""

_OF_A_CALL = frozenset({"name", "arguments", "parameters", "id", "type"})


def calls_in_text(text: str, names: Collection[str], *, prefix: str = "text_") -> tuple[list[ToolCall], str]:
    """The calls of tools with these names in a text, and the text without them.

    A call is a JSON object with `name` and `arguments` (or `parameters`), between marks or as the whole text. Only
    between marks of a call may the arguments be missing: elsewhere an object with a name is most often an answer.
    prefix: what the calls' ids begin with
    """
    found: list[ToolCall] = []

    def taken(part: str, *, marked: bool) -> bool:
        call = _call(part.strip(), names, marked=marked)
        if call is not None:
            found.append(ToolCall(f"{prefix}{len(found)}", *call))
        return call is not None

    def left(match: re.Match[str]) -> str:
        part = next(part for part in match.groups() if part is not None)
        return "" if taken(part, marked=match["fenced"] is None) else match[0]

    rest, marks = _MARKED.subn(left, text)
    if not marks and taken(text, marked=False):
        rest = ""
    return found, rest.strip() if found else text


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


def _call(text: str, names: Collection[str], *, marked: bool) -> tuple[str, str] | None:
    if not text.startswith("{"):
        return None
    try:
        said: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None
    name = said.get("name")
    arguments = said.get("arguments", said.get("parameters", {} if marked else None))
    if not marked and not said.keys() <= _OF_A_CALL:
        return None
    if not isinstance(name, str) or name not in names or not isinstance(arguments, dict):
        return None
    return name, msgspec.json.encode(arguments).decode()
