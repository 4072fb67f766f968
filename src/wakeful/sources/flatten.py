"""JSON from elsewhere as a text to read and numbers to watch, bounded and without what sounds like a secret."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

MAX_LEAVES = 300
MAX_DEPTH = 12
MAX_VALUES = 64
MAX_TEXT_CHARS = 2000
MAX_PART_CHARS = 300

HEADLINES = ("title", "subject", "summary", "message", "msg", "text", "description", "body", "reason", "error")
"""Names under which programs say in words what happened, the shortest form first."""

_SECRET = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secret|token|(api|private|access)[_-]?key|credentials?|authorization|cookie)(\.|$)"
)
_NO_NUMBER = re.compile(
    r"(?i)(^|[._])(id|ids|number|port|pid|year|version|fingerprint|timestamp|time|date)$|[_.]?id$|_at$|At$"
)
"""Numbers that name something or tell a time: none of them is a measure."""

_NUMERIC = re.compile(r"\s*[-+]?\d{1,15}(\.\d{1,15})?([eE][-+]?\d{1,3})?\s*")
_PAGE = re.compile(
    r"(?i)(^|[._])(html_|avatar_|git_|clone_|\w*)?url$|(^|[._])(node_id|gravatar_id|links?|href|sha|hash)$"
)


@dataclass(frozen=True, slots=True)
class Flat:
    """What JSON came to. left_out: leaves beyond the bounds"""

    text: str
    values: dict[str, float] = field(default_factory=dict[str, float])
    left_out: int = 0


def decode(data: bytes) -> Any:
    """JSON as plain values; raises ValueError when it is none, or nested beyond reason."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError("no JSON") from error


def number(text: str) -> float | None:
    """A payload that is nothing but a number, or a word for on or off; None for anything else."""
    if _NUMERIC.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else None
    return {"on": 1.0, "true": 1.0, "off": 0.0, "false": 0.0}.get(text.strip().casefold())


def flatten(data: Any) -> Flat:
    """The text: what is said in words first, then the other leaves as `name value`; the numbers by dotted name."""
    words: list[tuple[int, str]] = []
    others: list[str] = []
    values: dict[str, float] = {}
    left_out = 0
    for number_, (path, leaf) in enumerate(_leaves(data, "", 0)):
        if number_ >= MAX_LEAVES:
            left_out += 1
            if left_out > MAX_LEAVES:
                break
            continue
        if _SECRET.search(path):
            continue
        if (value := measure(path, leaf)) is not None and len(values) < MAX_VALUES:
            values[path or "value"] = value
        said = _said(leaf)
        if not said or _PAGE.search(path):
            continue
        name = path.rpartition(".")[2]
        if isinstance(leaf, str) and name in HEADLINES:
            words.append((HEADLINES.index(name) + 20 * path.count("."), said))
        else:
            others.append(f"{path} {said}" if path else said)
    first = list(dict.fromkeys(said for _, said in sorted(words, key=lambda each: each[0])))
    return Flat(_joined(first, others), values, left_out)


def measure(path: str, leaf: Any) -> float | None:
    """A leaf as a number that is worth watching; None for names, times, and what is no number."""
    if isinstance(leaf, bool):
        return float(leaf)
    if isinstance(leaf, int | float) and math.isfinite(leaf) and abs(leaf) < 1e15 and not _NO_NUMBER.search(path):
        return float(leaf)
    return None


def at(data: Any, *path: str | int) -> Any:
    """What stands at a path of JSON, None where there is nothing."""
    for step in path:
        if isinstance(step, int):
            items = cast("list[Any]", data) if isinstance(data, list) else []
            data = items[step] if step < len(items) else None
        else:
            data = cast("Mapping[str, Any]", data).get(step) if isinstance(data, dict) else None
    return data


def words(data: Any, *path: str | int) -> str:
    """The scalar at a path, as bounded text; "" where there is none."""
    return _said(at(data, *path))


def _leaves(data: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(data, dict):
        for key, value in cast("dict[str, Any]", data).items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key)[:80], depth + 1)
    elif isinstance(data, list):
        items = cast("list[Any]", data)
        for number_, value in enumerate(items):
            yield from _leaves(value, f"{path}.{number_}" if len(items) > 1 else path, depth + 1)
    else:
        yield path[:200], data


def _said(leaf: Any) -> str:
    if leaf is None or isinstance(leaf, dict | list):
        return ""
    text = str(leaf).lower() if isinstance(leaf, bool) else f"{leaf:g}" if isinstance(leaf, float) else str(leaf)
    text = " ".join(text.split())
    return text if len(text) <= MAX_PART_CHARS else text[: MAX_PART_CHARS - 1] + "…"


def _joined(first: list[str], others: list[str]) -> str:
    text = ". ".join(each.rstrip(".") for each in first)
    rest = ", ".join(others)
    text = f"{text} ({rest})" if text and rest else text or rest
    return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"
