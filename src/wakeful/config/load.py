"""Reading the settings from all the places that they may come from, with every mistake said at once."""

import difflib
import os
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from wakeful.config.errors import ConfigError
from wakeful.config.positions import key_lines
from wakeful.config.settings import Settings, SourceSettings

FILE = "wakeful.toml"

_SECRETS = ("model.api_token", "page.token")
_WELL_KNOWN = {"LMSTUDIO_URL": "model.url", "LM_API_TOKEN": "model.api_token", "WAKEFUL_HOME": "journal.home"}
_MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as `wakeful config` prints it; secrets are masked."""

    key: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force. file: the settings file that was read, None where there is none."""

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """Where a setting such as `page.port` came from: a line of the file, the environment, a flag, default."""
        return self.origins.get(key, "default")

    def rows(self) -> list[Row]:
        """All settings in order."""
        plain = msgspec.to_builtins(self.settings)
        rows: list[Row] = []
        for section, values in plain.items():
            table = _table(values)
            if table is None:
                rows.append(Row(section, values, self.origin(section)))
                continue
            for name, value in table.items():
                key = f"{section}.{name}"
                rows.append(Row(key, "********" if key in _SECRETS and value else value, self.origin(key)))
        return rows


def load(
    path: Path | None = None, *, env: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Loaded:
    """The settings: defaults < file < environment < flags.

    path: the settings file; None looks at $WAKEFUL_CONFIG, ./wakeful.toml and the user's configuration folder
    flags: values by dotted key, such as {"page.port": 0}
    Raises ConfigError, which names every mistake with its file, line, key and what is allowed.
    """
    env = os.environ if env is None else env
    file = _find(path, env)
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    places: dict[str, str] = {}
    if file is not None:
        tree, lines = _read(file)
        places = {key: f"{file.name}:{line}" for key, line in lines.items()}
        origins = dict(places)
    for key, name, value in _from_environment(env):
        _put(tree, key, value)
        origins[key] = places[key] = f"environment {name}"
    for key, value in (flags or {}).items():
        _put(tree, key, value)
        origins[key] = places[key] = f"flag --{key.rpartition('.')[2]}"
    problems = [
        *_check(tree, Settings, "", places, file.name if file else ""),
        *_check_sources(tree, places, file.name if file else ""),
    ]
    if problems:
        raise ConfigError(problems)
    try:
        settings = msgspec.convert(tree, Settings, strict=True)
    except msgspec.ValidationError as error:  # what our own check does not know
        raise ConfigError([f"{file.name if file else 'settings'}: {error}"]) from error
    return Loaded(settings, file, origins)


def _find(path: Path | None, env: Mapping[str, str]) -> Path | None:
    named = path or (Path(env["WAKEFUL_CONFIG"]) if env.get("WAKEFUL_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError([f"{named} does not exist, or is no file."])
        return named
    import platformdirs

    folder = Path(platformdirs.user_config_dir("wakeful", appauthor=False))
    return next((place for place in (Path(FILE), folder / FILE) if place.is_file()), None)


def _read(file: Path) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        data = file.read_bytes()
        if len(data) > _MAX_FILE_BYTES:
            raise ConfigError([f"{file} is larger than {_MAX_FILE_BYTES:,} bytes: that is no settings file."])
        text = data.decode("utf-8-sig")
        return tomllib.loads(text), key_lines(text)
    except OSError as error:
        raise ConfigError([f"{file} can't be read: {error.strerror}."]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"{file.name}:{line}: not UTF-8 text."]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([f"{file.name}: no valid TOML: {error}."]) from error


def _from_environment(env: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    """Dotted key, variable, value: LM Studio's own variables, and WAKEFUL_SECTION_KEY for every setting."""
    found: list[tuple[str, str, Any]] = []
    for name, key in _WELL_KNOWN.items():
        if env.get(name):
            found.append((key, name, env[name]))
    if env.get("LMSTUDIO_TIMEOUT"):
        found.append(("model.timeout_s", "LMSTUDIO_TIMEOUT", _milliseconds(env["LMSTUDIO_TIMEOUT"])))
    for section, kind in get_type_hints(Settings).items():
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            continue
        for setting in kind.__struct_fields__:
            name = f"WAKEFUL_{section}_{setting}".upper()
            if name in env:
                kinds = get_type_hints(kind, include_extras=True)
                found.append((f"{section}.{setting}", name, _lax(env[name], kinds[setting])))
    return found


def _milliseconds(text: str) -> Any:
    try:
        return float(text) / 1000
    except ValueError:
        return text


def _lax(text: str, kind: Any) -> Any:
    """A variable's text as the setting's type, or the text itself, which the check will refuse."""
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        return text


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    section, _, name = key.rpartition(".")
    inner = tree.setdefault(section, {}) if section else tree
    if isinstance(inner, dict):
        inner[name] = value


def _check(values: Any, kind: type[msgspec.Struct], prefix: str, places: Mapping[str, str], file: str) -> list[str]:
    """One line for each key that is unknown or has a wrong value."""
    at = places.get(prefix, file)
    table = _table(values)
    if table is None:
        return [f"{at}: {prefix} must be a table, [{prefix}]."]
    problems: list[str] = []
    kinds = get_type_hints(kind, include_extras=True)
    for name, value in table.items():
        key = f"{prefix}.{name}" if prefix else name
        at = places.get(key) or places.get(prefix) or file
        if name == kind.__struct_config__.tag_field:
            continue
        if name not in kinds:
            problems.append(f"{at}: {key} is not a setting.{_meant(name, kinds, prefix)}")
        elif isinstance(kinds[name], type) and issubclass(kinds[name], msgspec.Struct):
            problems += _check(value, kinds[name], key, places, file)
        elif not (name == "source" and not prefix):
            try:
                msgspec.convert(value, kinds[name], strict=True)
            except msgspec.ValidationError as error:
                problems.append(f"{at}: {key} = {_short(value)} can't be: {_plain(error)}{_allowed(kinds[name])}.")
    problems += [
        f"{places.get(prefix, file)}: {prefix}.{name} is missing." for name in _required(kind) if name not in table
    ]
    return problems


def _check_sources(tree: dict[str, Any], places: Mapping[str, str], file: str) -> list[str]:
    given = tree.get("source", [])
    if not isinstance(given, list):
        return [f"{places.get('source', file)}: a source is written as [[source]], with two brackets."]
    kinds = {str(each.__struct_config__.tag): each for each in get_args(SourceSettings)}
    problems: list[str] = []
    for number, values in enumerate(map(_table, cast("list[Any]", given))):
        prefix = f"source.{number}"
        at = places.get(f"{prefix}.kind") or places.get(prefix) or file
        if values is None or not isinstance(values.get("kind"), str):
            problems.append(f"{at}: a [[source]] needs a kind: {', '.join(kinds)}.")
        elif values["kind"] not in kinds:
            near = difflib.get_close_matches(str(values["kind"]), list(kinds), 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            problems.append(
                f"{at}: there is no source of kind {_short(values['kind'])}.{hint} Kinds: {', '.join(kinds)}."
            )
        else:
            problems += _check(values, kinds[values["kind"]], prefix, places, file)
    return problems


def _table(values: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", values) if isinstance(values, dict) else None


def _required(kind: type[msgspec.Struct]) -> list[str]:
    return [each.name for each in msgspec.structs.fields(kind) if each.required]


def _meant(name: str, known: Mapping[str, Any], prefix: str) -> str:
    near = difflib.get_close_matches(name, known, 1)
    dotted = f"{prefix}." if prefix else ""
    hint = f" Did you mean {dotted}{near[0]}?" if near else ""
    return f"{hint} Allowed{f' in [{prefix}]' if prefix else ''}: {', '.join(known)}."


def _allowed(kind: Any) -> str:
    choices = [str(choice) for part in _parts(kind) for choice in get_args(part) if isinstance(choice, str)]
    return f" (one of: {', '.join(choices)})" if choices else ""


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _plain(error: msgspec.ValidationError) -> str:
    return str(error).partition(" - at ")[0].rstrip(".").replace("`", "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
