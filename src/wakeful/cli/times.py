"""Times as people type them."""

import re
import time
from datetime import datetime

import typer

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)(?:in|ours?|ays?|eeks?|ec)?(?: ago)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def when(text: str, *, now_ns: int | None = None) -> int:
    """A moment in ns since the epoch: `90m` or `2h` (ago), `03:15` (today), or an ISO date and time.

    Without a zone, local time is meant. Raises typer.BadParameter for anything else.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    if found := _AGO.fullmatch(text.strip()):
        return now_ns - int(float(found[1]) * _SECONDS[found[2].lower()] * 1e9)
    now = datetime.fromtimestamp(now_ns / 1e9)
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text.strip()):
            clock = datetime.strptime(text.strip(), "%H:%M:%S" if text.count(":") == 2 else "%H:%M")
            moment = now.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
        else:
            moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; say 90m, 2h, 3d (ago), 03:15, or 2026-01-31T03:15") from None
    return int(moment.timestamp() * 1e9)
