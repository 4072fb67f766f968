"""Shows our docstrings as Markdown: their lines of the form `name: meaning` become lists."""

import re
from typing import Any

import griffe

_NAMED = re.compile(r"^(\w+(?:, \w+)*): (.*)$")


def as_markdown(text: str) -> str:
    """The text of a docstring, with each `name: meaning`, and what is indented under it, as an item of a list."""
    lines: list[str] = []
    for line in text.splitlines():
        if found := _NAMED.match(line):
            names = ", ".join(f"`{name.strip()}`" for name in found[1].split(","))
            if lines and lines[-1] and not lines[-1].startswith(("- ", "  ")):
                lines.append("")
            lines.append(f"- {names}: {found[2]}")
        elif line.startswith(" ") and lines and lines[-1].startswith(("- ", "  ")):
            lines.append(f"  {line.strip()}")
        elif lines and lines[-1].startswith(("- ", "  ")) and line:
            lines += ["", line]
        else:
            lines.append(line)
    return "\n".join(lines)


class OurDocstrings(griffe.Extension):
    """Rewrites each docstring before it is shown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each thing that has a page or a part of one."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
