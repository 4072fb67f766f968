"""A conversation as the SDK sends it, as messages in OpenAI's form."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from wakeful.engine.native import failures
from wakeful.engine.runner.request import Message


class _Part(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    pass


class TextPart(_Part, frozen=True, tag="text"):
    """Something said."""

    text: str


class FilePart(_Part, frozen=True, tag="file"):
    """A file that was uploaded before. Images are shown to the model; others are for plugins, and passed over."""

    identifier: str
    name: str = ""
    file_type: str = "unknown"


class CallRequest(msgspec.Struct, frozen=True):
    """What the model wanted to be called."""

    name: str
    id: str | None = None
    arguments: dict[str, Any] | None = None


class CallPart(_Part, frozen=True, tag="toolCallRequest"):
    """A call that the model made."""

    tool_call_request: CallRequest


class ResultPart(_Part, frozen=True, tag="toolCallResult"):
    """What a call came to."""

    content: str
    tool_call_id: str | None = None
    name: str | None = None


class Turn(msgspec.Struct, frozen=True):
    """One turn of one role."""

    role: Literal["system", "user", "assistant", "tool"]
    content: tuple[TextPart | FilePart | CallPart | ResultPart, ...]


class History(msgspec.Struct, frozen=True):
    """What was said so far, oldest first."""

    messages: tuple[Turn, ...] = ()

    def text(self) -> str:
        """All that was said, with nothing in between."""
        return "".join(part.text for turn in self.messages for part in turn.content if isinstance(part, TextPart))


def messages(history: History, image_url: Callable[[str], str]) -> list[Message]:
    """The turns; all results of a round are one turn there and one each here.

    image_url: gives the data URL of an uploaded image; raises Failed
    """
    found: list[Message] = []
    for turn in history.messages:
        if turn.role == "tool":
            found += [_result(part) for part in turn.content if isinstance(part, ResultPart)]
        elif turn.role == "assistant":
            found.append(_assistant(turn))
        else:
            found.append({"role": turn.role, "content": _content(turn, image_url)})
    return found


def _content(turn: Turn, image_url: Callable[[str], str]) -> str | list[Mapping[str, Any]]:
    images = [part for part in turn.content if isinstance(part, FilePart) and part.file_type == "image"]
    if not images:
        return _text(turn)
    parts: list[Mapping[str, Any]] = []
    for part in turn.content:
        if isinstance(part, TextPart):
            parts.append({"type": "text", "text": part.text})
        elif isinstance(part, FilePart) and part.file_type == "image":
            parts.append({"type": "image_url", "image_url": {"url": image_url(part.identifier)}})
    return parts


def _assistant(turn: Turn) -> Message:
    calls = [part.tool_call_request for part in turn.content if isinstance(part, CallPart)]
    said: dict[str, Any] = {"role": "assistant", "content": _text(turn)}
    if calls:
        said["tool_calls"] = [
            {
                "id": call.id or str(index),
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments or {}, ensure_ascii=False)},
            }
            for index, call in enumerate(calls)
        ]
    return said


def _result(part: ResultPart) -> Message:
    said = {"role": "tool", "content": part.content, "tool_call_id": part.tool_call_id, "name": part.name}
    return {key: value for key, value in said.items() if value is not None}


def _text(turn: Turn) -> str:
    return "".join(part.text for part in turn.content if isinstance(part, TextPart))


def no_images(messages: list[Message]) -> None:
    """Raises Failed when images are shown to a model that has no eyes."""
    if any(not isinstance(turn.get("content", ""), str) for turn in messages):
        raise failures.Failed(failures.plain("Model does not support images. Please use a model that does."))
