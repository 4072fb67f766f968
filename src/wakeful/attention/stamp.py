"""When a line of a log says that it was written."""

import re
from datetime import UTC, datetime

_ISO = re.compile(r"(\d{4})[-/.](\d\d)[-/.](\d\d)[T _-](\d\d)[:.](\d\d)[:.](\d\d)(?:[.,](\d{1,6}))?")
_SYSLOG = re.compile(r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?: (\d{4}))?")
_EPOCH = re.compile(r"(?:^|[\s(])(\d{10}(?:\.\d+)?)(?=[\s):])")
_COMPACT = re.compile(r"^(\d\d)(\d\d)(\d\d) (\d\d)(\d\d)(\d\d) ")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WITHIN = 80  # characters in which the time stands
_NO_YEAR = 2000  # where a line names none: only differences matter


def stamp(line: str) -> float | None:
    """Seconds since the epoch, taken as UTC; None where the line begins with no time that is known."""
    head = line[:_WITHIN]
    try:
        if found := _ISO.search(head):
            *parts, fraction = found.groups()
            return _seconds(*map(int, parts)) + float(f"0.{fraction or 0}")
        if found := _SYSLOG.search(head):
            month, day, hour, minute, second, year = found.groups()
            named = int(year) if year else _NO_YEAR
            return _seconds(named, _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
        if found := _EPOCH.search(head):
            return float(found[1])
        if found := _COMPACT.match(head):
            year_, *rest = map(int, found.groups())
            return _seconds(2000 + year_, *rest)
    except ValueError:  # digits that look like a time and are none, such as a month 13
        return None
    return None


def _seconds(*parts: int) -> float:
    year, month, day, hour, minute, second = parts
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
