"""The messages of a chat request: checked, bounded, and in the one form that runners take."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from wakeful.engine.runner.request import Message
from wakeful.engine.server.bodies import as_list, convert
from wakeful.engine.server.limits import check_count, check_image
from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import Limits

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


class _ImageURL(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    image_url: str | _ImageURL | None = None


class _CalledFunction(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] = "{}"


class _Call(msgspec.Struct):
    function: _CalledFunction
    id: str = ""


class _Turn(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    name: str | None = None


class Images:
    """Counts the images of one request."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count = 0

    def part(self, url: str, at: str) -> dict[str, Any]:
        """A part of a message that shows the image. Raises Refused."""
        check_image(url, self._limits, at)
        self._count += 1
        if self._count > self._limits.images:
            raise Refused(
                f"The request has more than {self._limits.images} images.", code="too_many_images", param=at, plain=True
            )
        return {"type": "image_url", "image_url": {"url": url}}


def turns_of(messages: Any, limits: Limits) -> tuple[Message, ...]:
    """Raises Refused."""
    if messages is None:
        raise Refused("'messages' field is required", code="missing_required_parameter", param="messages", plain=True)
    given = as_list(messages)
    if not given:
        raise _invalid("it must be an array of at least one message", "messages")
    check_count("messages", given, limits.messages)
    images = Images(limits)
    return tuple(_turn(each, images, f"messages.{at}") for at, each in enumerate(given))


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """A tool call as a part of an assistant's message."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def said_turn(text: str, calls: Sequence[Mapping[str, Any]]) -> Message:
    """An answer of the model as a message."""
    return {"role": "assistant", "content": text} | ({"tool_calls": list(calls)} if calls else {})


def _turn(data: Any, images: Images, at: str) -> Message:
    given = convert(data, _Turn, at)
    role = _ROLES.get(given.role)
    if role is None:
        raise _invalid(f"'role' must be one of {', '.join(_ROLES)}", f"{at}.role")
    turn: dict[str, Any] = {"role": role, "content": _content(given.content, images, at)}
    if given.name is not None:
        turn["name"] = given.name
    if role == "assistant":
        if given.reasoning_content:
            turn["reasoning_content"] = given.reasoning_content
        if given.tool_calls:
            turn["tool_calls"] = [call(each.id, each.function.name, _text(each)) for each in given.tool_calls]
    if role == "tool":
        turn["tool_call_id"] = given.tool_call_id or ""
    return turn


def _text(given: _Call) -> str:
    arguments = given.function.arguments
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def _content(content: str | list[_Part] | None, images: Images, at: str) -> str | list[dict[str, Any]]:
    if not isinstance(content, list):
        return content or ""
    return [_part(part, images, f"{at}.content.{number}") for number, part in enumerate(content)]


def _part(part: _Part, images: Images, at: str) -> dict[str, Any]:
    if part.type == "text":
        return {"type": "text", "text": part.text}
    if part.type == "image_url" and part.image_url is not None:
        url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
        return images.part(url, f"{at}.image_url.url")
    raise _invalid("'content' objects must have a 'type' field that is either 'text' or 'image_url'", f"{at}.type")


def _invalid(why: str, param: str) -> Refused:
    return Refused(
        f"Invalid 'messages' in payload. {why} (at '{param}')", code="invalid_value", param=param, plain=True
    )
