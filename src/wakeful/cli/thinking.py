"""The commands that look into the mind, and tell it what to keep in mind."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from wakeful.cli.exits import guarded
from wakeful.cli.options import ConfigOption, HomeOption
from wakeful.cli.times import when

app = typer.Typer()


@app.command()
def predictions(
    config: ConfigOption = None,
    home: HomeOption = None,
    since: Annotated[str | None, typer.Option(help="From then on: 2h, 3d, 03:15, 2026-01-31T03:15.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many of the newest are listed.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List what was predicted and how it turned out, with calibration and skill."""

    def command() -> None:
        from wakeful.cli.predictions import show_predictions

        since_ns = when(since) if since else None
        asyncio.run(show_predictions(_journal(config, home), since_ns=since_ns, limit=limit, as_json=json))

    guarded(command)


@app.command()
def intend(
    text: Annotated[str, typer.Argument(help='Such as "watch for failed backups", "every friday at 17 report …".')],
    config: ConfigOption = None,
    home: HomeOption = None,
    edit: Annotated[str, typer.Option("--edit", help="Put it in the place of this one, such as i3.")] = "",
    test: Annotated[
        bool, typer.Option("--test", help="Only say what it means, and what it would have matched in the journal.")
    ] = False,
    since: Annotated[str, typer.Option(help="From when on --test looks: 2h, 3d, 03:15.")] = "7d",
) -> None:
    """Ask to be told of something: "watch for …", "every friday …", "remind me …"."""

    def command() -> None:
        from wakeful.cli.intentions import intend

        asyncio.run(intend(_journal(config, home), text, key=edit, test=test, since_ns=when(since)))

    guarded(command)


@app.command()
def intentions(
    config: ConfigOption = None,
    home: HomeOption = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="Take this one back; may be repeated.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List what is kept in mind for you, and how often it was met."""

    def command() -> None:
        from wakeful.cli.intentions import list_intentions

        asyncio.run(list_intentions(_journal(config, home), remove=remove or (), as_json=json))

    guarded(command)


@app.command()
def why(
    seq: Annotated[int, typer.Argument(help="Number of a notification, thought, prediction, answer, …")],
    config: ConfigOption = None,
    home: HomeOption = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Walk from something that was said back to the raw lines that it rests on."""

    def command() -> None:
        from wakeful.cli.why import show_why

        asyncio.run(show_why(_journal(config, home), seq, as_json=json))

    guarded(command)


@app.command()
def replay(
    config: ConfigOption = None,
    home: HomeOption = None,
    begin: Annotated[str, typer.Option("--from", help="From then on: 2h, 3d, 03:15, 2026-01-31T03:15.")] = "1d",
    end: Annotated[str, typer.Option("--to", help="Up to then, in the same forms.")] = "0s",
    model: Annotated[
        str, typer.Option(help="The model of LM Studio to try, or a GGUF file for the built-in engine.")
    ] = "",
    stance: Annotated[str, typer.Option(help="base, fep, metacognitive or structured.")] = "",
    prompt: Annotated[str, typer.Option(help="A file with a prompt of your own.")] = "",
    thoughts_per_hour: Annotated[float, typer.Option(min=0, help="Another budget, 0 for that of the settings.")] = 0,
    keep: Annotated[Path | None, typer.Option(help="Keep the audition's journal in this folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Let another model, prompt or budget think about the same observations, and compare (an audition)."""

    def command() -> None:
        from wakeful.cli.audition import Changes, replay_period

        changes = Changes(model=model, stance=stance, prompt=prompt, thoughts_per_hour=thoughts_per_hour)
        settings = changes.applied(config, home)
        asyncio.run(replay_period(settings, since_ns=when(begin), until_ns=when(end), keep=keep, as_json=json))

    guarded(command)


def _journal(config: Path | None, home: Path | None) -> Path:
    """The file of the journal that the settings name."""
    from wakeful.cli.home import home_folder, journal_file
    from wakeful.config import load

    settings = load(config, flags={"journal.home": str(home)} if home else {}).settings
    return journal_file(home_folder(settings))
