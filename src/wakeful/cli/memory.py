"""`wakeful remember`, `recall`, `forget` and `memory …`: the commands and their options."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from wakeful.cli.exits import guarded
from wakeful.cli.options import ConfigOption, HomeOption
from wakeful.cli.times import when

UrlOption = Annotated[str | None, typer.Option(help="LM Studio's address [env: LMSTUDIO_URL].")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

app = typer.Typer(no_args_is_help=True, help="Take memories out and in, look them over, and see the self-model.")


def remember(
    text: Annotated[str, typer.Argument(help="Such as: the backup disk was replaced today.")],
    about: Annotated[str, typer.Option(help="What it is about; a later fact about the same supersedes it.")] = "",
    time: Annotated[str | None, typer.Option(help="When it happened: 2h (ago), 03:15, 2026-01-31T03:15.")] = None,
    importance: Annotated[float, typer.Option(min=0, max=1, help="How much it matters.")] = 0.5,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Keep something in memory for good. It comes back by itself when it matters, and to `wakeful recall`."""

    def command() -> None:
        from wakeful.cli.remembering import remember_text

        at_ns = when(time) if time else None
        asyncio.run(remember_text(_settings(config, home), text, about=about, at_ns=at_ns, importance=importance))

    guarded(command)


def recall(
    query: Annotated[str, typer.Argument(help="Words or a question: what happened to nginx last night?")],
    k: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many memories at most.")] = 5,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", "-k", help="Only this kind (memory, thought, …); may be repeated.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", "-s", help="Only this source; may be repeated.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="From then on: 2h, 3d, 03:15, 2026-01-31T03:15.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to then, in the same forms.")] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Find what the journal and memory hold on something, best first, with the reasons why each came back."""

    def command() -> None:
        from wakeful.cli.remembering import Wanted, recall_memories

        wanted = Wanted(
            query,
            k,
            tuple(kind or ()),
            tuple(source or ()),
            when(since) if since else None,
            when(until) if until else None,
        )
        asyncio.run(recall_memories(_settings(config, home, url), wanted, as_json=json))

    guarded(command)


def forget(
    seqs: Annotated[
        list[int] | None, typer.Argument(help="Numbers of entries, as `wakeful recall` shows them.")
    ] = None,
    text: Annotated[str, typer.Option(help="Forget every entry that contains this text, letter for letter.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Delete entries for good, with all that cites or quotes them: journal, index, vectors. It can't be undone."""

    def command() -> int:
        from wakeful.cli.remembering import forget_entries

        if not seqs and not text:
            raise typer.BadParameter("name entries by their numbers, or a text with --text")
        return asyncio.run(forget_entries(_settings(config, home), seqs or [], text, sure=yes))

    guarded(command)


@app.command("export")
def export_memories(
    file: Annotated[Path | None, typer.Argument(help="Write here instead of on the screen.")] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Write all memories as JSON Lines, oldest first."""

    def command() -> None:
        from wakeful.cli.remembering import write_memories

        asyncio.run(write_memories(_settings(config, home), file))

    guarded(command)


@app.command("import")
def import_memories(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file that `export` wrote.")],
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Take memories in; those that are there already are passed over."""

    def command() -> None:
        from wakeful.cli.remembering import read_memories

        asyncio.run(read_memories(_settings(config, home), file))

    guarded(command)


@app.command()
def audit(
    sample: Annotated[int, typer.Option(min=1, help="How many memories are looked at, newest first.")] = 1000,
    config: ConfigOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Hold memories against what they rest on, and print the share that is junk: unsupported, duplicate, stale,
    self-made."""

    def command() -> None:
        from wakeful.cli.remembering import audit_memories

        asyncio.run(audit_memories(_settings(config, home), sample, as_json=json))

    guarded(command)


@app.command("self")
def self_model(
    version: Annotated[int, typer.Option(min=0, help="Show this version; 0 for the newest.")] = 0,
    history: Annotated[bool, typer.Option("--history", help="List the versions, and what each changed.")] = False,
    rollback: Annotated[int, typer.Option(min=0, help="Go back to this version, as a new one.")] = 0,
    add: Annotated[str, typer.Option(help="Add this line.")] = "",
    remove: Annotated[str, typer.Option(help="Take this line out.")] = "",
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Show what the mind knows of its world, of your wishes, of itself; change it, or go back to a former version."""

    def command() -> None:
        from wakeful.cli.self_model import change_self_model, show_self_model

        settings = _settings(config, home)
        if rollback or add or remove:
            asyncio.run(change_self_model(settings, rollback=rollback, add=add, remove=remove))
        else:
            asyncio.run(show_self_model(settings, version=version, history=history))

    guarded(command)


def _settings(config: Path | None, home: Path | None, url: str | None = None) -> Any:
    from wakeful.config import load

    flags = {"journal.home": str(home) if home else None, "model.url": url}
    return load(config, flags={key: value for key, value in flags.items() if value is not None}).settings
