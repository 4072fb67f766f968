"""`wakeful attention …`: what the gate would make of a file, what it made of an observation, and what else it might."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from wakeful.attention import AttentionSettings
from wakeful.cli.exits import guarded
from wakeful.cli.options import ConfigOption, HomeOption
from wakeful.cli.times import when

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


@app.command()
def explain(
    seq: Annotated[int, typer.Argument(help="Number of an observation, as `wakeful journal` shows it.")],
    plot: PlotOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Say why an observation woke the mind, or did not."""

    def command() -> int:
        from wakeful.cli.replay import explain_observation

        return asyncio.run(explain_observation(*_opened(config, home), seq, plot=plot))

    guarded(command)


@app.command()
def replay(
    config: ConfigOption = None,
    home: HomeOption = None,
    thoughts_per_hour: Annotated[float | None, typer.Option(min=0.01, help="Another budget.")] = None,
    threshold: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Another salience that wakes.")] = None,
    critical: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Another salience that always wakes.")
    ] = None,
    interest: Annotated[list[str] | None, typer.Option(help="A standing interest; may be given often.")] = None,
    since: Annotated[str | None, typer.Option(help="Only from then on: 2h, 3d, 2026-01-31.")] = None,
    plot: PlotOption = None,
) -> None:
    """Run the gate over the journal again with other settings: how often would it have woken, what would it miss?"""

    def command() -> None:
        from wakeful.cli.replay import replay_journal

        file, settings = _opened(config, home)
        given = {"thoughts_per_hour": thoughts_per_hour, "threshold": threshold, "critical": critical}
        changed: dict[str, Any] = {name: number for name, number in given.items() if number is not None}
        if interest:
            changed["interests"] = tuple(interest)
        asyncio.run(replay_journal(file, settings, changed, since_ns=when(since) if since else None, plot=plot))

    guarded(command)


def _opened(config: Path | None, home: Path | None) -> tuple[Path, AttentionSettings]:
    from wakeful.cli.home import home_folder, journal_file
    from wakeful.config import load

    settings = load(config, flags={"journal.home": str(home)} if home else {}).settings
    wanted = settings.attention
    attention = AttentionSettings(
        thoughts_per_hour=wanted.thoughts_per_hour,
        tokens_per_hour=wanted.tokens_per_hour,
        busy_share=wanted.busy_share,
        interests=tuple(wanted.interests),
    )
    return journal_file(home_folder(settings)), attention
