"""Every mistake of a plan as a line of its own: where it stands, which key, what is allowed."""

import difflib
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from wakeful.engine.errors import EngineError
from wakeful.engine.faults.plan import AnyFault, Fault, FaultPlan

KINDS: Mapping[str, type[Fault]] = {str(each.__struct_config__.tag): each for each in get_args(AnyFault)}
"""The kinds of faults by the name that a plan calls them by."""

_LONGEST_VALUE = 60  # characters of a wrong value that a message repeats
_CONNECTION_KINDS = ("refuse",)


class BadPlan(EngineError):
    """A fault plan can't be used. problems: one line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple("".join(c if c.isprintable() else ascii(c)[1:-1] for c in each) for each in problems)
        super().__init__("\n         ".join(self.problems))


def fault_of(values: Any, at: str, places: Mapping[str, str] | None = None) -> Fault | list[str]:
    """The fault that a table describes, or what is wrong with the table, a line for each mistake.

    at: where the table stands; places: where its keys do, if that is known
    """
    places = places or {}
    if not isinstance(values, dict):
        return [f"{at}: a fault is a table with a kind, such as {{kind = 'reset', at_byte = 500}}."]
    table = cast("dict[str, Any]", values)
    name = table.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        return [f"{places.get('kind', at)}: {_no_kind(name)}"]
    kind = KINDS[name]
    kinds = get_type_hints(kind, include_extras=True)
    known = [each.name for each in msgspec.structs.fields(kind)]
    if name in _CONNECTION_KINDS:
        known = [each for each in known if each not in ("route", "model")]
    problems: list[str] = []
    for key, value in table.items():
        place = places.get(key, at)
        if key == "kind":
            continue
        if key not in known:
            problems.append(f"{place}: {key} is no setting of {name}.{_near(key, known)} It has: {', '.join(known)}.")
            continue
        try:
            msgspec.convert(value, kinds[key], strict=True)
        except msgspec.ValidationError as error:
            why = str(error).partition(" - at ")[0].rstrip(".").replace("`", "")
            problems.append(f"{place}: {key} = {_short(value)} can't be: {why}{_allowed(kinds[key])}.")
    return problems or msgspec.convert(table, kind, strict=True)


def plan_of(tree: Mapping[str, Any], at: str, places: list[Mapping[str, str]] | None = None) -> FaultPlan:
    """The plan that a tree of values describes. places: where the keys of each fault stand, "" for the fault itself.

    Raises BadPlan, which names every mistake.
    """
    problems = [
        f"{at}: {key} is no setting of a plan.{_near(key, ['fault', 'seed'])} It has seed, and a [[fault]] for each."
        for key in tree
        if key not in ("fault", "seed")
    ]
    seed = tree.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        problems.append(f"{at}: seed = {_short(seed)} can't be: it is a whole number.")
    given = tree.get("fault", [])
    if not isinstance(given, list):
        raise BadPlan([*problems, f"{at}: a fault is written as [[fault]], with two brackets."])
    faults: list[Any] = []
    for number, values in enumerate(cast("list[Any]", given)):
        known: Mapping[str, str] = places[number] if places and number < len(places) else {}
        fault = fault_of(values, known.get("", at), known)
        if isinstance(fault, list):
            problems += fault
        else:
            faults.append(fault)
    if problems:
        raise BadPlan(problems)
    return FaultPlan(tuple(faults), cast("int", seed))


def _no_kind(name: Any) -> str:
    kinds = ", ".join(KINDS)
    if name is None:
        return f"a fault needs a kind: {kinds}."
    return f"there is no fault of kind {_short(name)}.{_near(str(name), list(KINDS))} Kinds: {kinds}."


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" Did you mean {near[0]}?" if near else ""


def _allowed(kind: Any) -> str:
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    choices = [str(choice) for part in parts if get_origin(part) is Literal for choice in get_args(part)]
    return f" (one of: {', '.join(choices)})" if choices else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
