"""The commands and their options. What a command does lives in the module of its name and is loaded when it runs."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import wakeful
from wakeful.cli import attention
from wakeful.cli.exits import guarded
from wakeful.cli.options import ConfigOption, HomeOption
from wakeful.cli.times import when

EXITS = (
    "Exit codes: 0 all is well · 1 unexpected, please report · 2 typed wrongly · 3 wrong settings · "
    "4 no usable model server · 5 journal locked, full or damaged · 6 the page's port is taken."
)

app = typer.Typer(
    name="wakeful",
    help="An always-on mind for the model on your own machine. It watches, notices what you would want to know, "
    "says it in two lines, and is otherwise silent.",
    epilog=EXITS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(attention.app, name="attention")


class Use(StrEnum):
    """Which model server thinks."""

    auto = "auto"
    lmstudio = "lmstudio"
    builtin = "builtin"


class Verdict(StrEnum):
    """What a person says of what was told."""

    useful = "useful"
    useless = "useless"


def main() -> None:
    """The program's entry point."""
    app()


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"wakeful {wakeful.__version__}")
        raise typer.Exit


@app.command()
def run(
    config: ConfigOption = None,
    home: HomeOption = None,
    url: Annotated[str | None, typer.Option(help="LM Studio's address [env: LMSTUDIO_URL].")] = None,
    use: Annotated[Use | None, typer.Option(help="auto: LM Studio if it answers, else the built-in engine.")] = None,
    model: Annotated[Path | None, typer.Option(help="A GGUF file for the built-in engine.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the page, 0 for any.")] = None,
    page: Annotated[bool | None, typer.Option("--page/--no-page", help="Serve the live page.")] = None,
    watch: Annotated[
        list[str] | None,
        typer.Option(help="Watch this log file or folder as well; may be given often. `-` is standard input."),
    ] = None,
) -> None:
    """Wake the mind: watch, think, show. Goes on until Ctrl-C; started again, it goes on where it was."""

    def command() -> int:
        from wakeful.cli.run import run_mind

        builtin = Use.builtin.value if model is not None and use is None else None
        settings = _load(
            config,
            {
                "journal.home": home,
                "model.url": url,
                "model.use": use.value if use else builtin,
                "model.gguf": model,
                "page.port": port,
                "page.enabled": page,
            },
        ).settings
        return run_mind(settings, watch or [])

    guarded(command)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="Such as: what happened in the last hour?")],
    config: ConfigOption = None,
    home: HomeOption = None,
    url: Annotated[str | None, typer.Option(help="LM Studio's address [env: LMSTUDIO_URL].")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer and its evidence as JSON.")] = False,
) -> None:
    """Ask about what happened. The answer comes from the journal and cites the entries that it used."""

    def command() -> None:
        from wakeful.cli.ask import ask_mind

        settings = _load(config, {"journal.home": home, "model.url": url}).settings
        asyncio.run(ask_mind(settings, question, as_json=json))

    guarded(command)


@app.command()
def status(config: ConfigOption = None, home: HomeOption = None) -> None:
    """Show whether a mind is awake, what it last thought, and how large its journal is."""

    def command() -> None:
        from rich.console import Console

        from wakeful.cli.home import home_folder, journal_file
        from wakeful.cli.runtime import find
        from wakeful.cli.show import show_status

        folder = home_folder(_load(config, {"journal.home": home}).settings)
        console = Console(highlight=False, soft_wrap=True)
        asyncio.run(show_status(journal_file(folder), find(folder), console))

    guarded(command)


@app.command()
def journal(
    config: ConfigOption = None,
    home: HomeOption = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", "-k", help="Only this kind (thought, observation, …); may be repeated."),
    ] = None,
    source: Annotated[str, typer.Option("--source", "-s", help="Only this source, such as metrics.")] = "",
    since: Annotated[str | None, typer.Option(help="From then on: 2h, 3d, 03:15, 2026-01-31T03:15.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to then, in the same forms.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many of the newest entries.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Read the journal, newest entries last."""

    def command() -> None:
        from wakeful.cli.home import home_folder, journal_file
        from wakeful.cli.show import show_journal

        folder = home_folder(_load(config, {"journal.home": home}).settings)
        asyncio.run(
            show_journal(
                journal_file(folder),
                kinds=tuple(kind or ()),
                source=source,
                since_ns=when(since) if since else None,
                until_ns=when(until) if until else None,
                limit=limit,
                follow=follow,
                as_json=json,
            )
        )

    guarded(command)


@app.command()
def feedback(
    seq: Annotated[int, typer.Argument(help="Number of a notification, thought or observation.")],
    word: Annotated[Verdict, typer.Argument(help="Whether knowing it was useful.")],
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Say whether something was worth telling you; its sources are trusted more or less for it."""

    def command() -> None:
        from wakeful.cli.feedback import give_feedback
        from wakeful.cli.home import home_folder, journal_file

        folder = home_folder(_load(config, {"journal.home": home}).settings)
        asyncio.run(give_feedback(journal_file(folder), seq, useful=word is Verdict.useful))

    guarded(command)


@app.command()
def doctor(config: ConfigOption = None, home: HomeOption = None) -> None:
    """Check server, model, context length, JSON Schema support, disk and rights, with what to do about each."""

    def command() -> int:
        from wakeful.cli.doctor import examine

        return asyncio.run(examine(_load(config, {"journal.home": home})))

    guarded(command)


@app.command("check-server")
def check_server(
    url: Annotated[str | None, typer.Argument(help="Its address [env: LMSTUDIO_URL]; else localhost:1234.")] = None,
    model: Annotated[str, typer.Option(help="The model to try; else whichever is loaded.")] = "",
    token: Annotated[str | None, typer.Option(help="API token [env: LM_API_TOKEN].")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Find out what your LM Studio and its model can do: streaming, structure, tools, requests at once."""

    def command() -> int:
        from wakeful.cli.check_server import check

        return asyncio.run(check(url, model=model, token=token, as_json=json))

    guarded(command)


@app.command("config")
def show_config(
    config: ConfigOption = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print the settings that are in force, and where each came from."""

    def command() -> None:
        from wakeful.cli.settings import print_settings

        print_settings(_load(config, {}), as_json=json)

    guarded(command)


def _load(config: Path | None, flags: dict[str, Any]) -> Any:
    from wakeful.config import load

    given = {key: str(value) if isinstance(value, Path) else value for key, value in flags.items() if value is not None}
    return load(config, flags=given)
