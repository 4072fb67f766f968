"""Who may ask: programs of this machine, and elsewhere whoever has a token."""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import ServerSettings

_NONE_GIVEN = (
    "An LM Studio API token is required to make requests to this server, but none was provided using the Bearer "
    "authentication scheme."
)
_UNKNOWN = "Malformed or unknown LM Studio API token provided."
OPEN_PATHS = ("/lmstudio-greeting", "/lms-status")
"""Clients ask these before they know anything, a token least of all."""


SOCKET_PATHS = (
    "/llm",
    "/embedding",
    "/system",
    "/files",
    "/repository",
    "/diagnostics",
    "/plugins",
    "/runtime",
)
"""LM Studio's own SDKs show their token in the first message of the socket, not in the head of the request."""


class Unguarded(ValueError):
    """The server would listen to other machines without asking for a token."""


class Guard:
    """Checks every request before anything is done for it.

    A name other than this machine's own in `Host` is refused: it is how a page elsewhere reaches a local server by
    rebinding its name. So is an `Origin` that is not the server itself, unless CORS is on. With tokens, any name may be
    used, and every request has to show one of them.
    """

    def __init__(self, settings: ServerSettings) -> None:
        if not settings.tokens and not is_loopback(settings.host):
            raise Unguarded(f"Whoever reaches {settings.host} could use the models; give at least one token.")
        self._tokens = [token.encode() for token in settings.tokens]
        self._cors = settings.cors

    def check(self, request: web.Request) -> None:
        """Raises Refused."""
        headers = request.headers
        host = headers.get("Host", "")
        if not self._tokens and not is_loopback(_host_name(host)):
            raise Refused("This server answers to localhost only.", kind="forbidden", code="host_not_allowed")
        if not self._cors and _is_foreign(headers.get("Origin"), headers.get("Sec-Fetch-Site"), host):
            raise Refused(
                "A page elsewhere may not use this server unless CORS is on.",
                kind="forbidden",
                code="origin_not_allowed",
            )
        asked_before = self._cors and request.method == "OPTIONS"  # what browsers ask before they show a token
        if self._tokens and not asked_before and request.path not in OPEN_PATHS + SOCKET_PATHS:
            self._check_token(request)

    def _check_token(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        shown = [token.strip()] if scheme.casefold() == "bearer" else []
        if request.path.startswith("/v1/messages"):
            shown.append(request.headers.get("x-api-key", "").strip())
        if not any(map(self.knows, shown)):
            raise Refused(_UNKNOWN if any(shown) else _NONE_GIVEN, kind="unauthorized", code="invalid_api_key")

    def knows(self, token: str) -> bool:
        """Whether it is one of the tokens; takes as long whichever it is."""
        shown = token.encode("utf-8", "surrogatepass")
        return sum(hmac.compare_digest(shown, known) for known in self._tokens) > 0


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine itself."""
    if host.casefold() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_foreign(origin: str | None, site: str | None, host: str) -> bool:
    if origin is None:
        return site in ("cross-site", "same-site")
    try:
        return urlsplit(origin).netloc.casefold() != host.casefold()
    except ValueError:
        return True


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
