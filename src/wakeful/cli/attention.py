"""`wakeful attention …`: what the gate would make of a file, what it made of an observation, and what else it might."""

from pathlib import Path
from typing import Annotated

import typer

from wakeful.cli.exits import guarded

app = typer.Typer(
    no_args_is_help=True, help="See what the gate does: explain one score, replay the journal, score a file."
)

PlotOption = Annotated[
    Path | None, typer.Option("--plot", help="Also draw it into this file, such as out.png (needs wakeful[plot]).")
]


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="A CSV file of numbers over time, or a log file.")],
    time: Annotated[str, typer.Option(help="The CSV column with the times.")] = "timestamp",
    value: Annotated[str, typer.Option(help="The CSV column with the values.")] = "value",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write here instead of on the screen.")] = None,
    plot: PlotOption = None,
) -> None:
    """Score every row of a file, each by the rows before it alone.

    Writes CSV: the time, the value (or the line), the surprise in nats, and a score in [0, 1]. From 0.9995 on a row
    deserves a look.
    """

    def command() -> None:
        from wakeful.cli.score import score_file

        score_file(file, time=time, value=value, out=out, plot=plot)

    guarded(command)
