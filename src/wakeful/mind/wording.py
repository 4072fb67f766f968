"""Which words may the pilot model use? Those that it was taught, and those that stand before it.

A model of a few million parameters that copies a long name drops a syllable now and then. Held to a pattern of whole
words it can't: once it has begun a name, only the rest of a name that was shown can follow. Where it quotes, it can't
leave the line once it has begun. (An input-dependent grammar: Geng and others, Grammar-Constrained Decoding for
Structured NLP Tasks without Finetuning, 2023, https://arxiv.org/abs/2305.13971.)
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

_ATOM = re.compile(r"""[^\s"\\'()\[\]{}<>,;=|]+""")
_ADDRESS = re.compile(r"[\w.-]*[A-Za-z.][\w.-]*:\d{2,5}")
"""A host and its port, which make one name."""
_NUMBER = re.compile(r"(?<![A-Za-z_])\d+(?:\.\d+)?")
_LAST = re.compile(r"/dev/([\w-]+)|\.(\w+(?:Error|Exception))\b")
"""What is called by the last part of its name: `sda` of `/dev/sda`, `IOError` of `java.io.IOError`."""
_CLOCK = re.compile(r"\b\d\d:\d\d(?=:\d\d\b)")
_ENDS = ".,:;"
_LONGEST = 100
"""Bytes of a word: what is longer is no name, and a thought made of such would not end."""
_SEEN = re.compile(r"#\d+ \d\d:\d\d:\d\d (\S+: .*)")
"""An observation in a moment: its source and its text."""
_OPENING, _CLOSING = "[({<'", ".,:;])}>'"
"""What a quotation may begin behind, or end before."""
_NO_BEGINNING = _CLOSING + "{"
_MOST_PIECES, _MOST_BYTES = 40, 300
"""Of a quotation."""
_LARGE_CHARS = 2000
"""Of a pattern: what is optional and no rule of its own may have 2,000 parts in llama.cpp."""
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


def observed(shown: str) -> list[str]:
    """The observations of the moment `shown`, from their source on; not what else stands there: memories, the clock."""
    return [seen[1] for line in shown.splitlines() if (seen := _SEEN.match(line))]


def word(allowed: Iterable[str]) -> str:
    """A regular expression of any of the words `allowed`: a tree of their common beginnings, so there are few ways on.

    Of literals and groups only: what llama.cpp's JSON Schema grammars understand.
    """
    return _any_of([each] for each in sorted(set(allowed) - {""}))


def quotation(shown: str) -> str:
    """A regular expression of any stretch of an observation in the moment `shown`, "" where it shows none."""
    lines = [line.partition(": ")[2] for line in observed(shown)]
    runs = [run for line in lines for part in line.split(" | ") for run in _runs(part)]
    begun = [run[at:] for run in runs for at, piece in enumerate(run) if piece.strip() not in _NO_BEGINNING]
    return _any_of(map(_stretch, begun))


def text(word: str, most: int, quoted: str = "") -> dict[str, Any]:
    """JSON Schema of at most `most` of what `word` matches, with single spaces and punctuation between them.

    quoted: what may follow after a colon
    """
    also = f"(: {_named(quoted)})?" if quoted else ""
    said = f"({_named(word)}[,.:;]? ){{0,{most - 1}}}{_named(word)}{also}[.]?"
    return {"type": "string", "pattern": f"^({said})?$"}


def _named(group: str) -> str:
    """A group in a form that llama.cpp makes a rule of, once, however often it occurs."""
    return group + "{1,1}" if group else ""


def _runs(line: str) -> list[list[str]]:
    """A line in pieces between which a quotation may begin or end, each with the space before it.

    Quotes and backslashes are left out, as in what the model says; at what is no word it is parted.
    """
    runs: list[list[str]] = [[]]
    for token in line.split():
        space = " "
        for part in re.split(r'["\\]+', token):
            name = part.lstrip(_OPENING)
            opening, name = part[: len(part) - len(name)], name.rstrip(_CLOSING)
            for piece in (*opening, name, *part[len(opening) + len(name) :]):
                if not piece:
                    continue
                if len(piece.encode(errors="replace")) > _LONGEST or not piece.isprintable():
                    runs.append([])
                    continue
                runs[-1].append(space + piece)
                space = ""
    return runs


def _stretch(run: list[str]) -> list[str]:
    """The beginning of a run that is short enough to be said."""
    taken = [run[0].lstrip()]
    size = len(taken[0].encode(errors="replace"))
    for piece in run[1:_MOST_PIECES]:
        size += len(piece.encode(errors="replace"))
        if size > _MOST_BYTES:
            break
        taken.append(piece)
    return taken


def _any_of(allowed: Iterable[list[str]]) -> str:
    """A regular expression of each of the texts, which come in pieces: it may end after any piece."""
    root: _Node = {}
    for pieces in allowed:
        node = root
        for piece in pieces:
            for letter in piece:
                node = node.setdefault(letter, {})
            node[_END] = {}
    return _ways(root)


_Node = dict[str, "_Node"]
"""What may come next, by letter; `_END`: nothing."""
_END = ""


def _ways(node: _Node) -> str:
    ways: list[str] = []
    for first, rest in node.items():
        if first == _END:
            continue
        head = [first]
        while len(rest) == 1 and _END not in rest:  # all go on alike
            ((letter, rest),) = rest.items()
            head.append(letter)
        literal = "".join(_MEANT.sub(r"\\\g<0>", each) for each in head)
        on = _ways(rest)
        optional = "" if not on or _END not in rest else "?" if len(on) < _LARGE_CHARS else "{0,1}"
        ways.append(literal + on + optional)
    return f"({'|'.join(ways)})" if ways else ""
