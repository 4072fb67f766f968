"""Tools for the model from plain Python functions."""

import asyncio
import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, cast

import msgspec

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAMES = "a tool's name has ASCII letters, digits, `_` and `-` only, 64 at most"


class Tool:
    """A function that the model may ask to call.

    function: plain or `async`; every parameter is annotated with a type that msgspec knows. Its first line of
        documentation and what is said of each parameter (Google, NumPy or reStructuredText style) are shown to
        the model
    name, description: instead of the function's own
    Raises TypeError when the function can't be described to a model, ValueError for an impossible name.
    """

    def __init__(self, function: Callable[..., Any], *, name: str = "", description: str = "") -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", "")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{_NAMES}: not {self.name!r}")
        said = _documentation(function)
        self.description = description or said[""]
        self._arguments = _arguments(self.name, function, said)
        self.parameters = _schema(self.name, self._arguments)

    def openai(self) -> dict[str, Any]:
        """The tool as requests describe it."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    def read(self, arguments: str) -> dict[str, Any]:
        """The arguments as values of the types that the function wants; "5" passes for 5, as models write it.

        Raises ValueError that says what is wrong.
        """
        try:
            values = msgspec.json.decode(arguments or "{}", type=self._arguments, strict=False)
        except RecursionError as error:
            raise ValueError("the arguments are nested too deeply") from error
        # a parameter that was left out keeps the function's own default
        return {name: value for name in values.__struct_fields__ if (value := getattr(values, name)) is not _ABSENT}

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """What the function gives, as text for the model: text as it is, all else as JSON.

        A plain function runs in a thread, which goes on to its end when this is cancelled.
        Raises whatever the function raises, TypeError where its value can't be written as JSON.
        """
        if inspect.iscoroutinefunction(self.function):
            value = await self.function(**arguments)
        else:
            value = await asyncio.to_thread(_called, self.function, arguments)
            if inspect.isawaitable(value):
                value = await value
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_ABSENT = msgspec.UNSET


def _called(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return function(**arguments)
    except StopIteration as error:
        # no future takes it: before Python 3.11.8 whoever waits for the thread would wait for ever
        raise RuntimeError(f"StopIteration: {error}") from error


def _described(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where annotations and documentation stand: beneath `partial`, and in the class of an object that is called."""
    while isinstance(function, functools.partial):
        function = cast("functools.partial[Any]", function).func
    return function if inspect.isroutine(function) or inspect.isclass(function) else type(function).__call__


def as_tools(functions: "Iterable[Tool | Callable[..., Any]]") -> dict[str, Tool]:
    """The tools by name. Raises ValueError when two have the same."""
    tools: dict[str, Tool] = {}
    for each in functions:
        tool = each if isinstance(each, Tool) else Tool(each)
        if tool.name in tools:
            raise ValueError(f"two tools are named {tool.name!r}: give one another name with Tool(…, name=…)")
        tools[tool.name] = tool
    return tools


def _documentation(function: Callable[..., Any]) -> dict[str, str]:
    """What is said of each parameter by name, and of the function under ""."""
    from docstring_parser import ParseError, parse  # its import takes longer than most programs' use of it

    text = inspect.getdoc(_described(function)) or ""
    try:
        parsed = parse(text)
    except ParseError:
        return {"": text}
    said = {each.arg_name: " ".join((each.description or "").split()) for each in parsed.params}
    parts = [parsed.short_description or "", parsed.long_description or ""]
    return {**said, "": "\n\n".join(part for part in parts if part)}


def _arguments(name: str, function: Callable[..., Any], said: Mapping[str, str]) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    try:
        hints = typing.get_type_hints(_described(function), include_extras=True)
        parameters = inspect.signature(function).parameters.values()
    except (NameError, ValueError) as error:  # a type known to type checkers only; a builtin without signature
        raise TypeError(f"the types of the tool {name!r} can't be told: {error}") from error
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"the tool {name!r} takes {parameter}: a model can't be told how to fill that")
        if parameter.name not in hints:
            raise TypeError(f"the tool {name!r} needs a type for its parameter {parameter.name!r}")
        kind = hints[parameter.name]
        if description := said.get(parameter.name):
            kind = Annotated[kind, msgspec.Meta(description=description)]
        if parameter.default is parameter.empty:
            fields.append((parameter.name, kind))
        else:
            fields.append((parameter.name, kind | msgspec.UnsetType, _ABSENT))
    # a field that the function does not know is a mistake of the model that it should hear of
    return msgspec.defstruct(name.replace("-", "_"), fields, kw_only=True, forbid_unknown_fields=True)


def _schema(name: str, arguments: type[msgspec.Struct]) -> dict[str, Any]:
    try:
        [reference], components = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    except TypeError as error:
        raise TypeError(f"the tool {name!r} has a parameter of a type that has no JSON schema: {error}") from error
    schema = dict(components.pop(reference["$ref"].removeprefix("#/$defs/")))
    schema.pop("title", None)
    return {**schema, "$defs": components} if components else schema
