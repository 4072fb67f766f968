"""An answer as a value of a type of yours, checked, with a second try for the model when it does not fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, Unpack, cast, overload

import msgspec

from wakeful.lmstudio.chat.events import ChatResult, Message
from wakeful.lmstudio.chat.messages import Chat
from wakeful.lmstudio.chat.request import CanChat, ChatOptions
from wakeful.lmstudio.errors import InvalidStructure

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Structured(Generic[T]):
    """A value that a model gave. result: the answer it is from; repaired: whether it took a second try."""

    value: T
    result: ChatResult
    repaired: bool = False


class Shape(Generic[T]):
    """What an answer has to look like.

    of: a msgspec Struct, a dataclass, a TypedDict or any other type that msgspec knows (`list[int]`), a pydantic
        model, or a JSON schema, whose values are checked with the library `jsonschema`
    Raises TypeError for a type that has no JSON schema.
    """

    def __init__(self, of: type[T] | Mapping[str, Any]) -> None:
        self._of = of
        self.name = "answer" if isinstance(of, Mapping) else getattr(of, "__name__", "answer")
        self.schema = _schema(of)

    def read(self, text: str) -> T:
        """The value that a text of JSON holds, also within a Markdown fence. Raises ValueError saying what is wrong."""
        return cast("T", _value(_unfenced(text), self._of))


@overload
async def structured(
    client: CanChat,
    messages: str | Sequence[Message],
    of: type[T],
    *,
    repairs: int = ...,
    **options: Unpack[ChatOptions],
) -> Structured[T]: ...
@overload
async def structured(
    client: CanChat,
    messages: str | Sequence[Message],
    of: Mapping[str, Any],
    *,
    repairs: int = ...,
    **options: Unpack[ChatOptions],
) -> Structured[Any]: ...
async def structured(
    client: CanChat,
    messages: str | Sequence[Message],
    of: Any,
    *,
    repairs: int = 1,
    **options: Unpack[ChatOptions],
) -> Structured[Any]:
    """Ask for a value of type `of`, see `Shape`.

    repairs: how often the model is shown what is wrong with its answer and asked again
    Raises InvalidStructure, with the last answer in `partial`, what the client raises, and ValueError for repairs < 0.
    """
    if repairs < 0:
        raise ValueError("repairs can't be less than 0")
    shape = Shape[Any](of)
    asked: Sequence[Message] = Chat(messages)
    options["json_schema"] = shape.schema
    options.setdefault("schema_name", shape.name)
    for attempt in range(repairs + 1):
        result = await client.chat(asked, **options)
        try:
            return Structured(shape.read(result.text), result, repaired=attempt > 0)
        except ValueError as error:
            if result.finish_reason == "length" or result.interrupted:
                raise InvalidStructure(
                    "The answer was cut off before its JSON was whole.",
                    partial=result.text,
                    hint="Raise `max_tokens`, or ask for less.",
                ) from error
            if attempt == repairs:
                raise InvalidStructure(
                    f"The answer does not fit {shape.name}: {error}", partial=result.text, attempts=attempt + 1
                ) from error
            asked = [
                *Chat(messages).assistant(result),
                {
                    "role": "user",
                    "content": f"That does not fit the schema: {error}\nAnswer again, with nothing but JSON that fits.",
                },
            ]
    raise AssertionError("unreachable")


def _unfenced(text: str) -> str:
    # no regular expression: models write blanks without end, and what can match them in two places takes for ever
    stripped = text.strip()
    if len(stripped) < 6 or not stripped.startswith("```") or not stripped.endswith("```"):
        return text
    return stripped[3:-3].removeprefix("json")


def _schema(of: Any) -> dict[str, Any]:
    if isinstance(of, Mapping):
        schema = dict(cast("Mapping[str, Any]", of))
        from jsonschema import SchemaError  # some 60 ms, which only those pay who hand in a plain schema
        from jsonschema.validators import validator_for

        try:
            validator_for(schema).check_schema(schema)
        except SchemaError as error:
            raise TypeError(f"this is no JSON schema: {error.message}") from error
        return schema
    if hasattr(of, "model_json_schema"):  # pydantic's
        return of.model_json_schema()
    return msgspec.json.schema(of)


def _value(text: str, of: Any) -> object:
    if hasattr(of, "model_validate_json"):
        return of.model_validate_json(text)  # its ValidationError is a ValueError
    try:
        if not isinstance(of, Mapping):
            return msgspec.json.decode(text, type=of)
        value = msgspec.json.decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    from jsonschema import ValidationError, validate
    from referencing.exceptions import Unresolvable

    try:
        validate(value, cast("Mapping[str, Any]", of))
    except Unresolvable as error:
        raise TypeError(f"the JSON schema refers to what it does not have: {error}") from error
    except ValidationError as error:
        raise ValueError(f"{error.message} at `{error.json_path}`") from error
    return value
