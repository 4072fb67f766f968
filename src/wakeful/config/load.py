"""Reading the settings from all the places that they may come from, with every mistake said at once."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from wakeful.config.check import as_table, problems_of
from wakeful.config.environment import from_environment
from wakeful.config.errors import ConfigError
from wakeful.config.installed import unwrapped, wrapped
from wakeful.config.positions import key_lines
from wakeful.config.secrets import masked, revealed
from wakeful.config.settings import Settings
from wakeful.config.sources import SourceSettings

FILE = "wakeful.toml"

# Where the option of the command line is not called like the setting.
_OPTIONS = {"model.gguf": "--model", "page.enabled": "--page"}
_MAX_FILE_BYTES = 1_000_000
_SYNTAX_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as `wakeful config` prints it; secrets are masked."""

    key: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force. file: the settings file that was read, None where there is none.

    named: settings that a variable of the environment stands for, such as `env:MQTT_PASSWORD`, by their dotted key
    """

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]
    named: Mapping[str, str] = field(default_factory=dict[str, str])

    def origin(self, key: str) -> str:
        """Where a setting such as `page.port` came from: a line of the file, the environment, a flag, default."""
        return self.origins.get(key, "default")

    def rows(self) -> list[Row]:
        """All settings in order; each `[[source]]` is a row of its own: `source.0`, `source.1`, …"""
        return [
            Row(key, self._shown(key, value), self.origin(key))
            for section, values in msgspec.to_builtins(self.settings).items()
            for key, value in _inner(section, values) or [(section, values)]
        ]

    def _shown(self, key: str, value: Any) -> Any:
        """A value without secrets; what a variable stands for is shown as its name."""
        if key in self.named:
            return self.named[key]
        if key.startswith("source."):
            value = unwrapped(cast("dict[str, Any]", value))
        return self._without_secrets(key, value)

    def _without_secrets(self, key: str, value: Any) -> Any:
        if key in self.named:
            return self.named[key]
        table = as_table(value)
        if table is not None:
            return {name: self._without_secrets(f"{key}.{name}", inner) for name, inner in table.items()}
        if isinstance(value, list):
            return [self._without_secrets(f"{key}.{at}", inner) for at, inner in enumerate(cast("list[Any]", value))]
        return masked(key, value)


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
    name = file.name if file else "settings"
    tree, lines = _read(file) if file else ({}, {})
    places = {key: f"{name}:{lines[key]}" if key in lines else name for key in lines | dict.fromkeys(tree)}
    for section, values in tree.items():
        for key, _ in _inner(section, values):  # an inline table, or sources in one line, stand where their name does
            places.setdefault(key, places[section])
    variables, problems = from_environment(env)
    given = [(each.key, each.value, f"environment {each.name}") for each in variables]
    for key, value in (flags or {}).items():
        given.append((key, value, f"flag {_OPTIONS.get(key) or '--' + key.rpartition('.')[2]}"))
    for key, value, place in given:
        _put(tree, key, value)
        places[key] = place
    tree, named, missing = revealed(tree, env)
    unset = [f"{_place_of(key, places, name)}: {key} = {named[key]}, and no such variable is set." for key in missing]
    problems = [*unset, *problems_of(tree, places, name), *problems]
    if problems:
        raise ConfigError(problems)
    try:
        settings = msgspec.convert(_with_installed(tree), Settings, strict=True)
    except msgspec.ValidationError as error:  # what our own check does not know
        raise ConfigError([f"{name}: {error}"]) from error
    return Loaded(settings, file, places, named)


def _with_installed(tree: dict[str, Any]) -> dict[str, Any]:
    """Sources of installed packages in the form that the settings' type knows."""
    ours = {each.__struct_config__.tag for each in get_args(SourceSettings)}
    sources = cast("list[dict[str, Any]]", tree.get("source", []))
    return tree | {"source": [each if each["kind"] in ours else wrapped(each) for each in sources]}


def _place_of(key: str, places: Mapping[str, str], name: str) -> str:
    """Where a key stands, or the table around it."""
    while key and key not in places:
        key = key.rpartition(".")[0]
    return places.get(key, name)


def _find(path: Path | None, env: Mapping[str, str]) -> Path | None:
    named = path or (Path(env["WAKEFUL_CONFIG"]) if env.get("WAKEFUL_CONFIG") else None)
    if named is not None:
        named = Path(os.path.expanduser(named))
        if not _is_file(named):
            raise ConfigError([f"{named} does not exist, or is no file."])
        return named
    import platformdirs

    folder = Path(platformdirs.user_config_dir("wakeful", appauthor=False))
    return next((place for place in (Path(FILE), folder / FILE) if _is_file(place)), None)


def _is_file(place: Path) -> bool:
    """Raises ConfigError where that can't be told, such as in a folder that may not be entered."""
    try:
        return place.is_file()
    except OSError as error:
        raise ConfigError([f"{place} can't be read: {error.strerror}."]) from error


def _read(file: Path) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_FILE_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{file} can't be read: {error.strerror}."]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"{file.name}:{line}: not UTF-8 text."]) from error
    if len(data) > _MAX_FILE_BYTES:
        raise ConfigError([f"{file} is larger than {_MAX_FILE_BYTES:,} bytes: that is no settings file."])
    try:
        return tomllib.loads(text), key_lines(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(file.name, str(error), text)]) from error
    except RecursionError as error:
        raise ConfigError([f"{file.name}: no valid TOML: nested too deeply."]) from error
    except ValueError as error:  # a number of more than 4,300 digits
        raise ConfigError([f"{file.name}: no valid TOML: a number has too many digits."]) from error


def _inner(section: str, values: Any) -> list[tuple[str, Any]]:
    """The settings within a section, or the sources within their list, by dotted key; none within a plain value."""
    if isinstance(values, list):
        return [(f"{section}.{number}", value) for number, value in enumerate(cast("list[Any]", values))]
    return [(f"{section}.{name}", value) for name, value in (as_table(values) or {}).items()]


def _syntax(name: str, message: str, text: str) -> str:
    place = _SYNTAX_PLACE.search(message)
    if place is None:
        return f"{name}: no valid TOML: {message}."
    line = place[1] or text.rstrip("\n").count("\n") + 1
    at = f"{line}:{place[2]}" if place[2] else line
    return f"{name}:{at}: no valid TOML: {message[: place.start()]}."


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    section, _, name = key.rpartition(".")
    inner = tree.setdefault(section, {}) if section else tree
    if isinstance(inner, dict):
        inner[name] = value
