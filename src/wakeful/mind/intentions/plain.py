"""Intentions in plain words: `watch for …`, `every Friday …`, `remind me …`. What they mean is decided by rules, not by
a model, so that the same words always mean the same, and a person can be told what was understood."""

import re
from collections.abc import Iterable
from datetime import datetime

from wakeful.attention import stem
from wakeful.events import Claim, Comparison, Intention, Observation, WakefulError
from wakeful.mind.intentions.times import find_moment, find_schedule

_REMIND = re.compile(r"^(?:please +)?remind me\b *", re.IGNORECASE)
_WATCH = re.compile(
    r"^(?:please +)?(?:watch(?: out)?(?: for)?|look out for"
    r"|(?:tell me|let me know|alert me|notify me|warn me)(?: +(?:when|if|about|of))) +(?:when +|if +)?",
    re.IGNORECASE,
)
_LEADS = re.compile(r"^(?:to|that|about|of|me)\b *", re.IGNORECASE)
_COMPARED = re.compile(
    r"^(?P<metric>.+?) +(?:(?:is|are|goes|rises|gets|climbs|falls|drops|stays) +)?"
    r"(?P<how>above|over|more than|below|under|less than|>|<) +(?P<value>-?\d+(?:\.\d+)?) *(?:%|percent|c|gb|mb)?"
    r"(?: +(?:in|of|on) +(?P<source>\S+))?$",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'"([^"]+)"')
_SOURCE = re.compile(r" +in +(?P<source>\S+)$", re.IGNORECASE)
_ABOVE = ("above", "over", "more than", ">")
_LITTLE = frozenset(
    [
        *("a", "an", "the", "any", "some", "that", "this", "there", "my", "new", "anything", "something"),
        *("of", "in", "on", "for", "from", "to", "is", "are", "was", "were", "has", "have", "when", "if"),
    ]
)
_HELP = (
    'Say it as one of: "watch for failed backups", "watch cpu above 90", "every friday at 17:00 report the week", '
    '"every day at 8 remind me to look at the backups", "remind me tomorrow at 9 to renew the certificate".'
)


class NotUnderstood(WakefulError):
    """An intention's words have no meaning that a program could act on."""

    def __init__(self, message: str, hint: str = _HELP) -> None:
        super().__init__(message, hint=hint)


def understood(text: str, key: str, *, now_ns: int, known: Iterable[Observation]) -> Intention:
    """The intention that a sentence states.

    key: its name; known: recent observations, by which metrics and sources are known
    Raises NotUnderstood, which says what could be said instead.
    """
    said = " ".join(text.split()).rstrip(".!")
    now = datetime.fromtimestamp(now_ns / 1e9)
    try:
        schedule = find_schedule(said)
        if schedule is not None:
            cron, rest = schedule
            told = _told(_REMIND.sub("", rest))
            return Intention(
                at_ns=now_ns, key=key, text=said, form="schedule", told=told, cron=cron, asks=not _REMIND.match(rest)
            )
        if _REMIND.match(said):
            moment = find_moment(said, now)
            if moment is None:
                raise NotUnderstood("It is not said when to remind you.")
            when, rest = moment
            told = _told(_REMIND.sub("", rest))
            due_ns = int(when.timestamp() * 1e9)
            return Intention(at_ns=now_ns, key=key, text=said, form="remind", told=told, due_ns=due_ns)
    except (ValueError, OverflowError) as error:
        raise NotUnderstood(f"That time can't be meant: {error}.") from error
    if found := _WATCH.match(said):
        what = said[found.end() :]
        claim = _compared(what, list(known)) or _matched(what, list(known))
        return Intention(at_ns=now_ns, key=key, text=said, form="watch", told=what, claim=claim)
    raise NotUnderstood("That is not understood as an intention.")


def _told(rest: str) -> str:
    told = _LEADS.sub("", rest.strip(" ,:;")).strip(" ,:;")
    if not told:
        raise NotUnderstood("It is not said what for.")
    return told


def _compared(what: str, known: list[Observation]) -> Claim | None:
    """`cpu above 90`: the one metric whose name holds all the words."""
    found = _COMPARED.match(what)
    if found is None:
        return None
    words = found["metric"].casefold().split()
    source = found["source"] or ""
    metrics = {
        (each.source, each.subject, name)
        for each in known
        if source in ("", each.source, each.subject)
        for name in each.values
        if all(
            word in f"{name} {each.subject}".casefold().replace("_", " ").replace(":", " ").split() for word in words
        )
    }
    exact = {each for each in metrics if each[2].casefold().replace("_percent", "") == "_".join(words)} or metrics
    if len(exact) != 1:
        names = ", ".join(sorted(f"{name} of {of} {subject}".strip() for of, subject, name in metrics)[:8])
        raise NotUnderstood(
            f"{found['metric']!r} could be several metrics: {names}."
            if metrics
            else f"No metric is called so: {words}.",
            hint="Name it as `wakeful journal -s metrics --json` shows it.",
        )
    [(of, subject, metric)] = exact
    comparison: Comparison = ">" if found["how"].lower() in _ABOVE else "<"
    return Claim(
        form="reaches", source=of, subject=subject, metric=metric, comparison=comparison, value=float(found["value"])
    )


def _matched(what: str, known: list[Observation]) -> Claim:
    """`failed backups in journald`: a line that holds the stems of all words, or what stands in quotes."""
    source = ""
    sources = {each.source for each in known}
    if (found := _SOURCE.search(what)) and found["source"] in sources:
        source, what = found["source"], what[: found.start()]
    quoted = _QUOTED.findall(what)
    words = (word.strip(".:") for word in re.findall(r"[\w./:@-]+", what.casefold()))
    meant = " ".join(quoted).split() if quoted else [stem(word) for word in words if word and word not in _LITTLE]
    if not meant:
        raise NotUnderstood("It is not said what to watch for.")
    return Claim(form="comes", source=source, text=" ".join(meant))
