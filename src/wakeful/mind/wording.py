"""Which words may the pilot model use? Those that it was taught, and those that stand before it.

A model of a few million parameters that copies a long name drops a syllable now and then. Held to a pattern of whole
words it can't: once it has begun a name, only the rest of a name that was shown can follow. (An input-dependent
grammar: Geng and others, Grammar-Constrained Decoding for Structured NLP Tasks without Finetuning, 2023,
https://arxiv.org/abs/2305.13971.)
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

_ATOM = re.compile(r"""[^\s"\\'()\[\]{}<>,;=|]+""")
_ADDRESS = re.compile(r"[\w.-]*[A-Za-z.][\w.-]*:\d{2,5}")
"""A host and its port, which make one name."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LAST = re.compile(r"/dev/([\w-]+)|\.(\w+(?:Error|Exception))\b")
"""What is called by the last part of its name: `sda` of `/dev/sda`, `IOError` of `java.io.IOError`."""
_CLOCK = re.compile(r"\b\d\d:\d\d(?=:\d\d\b)")
_ENDS = ".,:;"
_LONGEST = 100
"""Bytes of a word: what is longer is no name, and a thought made of such would not end."""
_MEANT = re.compile(r"[\^$.\[\]()|{}*+?]")
"""What a pattern would take for something else than itself."""


@cache
def taught() -> frozenset[str]:
    """The words of the sentences that the pilot was trained to say; `training/pilot/vocabulary.py` writes them."""
    return frozenset(files("wakeful.mind").joinpath("pilot_words.txt").read_text(encoding="utf-8").split())


def words(shown: str) -> set[str]:
    """The words of `shown`, with what stands around them and without: `"msg":"lost` is `msg` and `lost` as well.

    Quotes and backslashes are left out, as in what the model says.
    """
    found = set(shown.replace('"', "").replace("\\", "").split())
    for token in re.split(r'[\s"\\]+', shown):
        found.add(token)
        for atom in _ATOM.findall(token):
            name = atom.strip(":!?*#.")
            found.update((atom, name, *(() if _ADDRESS.fullmatch(name) else name.split(":"))))
            found.update(_NUMBER.findall(name)[:4])
    found.update(_CLOCK.findall(shown))
    found.update("".join(either) for either in _LAST.findall(shown))
    found |= {each.rstrip(_ENDS) for each in found}
    return {each for each in found if 0 < len(each.encode(errors="replace")) <= _LONGEST and each.isprintable()}


def word(allowed: Iterable[str]) -> str:
    """A regular expression of any of the words `allowed`: a tree of their common beginnings, so there are few ways on.

    Of literals and groups only: what llama.cpp's JSON Schema grammars understand.
    """
    return _any_of(sorted(set(allowed) - {""}))


def text(word: str, most: int) -> dict[str, Any]:
    """JSON Schema of at most `most` of what `word` matches, with single spaces and punctuation between them."""
    return {"type": "string", "pattern": f"^(({word}[,.:;]? ){{0,{most - 1}}}{word}[.]?)?$"}


def _any_of(ordered: list[str]) -> str:
    begun: dict[str, list[str]] = {}
    for each in filter(None, ordered):
        begun.setdefault(each[0], []).append(each[1:])
    ways: list[str] = []
    for first, rests in begun.items():
        head = [first]
        while len({rest[:1] for rest in rests}) == 1 and rests[0]:  # all go on alike
            head.append(rests[0][0])
            rests = [rest[1:] for rest in rests]
        literal = "".join(_MEANT.sub(r"\\\g<0>", each) for each in head)
        ways.append(literal + (_any_of(rests) + ("?" if "" in rests else "") if any(rests) else ""))
    return f"({'|'.join(ways)})"
