"""`wakeful check-server`: puts a model server through its paces, for its owner to read."""

import contextlib
import sys

import msgspec
from rich.console import Console
from rich.text import Text

from wakeful.cli.exits import MODEL, OK
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.lmstudio.check import CheckResult, Status, check_server

_SIGN: dict[Status, tuple[str, str]] = {
    "ok": ("ok  ", "green"),
    "warn": ("note", "yellow"),
    "fail": ("BAD ", "bold red"),
    "skip": ("-   ", "dim"),
}


async def check(url: str | None, *, model: str, token: str | None, as_json: bool) -> int:
    """Runs all trials, prints each as it is done, and returns the exit code. as_json: one object a line."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    waiting = Console(stderr=True).status("trying the server") if console.is_terminal else contextlib.nullcontext()
    code = OK
    async with AsyncLMStudioClient(url, api_token=token) as client:
        with waiting:
            async for result in check_server(client, model):
                if as_json:
                    print(msgspec.json.encode(result).decode(), flush=True)
                else:
                    _print(console, result)
                code = MODEL if result.status == "fail" else code
    return code


def _print(console: Console, result: CheckResult) -> None:
    sign, style = _SIGN[result.status]
    line = Text(f"{sign} ", style)
    line.append(f"{result.name}: ", "bold").append(result.seen, "")
    if result.duration_s >= 0.05:
        line.append(f"  {result.duration_s:.1f} s", "dim")
    console.print(line)
    if result.advice:
        console.print(Text(f"     {result.advice}", "cyan"))
