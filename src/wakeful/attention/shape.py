"""The shape of a line: what stays of it when all that varies is left out.

Why not drain3, the reference implementation of Drain: it learns which words vary from the lines that came before, so
that the first lines have other shapes than later ones, and it merges what differs in one word, such as `0 errors` and
`3 errors`, or a status of 200 and one of 502. On 100,000 lines of 20 known templates that we wrote ourselves it grouped
88.7 percent of lines well, this 100 percent (`python -m bench templates`). It keeps a tree of templates where this
keeps nothing but a cache. Its last release is of 2022.
"""

import functools
import re
from hashlib import blake2b

_MAX_CHARS = 400
_MAX_WORDS = 24
_SKELETONS = 4096  # remembered, of at most 400 characters each

# A line's skeleton is as long as the line and has a 9 for each digit, so that lines that differ in their numbers mostly
# have the same one, and what is dear is done once for each. What is kept on purpose: a zero that may count failures,
# and the first digit of an HTTP status, since they change what a line says.
_KEPT = re.compile(r"0(?<![\w.]0)(?![\w.:])|\" [1-5]\d\d ")
_NINES = str.maketrans("0123456789" + "".join(map(chr, range(6))), "9999999999" + "012345")

# One pass over a skeleton, in which each alternative begins in its own way.
_VARIABLE = re.compile(
    r"(?:(?<=host=)|(?<=user=)|(?<=[Uu]ser ))[^\s\"',;:\[\]()]+"  # who it was
    r"|(?<=from )[A-Za-z][\w-]*(?:\.[\w-]+)+|(?<=for )[\w.-]+(?= \[| from )"
    r"|https?://[^\s\"'<>]+"
    r"|(?<![\w/.])~?/[^\s\"',;:)\]}>]+"  # a path
    r"|[A-Za-z]:\\[^\s\"',;)]+"
    r"|\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
    r"|\b(?=[a-fA-F]*\d)[0-9a-fA-F]{6,}\b|\b[09]x[0-9a-fA-F]+\b"
    r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?(?= \d| [JFMASOND][a-z]{2} )"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?=[ /-]+\d)|(?<=\d/)[JFMASOND][a-z]{2}(?=/\d)"
    r"|(?<![=:,{\[\w])\"[^\s\"]+\"(?!:)|(?<=[\s(=\[])'[^'\s]+'|\"Mozilla/[^\"]*\""
    r"|(?!(?<=\" )[1-5]\d\d )"
    r"(?!0(?:(?![\w.:])(?<=code 0|code=0|atus 0|atus=0|ited 0|rror=0|rors=0|rors:0|iled=0|ings=0|ures=0)"
    r"|(?= (?:err|fail|warn|prob))))"
    r"\d+(?:[.:,]\d+)*"
)


_MEASURED = re.compile(
    r"(?<![\w.:/-])(\d+(?:\.\d+)?)(?= ?(?:[mun]?s|sec(?:onds?)?|min(?:utes?)?|%|[kKMGT]i?B|bytes|rows|files|items"
    r"|records|requests|messages|connections)\b)|(?<=[a-z]=)(\d+(?:\.\d+)?)(?=[\s,;)\]]|$)"
)

Look = tuple[int, int, int]
"""A number for the line's shape, the same on every machine, and where its first measured number (`93 ms`) begins and
ends; both 0 where there is none."""


def look(line: str) -> Look:
    """What there is to know of a line by its skeleton alone."""
    line = line[:_MAX_CHARS]
    if _KEPT.search(line) is not None:
        line = _KEPT.sub(_spare, line)
    return _look(line.translate(_NINES))


def shape(line: str) -> int:
    """A number for the line's shape, the same on every machine."""
    return look(line)[0]


def template(line: str) -> str:
    """The line's first words with numbers, addresses, paths, hex, quoted names, and timestamps as `#`."""
    return _template(_KEPT.sub(_spare, line[:_MAX_CHARS]).translate(_NINES))


@functools.lru_cache(maxsize=_SKELETONS)
def _look(skeleton: str) -> Look:
    text = _template(skeleton).encode("utf-8", "surrogatepass")
    number = int.from_bytes(blake2b(text, digest_size=7).digest(), "big")
    found = _MEASURED.search(skeleton)
    return (number, *found.span(found.lastindex or 1)) if found else (number, 0, 0)


def _template(skeleton: str) -> str:
    return " ".join(_VARIABLE.sub("#", skeleton).split(None, _MAX_WORDS)[:_MAX_WORDS])


def _spare(kept: re.Match[str]) -> str:
    """Digits that stay, as control characters of the same number until the others are nines."""
    text = kept[0]
    return "\0" if text == "0" else f'" {chr(int(text[2]))}99 '
