"""All tools by name, and how a model is told of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from wakeful.actions.errors import ActionError
from wakeful.actions.policy import Policy
from wakeful.actions.tool import Tool
from wakeful.context import as_data

LOOK_CLOSER = "look_closer"
"""The tool that `observe` without another tool means."""

MAX_OFFERED = 40
"""Tools that a model is told of; more would fill its prompt and its grammar."""

_MAX_DESCRIPTION_CHARS = 200
_KEPT = ("type", "properties", "required", "items", "enum", "const", "minimum", "maximum", "minLength", "maxLength",
         "maxItems", "minItems", "additionalProperties", "anyOf")  # fmt: skip
_MAX_TEXT_CHARS = 300


class Toolbox:
    """The tools that there are; those of MCP servers come and go while it is used.

    policy: says which of them a model is told of: what is denied is not worth a thought
    """

    def __init__(self, tools: Iterable[Tool] = (), policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        self._own: dict[str, Tool] = {}
        self._guests: list[Callable[[], Iterable[Tool]]] = []
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool) -> None:
        """Adds one; raises ActionError where its name is taken."""
        if tool.name in self._own:
            raise ActionError(f"Two tools are called {tool.name}.", hint="Give one of them another name.")
        self._own[tool.name] = tool

    def add_guests(self, tools: Callable[[], Iterable[Tool]]) -> None:
        """Adds a server's tools, as they are at each moment; a name that is taken stays with its first owner."""
        self._guests.append(tools)

    @property
    def tools(self) -> list[Tool]:
        """All of them, in order."""
        return list(self._all().values())

    def get(self, name: str) -> Tool | None:
        """The tool of this exact name."""
        return self._own.get(name) or self._all().get(name)

    @property
    def offered(self) -> list[Tool]:
        """Those that a model is told of."""
        return [tool for tool in self.tools if self._policy.verdict(tool) != "deny"][:MAX_OFFERED]

    def schema(self) -> dict[str, Any] | None:
        """JSON schema of one call, `{"tool": …, "arguments": {…}}`, the empty name for none; None without tools.

        It holds the model to names and arguments that exist; what it may do is decided elsewhere, whatever it writes.
        """
        if not self.offered:
            return None
        none = _call("", {"type": "object", "properties": {}, "required": [], "additionalProperties": False})
        return {"anyOf": [none, *(_call(tool.name, _for_model(tool.parameters)) for tool in self.offered)]}

    def described(self) -> str:
        """A line for each tool, for a prompt: its name and arguments, what it does, whether a person is asked."""
        return "\n".join(self._line(tool) for tool in self.offered)

    def _line(self, tool: Tool) -> str:
        names = ", ".join(tool.parameters.get("properties", {}))
        asked = " (the user is asked first)" if self._policy.verdict(tool) == "ask" else ""
        about = as_data(tool.description, max_chars=_MAX_DESCRIPTION_CHARS)
        said = f'its server says: "{about}"' if tool.risk == "outside" else about
        return f"- {tool.name}({as_data(names, max_chars=_MAX_DESCRIPTION_CHARS)}): {said}{asked}"

    def _all(self) -> dict[str, Tool]:
        found = dict(self._own)
        for guests in self._guests:
            for tool in guests():
                found.setdefault(tool.name, tool)
        return found


def _call(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"tool": {"type": "string", "enum": [name]}, "arguments": parameters},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


def _for_model(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with only those keywords that servers obey; texts get a bound, so that a model that loops ends.

    Where something is left out, the schema allows more; the outbox checks arguments against the whole one.
    """
    kept = {name: value for name, value in schema.items() if name in _KEPT}
    if properties := _tables(kept.get("properties")):
        kept["properties"] = {name: _for_model(each) for name, each in properties.items()}
        kept["required"] = [name for name in kept.get("required", []) if name in properties]
    if "items" in kept:
        kept["items"] = _for_model(_tables(kept).get("items", {}))
    if "anyOf" in kept:
        kept["anyOf"] = [_for_model(each) for each in kept["anyOf"]]
    if kept.get("type") == "string" and "enum" not in kept:
        kept["maxLength"] = min(kept.get("maxLength", _MAX_TEXT_CHARS), _MAX_TEXT_CHARS)
    if kept.get("type") == "array":
        kept["maxItems"] = min(kept.get("maxItems", 20), 20)
    return kept


def _tables(value: Any) -> dict[str, dict[str, Any]]:
    """The tables of a table."""
    table = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    return {name: each for name, each in table.items() if isinstance(each, dict)}
