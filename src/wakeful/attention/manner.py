"""How a metric changed, in words that a thought can use."""

from datetime import datetime

from wakeful.attention.numbers import Judged

_TIMES_FROM, _TIMES_MOST = 2.0, 999.0
_WORDS = {
    "new level": "a new level",
    "drift": "a drift",
    "restless": "more restless than usual",
    "off": "far from what is usual at this hour",
    "stuck": "stuck at one value",
}
_HOURS = (86_400.0, 4e9)  # times since the epoch that a calendar can name everywhere


def manner(judged: Judged, at_s: float) -> str:
    """What follows upon `cpu 97.4%, usually 3.0%`: `; 12 times the usual range for a Tuesday 03:00`, or nothing."""
    said = [_WORDS[judged.event]] if judged.event in _WORDS else []
    if judged.times >= _TIMES_FROM and judged.event != "stuck":
        times = f"{min(judged.times, _TIMES_MOST):.{0 if judged.times >= 10 else 1}f} times the usual range"
        said.append(times + _for_when(judged.season, at_s))
    return f"; {', '.join(said)}" if said else ""


def _for_when(season: str, at_s: float) -> str:
    if not season or not _HOURS[0] < at_s < _HOURS[1]:
        return ""
    moment = datetime.fromtimestamp(at_s)
    return f" for a {moment:%A %H}:00" if season == "week" else f" for {moment:%H}:00"
