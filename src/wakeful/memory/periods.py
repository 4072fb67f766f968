"""Which time does a person speak of? `last night`, `since Monday`, `3 hours ago`, `between 3 and 4 am`, `in May 2026`.

Our own, since the libraries that read times in words (dateparser, parsedatetime) give points and no periods, and take
longer to load than everything else that a recall does.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

_UNITS = "minute|hour|day|week|month|year"
_NUMBERS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "couple": 2,
    "three": 3,
    "few": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_COUNT = rf"\d{{1,4}}|(?:a )?couple(?: of)?|(?:a )?few|{'|'.join(_NUMBERS)}"
_PARTS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 23), "night": (20, 32)}  # hours of the day

_Span = tuple[datetime, datetime]
_BOUND = re.compile(
    r"\b(since|after|before|until|till|by|during|on|in|at|around|about|from|over)(?: the)?\s+$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Period:
    """The time in [since_ns, until_ns) that a text speaks of; None where that side is open.

    strict: whether nothing else is meant. What is said relative to now (`last night`) is; a date that is named may
        as well be what a memory tells of, not when it was told.
    rest: the text without the words that said it
    """

    since_ns: int | None
    until_ns: int | None
    strict: bool
    rest: str


def period_in(text: str, now_ns: int, zone: tzinfo | None = None) -> Period | None:
    """The period that `text` names, None where it names none.

    zone: in which its words are meant; None for the machine's own
    """
    now = datetime.fromtimestamp(now_ns / 1e9, zone)
    found = _first(text, now)
    if found is None:
        return None
    begin, end, start, stop, strict = found
    since, until, before = _bounds(text[:start], begin, end, now)
    if (pair := re.match(r"\s+(?:and|to|until|till|-)\s+", text[stop:])) and re.search(
        r"\b(?:between|from)\s+$", text[:start], re.IGNORECASE
    ):
        second = _first(text[stop + pair.end() :], now)
        if second is not None and second[2] == 0:
            day = timedelta(days=1)
            until = second[1] if second[1] - second[0] >= day else second[0]  # `between 3 and 4 am` ends at 4
            since, until = begin, until if until > begin else until + day
            before = re.sub(r"\b(?:between|from)\s+$", "", text[:start], flags=re.IGNORECASE)
            stop += pair.end() + second[3]
        strict = True
    rest = " ".join(f"{before} {text[stop:]}".split())
    strict = strict or since is None or until is None  # `since 3 May` narrows, `on 3 May` may be what is told of
    return Period(_ns(since), _ns(until), strict, rest)


def _bounds(before: str, begin: datetime, end: datetime, now: datetime) -> tuple[datetime | None, datetime | None, str]:
    """What the word before a time makes of it, and the text without that word."""
    word = re.search(
        r"\b(since|after|before|until|till|by|during|on|in|at|around|about|from|over)(?: the)?\s+$",
        before,
        re.IGNORECASE,
    )
    if word is None:
        return begin, end, before
    rest = before[: word.start()]
    match word[1].lower():
        case "since" | "from":
            return begin, None, rest
        case "after":
            return end, None, rest
        case "before":
            return None, begin, rest
        case "until" | "till" | "by":
            return None, end, rest
        case "around" | "about":
            slack = (end - begin) / 2
            return begin - slack, end + slack, rest
        case _:
            return begin, end, rest


def _first(text: str, now: datetime) -> tuple[datetime, datetime, int, int, bool] | None:
    """The first time in the text (of those that begin together, the longest): its span, and where its words stand."""
    best: tuple[datetime, datetime, int, int, bool] | None = None
    for pattern, read, strict in _FORMS:
        for match in pattern.finditer(text):
            try:
                begin, end = read(match, now)
            except (ValueError, OverflowError):  # such as the 31st of June
                continue
            here = (begin, end, match.start(), match.end(), strict)
            if best is None or (here[2], -here[3]) < (best[2], -best[3]):
                best = here
            break
    return best


def _ns(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp()) * 10**9 + at.microsecond * 1000


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _day(at: datetime) -> _Span:
    return _midnight(at), _midnight(at) + timedelta(days=1)


def _month(at: datetime) -> _Span:
    begin = _midnight(at).replace(day=1)
    return begin, (begin + timedelta(days=32)).replace(day=1)


def _unit(unit: str, at: datetime) -> _Span:
    """The whole minute, hour, day, week, month or year that a moment is in."""
    match unit:
        case "minute":
            begin = at.replace(second=0, microsecond=0)
            return begin, begin + timedelta(minutes=1)
        case "hour":
            begin = at.replace(minute=0, second=0, microsecond=0)
            return begin, begin + timedelta(hours=1)
        case "day":
            return _day(at)
        case "week":
            begin = _midnight(at) - timedelta(days=at.weekday())
            return begin, begin + timedelta(days=7)
        case "month":
            return _month(at)
        case _:
            begin = _midnight(at).replace(month=1, day=1)
            return begin, begin.replace(year=begin.year + 1)


def _back(count: int, unit: str, at: datetime) -> datetime:
    if unit in ("month", "year"):
        months = at.year * 12 + at.month - 1 - count * (12 if unit == "year" else 1)
        return at.replace(year=months // 12, month=months % 12 + 1, day=min(at.day, 28))
    return at - count * {
        "minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)
    }[unit]  # fmt: skip


def _number(text: str) -> int:
    word = text.lower().removesuffix(" of").removeprefix("a ")
    return int(word) if word.isdigit() else _NUMBERS[word]


def _ago(match: re.Match[str], now: datetime) -> _Span:
    count, unit = _number(match[1]), match[2].lower()
    at = _back(count, unit, now)
    if unit in ("minute", "hour"):
        half = (now - at) / (2 * count)
        return at - half, at + half
    return _unit(unit, at)


def _past(match: re.Match[str], now: datetime) -> _Span:
    count, unit = match[2], match[3].lower()
    if count is None and match[1].lower() in ("last", "previous") and unit in ("week", "month", "year"):
        return _unit(unit, _back(1, unit, now))
    return _back(_number(count) if count else 1, unit, now), now


def _named_day(match: re.Match[str], now: datetime) -> _Span:
    """`today`, `yesterday`, `the day before yesterday`, a part of it: `yesterday evening`, `this morning`."""
    name, part = match[1].lower(), (match[2] or "").lower()
    back = {"today": 0, "this": 0, "tonight": 0, "yesterday": 1, "last": 1}.get(name, 2)
    day = _midnight(now) - timedelta(days=back)
    if name == "tonight":
        part = "night"
    if not part:
        return _day(day)
    if name == "last" and now.hour < 6:  # said within the night, it is this one
        return day + timedelta(hours=20), now
    first, last = _PARTS[part]
    return day + timedelta(hours=first), day + timedelta(hours=last)


def _weekday(match: re.Match[str], now: datetime) -> _Span:
    back = (now.weekday() - _DAYS.index(match[2].lower())) % 7
    if match[1] and not back:
        back = 7
    return _day(now - timedelta(days=back))


def _weekend(match: re.Match[str], now: datetime) -> _Span:
    monday = _midnight(now) - timedelta(days=now.weekday())
    begin = monday + timedelta(days=5)
    return (begin if now >= begin and not match[1] else begin - timedelta(days=7)), (
        begin + timedelta(days=2) if now >= begin and not match[1] else monday
    )


def _clock(match: re.Match[str], now: datetime) -> _Span:
    said = match.groupdict()
    if name := said.get("name"):
        hour, minute = (12 if name.lower() == "noon" else 0), 0
    else:
        hour, minute = int(match["hour"]), int(said["minute"] or 0)
        half = (said.get("half") or "").lower()
        hour = hour % 12 + 12 * half.startswith("p") if half else hour
    at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if at > now:
        at -= timedelta(days=1)
    return at, at + (timedelta(minutes=1) if said.get("minute") else timedelta(hours=1))


def _iso(match: re.Match[str], now: datetime) -> _Span:
    at = datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=now.tzinfo)
    if match[4] is None:
        return _day(at)
    at = at.replace(hour=int(match[4]), minute=int(match[5]))
    return at, at + timedelta(minutes=1)


def _date(day: str | None, month: str, year: str | None, now: datetime) -> _Span:
    number = next(at for at, name in enumerate(_MONTHS, 1) if name.startswith(month.lower()[:3]))
    at = datetime(int(year or now.year), number, int(day or 1), tzinfo=now.tzinfo)
    if year is None and at > now:
        at = at.replace(year=at.year - 1)
    return _day(at) if day else _month(at)


def _year(match: re.Match[str], now: datetime) -> _Span:
    return _unit("year", datetime(int(match[1]), 1, 1, tzinfo=now.tzinfo))


def _form(
    pattern: str, read: Callable[[re.Match[str], datetime], _Span], *, strict: bool = True
) -> tuple[re.Pattern[str], Callable[[re.Match[str], datetime], _Span], bool]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), read, strict


_FORMS = (
    _form(rf"({_COUNT})\s+({_UNITS})s?\s+ago", _ago),
    _form(rf"(?:(?:in|within|over) )?(?:the )?(last|past|previous)\s+(?:({_COUNT})\s+)?({_UNITS})s?", _past),
    _form(rf"this\s+({_UNITS})", lambda match, now: _unit(match[1].lower(), now)),
    _form(r"(the day before yesterday|yesterday|today|tonight)(?:\s+(morning|afternoon|evening|night))?", _named_day),
    _form(r"(this)\s+(morning|afternoon|evening)", _named_day),
    _form(r"(last)\s+(night|evening)", _named_day),
    _form(rf"(?:(last)\s+)?({'|'.join(_DAYS)})", _weekday),
    _form(r"(?:(last)|this|the)\s+weekend", _weekend),
    _form(r"(?<![\d.:-])(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>am|pm)", _clock),
    _form(r"(?<![\d.:-])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?![\d:])", _clock),
    _form(r"(?P<name>noon|midnight)", _clock),
    _form(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::\d{2})?)?", _iso, strict=False),
    _form(
        rf"(\d{{1,2}})(?:st|nd|rd|th)?(?: of)?\s+({_MONTH})(?:,?\s+(\d{{4}}))?",
        lambda match, now: _date(match[1], match[2], match[3], now),
        strict=False,
    ),
    _form(
        rf"({_MONTH})\s+(\d{{1,2}})(?:st|nd|rd|th)?(?!\d|:)(?:,?\s+(\d{{4}}))?",
        lambda match, now: _date(match[2], match[1], match[3], now),
        strict=False,
    ),
    _form(
        rf"(?:(?<=in )|(?<=since )|(?<=of )|(?<=during )|(?<=before )|(?<=after ))({_MONTH})(?:\s+(\d{{4}}))?",
        lambda match, now: _date(None, match[1], match[2], now),
        strict=False,
    ),
    _form(
        rf"({_MONTH})\s+(\d{{4}})",
        lambda match, now: _date(None, match[1], match[2], now),
        strict=False,
    ),
    _form(r"(?:(?<=in )|(?<=since )|(?<=before )|(?<=after )|(?<=until ))((?:19|20)\d{2})(?!-)", _year, strict=False),
)
