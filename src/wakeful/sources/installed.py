"""Sources that installed packages bring, found through the entry points of the group `wakeful.sources`.

The entry point is whatever makes the source: its class, or a function. It is called with the settings of its
`[[source]]` as keyword arguments.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wakeful.sources.errors import SourceError, SourceMissing
from wakeful.sources.source import Source

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "wakeful.sources"


def installed_source(kind: str, settings: Mapping[str, Any]) -> Source:
    """Makes a source of an installed package; raises SourceError, whatever the package does wrong."""
    from importlib.metadata import entry_points  # some 20 ms, which only those pay who have such a source

    found = [point for point in entry_points(group=GROUP) if point.name == kind]
    if not found:
        raise SourceMissing(f"no installed package brings sources of kind {kind}", hint="Install it beside Wakeful.")
    point = found[0]
    whose = f"the source of kind {kind} (package {_package(point)})"
    try:
        make = point.load()
    except Exception as error:  # the fence around a package that is not ours: anything may happen in its import
        raise SourceError(f"{whose} can't be loaded: {_said(error)}", hint="Ask its author.") from error
    _check_settings(make, settings, whose)
    try:
        source = make(**settings)
    except SourceError:
        raise
    except Exception as error:  # the same fence
        raise SourceError(f"{whose} can't be made: {_said(error)}", hint="Check its settings.") from error
    if not isinstance(source, Source) or not source.name:
        raise SourceError(f"{whose} is no source", hint="It needs a `name` and an async generator `observe(resume)`.")
    return source


def _check_settings(make: Callable[..., Any], settings: Mapping[str, Any], whose: str) -> None:
    """Names the settings that it does not take or misses, as it does for sources of ours."""
    try:
        taken = inspect.signature(make).parameters
    except (TypeError, ValueError):  # something in C: calling it will tell
        return
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values()):
        return
    allowed = [each.name for each in taken.values() if each.kind is not inspect.Parameter.VAR_POSITIONAL]
    for name in settings:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, 1)
            meant = f"Did you mean {near[0]}? " if near else ""
            raise SourceError(f"{whose} takes no {name}", hint=f"{meant}Allowed: {', '.join(allowed) or 'nothing'}.")
    for name in allowed:
        if taken[name].default is inspect.Parameter.empty and name not in settings:
            raise SourceError(f"{whose} needs {name}", hint=f"Add `{name} = …` to its [[source]].")


def _package(point: "EntryPoint") -> str:
    return point.dist.name if point.dist is not None else point.value


def _said(error: Exception) -> str:
    """The kind of the error and its first line; not more, since settings may be in it."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__
