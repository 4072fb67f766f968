"""Times and schedules as people say them, in local time, wherever in a sentence they stand."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PARTS = {"morning": 8, "noon": 12, "evening": 19, "night": 22}
_ADVERBS = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(1), "week": timedelta(7)}
_MORNING = 8
"""The hour of what is due on a day for which none was said."""

_AT = r"(?:,? +at +(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))? *(?P<half>am|pm)?\b)?"
_DAY = "|".join(_DAYS)


def _compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(rf"\b(?:{pattern})", re.IGNORECASE)


_EVERY_N = _compiled(r"every +(?P<number>\d+) +(?P<unit>minute|hour)s?\b")
_EVERY = _compiled(
    rf"(?:(?:every|each) +(?P<what>minute|hour|day|weekday|weekend|week|month|{'|'.join(_PARTS)}|{_DAY})s?"
    rf"|(?P<adverb>{'|'.join(_ADVERBS)}))\b{_AT}"
)
_IN = _compiled(r"in +(?P<number>\d+|an?) +(?P<unit>minute|hour|day|week)s?\b")
_DATE = _compiled(rf"(?:on +)?(?P<date>\d{{4}}-\d{{2}}-\d{{2}})\b{_AT}")
_ON_DAY = _compiled(rf"(?:(?P<named>today|tonight|tomorrow)|(?:on|next) +(?P<day>{_DAY}))\b{_AT}")
_CLOCK = _compiled(_AT.removeprefix("(?:,? +").removesuffix(")?"))


def find_schedule(text: str) -> tuple[str, str] | None:
    """The schedule that a sentence names in cron form, and the sentence without it; None where it names none.

    Raises ValueError for one that can't be, such as `every day at 25`.
    """
    if found := _EVERY_N.search(text):
        number = int(found["number"])
        if not 1 <= number <= (59 if found["unit"].lower() == "minute" else 23):
            raise ValueError(f"{found[0]!r} can't be: say 1 to 59 minutes, or 1 to 23 hours")
        cron = f"*/{number} * * * *" if found["unit"].lower() == "minute" else f"0 */{number} * * *"
        return cron, _without(text, found)
    if found := _EVERY.search(text):
        what = (found["what"] or _ADVERBS[found["adverb"].lower()]).lower()
        hour, minute = _clock(found, _PARTS.get(what, _MORNING))
        return _cron(what, hour, minute), _without(text, found)
    return None


def find_moment(text: str, now: datetime) -> tuple[datetime, str] | None:
    """The moment that a sentence names, after `now` (naive, local), and the sentence without it; None for none.

    Raises ValueError for one that can't be, or is over.
    """
    forms: list[tuple[re.Pattern[str], Callable[[re.Match[str]], datetime]]] = [
        (_IN, lambda found: now + _span(found)),
        (_DATE, lambda found: _at(datetime.fromisoformat(found["date"]), found, _MORNING)),
        (_ON_DAY, lambda found: _on_day(found, now)),
        (_CLOCK, lambda found: _next_clock(found, now)),
    ]
    for pattern, moment in forms:
        if found := pattern.search(text):
            when = moment(found)
            if when <= now:
                raise ValueError(f"{found[0].strip()!r} is over")
            return when, _without(text, found)
    return None


def _cron(what: str, hour: int, minute: int) -> str:
    match what:
        case "minute":
            return "* * * * *"
        case "hour":
            return "0 * * * *"
        case "weekday":
            return f"{minute} {hour} * * 1-5"
        case "weekend":
            return f"{minute} {hour} * * 6,0"
        case "week":
            return f"{minute} {hour} * * 1"
        case "month":
            return f"{minute} {hour} 1 * *"
        case _ if what in _DAYS:
            return f"{minute} {hour} * * {(_DAYS.index(what) + 1) % 7}"
        case _:
            return f"{minute} {hour} * * *"


def _span(found: "re.Match[str]") -> timedelta:
    number = 1 if found["number"].lower().startswith("a") else int(found["number"])
    return number * _UNITS[found["unit"].lower()]


def _on_day(found: "re.Match[str]", now: datetime) -> datetime:
    named = (found["named"] or "").lower()
    if named:
        when = _at(now + timedelta(named == "tomorrow"), found, _PARTS["night"] if named == "tonight" else _MORNING)
        if named == "tonight" and found["hour"] and when.hour < 12:
            when += timedelta(hours=12)  # `tonight at 9` is in the evening
        return when
    ahead = (_DAYS.index(found["day"].lower()) - now.weekday()) % 7
    when = _at(now + timedelta(ahead), found, _MORNING)
    return when if when > now else when + timedelta(7)


def _next_clock(found: "re.Match[str]", now: datetime) -> datetime:
    when = _at(now, found, _MORNING)
    return when if when > now else when + timedelta(1)


def _at(day: datetime, found: "re.Match[str]", default_hour: int) -> datetime:
    hour, minute = _clock(found, default_hour)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def _clock(found: "re.Match[str]", default_hour: int) -> tuple[int, int]:
    if not found["hour"]:
        return default_hour, 0
    hour, minute, half = int(found["hour"]), int(found["minute"] or 0), (found["half"] or "").lower()
    if (half and not 1 <= hour <= 12) or hour > 23 or minute > 59:
        raise ValueError(f"{found[0].strip()!r} is no time of day")
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return hour, minute


def _without(text: str, found: "re.Match[str]") -> str:
    rest = f"{text[: found.start()]} {text[found.end() :]}"
    return " ".join(rest.split()).strip(" ,:;")
