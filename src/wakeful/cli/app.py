"""The commands and their options. What a command does lives in the module of its name and is loaded when it runs."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import wakeful
from wakeful.cli import acting, attention, memory, thinking
from wakeful.cli.exits import guarded
from wakeful.cli.options import ConfigOption, HomeOption
from wakeful.cli.times import when

EXITS = (
    "Exit codes: 0 all is well · 1 unexpected, please report · 2 typed wrongly · 3 wrong settings · "
    "4 no usable model server or model · 5 journal locked, full or damaged · 6 the port is taken."
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
app.add_typer(thinking.app)
app.add_typer(acting.app)
app.add_typer(memory.app, name="memory")
for _command in (memory.remember, memory.recall, memory.forget):
    app.command()(_command)


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
        typer.Option(
            help="Watch this as well: a log file, a folder, https://…, http://…/metrics, mqtt://broker/topic, "
            "or - for standard input. May be given often."
        ),
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
def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Load this: a .gguf file, or the key of a model on this machine; a folder is offered, not loaded. "
            "May be given often. Without it, the small pilot model is loaded.",
        ),
    ] = None,
    models_folder: Annotated[
        list[Path] | None,
        typer.Option(help="Offer the .gguf files of this folder, besides those that LM Studio has downloaded."),
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option(help="Answer from this file in place of a model: .py with a function `script`, or .toml."),
    ] = None,
    host: Annotated[str, typer.Option(help="Listen at this address; 0.0.0.0 for all, which needs a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 for any that is free.")] = 1234,
    context_length: Annotated[
        int, typer.Option("--context-length", "-c", min=1, help="Tokens, where a load names none.")
    ] = (8192),
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Answers at once that a model writes.")] = 4,
    ttl: Annotated[
        float, typer.Option(min=0, help="Seconds without use after which a model loaded on demand goes; 0 for never.")
    ] = 3600,
    jit: Annotated[bool, typer.Option("--jit/--no-jit", help="Load the model that a request names.")] = True,
    api_token: Annotated[
        list[str] | None, typer.Option(help="Ask every request for this token, or another one given so.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="Tokens, one a line; `wakeful token --file FILE` adds one.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Fail on purpose: reset@500, 503, stall, slow@0.2, crash@3, overflow, "
            "'429,headers.Retry-After=2,nth=3', 'close,probability=0.1'. May be given often.",
        ),
    ] = None,
    fault_plan: Annotated[Path | None, typer.Option(help="A TOML file of [[fault]] tables, with a seed.")] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Let faults be changed at /__faults; prints its token.")
    ] = False,
    downloads_from: Annotated[
        str, typer.Option(help="Folder or address from which models may be downloaded over the API.")
    ] = "",
    discoverable: Annotated[
        bool, typer.Option("--discoverable", help="Also listen where LM Studio's SDKs look when told no address.")
    ] = False,
    cors: Annotated[bool, typer.Option("--cors", help="Let web pages from anywhere use it.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="LM Studio's own 200 in place of 404 where a route does not exist.")
    ] = False,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="One line for each request.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Say everything as JSON, one object a line.")] = False,
) -> None:
    """Serve models as LM Studio does, to any of its clients. Goes on until Ctrl-C.

    Answers come from llama.cpp (extra `engine`) or from a script. What LM Studio has downloaded on this machine is
    offered too, and loaded when a request names it. Only this machine may ask, unless --host says otherwise.
    """

    def command() -> int:
        from wakeful.cli.serve import ServeOptions, serve

        return serve(
            ServeOptions(
                host=host,
                port=port,
                models=model or (),
                folders=models_folder or (),
                script=script,
                context_length=context_length,
                parallel=parallel,
                ttl_s=ttl,
                jit=jit,
                tokens=api_token or (),
                token_file=token_file,
                faults=fault or (),
                fault_plan=fault_plan,
                admin=admin,
                downloads_from=downloads_from,
                discoverable=discoverable,
                cors=cors,
                exact=exact,
                log_requests=log_requests,
                as_json=json,
            )
        )

    guarded(command)


@app.command()
def token(
    file: Annotated[Path | None, typer.Option(help="Add it to this file, which only you can read.")] = None,
) -> None:
    """Make an API token for `wakeful serve`, in LM Studio's form."""

    def command() -> None:
        from wakeful.cli.tokens import keep_token, new_token

        made = new_token()
        if file is not None:
            keep_token(made, file)
        print(made)

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


context = typer.Typer(help="What the model sees.", no_args_is_help=True)
app.add_typer(context, name="context")


@context.command("show")
def context_show(
    config: ConfigOption = None,
    home: HomeOption = None,
    url: Annotated[str | None, typer.Option(help="LM Studio's address [env: LMSTUDIO_URL].")] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Only how many tokens each part takes.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print the prompt that the next thought would begin with: each part, its tokens, and what is read already."""

    def command() -> None:
        from wakeful.cli.context import show_context

        settings = _load(config, {"journal.home": home, "model.url": url}).settings
        asyncio.run(show_context(settings, as_json=json, brief=brief))

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
        from wakeful.cli.feedback import feedback_on
        from wakeful.cli.home import home_folder, journal_file

        folder = home_folder(_load(config, {"journal.home": home}).settings)
        asyncio.run(feedback_on(journal_file(folder), seq, useful=word is Verdict.useful))

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
