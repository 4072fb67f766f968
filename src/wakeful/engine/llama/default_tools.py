"""Tools for models whose template knows of none: asked for in plain words, and read out of the text. No I/O.

LM Studio does it so, and with these words around a call; what it can't understand stays text.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from wakeful.engine.llama.stops import StopScanner
from wakeful.engine.runner.pieces import CallArguments, CallStart, Done, Piece, Text
from wakeful.engine.runner.request import Generation, Message

BEGIN, END = "[TOOL_REQUEST]", "[END_TOOL_REQUEST]"
RESULT, END_RESULT = "[TOOL_RESULT]", "[END_TOOL_RESULT]"

_EXPLAINED = """You can use tools. To call one, write exactly this and nothing else:
{begin}{{"name": "the tool's name", "arguments": {{"a parameter": "its value"}}}}{end}
Its result then comes between {result} and {end_result}. Call one tool after the other, and only these:
{tools}"""
_MUST = "\nYou must call a tool now."


def explained(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, must: bool = False
) -> tuple[Message, ...]:
    """A conversation in which tools are explained, and calls and results are text."""
    functions = "\n".join(json.dumps(_function(tool)) for tool in tools)
    words = _EXPLAINED.format(begin=BEGIN, end=END, result=RESULT, end_result=END_RESULT, tools=functions)
    words += _MUST if must else ""
    turns = [_as_text(message) for message in messages]
    if turns and turns[0].get("role") == "system" and isinstance(turns[0].get("content"), str):
        turns[0] = {**turns[0], "content": f"{turns[0]['content']}\n\n{words}"}
    else:
        turns.insert(0, {"role": "system", "content": words})
    return tuple(turns)


def without_tools(generation: Generation) -> Generation:
    """The same for a model that knows of none. A call that is required is held to the tools' own schemas."""
    if generation.tool_choice == "none" or not generation.tools:
        return msgspec.structs.replace(generation, tools=())
    must = generation.tool_choice == "required"
    return msgspec.structs.replace(
        generation,
        messages=explained(generation.messages, generation.tools, must=must),
        tools=(),
        tool_choice="auto",
        schema=_call_schema(generation.tools) if must else generation.schema,
    )


class CallReader:
    """Reads calls out of the text of an answer.

    tools: that may be called
    only: the whole answer is one call, with nothing around it
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]], *, only: bool = False) -> None:
        self._names = {str(_function(tool).get("name")) for tool in tools}
        self._only = only
        self._outside = StopScanner((BEGIN,))
        self._inside: StopScanner | None = None
        self._call = ""
        self._tokens = 0
        self._calls = 0

    def take(self, piece: Piece) -> list[Piece]:
        """What a piece means, now or together with what comes."""
        match piece:
            case Text(reasoning=False):
                return self._read(piece)
            case Done():
                return self._end(piece)
            case _:
                return [piece]

    def _read(self, piece: Text) -> list[Piece]:
        self._tokens += piece.tokens
        if self._only:
            self._call += piece.text
            return []
        made: list[Piece] = []
        rest = piece.text
        while rest:
            if self._inside is None:
                before, rest = self._scan(self._outside, rest, BEGIN)
                self._say(before, made)
                if self._outside.found:
                    self._inside, self._call = StopScanner((END,)), ""
            else:
                scanner = self._inside
                text, rest = self._scan(scanner, rest, END)
                self._call += text
                if scanner.found:
                    self._inside, self._outside = None, StopScanner((BEGIN,))
                    made += self._made(self._call, f"{BEGIN}{self._call}{END}")
        return made

    def _scan(self, scanner: StopScanner, text: str, word: str) -> tuple[str, str]:
        """What stands before a word, and what follows on it; the scanner keeps what may be its beginning."""
        held = scanner.held
        said = scanner.feed(text)
        return (said, (held + text)[len(said) + len(word) :]) if scanner.found else (said, "")

    def _end(self, done: Done) -> list[Piece]:
        made: list[Piece] = []
        if self._only:
            made += self._made(self._call, self._call)
        elif self._inside is not None:
            self._say(BEGIN + self._call + self._inside.end(), made)
        else:
            self._say(self._outside.end(), made)
        if self._calls and done.stop_reason == "eosFound":
            done = msgspec.structs.replace(done, stop_reason="toolCalls")
        return [*made, done]

    def _made(self, call: str, raw: str) -> list[Piece]:
        made: list[Piece] = []
        try:
            asked: Any = json.loads(call)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or cast("dict[str, Any]", asked).get("name") not in self._names:
            self._say(raw, made)
            return made
        named = cast("dict[str, Any]", asked)
        index, self._calls = self._calls, self._calls + 1
        made.append(CallStart(index, str(100_000_000 + secrets.randbelow(900_000_000)), named["name"]))
        made.append(CallArguments(index, json.dumps(named.get("arguments") or {}), self._spend()))
        return made

    def _say(self, text: str, made: list[Piece]) -> None:
        if text:
            made.append(Text(text, self._spend()))

    def _spend(self) -> int:
        tokens, self._tokens = self._tokens, 0
        return tokens


def _as_text(message: Message) -> Message:
    if message.get("role") == "tool":
        return {"role": "user", "content": f"{RESULT}{message.get('content') or ''}{END_RESULT}"}
    calls = message.get("tool_calls")
    if not calls:
        return message
    told = [_told(_function(call)) for call in calls]
    return {"role": "assistant", "content": f"{message.get('content') or ''}{''.join(told)}"}


def _told(function: Mapping[str, Any]) -> str:
    arguments = function.get("arguments") or "{}"
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return f'{BEGIN}{{"name": {json.dumps(function.get("name"))}, "arguments": {text}}}{END}'


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = tool.get("function")
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _call_schema(tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "name": {"const": _function(tool).get("name")},
                    "arguments": _function(tool).get("parameters") or {"type": "object"},
                },
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for tool in tools
        ]
    }
