"""`wakeful doctor`: tries each thing that a mind needs, and says what to do where one is missing."""

import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator

from rich.console import Console
from rich.text import Text

from wakeful.cli.doctor_sources import Finding, Verdict, asked_sources, source_findings
from wakeful.cli.exits import JOURNAL, MODEL, OK
from wakeful.cli.home import home_folder, journal_file
from wakeful.config import Loaded, Settings
from wakeful.journal import Journal, JournalError
from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient, LMStudioError, Model

_SIGN: dict[Verdict, tuple[str, str]] = {
    "ok": ("ok  ", "green"),
    "note": ("note", "yellow"),
    "bad": ("BAD ", "bold red"),
}
_ENOUGH_CONTEXT, _LITTLE_CONTEXT = 8192, 4096
_ENOUGH_BYTES, _LITTLE_BYTES = 2 * 10**9, 200 * 10**6
_PROBE_SCHEMA = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}


async def examine(loaded: Loaded) -> int:
    """Runs all checks, prints each as it is done, and returns the exit code."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    settings = loaded.settings
    code = OK
    for finding in [*_home(settings), *source_findings(settings)]:
        _print(console, finding)
        code = JOURNAL if finding.verdict == "bad" else code
    async for finding in asked_sources(settings):
        _print(console, finding)
    async for finding in _journal(settings):
        _print(console, finding)
        code = JOURNAL if finding.verdict == "bad" else code
    with Console(stderr=True).status("asking the model server") if console.is_terminal else contextlib.nullcontext():
        findings = [finding async for finding in _model(settings)]
    for finding in findings:
        _print(console, finding)
        code = MODEL if finding.verdict == "bad" and code == OK else code
    return code


def _print(console: Console, finding: Finding) -> None:
    sign, style = _SIGN[finding.verdict]
    line = Text(f"{sign} ", style)
    line.append(f"{finding.what}: ", "bold").append(finding.text, "")
    console.print(line)
    if finding.advice:
        console.print(Text(f"     {finding.advice}", "cyan"))


def _home(settings: Settings) -> Iterator[Finding]:
    home = home_folder(settings)
    there = next(folder for folder in [home, *home.parents] if folder.exists())
    if not os.access(there, os.W_OK):
        yield Finding("folder", "bad", f"{there} can't be written", "Change its rights, or set WAKEFUL_HOME.")
        return
    free = shutil.disk_usage(there).free
    text = f"{home}, {free / 1e9:.1f} GB free"
    if free < _LITTLE_BYTES:
        yield Finding("folder", "bad", text, "Free some space: the journal can't grow.")
    elif free < _ENOUGH_BYTES:
        yield Finding("folder", "note", text, "Space is short: lower journal.max_gb or free some.")
    else:
        yield Finding("folder", "ok", text)


async def _journal(settings: Settings) -> AsyncIterator[Finding]:
    file = journal_file(home_folder(settings))
    if not file.exists():
        yield Finding("journal", "ok", "none yet; `wakeful run` makes it")
        return
    try:
        async with await Journal.open(file, read_only=True) as journal:
            wrong = await journal.check()
            stats = await journal.stats()
    except JournalError as error:
        yield Finding("journal", "bad", error.message, error.hint)
        return
    if wrong:
        advice = "Stop Wakeful, keep a copy of the file, and restore a backup."
        yield Finding("journal", "bad", f"damaged: {wrong[0]}", advice)
    else:
        yield Finding("journal", "ok", f"{stats.events:,} events, {stats.bytes / 1e6:.1f} MB, intact")


async def _model(settings: Settings) -> AsyncIterator[Finding]:
    token = settings.model.api_token
    async with AsyncLMStudioClient(settings.model.url, api_token=token, retry=NO_RETRY) as client:
        health = await client.health()
        if health.error is not None:
            yield _without_server(settings, health.error)
            return
        yield Finding("server", "ok", f"{health.kind} at {client.base_url}, answers in {health.latency_s * 1e3:.0f} ms")
        try:
            model = await client.loaded_model(settings.model.name)
        except LMStudioError as error:
            yield Finding("model", "bad", error.message, error.hint)
            return
        yield Finding("model", "ok", model.id)
        yield _context(model)
        yield await _schema(client, model)


def _without_server(settings: Settings, error: LMStudioError) -> Finding:
    from wakeful.cli.model import engine_installed

    if settings.model.use != "lmstudio" and engine_installed():
        text = f"{error.message} The built-in engine stands in, with the small pilot model."
        return Finding("server", "note", text, error.hint)
    return Finding("server", "bad", error.message, error.hint or "Or: pip install 'wakeful[engine]'")


def _context(model: Model) -> Finding:
    if model.context_length is None:
        advice = "Set model.context_tokens to the context length that you loaded it with."
        return Finding("context", "note", "the server does not say how long the context is", advice)
    text = f"{model.context_length:,} tokens"
    advice = f"Load the model with {_ENOUGH_CONTEXT} or more, so that it remembers more of what it thought."
    if model.context_length < _LITTLE_CONTEXT:
        return Finding("context", "bad", text, advice)
    return Finding(
        "context",
        "ok" if model.context_length >= _ENOUGH_CONTEXT else "note",
        text,
        "" if model.context_length >= _ENOUGH_CONTEXT else advice,
    )


async def _schema(client: AsyncLMStudioClient, model: Model) -> Finding:
    """One short request, held to a schema, as every thought is."""
    try:
        result = await client.chat(
            [{"role": "user", "content": "Are you ready? Answer in JSON."}],
            model=model.id,
            json_schema=_PROBE_SCHEMA,
            max_tokens=200,
            temperature=0.0,
        )
    except LMStudioError as error:
        return Finding("JSON Schema", "bad", error.message, error.hint)
    if '"ready"' in result.text:
        return Finding("JSON Schema", "ok", f"obeyed, in {result.duration_s:.1f} s")
    advice = "Thoughts will often fail. Try a GGUF model, or update LM Studio's engine."
    return Finding("JSON Schema", "bad", f"not obeyed: {result.text[:60]!r}", advice)
