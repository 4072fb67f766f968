"""Requests to REST v1, which takes nothing that it does not know."""

import re
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from wakeful.engine.server import bodies
from wakeful.engine.server.refusals import Refused

T = TypeVar("T", bound=msgspec.Struct)

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.+?)`(?: - at `\$(?P<at>.*)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<name>.+?)`(?: - at `\$(?P<at>.*)`)?")
_INDEX = re.compile(r"\[(\d+|\.\.\.)\]")


async def read(request: web.Request, form: type[T]) -> T:
    """The body in this form, a struct that forbids unknown fields. Raises Refused."""
    data = await bodies.read(request)
    known = [field.encode_name for field in msgspec.structs.fields(form)]
    if unknown := [name for name in data if name not in known]:
        raise _unrecognized(unknown, unknown[0])
    return convert(data, form)


def convert(data: Any, form: type[T], at: str = "") -> T:
    """A part of it. at: where in the request it stands. Raises Refused."""
    try:
        return msgspec.convert(data, form)
    except msgspec.ValidationError as error:
        text = str(error)
        if found := _UNKNOWN.fullmatch(text):
            raise _unrecognized([found["name"]], _place(at, found["at"] or "", found["name"])) from None
        if found := _MISSING.fullmatch(text):
            place = _place(at, found["at"] or "", found["name"])
            raise Refused(f'"{place}" is required', code="missing_required_parameter", param=place) from None
        raise _wrong(text, at) from None


def invalid(message: str, param: str) -> Refused:
    """A value that this field may not have."""
    return Refused(message, code="invalid_value", param=param)


def _unrecognized(names: list[str], param: str) -> Refused:
    listed = ", ".join(f"'{name}'" for name in names)
    return Refused(f"Unrecognized key(s) in object: {listed}", code="unrecognized_keys", param=param)


def _wrong(text: str, at: str) -> Refused:
    said, _, place = text.partition(" - at `$")
    param = _place(at, place.rstrip("`")) or None
    code = "invalid_value" if said.startswith("Invalid") or ">" in said or "<" in said else "invalid_type"
    return Refused(f"Invalid '{param}': {said}" if param else said, code=code, param=param)


def _place(*parts: str) -> str:
    """`input.0.content`."""
    return ".".join(filter(None, (_INDEX.sub(r".\1", part).strip(".") for part in parts)))
