"""Settings that nobody should read over a shoulder: where they come from, and how they are left out."""

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

SECRETS = ("model.api_token", "page.token", "notify.to", "notify.escalate_to")
"""Settings that are secrets whatever stands in them; addresses of services hold tokens anywhere."""

REVEALED = ("source", "notify", "actions")
"""Sections in which `env:NAME` stands for a variable of the environment."""

MASK = "********"

_NAMES = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secret|token|(api|private|access)[_-]?key|credentials?|authorization)$"
)
_AT = re.compile(r"\.\d+$")  # of a list
_FROM_ENVIRONMENT = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


def is_secret(key: str) -> bool:
    """Whether the value of a setting, by its dotted key, is one: a token, a password, any header that is sent."""
    key = _AT.sub("", key)
    return key in SECRETS or bool(_NAMES.search(key)) or key.rpartition(".")[0].endswith("headers")


def masked(key: str, value: Any) -> Any:
    """A value as it may be shown, whatever stands in it."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        return {name: masked(f"{key}.{name}", inner) for name, inner in table.items()}
    if isinstance(value, list):
        return [masked(key, inner) for inner in cast("list[Any]", value)]
    if is_secret(key):
        return MASK if value else value
    return _without_user(value) if isinstance(value, str) and "://" in value else value


def revealed(tree: dict[str, Any], env: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """The tree with the variables that it names as `env:NAME`; which keys did; the names that are not set."""
    named: dict[str, str] = {}
    missing: list[str] = []

    def value_of(key: str, value: Any) -> Any:
        if isinstance(value, dict):
            table = cast("dict[str, Any]", value)
            return {name: value_of(f"{key}.{name}", inner) for name, inner in table.items()}
        if isinstance(value, list):
            return [value_of(f"{key}.{at}", inner) for at, inner in enumerate(cast("list[Any]", value))]
        found = _FROM_ENVIRONMENT.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return value
        named[key] = found[0]
        if found[1] not in env:
            missing.append(key)
        return env.get(found[1], "")

    revealed_ = {section: value_of(section, tree[section]) for section in REVEALED if tree.get(section)}
    return tree | revealed_, named, missing


def _without_user(url: str) -> str:
    """An address without its password and what it is asked with."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        user = f"{MASK}@" if "@" in parts.netloc else ""
        return urlunsplit((parts.scheme, user + host, parts.path, MASK if parts.query else "", parts.fragment))
    except ValueError:
        return MASK
