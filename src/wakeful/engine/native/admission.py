"""Who may use the socket: guests where no token is asked for, and whoever shows a token that is known."""

import hmac
import re
from collections.abc import Sequence

from wakeful.engine.native.frames import Authentication

_TOKEN = re.compile(r"sk-lm-(?P<identifier>[a-zA-Z0-9]{8}):(?P<passkey>[a-zA-Z0-9]{20})")
_LONGEST = 256


class Admission:
    """Decides, and keeps the passkey with which an identifier came first, for as long as it has a socket open.

    tokens: API tokens in LM Studio's form `sk-lm-<8>:<20>`; () lets everybody in
    """

    def __init__(self, tokens: Sequence[str] = ()) -> None:
        found = [_TOKEN.fullmatch(token) for token in tokens]
        self._passkeys = {each["identifier"]: each["passkey"] for each in found if each is not None}
        self._guarded = bool(tokens)
        self._held: dict[str, tuple[str, int]] = {}

    def admit(self, shown: Authentication) -> str:
        """Why this client is not let in; "" when it is, and then `release` it once its socket is closed."""
        identifier, passkey = shown.client_identifier, shown.client_passkey
        if shown.auth_version != 1:
            return f"Unsupported authentication version: {shown.auth_version}"
        if max(len(identifier), len(passkey)) > _LONGEST:
            return f"Client identifier and passkey may have {_LONGEST} characters at most."
        if self._guarded and not _same(self._passkeys.get(identifier), passkey):
            if identifier.startswith("guest:") or identifier not in self._passkeys:
                return "An LM Studio API token is required to connect to this server, but none was provided."
            return "Invalid LM Studio API token."
        known, holders = self._held.get(identifier, (passkey, 0))
        if not _same(known, passkey):
            return f'Failed to validate client: Invalid client passkey for client "{identifier}"'
        self._held[identifier] = (known, holders + 1)
        return ""

    def release(self, identifier: str) -> None:
        """A socket of this client is closed."""
        known, holders = self._held[identifier]
        if holders > 1:
            self._held[identifier] = (known, holders - 1)
        else:
            del self._held[identifier]


def _same(known: str | None, shown: str) -> bool:
    """Takes as long whether or not they are the same."""
    encoded = shown.encode("utf-8", "surrogatepass")
    return hmac.compare_digest((known or "").encode("utf-8", "surrogatepass"), encoded) and known is not None
