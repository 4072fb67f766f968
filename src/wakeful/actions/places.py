"""Where notifications go: the desktop, and the services that Apprise knows. Text is cleaned before it leaves."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from wakeful.actions.child import run_program
from wakeful.actions.clean import outgoing
from wakeful.actions.errors import ActionError, ExtraMissing, ToolFailed, ToolUnsure
from wakeful.actions.notices import Message
from wakeful.events import Severity

DESKTOP = "desktop"
TIMEOUT_S = 30.0
MAX_TITLE_CHARS, MAX_LINE_CHARS = 120, 500
_URGENCY: dict[Severity, str] = {"info": "low", "warning": "normal", "critical": "critical"}
_APPRISE_TYPES: dict[Severity, str] = {"info": "info", "warning": "warning", "critical": "failure"}


class Place(Protocol):
    """Somewhere that a message can be sent to. name: without secrets, for the journal"""

    @property
    def name(self) -> str:
        """What the journal calls it."""
        ...

    async def send(self, message: Message) -> None:
        """Sends it; raises ToolFailed where it did not arrive, ToolUnsure where it may have."""
        ...


def places_of(addresses: Sequence[str]) -> list[Place]:
    """The places behind `desktop` and the addresses of services.

    Raises ExtraMissing where Apprise is needed and not installed, ActionError for an address that it does not know.
    """
    places: list[Place] = []
    for address in addresses:
        place = Desktop() if address == DESKTOP else Service(address)
        same = sum(other.name.split()[0] == place.name for other in places)
        if same and isinstance(place, Service):  # what was sent where has to be known apart
            place.name = f"{place.name} {same + 1}"
        places.append(place)
    return places


def cleaned(message: Message) -> tuple[str, str]:
    """Title and body as they leave."""
    title = outgoing(f"Wakeful: {message.title}".replace("\n", " "), max_chars=MAX_TITLE_CHARS)
    lines = [outgoing(" ".join(line.split()), max_chars=MAX_LINE_CHARS) for line in message.lines]
    if message.escalated:
        lines.insert(0, "Nobody has acknowledged this yet (wakeful ack):")
    if message.again:
        lines.insert(0, "Sent again, since it is not known whether it arrived the first time:")
    return title, "\n".join(lines)


class Desktop:
    """The notifications of this desktop: `notify-send`, or macOS' own."""

    name = DESKTOP

    async def send(self, message: Message) -> None:
        """Sends it; raises ToolFailed where there is no desktop."""
        title, body = cleaned(message)
        if sys.platform == "darwin":
            # the text comes in as arguments, so that nothing in it is read as AppleScript
            script = "on run given\ndisplay notification (item 2 of given) with title (item 1 of given)\nend run"
            command = ["osascript", "-e", script, title, body]
        else:
            command = [
                "notify-send",
                "--app-name=Wakeful",
                f"--urgency={_URGENCY[message.severity]}",
                "--",
                title,
                body,
            ]
        ended = await run_program(command)
        if ended.status != 0:
            raise ToolFailed(f"{command[0]} ended with status {ended.status}: {ended.output.strip()[:200]}")


class Service:
    """A service behind an address of Apprise, such as `ntfy://…` or `tgram://…`."""

    def __init__(self, address: str) -> None:
        scheme = address.partition("://")[0]
        self.name = scheme if scheme.isalnum() and len(scheme) < 30 else "service"
        self._apprise = _apprise()
        self._service: Any = self._apprise.Apprise()
        if not self._service.add(address):
            raise ActionError(
                f"An address of a service ({self.name}) is not understood.",
                hint="See Apprise's list of services: https://appriseit.com/services/",
            )
        waits = [float(getattr(each, "socket_read_timeout", None) or TIMEOUT_S) for each in self._service]
        self._answer_s = min([TIMEOUT_S, *waits])

    async def send(self, message: Message) -> None:
        """Sends it; raises ToolFailed where the service does not take it, ToolUnsure where it does not answer."""
        title, body = cleaned(message)
        begun_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                sent = await self._service.async_notify(
                    title=title,
                    body=body,
                    body_format=self._apprise.NotifyFormat.TEXT,
                    notify_type=_APPRISE_TYPES[message.severity],
                    interpret_escapes=False,
                )
        except TimeoutError as error:
            raise ToolUnsure(f"{self.name} did not answer within {TIMEOUT_S:g} s.") from error
        if sent:
            return
        # Apprise says no, and not why: a service that took it and did not answer in time looks like one that refused.
        if asyncio.get_running_loop().time() - begun_s >= self._answer_s:
            raise ToolUnsure(f"{self.name} did not answer in time.")
        raise ToolFailed(f"{self.name} did not take it.")


def _apprise() -> Any:
    try:
        import apprise  # its hundred services take a while to import, which only those pay who use one
    except ImportError as error:
        raise ExtraMissing("Sending to a service", "notify") from error
    return apprise
