"""Every mistake of a tree of settings as a line of its own: where it stands, which key, what is allowed."""

import difflib
import re
import types
from collections.abc import Mapping
from typing import Any, Union, cast, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from wakeful.config.installed import installed_kinds
from wakeful.config.secrets import MASK, is_secret
from wakeful.config.settings import Settings
from wakeful.config.sources import InstalledSource, SourceSettings

_LONGEST_VALUE = 60  # characters of a wrong value that a message repeats


def problems_of(tree: dict[str, Any], places: Mapping[str, str], file: str) -> list[str]:
    """One line for each key of the tree that is unknown, has a wrong value, or is missing.

    places: where each dotted key stands; file: named where no place is known
    """
    problems = [*_check(tree, Settings, "", places, file), *_check_sources(tree, places, file)]
    url = (as_table(tree.get("model")) or {}).get("url")
    if isinstance(url, str) and url and not _is_address(url):
        at = places.get("model.url", file)
        problems.append(f"{at}: model.url = {_short(url)} is no address of a server, such as http://localhost:1234.")
    return problems


def refusal(key: str, value: Any, kind: Any, error: msgspec.ValidationError) -> str:
    """Why a value can't be, and what can; the value of a secret is not repeated."""
    shown = MASK if is_secret(key) or _holds_secrets(key, value) else _short(value)
    why = str(error).partition(" - at ")[0].rstrip(".").replace("`", "")
    return f"{key} = {shown} can't be: {why}{_allowed(kind)}."


def as_table(values: Any) -> dict[str, Any] | None:
    """The values as a table, None if they are none."""
    return cast("dict[str, Any]", values) if isinstance(values, dict) else None


def _check(
    values: Any, kind: type[msgspec.Struct], prefix: str, places: Mapping[str, str], file: str, title: str = ""
) -> list[str]:
    """title: what the table is called where its allowed keys are listed."""
    at = places.get(prefix, file)
    table = as_table(values)
    if table is None:
        return [f"{at}: {prefix} must be a table, [{prefix}]."]
    problems: list[str] = []
    kinds = get_type_hints(kind, include_extras=True)
    for name, value in table.items():
        key = f"{prefix}.{name}" if prefix else name
        place = places.get(key) or at
        if name == kind.__struct_config__.tag_field:
            continue
        if name not in kinds:
            problems.append(f"{place}: {key} is not a setting.{_meant(name, kinds, prefix, title)}")
        elif isinstance(kinds[name], type) and issubclass(kinds[name], msgspec.Struct):
            problems += _check(value, kinds[name], key, places, file, f" in [{key}]")
        elif (inner := _struct_of_table(kinds[name])) and (tables := as_table(value)) is not None:
            for own, each in tables.items():
                problems += _check(each, inner, f"{key}.{own}", places, file, f" in [{key}.{own}]")
        elif not (name == "source" and not prefix):
            try:
                msgspec.convert(value, kinds[name], strict=True)
            except msgspec.ValidationError as error:
                problems.append(f"{place}: {refusal(key, value, kinds[name], error)}")
    required = [each.name for each in msgspec.structs.fields(kind) if each.required]
    return problems + [f"{at}: {prefix}.{name} is missing." for name in required if name not in table]


def _struct_of_table(kind: Any) -> type[msgspec.Struct] | None:
    """Of a table of named tables, what each of these is."""
    inner = get_args(kind)[1] if get_origin(kind) is dict else None
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def _check_sources(tree: dict[str, Any], places: Mapping[str, str], file: str) -> list[str]:
    given = tree.get("source", [])
    if not isinstance(given, list):
        return [f"{places.get('source', file)}: a source is written as [[source]], with two brackets."]
    kinds = {str(each.__struct_config__.tag): each for each in get_args(SourceSettings) if each is not InstalledSource}
    problems: list[str] = []
    for number, values in enumerate(map(as_table, cast("list[Any]", given))):
        prefix = f"source.{number}"
        at = places.get(f"{prefix}.kind") or places.get(prefix, file)
        kind = values.get("kind") if values is not None else None
        if values is None or not isinstance(kind, str):
            problems.append(f"{at}: a [[source]] needs a kind: {', '.join(kinds)}.")
        elif kind not in kinds:
            problems += _unknown_kind(kind, [*kinds], at)
        else:
            problems += _check(values, kinds[kind], prefix, places, file, f" in a [[source]] of kind {kind}")
    return problems


def _unknown_kind(kind: str, kinds: list[str], at: str) -> list[str]:
    """Nothing where an installed package brings it: its settings are checked by itself when it is made."""
    known = [*kinds, *(each for each in installed_kinds() if each not in kinds)]
    if kind in known:
        return []
    near = difflib.get_close_matches(kind, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return [f"{at}: there is no source of kind {_short(kind)}.{hint} Kinds: {', '.join(known)}."]


def _holds_secrets(key: str, value: Any) -> bool:
    """Whether a whole table of headers, or an address with a user in it, is what is wrong."""
    text = _short(value, longest=2000)
    return key.endswith(".headers") or ("://" in text and ("@" in text or "?" in text))


def _is_address(text: str) -> bool:
    """Whether the client for LM Studio can make an address of it; it also understands `host:port`."""
    try:
        parts = urlsplit(text.strip() if "://" in text else f"http://{text.strip()}")
        _ = parts.port  # raises ValueError when it is no number from 0 to 65535
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", text.strip())


def _meant(name: str, known: Mapping[str, Any], prefix: str, title: str) -> str:
    near = difflib.get_close_matches(name, known, 1)
    dotted = f"{prefix}." if prefix else ""
    hint = f" Did you mean {dotted}{near[0]}?" if near else ""
    return f"{hint} Allowed{title}: {', '.join(known) or 'nothing but kind'}."


def _allowed(kind: Any) -> str:
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType, dict) else (kind,)
    choices = [str(choice) for part in parts for choice in get_args(part) if isinstance(choice, str)]
    if bool in parts:
        choices = ["true", "false"]
    return f" (one of: {', '.join(choices)})" if choices else ""


def _short(value: Any, *, longest: int = _LONGEST_VALUE) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of more than 4,300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
