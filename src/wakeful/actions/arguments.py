"""Arguments that a model wrote: read, held to the tool's schema and to what the user allowed, and written plainly."""

import functools
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from wakeful.actions.clean import holds_secret, visible
from wakeful.actions.errors import ArgumentsWrong
from wakeful.actions.tool import Tool

MAX_CHARS = 20_000
"""Characters of arguments; more is no call of a tool but a text."""

_MAX_SHOWN_CHARS = 2000
_UNBOUNDED = ("pattern", "patternProperties", "format", "$dynamicRef", "$recursiveRef")
"""Keywords of schemas that strangers wrote that are passed over: a regular expression can be made to run for ever."""


def read(tool: Tool, text: str) -> dict[str, Any]:
    """The arguments, all checks passed; raises ArgumentsWrong that says what is wrong.

    text: a JSON object, "" for none
    """
    if len(text) > MAX_CHARS:
        raise ArgumentsWrong(f"The arguments of {tool.name} are longer than {MAX_CHARS:,} characters.")
    try:
        arguments = msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ArgumentsWrong(f"The arguments of {tool.name} are no JSON object: {visible(str(error))}.") from error
    wrong = _against_schema(tool, arguments) or tool.check(arguments)
    if not wrong and tool.risk == "outside" and holds_secret(written(arguments)):
        wrong = "they hold what looks like a secret, which does not leave this machine"
    if wrong:
        raise ArgumentsWrong(f"The arguments of {tool.name} can't be: {visible(wrong)[:400].rstrip('.')}.")
    return arguments


def written(arguments: Mapping[str, Any]) -> str:
    """The arguments as JSON, the same ones always the same way."""
    return msgspec.json.encode(arguments, order="sorted").decode()


def shown(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Exactly what will run, on one line, nothing hidden in it. Raises ArgumentsWrong for what can't be shown whole."""
    text = tool.show(arguments) if tool.show is not None else f"{tool.name} {written(arguments)}"
    text = visible(text)
    if len(text) > _MAX_SHOWN_CHARS:
        raise ArgumentsWrong(f"The arguments of {tool.name} are too long to be shown to a person.")
    return text


def bounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a stranger's tool, without what could run for ever or fetch something.

    Raises ArgumentsWrong for one that refers to something outside of itself, or that is no schema of an object.
    """
    text = written(schema)
    if len(text) > MAX_CHARS or schema.get("type", "object") != "object":
        raise ArgumentsWrong("The schema of its arguments is no object, or far too long.")
    return cast("dict[str, Any]", _without(schema, depth=0))


def _without(value: Any, *, depth: int) -> Any:
    if depth > 20:
        raise ArgumentsWrong("The schema of its arguments is nested too deeply.")
    if isinstance(value, Mapping):
        table = cast("Mapping[str, Any]", value)
        reference = table.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise ArgumentsWrong("The schema of its arguments refers to something outside of itself.")
        return {
            name: _without(inner, depth=depth + 1)
            for name, inner in table.items()
            if not (name in _UNBOUNDED and not isinstance(inner, Mapping)) and name not in ("$schema", "$id")
        }
    if isinstance(value, list):
        return [_without(each, depth=depth + 1) for each in cast("list[Any]", value)]
    return value


def _against_schema(tool: Tool, arguments: dict[str, Any]) -> str:
    from jsonschema import exceptions  # some 60 ms, which only those pay who act

    try:
        errors: list[Any] = list(_validator(written(tool.parameters)).iter_errors(arguments))
        error: Any = cast("Any", exceptions).best_match(errors)
    except Exception as wrong:  # a fence: a stranger's schema can be wrong in any way
        return f"its own schema can't be used ({type(wrong).__name__})"
    if error is None:
        return ""
    place, message = ".".join(str(part) for part in error.absolute_path), str(error.message)
    return f"{place}: {message}" if place else message


@functools.lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # an empty registry: nothing that a schema refers to is fetched from anywhere
    registry: Registry[Any] = Registry()
    return Draft202012Validator(msgspec.json.decode(schema), registry=registry)
