"""What stands for texts that left the prompt: a summary by the model, checked, or sentences taken from them."""

import math
import re
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

TextCounter = Callable[[str], int]
"""Gives the tokens of a text."""

Write = Callable[[str, int], Awaitable[str]]
"""Asks a model to summarise a text in at most so many tokens. May raise whatever the model's client raises."""

_SENTENCE = re.compile(r"[^\n.!?。！？]*(?:[.!?。！？](?!\s|$)[^\n.!?。！？]*)*[.!?。！？]?", re.UNICODE)
_WORD = re.compile(r"\w[\w.:/@-]*\w|\w", re.UNICODE)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"(?<![.!?。！？]\s)(?<!^)(?<![\w/.-])(?:[A-Z][\w-]+|[\w.-]*(?:/[\w.-]+)+|\w+(?:[.@:_-]\w+)+)")
_MAX_SENTENCES = 2000
_FACTS = re.compile(r"[\d/@]")
_FACT = 2.0
_EDGE = 1.2  # how much more the first and the last sentence are worth: they say what it was about, and how it ended


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands for texts. by_model: whether a model wrote it; else it is sentences taken from them."""

    text: str
    by_model: bool = False


def extract(text: str, max_tokens: int, count: TextCounter) -> str:
    """The sentences of `text` that say most, in their order, at most `max_tokens` in all; "" where none fits.

    A sentence is worth the rarity of its words within the text (their information, in nats), by the root of how many
    there are; numbers, paths and addresses count double, what stands first or last a little more. What was said
    before is not said again.
    """
    sentences = [each.strip() for each in _SENTENCE.findall(text) if each.strip()][-_MAX_SENTENCES:]
    said = Tally(word.casefold() for each in sentences for word in set(_WORD.findall(each)))
    worth: dict[int, float] = {}
    known: set[str] = set()
    for at, sentence in enumerate(sentences):
        words = {word.casefold() for word in _WORD.findall(sentence)}
        if not words or sentence.casefold() in known:
            continue
        known.add(sentence.casefold())
        rarity = sum(math.log((1 + len(sentences)) / said[word]) * _FACT ** bool(_FACTS.search(word)) for word in words)
        worth[at] = (rarity + 0.1) / math.sqrt(len(words)) * (_EDGE if at in (0, len(sentences) - 1) else 1.0)
    chosen: set[int] = set()
    tokens = 0
    for at in sorted(worth, key=lambda each: (-worth[each], each)):
        needed = count(sentences[at]) + 1
        if tokens + needed <= max_tokens:
            chosen.add(at)
            tokens += needed
    kept = [sentences[at] for at in sorted(chosen)]
    while kept and count("\n".join(kept)) > max_tokens:  # a counter need not be additive
        kept.pop()
    return "\n".join(kept)


def faults(summary: str, source: str, count: TextCounter) -> list[str]:
    """What is wrong with a model's summary of `source`: longer than it, or with numbers or names that are not in it."""
    if not summary.strip():
        return ["it is empty"]
    wrong: list[str] = []
    if count(summary) >= count(source):
        wrong.append("it is not shorter than what it stands for")
    there = source.casefold()
    numbers = set(_NUMBER.findall(source))
    wrong += [f"the number {each} is not in the source" for each in _new(_NUMBER, summary) if each not in numbers]
    wrong += [
        f"the name {each!r} is not in the source" for each in _new(_NAME, summary) if each.casefold() not in there
    ]
    return wrong


async def summarise(
    texts: Sequence[str], max_tokens: int, count: TextCounter, write: Write | None = None, *, tries: int = 2
) -> Summary:
    """What stands for `texts`, at most `max_tokens` long.

    write: asks the model; a summary with faults is asked for again, at most `tries` times in all. Without a model, or
    where none of its summaries stands the check, sentences are taken from the texts.
    """
    source = "\n".join(each for each in texts if each.strip())
    if count(source) <= max_tokens:
        return Summary(source)
    if write is not None:
        for _ in range(tries):
            text = (await write(source, max_tokens)).strip()
            if count(text) <= max_tokens and not faults(text, source, count):
                return Summary(text, by_model=True)
    return Summary(extract(source, max_tokens, count))


def _new(pattern: re.Pattern[str], text: str) -> list[str]:
    return list(dict.fromkeys(pattern.findall(text)))
