"""`wakeful attention score`: a file in, its scores out, as CSV."""

import csv
import itertools
import math
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import typer

from wakeful.attention import ALARM, score_lines, score_numbers
from wakeful.cli.plot import plot_scores

if TYPE_CHECKING:
    from _csv import Writer

_TABLES = (".csv", ".tsv")


def score_file(file: Path, *, time: str, value: str, out: Path | None, plot: Path | None) -> None:
    """Writes one row per row or line of `file`. Raises typer.BadParameter where it can't be read."""
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {file}")
    with _output(out) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if file.suffix.lower() in _TABLES:
            _numbers(file, time, value, writer, plot)
        else:
            _lines(file, writer, plot)


def _numbers(file: Path, time: str, value: str, writer: "Writer", plot: Path | None) -> None:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
        columns = reader.fieldnames or []
        for wanted in (time, value):
            if wanted not in columns:
                raise typer.BadParameter(f"{file} has no column {wanted!r}; there are: {', '.join(columns) or 'none'}")
        said: list[tuple[str, str]] = []

        def rows() -> Iterator[tuple[float, float]]:
            for row in reader:
                said.append((row[time] or "", row[value] or ""))
                yield _seconds(row[time] or "", file, reader.line_num), _number(row[value] or "")

        writer.writerow((time, value, "surprise_nats", "score"))
        drawn: list[tuple[float, float, float]] = []
        for scored in score_numbers(rows()):
            at, number = said.pop()
            writer.writerow((at, number, f"{scored.surprise_nats:.4f}", f"{scored.score:.12g}"))
            if plot is not None:
                drawn.append((_seconds(at, file, reader.line_num), _number(number), scored.score))
    if plot is not None:
        plot_scores(plot, drawn, title=f"{file.name}: {value}", alarm=ALARM)


def _lines(file: Path, writer: "Writer", plot: Path | None) -> None:
    drawn: list[tuple[float, float, float]] = []
    writer.writerow(("line", "text", "surprise_nats", "score"))
    with file.open(encoding="utf-8", errors="replace", newline="\n") as stream:
        lines, scored_lines = itertools.tee(line.rstrip("\r\n") for line in stream)
        for number, (line, scored) in enumerate(zip(lines, score_lines(scored_lines), strict=True), 1):
            writer.writerow((number, line, f"{scored.surprise_nats:.4f}", f"{scored.score:.12g}"))
            if plot is not None:
                drawn.append((float(number), scored.surprise_nats, scored.score))
    if plot is not None:
        plot_scores(plot, drawn, title=f"{file.name}: surprise of each line, nats", alarm=ALARM, dates=False)


@contextmanager
def _output(out: Path | None) -> Generator[IO[str]]:
    if out is None:
        yield sys.stdout
        return
    with out.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def _seconds(text: str, file: Path, line: int) -> float:
    """Seconds since the epoch; a time without a zone is taken as UTC, so that the result is the same everywhere."""
    text = text.strip()
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{file}, line {line}: {text!r} is no time; say 2026-01-31 03:15:00 or seconds"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
