"""`wakeful doctor` on sources: what is missing for one, and whether what is asked over the network answers."""

import asyncio
import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wakeful import config
from wakeful.cli.watching import build_sources
from wakeful.dashboard import is_loopback
from wakeful.sources import HttpSource, MqttSource, PrometheusSource, SourceError

Verdict = Literal["ok", "note", "bad"]
_ASK_S = 15.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to; `advice` says what to do where something is to be done."""

    what: str
    verdict: Verdict
    text: str
    advice: str = ""


def source_findings(settings: config.Settings) -> Iterator[Finding]:
    """What there is to watch, and what is missing for it; raises ConfigError where a source can't be made."""
    yield Finding("sources", "ok", ", ".join(source.name for source in build_sources(settings, ())))
    for source in settings.sources:
        match source:
            case config.LogSource(paths=paths) | config.FilesSource(paths=paths):
                yield from _paths(paths)
            case config.ProcessSource(units=[_, *_]) if shutil.which("systemctl") is None:
                yield Finding("source", "note", "there is no systemctl here", "Nothing will be said of `units`.")
            case config.MqttSource() if importlib.util.find_spec("aiomqtt") is None:
                yield Finding("source", "note", "mqtt needs an extra", "Install it: pip install 'wakeful[mqtt]'")
            case config.WebhookSource(name=name):
                yield _hook(settings.page, name)
            case _:
                pass


async def asked_sources(settings: config.Settings) -> AsyncIterator[Finding]:
    """Asks what is watched over the network, each once."""
    for source in build_sources(settings, ()):
        if isinstance(source, MqttSource):
            if importlib.util.find_spec("aiomqtt") is not None:
                yield await _broker(source)
        elif isinstance(source, HttpSource | PrometheusSource):
            yield await _first(source)


async def _first(source: HttpSource | PrometheusSource) -> Finding:
    try:
        async with asyncio.timeout(_ASK_S), aclosing(source.observe("")) as stream:
            seen = await anext(stream)
    except SourceError as error:
        return Finding("source", "note", f"{source.name}: {error.message}", error.hint)
    except TimeoutError:
        return Finding("source", "note", f"{source.name} did not answer within {_ASK_S:g} s")
    return Finding("source", "note" if seen.values.get("up") == 0 or seen.form == "state" else "ok", seen.text[:200])


async def _broker(source: MqttSource) -> Finding:
    try:
        await source.reach()
    except SourceError as error:
        return Finding("source", "note", f"{source.name}: {error.message}", error.hint)
    return Finding("source", "ok", f"{source.name} answers")


def _paths(paths: list[str]) -> Iterator[Finding]:
    for path in map(Path, paths):
        if "*" in str(path):
            continue
        if not path.exists():
            yield Finding("source", "note", f"{path} does not exist", "It will be watched once it does.")
        elif not os.access(path, os.R_OK):
            advice = "Add yourself to the group that may read it (often adm or systemd-journal)."
            yield Finding("source", "note", f"{path} can't be read", advice)


def _hook(page: config.PageSection, name: str) -> Finding:
    text = f"webhook at http://{page.host}:{page.port}/hook/{name}"
    if is_loopback(page.host):
        advice = "Only this machine can post there. For others: page.host = '0.0.0.0', and a page.token."
        return Finding("source", "ok", text, advice)
    return Finding("source", "ok", text)
