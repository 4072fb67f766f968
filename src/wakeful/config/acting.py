"""The settings of acting: what may be done, by what, and how much of it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from wakeful.config.kinds import Seconds, SecondsOrNever, Text, Texts, Tokens

Verdict = Literal["allow", "ask", "deny"]
_Count = Annotated[int, Meta(ge=0, le=1_000_000)]
_AtLeastOne = Annotated[int, Meta(ge=1, le=1_000_000)]


class CommandSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A command that may be run. run: its argument list; `{word}` in it stands for one of `choices.word`.

    risk: `read` for one that only looks; timeout_s, per_hour: its own limits, 0 for those of all
    """

    run: Texts
    description: str = ""
    choices: dict[str, Texts] = field(default_factory=dict[str, list[str]])
    risk: Literal["read", "change"] = "change"
    folder: str = ""
    env: dict[str, str] = field(default_factory=dict[str, str])
    timeout_s: SecondsOrNever = 0.0
    per_hour: _Count = 0


class McpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A server of tools: a program (`run`) or an address (`url`). tools: patterns of the names that are taken."""

    run: list[Text] = field(default_factory=list[str])
    url: str = ""
    env: dict[str, str] = field(default_factory=dict[str, str])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    tools: Texts = field(default_factory=lambda: ["*"])
    timeout_s: Seconds = 60.0


class SpecialistSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A helper to delegate to. model: "" for the one that thinks; tools: names or patterns.

    tokens, time_s, steps: what one task may take: tokens read and written, seconds, answers
    """

    prompt: Text
    description: str = ""
    model: str = ""
    tools: list[Text] = field(default_factory=list[str])
    tokens: Tokens = 20_000
    time_s: Seconds = 300.0
    steps: _AtLeastOne = 8


class ActionsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be done.

    policy: `allow`, `ask` or `deny`, by a tool's name, a pattern, or a class of risk: read, change, outside
    dry_run: what does more than look is only told
    roots: folders below which files may be read; addresses: web addresses that may be asked; units: of systemd
    timeout_s, output_chars, per_hour, changes_per_hour, at_once: limits over all tools
    approval_s: how long you may say yes; specialists_at_once: as many as the model server answers at a time
    """

    policy: dict[str, Verdict] = field(default_factory=dict[str, Verdict])
    dry_run: bool = False
    roots: list[Text] = field(default_factory=list[str])
    addresses: list[Text] = field(default_factory=list[str])
    units: list[Text] = field(default_factory=list[str])
    commands: dict[str, CommandSettings] = field(default_factory=dict[str, CommandSettings])
    mcp: dict[str, McpSettings] = field(default_factory=dict[str, McpSettings])
    specialists: dict[str, SpecialistSettings] = field(default_factory=dict[str, SpecialistSettings])
    timeout_s: Seconds = 30.0
    output_chars: Annotated[int, Meta(ge=100, le=1_000_000)] = 8000
    per_hour: _Count = 60
    changes_per_hour: _Count = 6
    at_once: _AtLeastOne = 2
    approval_s: Annotated[float, Meta(gt=0, le=86_400)] = 900.0
    specialists_at_once: _AtLeastOne = 1


class NotifySection(Struct, frozen=True, forbid_unknown_fields=True):
    """Of what you are told, and where.

    least: the mildest severity
    to: `desktop`, or addresses of services as Apprise writes them; `env:NAME` takes one from the environment
    quiet_hours: such as `22:00-07:00`, local time; then only what is critical is sent, the rest afterwards
    group_s: what comes within so many seconds is sent as one; per_hour: messages to each place within an hour
    again_s: the same is not sent again within so many seconds
    escalate_after_s: what is critical and not acknowledged by then is sent to `escalate_to`, 0 for never
    """

    least: Literal["info", "warning", "critical"] = "warning"
    to: list[Text] = field(default_factory=list[str])
    quiet_hours: Annotated[str, Meta(pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")] = ""
    group_s: SecondsOrNever = 30.0
    per_hour: _AtLeastOne = 12
    again_s: SecondsOrNever = 3600.0
    escalate_after_s: SecondsOrNever = 0.0
    escalate_to: list[Text] = field(default_factory=list[str])
