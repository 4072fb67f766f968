"""What the scripted model says when nobody told it what to say: something valid, the same every time."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply

_DEEPEST = 12
"""Levels of a schema that refers to itself."""


def plain_reply(generation: Generation) -> Reply:
    """A valid answer to anything: keeps to the schema, calls a tool if it must, else says what it was asked."""
    if generation.schema is not None:
        return Reply(text=json.dumps(sample(generation.schema)))
    if generation.tools and generation.tool_choice == "required":
        function: Any = generation.tools[0].get("function", {})
        return Reply(calls=(Call(str(function.get("name", "")), sample(function.get("parameters") or {})),))
    asked = last_text(generation)
    return Reply(text=f"You said: {asked}" if asked else "Hello.")


def last_text(generation: Generation) -> str:
    """The text of the last message, or the prompt's."""
    if generation.prompt is not None:
        return generation.prompt
    content: Any = generation.messages[-1].get("content") if generation.messages else ""
    if isinstance(content, str):
        return content
    parts = cast("Sequence[Mapping[str, Any]]", content or ())
    return "".join(str(part.get("text", "")) for part in parts)


def sample(schema: Mapping[str, Any]) -> Any:
    """A small value that keeps to a JSON schema, as far as the schema says it in its usual words."""
    return _sample(schema, schema, 0)


def _sample(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    schema = cast("Mapping[str, Any]", schema)
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    if isinstance(schema.get("$ref"), str):
        return _sample(_at(root, schema["$ref"]), root, depth + 1)
    for word in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(word), list) and schema[word]:
            return _sample(_simplest(schema[word], word, depth), root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kind: Any = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in cast("list[Any]", kind) if each != "null"), "null")
    match kind:
        case "object":
            return _object(schema, root, depth)
        case "array":
            count = int(schema.get("minItems", 0))
            return [_sample(schema.get("items", {}), root, depth + 1) for _ in range(min(count, 100))]
        case "integer" | "number":
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case _ if "properties" in schema:
            return _object(schema, root, depth)
        case _:
            return "text".ljust(min(int(schema.get("minLength", 0)), 10_000), "t")[: schema.get("maxLength")]


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    given: Mapping[str, Any] = schema.get("properties") or {}
    required: Sequence[str] = schema.get("required") or (() if depth > 2 else tuple(given))
    return {name: _sample(given.get(name, {}), root, depth + 1) for name in required}


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = 1 if whole else 0.5
    if low is not None:
        return low + step if "minimum" not in schema else low
    if high is not None:
        return min(0, high - step if "maximum" not in schema else high)
    return 1 if whole else 0.5


def _simplest(options: Sequence[Any], word: str, depth: int) -> Any:
    """One of several that are allowed, deep down one that ends; all of several that must hold."""
    if word == "allOf":
        merged: dict[str, Any] = {}
        for each in options:
            if isinstance(each, Mapping):
                merged.update(cast("Mapping[str, Any]", each))
        return merged
    if depth > 2:
        return next((each for each in options if each == {"type": "null"}), options[0])
    return options[0]


def _at(root: Mapping[str, Any], pointer: str) -> Any:
    value: Any = root
    for part in pointer.removeprefix("#").strip("/").split("/"):
        if part:
            value = cast("Mapping[str, Any]", value).get(part.replace("~1", "/").replace("~0", "~"))
            if not isinstance(value, Mapping):
                return {}
    return cast("Any", value)
