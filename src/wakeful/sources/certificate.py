"""Until when a server's certificate is valid, whether or not it is trusted."""

import asyncio
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

from wakeful.sources.errors import SourceBroken

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0


async def expires_at(url: str, *, limit_s: float) -> float | None:
    """When the certificate of an https address ends, in seconds since the epoch; None for http.

    It makes a connection of its own that trusts anybody and sends nothing: only so an invalid one can be read.
    Raises SourceBroken when none is to be had.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(limit_s):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=trusting)
        try:
            tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
            der = tls.getpeercert(binary_form=True)
        finally:
            writer.transport.abort()
    except (OSError, TimeoutError) as error:
        raise SourceBroken("its certificate can't be read") from error
    return not_after(der) if der else None


def not_after(der: bytes) -> float:
    """The end of a certificate's validity, in seconds since the epoch.

    der: the certificate as TLS sends it (X.509, RFC 5280 section 4.1, in DER)
    Raises SourceBroken when it is none.
    """
    try:
        _, certificate, _ = _element(der)
        _, signed, _ = _element(certificate)
        rest = signed
        tag, _, after = _element(rest)
        if tag == _VERSION:
            rest = after
        for _ in range(3):  # the serial number, the algorithm, the issuer
            _, _, rest = _element(rest)
        tag, validity, _ = _element(rest)
        if tag != _SEQUENCE:
            raise ValueError("no validity")
        _, _, rest = _element(validity)
        tag, text, _ = _element(rest)
        return _seconds(tag, text.decode("ascii"))
    except (ValueError, IndexError) as error:
        raise SourceBroken("its certificate is none that can be read") from error


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """The first element: its tag, its content, and what follows it."""
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[at : at + size], "big")
        at += size
    if at + length > len(data):
        raise ValueError("cut short")
    return tag, data[at : at + length], data[at + length :]


def _seconds(tag: int, text: str) -> float:
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("no time")
    if tag == _UTC_TIME:  # two digits of the year: up to 49 they are of this century
        text = ("20" if int(text[:2]) < 50 else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
