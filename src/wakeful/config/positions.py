"""On which line of a TOML file a key stands. Only for messages: the file is read by a real parser."""

import re

_STRING_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^\\])*?"""|' r"'''.*?'''|" r'"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'|" r"#[^\n]*", re.DOTALL
)
_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def key_lines(text: str) -> dict[str, int]:
    """Line numbers, from 1, by dotted key: `page.port`, `source.0.kind`; a table stands under its own name.

    text: valid TOML. What the scanner does not see (keys of inline tables) has no entry.
    """
    lines: dict[str, int] = {}
    arrays: dict[str, int] = {}
    table = ""
    for number, line in enumerate(_STRING_OR_COMMENT.sub(_bare, text).split("\n"), 1):
        if found := _TABLE.match(line):
            table = _plain(found[2])
            if found[1] == "[[":
                lines.setdefault(table, number)
                arrays[table] = arrays.get(table, -1) + 1
                table = f"{table}.{arrays[table]}"
            lines.setdefault(table, number)
        elif found := _KEY.match(line):
            key = _plain(found[1])
            lines.setdefault(f"{table}.{key}" if table else key, number)
    return lines


def _bare(found: re.Match[str]) -> str:
    """Comments and strings of several lines are emptied, since their lines may look like keys; lines stay lines."""
    text = found[0]
    if text.startswith(('"""', "'''")):
        return '""' + "\n" * text.count("\n")
    return "" if text.startswith("#") else text


def _plain(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
