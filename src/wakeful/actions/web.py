"""Whether the addresses that the user named answer: DNS and HTTP.

Only whole addresses from the user's list can be asked, so that nothing leaves in one. A redirect is followed to hosts
of the list alone, and a name is never asked for at an address of this machine or its network unless the user named it
as such: a page elsewhere can't send us there.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

from wakeful.actions.errors import ActionError, ToolFailed
from wakeful.actions.tool import Call, Tool

MAX_BODY_BYTES = 4096
MAX_REDIRECTS = 3
TIMEOUT_S = 10.0
_LOCAL_ENDINGS = (".local", ".lan", ".home", ".home.arpa", ".internal", ".localhost", ".intranet")


def web_tools(addresses: Sequence[str]) -> list[Tool]:
    """Asking the listed addresses, and looking up their hosts. Raises ActionError for what is no web address."""
    if not addresses:
        return []
    sites = Sites(addresses)

    async def check(call: Call) -> str:
        return await sites.ask(str(call.arguments["url"]))

    async def look_up(call: Call) -> str:
        return await sites.look_up(str(call.arguments["host"]))

    return [
        Tool("http_check", "asks a web address of the user's list", check, _one_of("url", addresses)),
        Tool("dns_check", "looks up a host of the user's list", look_up, _one_of("host", sites.hosts)),
    ]


class Sites:
    """The addresses that may be asked."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = tuple(addresses)
        self.hosts: list[str] = []
        for address in addresses:
            host = _host(address)
            if not host:
                raise ActionError(f"{address!r} is no web address.", hint="Write it whole: https://example.org/status.")
            if host not in self.hosts:
                self.hosts.append(host)

    async def look_up(self, host: str) -> str:
        """The addresses of a listed host. Raises ToolFailed where it has none."""
        if host not in self.hosts:
            raise ToolFailed(f"{host} is not on the list.")
        found = await _resolved(host, 0)
        return f"{host} is at {', '.join(sorted({str(each['host']) for each in found}))}"

    async def ask(self, url: str) -> str:
        """Status, time and the beginning of what a listed address answers. Raises ToolFailed where it does not."""
        import aiohttp

        if url not in self._addresses:
            raise ToolFailed(f"{url} is not on the list.")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        connector = aiohttp.TCPConnector(resolver=_resolver(), use_dns_cache=False)
        limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with aiohttp.ClientSession(
                connector=connector, timeout=limit, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session:
                for _ in range(MAX_REDIRECTS + 1):
                    self._may_ask(url)
                    async with session.get(url, allow_redirects=False) as response:
                        goal = response.headers.get("Location", "")
                        if response.status in (301, 302, 303, 307, 308) and goal:
                            url = urljoin(url, goal)
                            continue
                        body = await response.content.read(MAX_BODY_BYTES)
                        took_s = loop.time() - began_s
                        text = body.decode("utf-8", "replace")
                        return f"{response.status} {response.reason or ''} after {took_s:.2f} s: {text}"
        except TimeoutError as error:
            raise ToolFailed(f"{url} did not answer within {TIMEOUT_S:g} s.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ToolFailed(f"{url} does not answer: {error}.") from error
        raise ToolFailed(f"{url}: more than {MAX_REDIRECTS} redirects.")

    def _may_ask(self, url: str) -> None:
        host = _host(url)
        if host not in self.hosts:
            raise ToolFailed(f"It leads on to {host or url}, which is not on the list.")


def _host(url: str) -> str:
    """The host of a web address as it is asked for; "" for one that is none, or that carries a user's name."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return ""
    return (parts.hostname or "").rstrip(".")


def _resolver() -> Any:
    """A resolver that gives no private address for a public name, so that none is connected to."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            found = await _resolved(host, port)
            if not _is_local_name(host) and (private := [each for each in found if _is_private(str(each["host"]))]):
                raise ToolFailed(
                    f"{host} is at {private[0]['host']}, an address of this network, and was not named so."
                )
            return found

        async def close(self) -> None:
            pass

    return Resolver()


async def _resolved(host: str, port: int) -> list[Any]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ToolFailed(f"{host} is not known: {error.strerror or error}.") from error
    return [
        {"hostname": host, "host": place[0], "port": port, "family": family, "proto": proto, "flags": 0}
        for family, _, proto, _, place in found
    ]


def _is_local_name(host: str) -> bool:
    """Whether the user named something of this network: by its number, a single word, or a local ending."""
    return "." not in host or host.endswith(_LOCAL_ENDINGS) or _number(host) is not None


def _is_private(host: str) -> bool:
    number = _number(host)
    return number is None or not number.is_global or number.is_multicast


def _number(host: str) -> IPv4Address | IPv6Address | None:
    try:
        number = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(number, "ipv4_mapped", None) or number


def _one_of(name: str, values: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "enum": list(values)}},
        "required": [name],
        "additionalProperties": False,
    }
