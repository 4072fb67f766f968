"""Kinds of sources that installed packages bring, by their entry points; none of their code is run for that."""

from typing import Any

GROUP = "wakeful.sources"


def installed_kinds() -> list[str]:
    """The kinds that they offer."""
    from importlib.metadata import entry_points  # some 20 ms, which only those pay who name a kind that is not ours

    return sorted({point.name for point in entry_points(group=GROUP)})


def wrapped(table: dict[str, Any]) -> dict[str, Any]:
    """The table of such a source as `InstalledSource` takes it."""
    settings = {key: value for key, value in table.items() if key != "kind"}
    return {"kind": "installed", "of": table["kind"], "settings": settings}


def unwrapped(table: dict[str, Any]) -> dict[str, Any]:
    """The table as the user wrote it."""
    if table.get("kind") != "installed":
        return table
    return {"kind": table["of"], **table["settings"]}
