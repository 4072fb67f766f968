"""Which sources there are: the user's settings made into sources."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from wakeful import config
from wakeful.sources import (
    CommandSource,
    ContainersSource,
    FilesSource,
    JournaldSource,
    LogSource,
    MetricsSource,
    Source,
    StdinSource,
)

_SYSTEM_LOGS = (
    "/var/log/syslog",
    "/var/log/messages",
    "/var/log/auth.log",
    "/var/log/secure",
    "/var/log/kern.log",
)


def build_sources(settings: config.Settings, watch: Sequence[str]) -> list[Source]:
    """The sources that the settings name, the usual ones, and those of `--watch`; the first of a name stays.

    What a usual source needs and this machine lacks (journald, a container engine) is left out silently.
    """
    built = [source for each in settings.sources for source in _build(each)]
    if settings.wants_default_sources:
        built += _usual()
    built += [_watch(path) for path in watch]
    return list({source.name: source for source in reversed(built)}.values())[::-1]


def _build(settings: config.SourceSettings) -> Iterator[Source]:
    match settings:
        case config.MetricsSource(interval_s=interval_s):
            yield MetricsSource(interval_s=interval_s)
        case config.LogSource(paths=paths, from_start=from_start):
            yield from (LogSource(path, from_start=from_start) for path in paths)
        case config.JournaldSource():
            yield JournaldSource()
        case config.ContainersSource(socket=socket, stats_every_s=stats_s):
            yield ContainersSource(socket, stats_s=stats_s)
        case config.FilesSource(paths=paths, recursive=recursive, ignore=ignore):
            yield from (FilesSource(path, recursive=recursive, ignore=ignore) for path in paths)
        case config.CommandSource(name=name, run=run, every_s=every_s, timeout_s=timeout_s):
            yield CommandSource(name, run, every_s=every_s, timeout_s=timeout_s)
        case config.StdinSource():
            yield StdinSource()


def _usual() -> Iterator[Source]:
    yield MetricsSource()
    if JournaldSource.available():
        yield JournaldSource()
    else:
        yield from (LogSource(path) for path in _SYSTEM_LOGS if os.access(path, os.R_OK))
    if ContainersSource.available():
        yield ContainersSource()


def _watch(path: str) -> Source:
    if path == "-":
        return StdinSource()
    return FilesSource(path) if Path(path).expanduser().is_dir() else LogSource(path)
