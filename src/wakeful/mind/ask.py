"""A person's question, answered from the journal."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from wakeful.context import TokenEstimate, cite, entry_line, question
from wakeful.events import Answer, Entry, Observation, Question
from wakeful.journal import Journal
from wakeful.memory import Recall
from wakeful.mind.prompt import ASK, prompt
from wakeful.mind.reading import read_out
from wakeful.mind.schema import AskReply, ask_schema
from wakeful.mind.thinker import Messages, OnText, Thinker

_NOTABLE = ("thought", "notification", "set_aside", "thought_failed", "answer")
_DAY_S = 86400.0
_MAX_ENTRIES = 40
_OF_EVER = 10
_RECENT_ENTRIES = 6  # newest observations, so that there is something to say about a machine where nothing happened

_AMOUNT = re.compile(r"\b(?:last|past)\s+(\d+)?\s*(minute|hour|day|week)s?\b", re.IGNORECASE)
_SINCE = re.compile(r"\bsince\s+(\d{1,2}):(\d{2})\b", re.IGNORECASE)
_UNIT_S = {"minute": 60.0, "hour": 3600.0, "day": _DAY_S, "week": 7 * _DAY_S}


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer with the entries that it used, as the journal holds them."""

    answer: Answer
    used: tuple[Entry, ...]


async def ask(
    text: str,
    journal: Journal,
    recall: Recall,
    thinker: Thinker,
    *,
    now_ns: Callable[[], int] = time.time_ns,
    on_text: OnText | None = None,
    keep: bool = True,
) -> Asked:
    """Answers a question from what the journal holds on it, and journals both.

    keep: False journals nothing: what another program asks is no word of the user
    Raises UnusableAnswer, JournalError, and every LMStudioError of the client.
    """
    asked = Question(at_ns=now_ns(), text=text)
    written, used = await answer_to(asked, journal, recall, thinker, now_ns=now_ns, on_text=on_text)
    if not keep:
        return Asked(answer=written, used=used)
    [stored] = await journal.append([asked])
    answer = replace(written, question=stored.seq)
    await journal.append([answer])
    return Asked(answer=answer, used=used)


async def answer_to(
    asked: Question,
    journal: Journal,
    recall: Recall,
    thinker: Thinker,
    *,
    now_ns: Callable[[], int] = time.time_ns,
    on_text: OnText | None = None,
    since_ns: int | None = None,
) -> tuple[Answer, tuple[Entry, ...]]:
    """The answer, which does not know its question's number yet, and the entries that it used; nothing is journaled.

    since_ns: from when on the journal is looked at; else as the question's words say
    Raises UnusableAnswer, JournalError, and every LMStudioError of the client.
    """
    named_ns = since(asked.text, asked.at_ns, else_ns=0) if since_ns is None else since_ns
    entries = await _entries(asked, journal, recall, named_ns)
    if thinker.facts.pilot:
        text, used, results = await read_out(asked.text, entries, thinker, asked.at_ns)
        model = results[-1].model if results else ""
        return _answer(now_ns(), text, used, model or thinker.facts.name, pilot=True), used
    rules = prompt(ASK)
    entries, messages = await _laid_out(asked.text, entries, rules, thinker, asked.at_ns)
    schema = ask_schema([cite(entry.seq) for entry in entries])
    answered = await thinker.ask(messages, AskReply, schema, on_text=on_text)
    offered = {entry.seq: entry for entry in entries}
    cited = dict.fromkeys(int(each.removeprefix("#")) for each in answered.value.evidence)
    used = tuple(offered[seq] for seq in cited if seq in offered)
    model = answered.results[-1].model or thinker.facts.name
    return _answer(now_ns(), answered.value.answer, used, model), used


def _answer(at_ns: int, text: str, used: Sequence[Entry], model: str, *, pilot: bool = False) -> Answer:
    return Answer(
        at_ns=at_ns, question=0, text=text, evidence=tuple(entry.seq for entry in used), model=model, pilot=pilot
    )


def since(text: str, now_ns: int, *, else_ns: int | None = None) -> int:
    """From when on a question asks: `last hour`, `past 3 days`, `since 03:00`, `today`, `last night`.

    else_ns: where it does not say; None for a day ago
    """
    now = datetime.fromtimestamp(now_ns / 1e9).astimezone()
    lower = text.lower()
    if found := _AMOUNT.search(text):
        return now_ns - int(int(found[1] or 1) * _UNIT_S[found[2].lower()] * 1e9)
    if (found := _SINCE.search(text)) and int(found[1]) < 24 and int(found[2]) < 60:
        at = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
        return _ns(at if at <= now else at - timedelta(days=1))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if "yesterday" in lower:
        return _ns(midnight - timedelta(days=1))
    if "night" in lower:
        return _ns(midnight - timedelta(hours=4))
    if "today" in lower:
        return _ns(midnight)
    return now_ns - int(_DAY_S * 1e9) if else_ns is None else else_ns


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1e9)


async def _entries(asked: Question, journal: Journal, recall: Recall, named_ns: int) -> list[Entry]:
    """What may hold the answer, most useful first: what matches its words, what was thought, what was seen last.

    named_ns: from when on; 0 where the question names no time: then it is the last day, and what matches best of ever
    """
    begin = named_ns or asked.at_ns - int(_DAY_S * 1e9)
    found = [] if named_ns else await recall.about(asked, limit=_OF_EVER)
    found += await recall.about(asked, limit=_MAX_ENTRIES, since_ns=begin)
    found += await journal.read(kinds=_NOTABLE, since_ns=begin, limit=_MAX_ENTRIES, newest_first=True)
    found += await journal.read(kinds=("observation",), since_ns=begin, limit=_RECENT_ENTRIES, newest_first=True)
    unique = {entry.seq: entry for entry in found}
    told = {getattr(entry.event, "cycle", "") for entry in found if entry.event.__struct_config__.tag == "thought"}
    return [
        entry
        for entry in unique.values()
        if not (entry.event.__struct_config__.tag == "notification" and getattr(entry.event, "key", "") in told)
    ]


async def _laid_out(
    text: str, entries: list[Entry], rules: str, thinker: Thinker, now_ns: int
) -> tuple[list[Entry], Messages]:
    """A prompt that fits by the model's own count, where it can be asked, and the entries that it shows."""
    estimate = TokenEstimate()
    limit = thinker.facts.context_tokens - thinker.answer_tokens
    room = limit - estimate.message_tokens(rules)
    while True:
        fitting = _that_fit(text, entries, estimate, room, now_ns)
        messages: Messages = [("system", rules), ("user", question(text, fitting, now_ns=now_ns))]
        tokens = await thinker.count(messages)
        if tokens is None or tokens <= limit or not fitting:
            return fitting, messages
        room -= max(tokens - limit, room // 8)


def _that_fit(text: str, entries: list[Entry], estimate: TokenEstimate, room: int, now_ns: int) -> list[Entry]:
    """As many entries as the prompt may hold, in the order in which they happened; a line is told once."""
    room -= estimate.message_tokens(question(text, [], now_ns=now_ns))
    fitting: list[Entry] = []
    lines: set[str] = set()
    for entry in entries:
        line = entry_line(entry)
        told = entry.event.body if isinstance(entry.event, Observation) else line
        tokens = estimate.tokens(line)
        if told in lines or tokens > room or len(fitting) >= _MAX_ENTRIES:
            continue
        lines.add(told)
        room -= tokens
        fitting.append(entry)
    return sorted(fitting, key=lambda entry: entry.seq)
