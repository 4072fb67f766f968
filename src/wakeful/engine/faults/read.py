"""Plans as people write them: a file in TOML, or a few words on a command line."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wakeful.engine.faults.check import KINDS, BadPlan, fault_of, plan_of
from wakeful.engine.faults.plan import AnyFault, Fault, FaultPlan

_MAX_FILE_BYTES = 1_000_000
_MAIN: Mapping[str, str] = {
    "reset": "at_byte",
    "close": "at_byte",
    "stall": "at_token",
    "slow": "token_s",
    "garble": "at_event",
    "error": "at_token",
    "crash": "at_token",
    "unload": "at_token",
    "truncate": "at_token",
    "endless": "token_s",
    "offline": "for_s",
    "clock": "by_s",
    "overflow": "wording",
    "content-type": "value",
}
"""What is meant by the value behind `@` in a short form."""

_TABLE = re.compile(r"^\s*\[\[\s*fault\s*\]\]")
_OTHER_TABLE = re.compile(r"^\s*\[")
_KEY = re.compile(r"^\s*([\w-]+)\s*[=.]")
_SYNTAX_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_PARTS = re.compile(r",\s*(?=[A-Za-z][\w.-]*=)")


def read_plan(file: Path) -> FaultPlan:
    """The plan of a TOML file. Raises BadPlan, which names every mistake with its line."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_FILE_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise BadPlan([f"{file} can't be read: {error.strerror}."]) from error
    except UnicodeDecodeError as error:
        raise BadPlan([f"{file.name}: not UTF-8 text."]) from error
    if len(data) > _MAX_FILE_BYTES:
        raise BadPlan([f"{file} is larger than {_MAX_FILE_BYTES:,} bytes: that is no fault plan."])
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadPlan([_syntax(file.name, str(error))]) from error
    return plan_of(tree, file.name, _places(text, file.name))


def short_fault(text: str) -> AnyFault:
    """A fault from a few words: `reset@500`, `503`, `stall,for_s=30`, `429,headers.Retry-After=2,nth=3`.

    The kind comes first, or a status; behind `@` stands its main setting; more settings follow as `key=value`.
    Raises BadPlan.
    """
    head, *settings = _PARTS.split(text.strip())
    name, at_sign, main = head.partition("@")
    table: dict[str, Any] = {"kind": name.strip()}
    if re.fullmatch(r"\d{3}", table["kind"]):
        table = {"kind": "status", "status": int(table["kind"])}
    kind = table["kind"]
    if at_sign and kind in _MAIN:
        table[_MAIN[kind]] = _value(main)
    elif at_sign and kind in KINDS:
        raise BadPlan([f"--fault {text}: {kind} has nothing that could stand behind @."])
    for setting in settings:
        key, _, value = setting.partition("=")
        outer, dot, inner = key.partition(".")
        if dot and isinstance(table.setdefault(outer, {}), dict):
            table[outer][inner] = value
        else:
            table[key] = _value(value)
    fault = fault_of(table, f"--fault {text}")
    if isinstance(fault, list):
        raise BadPlan(fault)
    return msgspec.convert(msgspec.to_builtins(fault), AnyFault)


def as_plan(faults: str | Fault | FaultPlan | Sequence[str | Fault]) -> FaultPlan:
    """Whatever describes faults, as a plan. Raises BadPlan."""
    if isinstance(faults, FaultPlan):
        return faults
    given = [faults] if isinstance(faults, (str, Fault)) else faults
    return FaultPlan(tuple(msgspec.convert(_told(each), AnyFault) for each in given))


def _told(fault: str | Fault) -> Any:
    told = short_fault(fault) if isinstance(fault, str) else fault
    checked = fault_of(msgspec.to_builtins(told), repr(told))
    if isinstance(checked, list):
        raise BadPlan(checked)
    return msgspec.to_builtins(checked)


def _value(text: str) -> Any:
    """Numbers, lists and so on as in JSON; what is none of that is text."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _places(text: str, name: str) -> list[Mapping[str, str]]:
    """Where each `[[fault]]` and its keys stand; only for messages."""
    found: list[dict[str, str]] = []
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if _TABLE.match(line):
            found.append({"": f"{name}:{number}"})
            inside = True
        elif _OTHER_TABLE.match(line):
            inside = False
        elif inside and (key := _KEY.match(line)):
            found[-1].setdefault(key[1], f"{name}:{number}")
    return [*found]


def _syntax(name: str, message: str) -> str:
    place = _SYNTAX_PLACE.search(message)
    if place is None:
        return f"{name}: no valid TOML: {message}."
    at = f":{place[1]}:{place[2]}" if place[1] else ""
    return f"{name}{at}: no valid TOML: {message[: place.start()]}."
