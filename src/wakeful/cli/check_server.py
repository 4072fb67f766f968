"""`wakeful check-server`: puts a model server through its paces, for its owner to read."""

import contextlib
import sys
from collections import Counter
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from wakeful.cli.exits import MODEL, OK
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.lmstudio.check import CheckResult, Status, check_server

_SIGN: dict[Status, tuple[str, str]] = {
    "ok": ("ok    ", "green"),
    "warn": ("note  ", "yellow"),
    "fail": ("BAD   ", "bold red"),
    "skip": ("-     ", "dim"),
}
_INDENT = 20
"""Where what was seen begins."""


async def check(url: str | None, *, model: str, token: str | None, as_json: bool) -> int:
    """Runs all trials, prints each as it is done, and returns the exit code. as_json: one object a line."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    waiting = Console(stderr=True).status("trying the server") if console.is_terminal else contextlib.nullcontext()
    results: list[CheckResult] = []
    async with AsyncLMStudioClient(url, api_token=token) as client:
        with waiting:
            async for result in check_server(client, model):
                results.append(result)
                if as_json:
                    print(msgspec.json.encode(result).decode(), flush=True)
                elif result.status != "skip":
                    _print(console, result)
    if not as_json:
        console.print(_summary(results))
    return MODEL if any(result.status == "fail" for result in results) else OK


def _print(console: Console, result: CheckResult) -> None:
    sign, style = _SIGN[result.status]
    line = Text(sign, style)
    line.append(f"{result.name:<14}", "bold").append(result.seen, "")
    if result.duration_s >= 0.05:
        line.append(f"  ({result.duration_s:.1f} s)", "dim")
    console.print(line)
    if result.advice:
        console.print(Text(f"{' ' * _INDENT}{result.advice}", "cyan"))


def _summary(results: Sequence[CheckResult]) -> Text:
    """One line for all of it."""
    counted = Counter(result.status for result in results)
    left = [result.name for result in results if result.status == "skip"]
    if left:
        return Text(f"\nNot tried: {', '.join(left)}.", "dim")
    if counted["ok"] == len(results):
        return Text("\nAll is well.", "green")
    parts = [f"{counted['ok']} of {len(results)} are well"]
    parts += [f"{counted['warn']} to note"] * bool(counted["warn"])
    parts += [f"{counted['fail']} bad"] * bool(counted["fail"])
    return Text(f"\n{', '.join(parts)}.", "bold")
