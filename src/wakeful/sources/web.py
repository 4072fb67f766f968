"""Asking a web server, in bounded time and memory; what it is asked with is never said."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from wakeful.sources.errors import SourceBroken, SourceError, SourceForbidden, SourceMissing

CHUNK_BYTES = 64 * 1024


class CertificateRefused(SourceForbidden):
    """The server's certificate does not prove that it is the one that was meant."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. body: at most as much of it as was asked for; cut: whether there was more; latency_s: until its end"""

    status: int
    body: bytes
    cut: bool
    latency_s: float
    content_type: str = ""

    @property
    def text(self) -> str | None:
        """The body as text, None where it is none or not whole."""
        if self.cut or b"\0" in self.body:
            return None
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError:
            return None


def shown(url: str) -> str:
    """The address as it may be said: host and path, without user, password and query, which often hold secrets."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return f"{host}{port}{parts.path.rstrip('/')}"


def check_url(url: str, name: str) -> str:
    """The address, if it can be one; raises SourceError otherwise, which does not repeat it."""
    hint = "It begins with http:// or https:// and names a host."
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError as error:
        raise SourceError(f"the url of {name or 'a source'} is none", hint=hint) from error
    if not usable:
        raise SourceError(f"the url of {name or 'a source'} is none", hint=hint)
    return url.strip()


class Web:
    """Asks one server; an `async with`. A new connection for each question, so that it proves the way there too.

    headers: sent along; with any, no redirect is followed, since they must not reach another server
    verify: whether a certificate has to be valid; ca_file: of whom it is trusted, "" for whom the system trusts
    """

    def __init__(
        self, *, headers: Mapping[str, str] | None = None, timeout_s: float, verify: bool = True, ca_file: str = ""
    ) -> None:
        self._headers = dict(headers or {})
        self._timeout_s = timeout_s
        self._verify = verify
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        tls = await asyncio.to_thread(self._tls)  # reading the system's certificates takes some 10 ms
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, ssl=tls, limit=4),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            headers={"User-Agent": "Wakeful"} | self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, url: str, *, max_bytes: int) -> Page:
        """The answer to a GET; raises SourceError, whose reason says nothing of the address."""
        assert self._session is not None
        begun = time.monotonic()
        try:
            async with self._session.get(url, allow_redirects=not self._headers, max_redirects=5) as response:
                body, cut = await _read(response.content, max_bytes)
                took_s = time.monotonic() - begun
                return Page(response.status, body, cut, took_s, response.content_type)
        except aiohttp.ClientConnectorCertificateError as error:
            raise CertificateRefused(f"its certificate is not trusted: {_why(error.certificate_error)}") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise SourceMissing("there is no such host") from error
        except aiohttp.ClientConnectorError as error:
            raise SourceMissing((error.os_error.strerror or "it can't be reached").lower()) from error
        except TimeoutError as error:
            raise SourceBroken(f"it did not answer within {self._timeout_s:g} s") from error
        except aiohttp.TooManyRedirects as error:
            raise SourceBroken("it redirects for ever") from error
        except aiohttp.InvalidURL as error:
            raise SourceError("its url is none") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SourceBroken(f"the connection broke off ({type(error).__name__})") from error

    def _tls(self) -> ssl.SSLContext:
        try:
            tls = ssl.create_default_context(cafile=self._ca_file or None)
        except OSError as error:  # an SSLError is one, too
            raise SourceMissing("its ca_file can't be read", hint="Name a file of certificates in PEM.") from error
        if not self._verify:
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        return tls


async def _read(content: aiohttp.StreamReader, max_bytes: int) -> tuple[bytes, bool]:
    body = bytearray()
    while chunk := await content.read(CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            return bytes(body[:max_bytes]), True
    return bytes(body), False


def _why(error: Exception) -> str:
    """OpenSSL's words: `certificate has expired`."""
    said = getattr(error, "verify_message", "") or getattr(error, "reason", "") or type(error).__name__
    return str(said)
