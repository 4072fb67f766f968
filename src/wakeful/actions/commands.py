"""What the user declared to be run: commands by name, and units of systemd. Nothing else can be run, and no shell."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wakeful.actions.child import Ended, run_program
from wakeful.actions.errors import ActionError, ToolFailed
from wakeful.actions.tool import Call, Risk, Tool

UNIT_VERBS: tuple[Literal["start", "restart", "stop"], ...] = ("start", "restart", "stop")
_UNIT = re.compile(r"[A-Za-z0-9:_.@-]{1,200}")
_PLACE = re.compile(r"\{(\w+)\}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,48}")


@dataclass(frozen=True, slots=True)
class Command:
    """A declared command.

    run: its argument list; `{word}` stands for one of `choices["word"]`
    risk: `read` for one that only looks; timeout_s, per_hour: its own limits, None for those of all tools
    """

    name: str
    run: Sequence[str]
    description: str = ""
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    risk: Risk = "change"
    folder: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout_s: float | None = None
    per_hour: int | None = None


def command_tool(command: Command) -> Tool:
    """The tool `run_NAME`. Raises ActionError for a name, or a `{word}` without choices, that can't be."""
    if not _NAME.fullmatch(command.name):
        raise ActionError(f"{command.name!r} is no name for a command.", hint="Use letters, digits, - and _.")
    words = {word for part in command.run for word in _PLACE.findall(part)}
    if words != set(command.choices):
        odd = ", ".join(sorted(words ^ set(command.choices)))
        raise ActionError(
            f"The command {command.name} and its choices do not fit: {odd}.",
            hint="Each {word} in `run` needs a list of the same name in `choices`, and the other way round.",
        )

    async def run(call: Call) -> str:
        argv = _filled(command.run, call.arguments)
        return _told(argv[0], await run_program(argv, env=command.env, folder=command.folder))

    return Tool(
        name=f"run_{command.name}",
        description=command.description or f"runs {' '.join(command.run)}",
        run=run,
        parameters=_enums(command.choices),
        risk=command.risk,
        show=lambda given: _shell_like(_filled(command.run, given)),
        timeout_s=command.timeout_s,
        per_hour=command.per_hour,
    )


def unit_tools(units: Sequence[str], systemctl: Sequence[str] = ("systemctl",)) -> list[Tool]:
    """Looking at, starting, restarting and stopping the declared units of systemd; none where there are none.

    Raises ActionError for what is no unit's name.
    """
    wrong = [unit for unit in units if not _UNIT.fullmatch(unit) or unit.startswith("-")]
    if wrong:
        raise ActionError(f"{wrong[0]!r} is no name of a unit.", hint="Write it as systemctl does: nginx.service.")
    if not units:
        return []
    # `nginx` is `nginx.service`
    known = {"unit": [unit if "." in unit else f"{unit}.service" for unit in units]}

    def tool(verb: str, about: str, options: Sequence[str], risk: Risk) -> Tool:
        def argv(given: Mapping[str, Any]) -> list[str]:
            return [*systemctl, "--no-ask-password", *options, verb, "--", str(given["unit"])]

        async def run(call: Call) -> str:
            return _told(f"systemctl {verb}", await run_program(argv(call.arguments)), fails=verb != "status")

        return Tool(
            name=f"unit_{verb}",
            description=f"{about} one of the user's services",
            run=run,
            parameters=_enums(known),
            risk=risk,
            show=lambda given: _shell_like(argv(given)),
        )

    looking = tool("status", "shows the state and the last log lines of", ("--no-pager", "--full"), "read")
    return [looking, *(tool(verb, f"{verb}s", (), "change") for verb in UNIT_VERBS)]


def _filled(argv: Sequence[str], given: Mapping[str, Any]) -> list[str]:
    return [_PLACE.sub(lambda word: str(given[word[1]]), part) for part in argv]


def _enums(choices: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What is chosen is from a list, so that no argument can be made up."""
    return {
        "type": "object",
        "properties": {name: {"type": "string", "enum": list(values)} for name, values in choices.items()},
        "required": list(choices),
        "additionalProperties": False,
    }


def _shell_like(argv: Sequence[str]) -> str:
    """The argument list as a person reads it, each argument apart."""
    return " ".join(part if re.fullmatch(r"[\w@%+=:,./-]+", part, re.ASCII) else repr(part) for part in argv)


def _told(name: str, ended: Ended, *, fails: bool = True) -> str:
    output = ended.output.strip()
    if fails and ended.status != 0:
        raise ToolFailed(f"{name} ended with status {ended.status}: {output or 'it printed nothing'}")
    return output or f"{name} ended with status {ended.status} and printed nothing"
