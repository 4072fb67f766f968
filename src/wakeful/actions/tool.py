"""A tool: what it is called, what it takes, how much it may do, and how it runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Risk = Literal["read", "change", "outside"]
"""How much a tool may do.

read: it looks at this machine, or asks addresses that the user named, and changes nothing
change: it changes something on this machine
outside: it is another program's (a tool of an MCP server): nobody here knows what it does
"""

NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool. key, cycle: of the request behind it; arguments: checked."""

    key: str
    cycle: str
    arguments: Mapping[str, Any]


def _nothing_wrong(_: Mapping[str, Any]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that can be done.

    run: does it and gives what came of it as text; raises ToolFailed, or anything else that then counts as a failure
    parameters: JSON schema of its arguments, an object
    check: what is wrong with arguments that fit the schema ("" for nothing): the user's roots, hosts, names
    show: exactly what will run, for the person who is asked; the name and the arguments where it is not given
    timeout_s, per_hour: its own limits, None for those of all tools
    changed: whether its definition is another one than the user's rule was made for, so that a rule of `allow` is not
        enough
    speaks: whether its result is somebody's own text, such as a specialist's answer, and not a measurement
    """

    name: str
    description: str
    run: Callable[[Call], Awaitable[str]]
    parameters: Mapping[str, Any] = field(default_factory=lambda: NO_ARGUMENTS)
    risk: Risk = "read"
    check: Callable[[Mapping[str, Any]], str] = _nothing_wrong
    show: Callable[[Mapping[str, Any]], str] | None = None
    timeout_s: float | None = None
    per_hour: int | None = None
    changed: bool = False
    speaks: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether it may run again after a crash: only what changes nothing may."""
        return self.risk == "read"
