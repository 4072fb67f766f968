"""Requests as they are read: bounded, JSON, and of the form that a route wants."""

import asyncio
import re
from typing import Any, TypeVar, cast

import msgspec
from aiohttp import web

from wakeful.engine.server.keys import SETTINGS
from wakeful.engine.server.limits import check_depth
from wakeful.engine.server.refusals import Refused

T = TypeVar("T")

_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`(?: - at (?:key in )?`\$(?P<at>[^`]*)`)?")
_WRONG = re.compile(r"Expected (?P<wanted>.+?)(?:, got (?P<got>.+?))?(?: - at (?:key in )?`\$(?P<at>.*)`)?")
_ENUM = re.compile(r"Invalid enum value (?P<value>.+?)(?: - at (?:key in )?`\$(?P<at>.*)`)?")
_JSON_NAMES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}
_NAME = re.compile(r"\w+")
_INDEX = re.compile(r"\[(\d+|\.\.\.)\]")


async def read(request: web.Request) -> dict[str, Any]:
    """The request's JSON object; {} for an empty body, as Express has it. Raises Refused."""
    limits = request.app[SETTINGS].limits
    try:
        async with asyncio.timeout(limits.body_s):
            raw = await request.read()
    except TimeoutError:
        raise Refused(f"The request's body did not come within {limits.body_s:g} s.", status=408) from None
    if not raw.strip():
        return {}
    try:
        data: Any = msgspec.json.decode(raw)
    except RecursionError:
        raise Refused(
            f"The request's JSON is nested deeper than {limits.depth} levels.", code="too_deep", plain=True
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"Invalid JSON in the request's body: {error}", code="invalid_json", plain=True) from None
    if not isinstance(data, dict):
        raise Refused("The request's body must be a JSON object.", code="invalid_type", plain=True)
    check_depth(data, limits.depth)
    return cast("dict[str, Any]", data)


def convert(data: Any, kind: type[T], at: str = "") -> T:
    """Decoded JSON as a struct; fields that it does not have are passed over.

    at: where in the request it stands, such as `response_format`
    Raises Refused, which names the field.
    """
    try:
        return msgspec.convert(data, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), at) from None


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def _refusal(text: str, at: str) -> Refused:
    if missing := _MISSING.fullmatch(text):
        param = _param(at, missing["at"] or "", missing["name"])
        return Refused(f"'{param}' field is required", code="missing_required_parameter", param=param, plain=True)
    if wrong := _WRONG.fullmatch(text):
        param = _param(at, wrong["at"] or "")
        got = f", received {_json_names(wrong['got'])}" if wrong["got"] else ""
        message = f"Invalid '{param}': expected {_json_names(wrong['wanted'])}{got}"
        return Refused(message, code="invalid_type", param=param or None, plain=True)
    if enum := _ENUM.fullmatch(text):
        param = _param(at, enum["at"] or "")
        message = f"Invalid '{param}': {enum['value']} is not one of the values that it may have"
        return Refused(message, code="invalid_value", param=param, plain=True)
    return Refused(f"Invalid request: {text}", code="invalid_type", param=at or None, plain=True)


def _json_names(text: str) -> str:
    """`int | null` as people who write JSON say it."""
    return _NAME.sub(lambda found: _JSON_NAMES.get(found[0], found[0]), text.replace("`", ""))


def _param(*parts: str) -> str:
    """`tools.0.type`, as LM Studio names a place."""
    return ".".join(filter(None, (_INDEX.sub(r".\1", part).strip(".") for part in parts)))
