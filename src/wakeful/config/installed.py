"""Kinds of sources that installed packages bring, by their entry points; none of their code is run for that."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

GROUP = "wakeful.sources"


def installed_kinds() -> dict[str, EntryPoint]:
    """The entry points by the kind that they offer."""
    return {point.name: point for point in entry_points(group=GROUP)}


def wrapped(table: dict[str, Any]) -> dict[str, Any]:
    """The table of such a source as `InstalledSource` takes it."""
    settings = {key: value for key, value in table.items() if key != "kind"}
    return {"kind": "installed", "of": table["kind"], "settings": settings}


def unwrapped(table: dict[str, Any]) -> dict[str, Any]:
    """The table as the user wrote it."""
    if table.get("kind") != "installed":
        return table
    return {"kind": table["of"], **table["settings"]}
