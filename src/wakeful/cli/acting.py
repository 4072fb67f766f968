"""`wakeful approvals, approve, deny, pause, resume, ack, tools, mcp`: a person's hand on what is done."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from wakeful.cli.exits import guarded
from wakeful.cli.options import ConfigOption, HomeOption
from wakeful.config import Settings

app = typer.Typer()

CodeArgument = Annotated[str, typer.Argument(help="The code that `wakeful approvals` shows.")]
WhyOption = Annotated[str, typer.Option("--why", help="A word for the journal.")]


@app.command()
def approvals(
    config: ConfigOption = None,
    home: HomeOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what waits for your yes: exactly what will run, and until when you may say so."""

    def command() -> None:
        from wakeful.cli.approving import show_approvals

        asyncio.run(show_approvals(_home(config, home), as_json=json))

    guarded(command)


@app.command()
def approve(code: CodeArgument, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Say yes to exactly what `wakeful approvals` shows under this code, once."""

    def command() -> None:
        from wakeful.cli.approving import decide

        asyncio.run(decide(_home(config, home), code, approve=True))

    guarded(command)


@app.command()
def deny(code: CodeArgument, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Say no to it."""

    def command() -> None:
        from wakeful.cli.approving import decide

        asyncio.run(decide(_home(config, home), code, approve=False))

    guarded(command)


@app.command()
def pause(config: ConfigOption = None, home: HomeOption = None, why: WhyOption = "") -> None:
    """Stop all acting at once: what runs is ended, and nothing begins until `wakeful resume`. Thinking goes on."""

    def command() -> None:
        from wakeful.cli.approving import move_brake

        asyncio.run(move_brake(_home(config, home), on=True, why=why))

    guarded(command)


@app.command()
def resume(config: ConfigOption = None, home: HomeOption = None, why: WhyOption = "") -> None:
    """Let it act again, within its policy."""

    def command() -> None:
        from wakeful.cli.approving import move_brake

        asyncio.run(move_brake(_home(config, home), on=False, why=why))

    guarded(command)


@app.command()
def ack(
    seq: Annotated[int, typer.Argument(min=0, help="Number of a notification; without it, all so far.")] = 0,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Say that you have seen a notification, so that it is not sent on to where `escalate_to` says."""

    def command() -> None:
        from wakeful.cli.approving import acknowledge

        asyncio.run(acknowledge(_home(config, home), seq))

    guarded(command)


@app.command()
def tools(config: ConfigOption = None) -> None:
    """List the tools, how much each may do, and whether you are asked first."""

    def command() -> None:
        from wakeful.cli.approving import show_tools

        show_tools(_settings(config, None))

    guarded(command)


@app.command()
def mcp(
    config: ConfigOption = None,
    home: HomeOption = None,
    url: Annotated[str | None, typer.Option(help="LM Studio's address [env: LMSTUDIO_URL].")] = None,
) -> None:
    """Be an MCP server on standard input and output: recall, ask, recent thoughts, status. It only reads."""

    def command() -> None:
        from wakeful.cli.mcp_server import serve_mcp

        asyncio.run(serve_mcp(_settings(config, home, url)))

    guarded(command)


def _settings(config: Path | None, home: Path | None, url: str | None = None) -> Settings:
    from wakeful.config import load

    given = {"journal.home": str(home) if home else None, "model.url": url}
    return load(config, flags={key: value for key, value in given.items() if value is not None}).settings


def _home(config: Path | None, home: Path | None) -> Path:
    from wakeful.cli.home import home_folder

    return home_folder(_settings(config, home))
