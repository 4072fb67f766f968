"""The items of a request to `/v1/responses` as the turns of a conversation."""

from collections.abc import Sequence
from typing import Any

import msgspec

from wakeful.engine.openai.turns import Images, call
from wakeful.engine.runner.request import Message
from wakeful.engine.server.bodies import convert
from wakeful.engine.server.limits import check_count
from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import Limits

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_TEXTS = ("input_text", "output_text", "text")


class _ImageURL(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: str | _ImageURL | None = None


class _Item(msgspec.Struct):
    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    call_id: str = ""
    id: str | None = None
    name: str = ""
    arguments: str = ""
    output: str | list[_Part] | None = None


def turns_of_items(items: Sequence[Any], limits: Limits) -> tuple[Message, ...]:
    """Raises Refused."""
    check_count("input", items, limits.messages)
    images = Images(limits)
    turns: list[dict[str, Any]] = []
    for at, each in enumerate(items):
        _add(convert(each, _Item, f"input.{at}"), turns, images, f"input.{at}")
    if not turns:
        raise Refused("'input' must have at least one message", code="invalid_value", param="input")
    return tuple(turns)


def _add(item: _Item, turns: list[dict[str, Any]], images: Images, at: str) -> None:
    match item.type:
        case "message":
            turns.append(_message(item, images, at))
        case "function_call":
            if not turns or turns[-1]["role"] != "assistant":
                turns.append({"role": "assistant", "content": ""})
            turns[-1].setdefault("tool_calls", []).append(
                call(item.call_id or item.id or "", item.name, item.arguments)
            )
        case "function_call_output":
            content = _content(item.output, images, f"{at}.output")
            turns.append({"role": "tool", "tool_call_id": item.call_id, "content": content})
        case "reasoning":
            return  # what was thought once is not thought again
        case _:
            raise Refused(f"Invalid item type '{item.type}'", code="invalid_value", param=f"{at}.type")


def _message(item: _Item, images: Images, at: str) -> dict[str, Any]:
    role = _ROLES.get(item.role)
    if role is None:
        raise Refused(f"'role' must be one of {', '.join(_ROLES)}", code="invalid_value", param=f"{at}.role")
    content = _content(item.content, images, f"{at}.content")
    if role == "assistant" and not isinstance(content, str):
        content = "".join(part.get("text", "") for part in content)
    return {"role": role, "content": content}


def _content(content: str | list[_Part] | None, images: Images, at: str) -> str | list[dict[str, Any]]:
    if not isinstance(content, list):
        return content or ""
    parts = [_part(part, images, f"{at}.{number}") for number, part in enumerate(content)]
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _part(part: _Part, images: Images, at: str) -> dict[str, Any]:
    if part.type in _TEXTS:
        return {"type": "text", "text": part.text}
    if part.type == "refusal":
        return {"type": "text", "text": part.refusal}
    if part.type == "input_image" and part.image_url is not None:
        url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
        return images.part(url, f"{at}.image_url")
    raise Refused(f"Invalid content type '{part.type}'", code="invalid_value", param=f"{at}.type")
