"""How long to wait, and where the server is."""

from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_BASE_URL = "http://localhost:1234"

_KNOWN_PATHS = ("/api/v0", "/api/v1", "/v1")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each wait may last, in seconds. There is no limit on an answer that keeps coming.

    connect_s: until the connection stands
    first_token_s: from the request to the first piece of the answer; minutes are normal, since a server reads
        the prompt, and perhaps loads the model, in silence
    between_tokens_s: without any progress once the answer has begun; pings are not progress
    whole_s: for an answer that is asked for in one piece
    other_s: for lists, token counts and other short requests
    """

    connect_s: float = 5.0
    first_token_s: float = 900.0
    between_tokens_s: float = 120.0
    whole_s: float = 1800.0
    other_s: float = 30.0


def normalise_base_url(text: str) -> str:
    """The server's root as `scheme://host[:port][/prefix]`, from whatever form people write.

    `host:port`, a trailing slash, and a trailing `/v1`, `/api/v0` or `/api/v1` are all understood; 0.0.0.0,
    an address to listen on, becomes 127.0.0.1. Raises ValueError when it is no address of a server.
    """
    text = text.strip()
    if "://" not in text:
        text = f"http://{text}"
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is no address of a server; it looks like {DEFAULT_BASE_URL}")
    port = parts.port  # raises ValueError itself when it is no number from 0 to 65535
    path = parts.path.rstrip("/")
    for known in _KNOWN_PATHS:
        if path.endswith(known):
            path = path.removesuffix(known)
            break
    host = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname  # noqa: S104 - not a bind
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port is not None else ''}{path}"
