"""The text in which Prometheus exporters speak, read line by line.

Formats: Prometheus text 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/, and OpenMetrics 1.0,
https://prometheus.io/docs/specs/om/open_metrics_spec/. What both allow is read; what neither allows is counted.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LABEL = re.compile(rf"\s*(?:([a-zA-Z_][a-zA-Z0-9_]*)|{_QUOTED})\s*=\s*{_QUOTED}\s*(,|(?=\}}))")
_QUOTED_NAME = re.compile(rf"\s*{_QUOTED}\s*(,|(?=\}}))")
_ESCAPE = re.compile(r"\\(.)")
_PARTS = ("_bucket", "_count", "_sum", "_created", "_total", "_info")

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order of the names."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line. kind: of its family, as announced: `counter`, `gauge`, `histogram`, `summary`, …; "" where it is not"""

    name: str
    labels: Labels
    value: float
    kind: str = ""


@dataclass(slots=True)
class Exposition:
    """What an exporter said. unread: lines that are none of the format; other: samples that nobody wanted."""

    samples: list[Sample] = field(default_factory=list[Sample])
    unread: int = 0
    other: int = 0


def parse(text: str, wanted: Callable[[str], bool] = lambda _: True) -> Exposition:
    """All samples whose name is wanted, in their order; what comes after `# EOF` is passed over."""
    told = Exposition()
    kinds: dict[str, str] = {}
    for line in text.split("\n"):
        line = line.strip()
        if not line:
            continue
        if line.startswith("#"):
            words = line.split(None, 3)
            if len(words) == 4 and words[1] == "TYPE":
                kinds[words[2]] = words[3].strip().lower()
            elif words[1:] == ["EOF"]:
                break
            continue
        name = _NAME.match(line)
        if name is not None and not wanted(name[0]):
            told.other += 1
            continue
        try:
            sample = _sample(line, name[0] if name else "", name.end() if name else 0, kinds)
        except ValueError:
            told.unread += 1
            continue
        if wanted(sample.name):
            told.samples.append(sample)
        else:
            told.other += 1
    return told


def family(name: str) -> str:
    """The family that a sample of several belongs to: `x` of `x_bucket`."""
    for part in _PARTS:
        if name.endswith(part):
            return name.removesuffix(part)
    return name


def _sample(line: str, name: str, at: int, kinds: dict[str, str]) -> Sample:
    labels: Labels = ()
    if line[at : at + 1] == "{":
        name, labels, at = _labels(line, name, at + 1)
    if not name:
        raise ValueError("no name")
    values = line[at:].split("#", 1)[0].split()  # after a # comes an exemplar
    if not 1 <= len(values) <= 2 or (line[at : at + 1] not in (" ", "\t")):
        raise ValueError("no value")
    return Sample(name, labels, _number(values[0]), kinds.get(name) or kinds.get(family(name), ""))


def _labels(line: str, name: str, at: int) -> tuple[str, Labels, int]:
    labels: list[tuple[str, str]] = []
    if not name and (quoted := _QUOTED_NAME.match(line, at)):  # a name of any characters stands among the labels
        name, at = _plain(quoted[1]), quoted.end()
    while True:
        while line[at : at + 1] in (" ", "\t"):
            at += 1
        if line[at : at + 1] == "}":
            return name, tuple(sorted(labels)), at + 1
        label = _LABEL.match(line, at)
        if label is None:
            raise ValueError("no label")
        labels.append((label[1] or _plain(label[2]), _plain(label[3])))
        at = label.end()


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], text) if "\\" in text else text


def _number(text: str) -> float:
    if "_" in text:  # Python takes 1_000 for a number
        raise ValueError("no number")
    return float(text)
