"""How long to wait, where the server is, and what the environment and `wakeful.toml` say of both."""

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wakeful.lmstudio.errors import InvalidAddress
from wakeful.lmstudio.http.wire import as_object

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
    an address to listen on, becomes 127.0.0.1. Raises InvalidAddress (a ValueError too).
    """
    text = text.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:  # a port that is no number from 0 to 65535, brackets that do not close
        raise InvalidAddress(f"{text!r} is no address of a server: {error}.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidAddress(f"{text!r} is no address of a server.")
    path = parts.path.rstrip("/")
    for known in _KNOWN_PATHS:
        if path.endswith(known):
            path = path.removesuffix(known)
            break
    host = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname  # noqa: S104 - not a bind
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port is not None else ''}{path}"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the server is and how to speak to it, once everything that has a say in it was asked."""

    base_url: str
    api_token: str
    timeouts: Timeouts


def connection(
    base_url: str | None = None,
    *,
    api_token: str | None = None,
    timeouts: Timeouts | None = None,
    env: Mapping[str, str] | None = None,
) -> Connection:
    """Parameters > environment (LMSTUDIO_URL, LMSTUDIO_TIMEOUT in milliseconds, LM_API_TOKEN) > `wakeful.toml`.

    The file is $WAKEFUL_CONFIG, else `wakeful.toml` in the current folder; of it the keys url, api_token and
    timeout_s of `[model]` are read. api_token: "" for none, whatever the environment says
    Raises InvalidAddress, and ValueError for a variable or a file that can't be read.
    """
    env = os.environ if env is None else env
    file = _from_file(env) if base_url is None or api_token is None or timeouts is None else {}
    if base_url is None:
        base_url = env.get("LMSTUDIO_URL") or str(file.get("url", DEFAULT_BASE_URL))
    if api_token is None:
        api_token = env.get("LM_API_TOKEN") or str(file.get("api_token", ""))
    if timeouts is None:
        timeouts = _timeouts(env.get("LMSTUDIO_TIMEOUT", ""), file.get("timeout_s"))
    return Connection(normalise_base_url(base_url), api_token, timeouts)


def _timeouts(milliseconds: str, seconds: Any) -> Timeouts:
    """The time to the first token, as people set it; the others are what they are."""
    if milliseconds:
        try:
            seconds = float(milliseconds) / 1000
        except ValueError as error:
            raise ValueError(f"LMSTUDIO_TIMEOUT={milliseconds!r} is no number of milliseconds") from error
    if seconds is None:
        return Timeouts()
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise ValueError(f"a time-out of {seconds!r} seconds makes no sense")
    return replace(Timeouts(), first_token_s=float(seconds), whole_s=max(float(seconds), Timeouts().whole_s))


def _from_file(env: Mapping[str, str]) -> dict[str, Any]:
    path = Path(env.get("WAKEFUL_CONFIG") or "wakeful.toml")
    try:
        return as_object(tomllib.loads(path.read_text(encoding="utf-8")).get("model"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # not readable, or no TOML
        raise ValueError(f"{path}: {error}") from error
