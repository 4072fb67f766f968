"""How serious a text says that it is, from its own words."""

import re

CRITICAL_NATS, ERROR_NATS, WARNING_NATS = 8.0, 5.0, 2.0
"""What such a word adds to the surprise of a text that was not seen before."""

_FLAGS = re.IGNORECASE | re.ASCII
_DENIED = re.compile(
    r"\b(?:no|0|without|zero|any|free of)\s+(?:new |known )?(?:errors?|failures?|failed|warnings?|problems?|crashes)\b"
    r"|\b(?:errors?|failures?|failed|warnings?|exit(?:ed)?(?: with)?(?: code| status)?|status|rc)[\"']?\s*[=:]\s*"
    r"[\"']?(?:0\b(?!\.\d)|none|false|null)"
    r"|exited (?:with (?:code|status) )?0\b|\b(?:is|are) healthy\b|works again|\bError(?:Log|Document|Handler)\b"
    r"|\berror[- ]free\b|\bfail(?:safe|over|2ban)\b|on-?failure\b|\berrors=remount-ro\b",
    _FLAGS,
)
_CRITICAL = re.compile(
    r"\w-fs error|file ?system error|panic|out of memory|oom-?kill|killed (?:for memory|process)|i/o error|corrupt"
    r"|segfault|segmentation fault"
    r"|core dumped|fatal\b|no space left|disk full|read-?only file ?system|remounting .*read-only"
    r"|data (?:loss|lost)|has been lost|degraded|unreadable .*sectors?|bad block|exited with code [1-9]|\bemerg"
    r"|\balert:|certificate .*expired|is damaged|hardware error|uncorrectable|stack smashing"
    r"|machine check (?:event|exception|error)|certificate\b.* (?:ends|expires) (?:in|today|tomorrow)\b"
    r"|\b(?<!link )(?:is|went) down(?:: |\s*$)|\bdoes not run\s*$",
    _FLAGS,
)
_ERROR = re.compile(
    r"err(?:or|no|s)?s?\b|exception\b|fail(?:s|ed|ure|ures|ing)?\b|refused|denied|unreachable|time[ds]?[ -]?out"
    r"|unhealthy|invalid (?:user|password)|unauthori[sz]ed|abort(?:ed)?\b|crash|link is down|lost connection"
    r"|deadlock|exited [1-9]|\" 5\d\d \d|\banswers [45]\d\d\b|not found|no such file|rejected|\bkilled\b|\bcould not\b"
    r"|\bcannot\b|can't\b|\bunable to\b|traceback|\bcritical\b|\bsevere\b|connection reset|no route to|broken pipe",
    _FLAGS,
)
_WARNING = re.compile(r"warn(?:ing)?\b|deprecated|\bslow\b|retry(?:ing)?\b|\brestarted\b|throttl", _FLAGS)
_INFORMS = re.compile(r"\b(?:INFO|DEBUG|TRACE|NOTICE)\b|\blevel\"?\s*[=:]\s*\"?(?:info|debug|trace|notice)\b", re.ASCII)
_ALARMS = re.compile(r"\b(?:ERROR|FATAL|SEVERE|CRITICAL|PANIC|ALERT|EMERG)\b", re.ASCII)
_MAX_CHARS = 2000


def gravity(text: str) -> tuple[float, str]:
    """Nats that the text's own words add, and why: `says error` or `says warning`, "" for none.

    Words that deny themselves (`0 errors`, `error=0`, `without error`) do not count, and those of a line that calls
    itself information count one grade less.
    """
    text = text[:_MAX_CHARS]
    if _ERROR.search(text) is None and _CRITICAL.search(text) is None and _WARNING.search(text) is None:
        return 0.0, ""
    text = _DENIED.sub(" ", text)
    informs = _INFORMS.search(text) is not None and _ALARMS.search(text) is None
    if _CRITICAL.search(text):
        return ERROR_NATS if informs else CRITICAL_NATS, "says error"
    if _ERROR.search(text):
        return (WARNING_NATS, "says warning") if informs else (ERROR_NATS, "says error")
    if _WARNING.search(text):
        return WARNING_NATS, "says warning"
    return 0.0, ""
