"""How serious a text says that it is, from its own words."""

import re

CRITICAL_NATS, ERROR_NATS, WARNING_NATS = 8.0, 5.0, 2.0
"""What such a word adds to the surprise of a text that was not seen before."""

_DENIED = re.compile(
    r"\b(?:no|0|without|zero)\s+(?:errors?|failures?|warnings?|problems?)\b"
    r"|\b(?:errors?|failures?|failed|warnings?|exit(?:ed)?(?: with)?(?: code)?|status)\s*[=:]\s*(?:0|none|false|null)\b"
    r"|exited (?:with code )?0\b|\b(?:is|are) healthy\b|works again|\bError(?:Log|Document|Handler)\b",
    re.IGNORECASE,
)
_CRITICAL = re.compile(
    r"\bpanic|out of memory|oom-kill|killed (?:for memory|process)|\bI/O error|corrupt|segfault|core dumped|\bfatal\b"
    r"|no space left|read-?only file ?system|remounting .*read-only|data (?:loss|lost)|has been lost|degraded"
    r"|unreadable .*sectors?|bad block|exited with code [1-9]|\bemerg|\balert:|certificate .*expired|is damaged",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"\berr(?:or|no|s)?s?\b|\w+(?:Error|Exception)\b|\bfail(?:s|ed|ure|ures|ing)?\b|refused|denied|unreachable"
    r"|time[ds]?[ -]?out|\btimeout|unhealthy|\binvalid (?:user|password)|unauthori[sz]ed|\babort(?:ed)?\b|crash"
    r"|link is down|lost connection|deadlock|exited [1-9]|timed out|\" 5\d\d \d|not found|no such file|rejected",
    re.IGNORECASE,
)
_WARNING = re.compile(
    r"\bwarn(?:ing)?\b|\bdeprecated\b|\bslow\b|\bretry(?:ing)?\b|\brestarted\b|throttl", re.IGNORECASE
)


def gravity(text: str) -> tuple[float, str]:
    """Nats that the text's own words add, and why: `says error` or `says warning`, "" for none."""
    if _DENIED.search(text):
        text = _DENIED.sub(" ", text)
    if _CRITICAL.search(text):
        return CRITICAL_NATS, "says error"
    if _ERROR.search(text):
        return ERROR_NATS, "says error"
    if _WARNING.search(text):
        return WARNING_NATS, "says warning"
    return 0.0, ""
