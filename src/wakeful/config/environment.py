"""Settings from environment variables: LM Studio's own, and WAKEFUL_SECTION_KEY for every setting of a section."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_type_hints

import msgspec

from wakeful.config.check import refusal
from wakeful.config.settings import Settings

_MODEL = {"LMSTUDIO_URL": "model.url", "LM_API_TOKEN": "model.api_token"}
_TIMEOUT = "LMSTUDIO_TIMEOUT"
_HOME = {"WAKEFUL_HOME": "journal.home"}


class Variable(NamedTuple):
    """A variable that is set, the setting that it stands for, and its value as that setting's type."""

    key: str
    name: str
    value: Any


def from_environment(env: Mapping[str, str]) -> tuple[list[Variable], list[str]]:
    """The variables that are settings, the stronger ones later, and a line for each that can't be one.

    An empty variable of LM Studio's, and WAKEFUL_HOME, count as not set.
    """
    found: list[Variable] = []
    problems: list[str] = []
    kinds = {key: kind for section in _sections() for key, kind in section.items()}
    for name, key in _names(env, kinds).items():
        try:
            if name == _TIMEOUT:
                found.append(Variable(key, name, float(env[name]) / 1000))
            else:
                found.append(Variable(key, name, msgspec.convert(env[name], kinds[key], strict=False)))
        except msgspec.ValidationError as error:
            problems.append(f"environment {name}: {refusal(key, env[name], kinds[key], error)}")
        except ValueError:
            problems.append(f"environment {name}: {env[name]!r} is no number of milliseconds.")
    return found, problems + list(_unknown(env, kinds))


def _names(env: Mapping[str, str], kinds: Mapping[str, Any]) -> dict[str, str]:
    """Of the variables that are set and have a meaning, the setting that each stands for."""
    ours = {_variable(key): key for key in kinds}
    return ({name: key for name, key in (_MODEL | {_TIMEOUT: "model.timeout_s"} | _HOME).items() if env.get(name)}) | {
        name: key for name, key in ours.items() if name in env
    }


def _unknown(env: Mapping[str, str], kinds: Mapping[str, Any]) -> Iterator[str]:
    """A variable that begins like a section's but names no setting was meant to be one: silence would mislead."""
    known = [_variable(key) for key in kinds]
    beginnings = {_variable(key.partition(".")[0]) + "_" for key in kinds}
    for name in sorted(env):
        if name not in known and any(name.startswith(beginning) for beginning in beginnings):
            beginning = next(each for each in beginnings if name.startswith(each))
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            allowed = ", ".join(each for each in known if each.startswith(beginning))
            yield f"environment {name}: there is no such setting.{hint} Allowed: {allowed}."


def _sections() -> Iterator[dict[str, Any]]:
    for section, kind in get_type_hints(Settings).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kinds = get_type_hints(kind, include_extras=True)
            yield {f"{section}.{name}": kinds[name] for name in kind.__struct_fields__}


def _variable(key: str) -> str:
    return f"WAKEFUL_{key.replace('.', '_')}".upper()
