"""The user's settings made into tools and a policy."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from wakeful.actions import (
    ActionError,
    Command,
    Limits,
    Manners,
    McpServer,
    McpTools,
    Notifier,
    Outbox,
    Policy,
    Search,
    Specialist,
    Specialists,
    Tool,
    Toolbox,
    command_tool,
    file_tools,
    places_of,
    probe_tools,
    quiet_hours,
    unit_tools,
    web_tools,
)
from wakeful.config import CommandSettings, ConfigError, NotifySection, Settings
from wakeful.journal import Journal, JournalIndex

_SERVERS_S = 30.0  # in which a server connects, or has failed to


@dataclass(slots=True)
class Acting:
    """All parts that act. tasks: what runs for as long as the mind does"""

    policy: Policy
    tools: Toolbox
    specialists: Specialists
    servers: list[McpTools] = field(default_factory=list[McpTools])
    tasks: list[Callable[[], Coroutine[Any, Any, None]]] = field(
        default_factory=list[Callable[[], Coroutine[Any, Any, None]]]
    )

    async def ready(self, *, within_s: float) -> None:
        """Waits so long at most until the MCP servers have said what they offer, to be told of and used."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(server.tried.wait() for server in self.servers))


def build_acting(settings: Settings, journal: Journal, index: JournalIndex) -> Acting:
    """The parts that the settings ask for. Raises ConfigError for what can't be, with what to do."""
    policy = build_policy(settings)
    tools = build_tools(settings, index)
    specialists = Specialists(journal, tools, policy, now_ns=time.time_ns)
    acting = Acting(policy, tools, specialists)
    try:
        for name, each in settings.actions.mcp.items():
            server = McpServer(name, each.run, each.url, each.env, each.headers, each.tools, each.timeout_s)
            connected = McpTools(server, journal)
            tools.add_guests(lambda connected=connected: connected.tools)
            acting.servers.append(connected)
            acting.tasks.append(connected.run)
        for name, each in settings.actions.specialists.items():
            specialist = Specialist(
                name, each.prompt, each.description, each.model, each.tools, each.tokens, each.time_s, each.steps
            )
            tools.add(specialists.tool(specialist))
        if notifier := _notifier(settings.notify, journal):
            acting.tasks.append(notifier.run)
    except ActionError as error:
        raise ConfigError([str(error)]) from error
    outbox = Outbox(journal, tools, policy)

    async def carry_out() -> None:
        await acting.ready(within_s=_SERVERS_S)  # what was approved while nothing ran may be for a tool of a server
        await outbox.run()

    acting.tasks.append(carry_out)
    return acting


def _notifier(given: NotifySection, journal: Journal) -> Notifier | None:
    if not given.to and not given.escalate_to:
        return None
    manners = Manners(
        group_s=given.group_s,
        per_hour=given.per_hour,
        again_s=given.again_s,
        quiet=quiet_hours(given.quiet_hours),
        escalate_after_s=given.escalate_after_s if given.escalate_to else 0.0,
    )
    return Notifier(journal, manners, places_of(given.to), places_of(given.escalate_to))


def build_policy(settings: Settings) -> Policy:
    """What may be done."""
    given = settings.actions
    limits = Limits(
        timeout_s=given.timeout_s,
        output_chars=given.output_chars,
        per_hour=given.per_hour,
        changes_per_hour=given.changes_per_hour,
        at_once=given.at_once,
        approval_s=given.approval_s,
        specialists_at_once=given.specialists_at_once,
    )
    return Policy(dict(given.policy), limits, dry_run=given.dry_run)


def build_tools(settings: Settings, index: JournalIndex | None = None) -> Toolbox:
    """The tools that the settings declare, but for specialists and those of MCP servers.

    index: of the journal that is searched. Raises ConfigError for what can't be a tool.
    """
    given = settings.actions
    tools: list[Tool] = probe_tools(_search(index) if index is not None else None)
    try:
        tools += file_tools(given.roots)
        tools += web_tools(given.addresses)
        tools += unit_tools(given.units)
        tools += [command_tool(_command(name, each)) for name, each in given.commands.items()]
        return Toolbox(tools, build_policy(settings))
    except ActionError as error:
        raise ConfigError([f"actions: {error}"]) from error


def _search(index: JournalIndex) -> Search:
    return lambda words, limit: index.search(words, limit=limit)


def _command(name: str, given: CommandSettings) -> Command:
    return Command(
        name,
        tuple(given.run),
        description=given.description,
        choices=given.choices,
        risk=given.risk,
        folder=given.folder or None,
        env=given.env,
        timeout_s=given.timeout_s or None,
        per_hour=given.per_hour or None,
    )
