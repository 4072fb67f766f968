"""`wakeful config`: the settings in force, and where each came from."""

import json
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wakeful.config import Loaded


def print_settings(loaded: Loaded, *, as_json: bool) -> None:
    """Prints a row for each setting; secrets are masked."""
    if as_json:
        rows = [{"key": row.key, "value": row.value, "origin": row.origin} for row in loaded.rows()]
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("setting")
    table.add_column("value", overflow="fold")
    table.add_column("from", style="dim")
    for row in loaded.rows():
        style = "" if row.origin == "default" else "bold"
        table.add_row(Text(row.key, style), Text(json.dumps(row.value, ensure_ascii=False), style), row.origin)
    Console(highlight=False, soft_wrap=not sys.stdout.isatty()).print(table)
