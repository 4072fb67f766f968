"""Which sources there are: the user's settings made into sources."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from wakeful import config
from wakeful.lmstudio import CallRecord, Observer
from wakeful.sources import (
    CommandSource,
    ContainersSource,
    FilesSource,
    HttpSource,
    JournaldSource,
    LMStudioSource,
    LogSource,
    MetricsSource,
    MqttSource,
    ProcessSource,
    PrometheusSource,
    Source,
    SourceError,
    StdinSource,
    WebhookSource,
    installed_source,
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
    Raises ConfigError, which names every source that can't be made of its settings.
    """
    built: list[Source] = []
    problems: list[str] = []
    for number, each in enumerate(settings.sources):
        try:
            made = list(_build(each))
        except SourceError as error:
            problems.append(f"source.{number}: {error}")
            continue
        if hasattr(each, "name") and any(source.name == made[0].name for source in built):
            problems.append(f"source.{number}: another source is called {made[0].name}. Give one of them another name.")
        built += made
    if settings.wants_default_sources:
        built += _usual()
    for what in watch:
        try:
            built.append(_watch(what))
        except SourceError as error:
            problems.append(f"--watch {what.partition('?')[0].rpartition('@')[2]}: {error}")
    if hooks := [hook.hook for hook in hooks_of(built) if not settings.page.enabled]:
        problems.append(f"page.enabled: the webhook {hooks[0]} needs the page's server. Leave the page on.")
    if problems:
        raise config.ConfigError(problems)
    return list({source.name: source for source in reversed(built)}.values())[::-1]


def hooks_of(sources: Sequence[Source]) -> list[WebhookSource]:
    """Those that other programs post to."""
    return [source for source in sources if isinstance(source, WebhookSource)]


def observers_of(sources: Sequence[Source]) -> list[Observer]:
    """Tell the sources that want to know how fast LM Studio answers the mind."""

    def teller(source: LMStudioSource) -> Observer:
        def tell(record: CallRecord) -> None:
            if record.tokens_per_s is not None:
                source.answered(record.tokens_per_s)

        return tell

    return [teller(source) for source in sources if isinstance(source, LMStudioSource)]


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
        case config.LMStudioSource(folder=folder, every_s=every_s):
            yield LMStudioSource(folder=folder, every_s=every_s)
        case config.InstalledSource(of=kind, settings=given):
            yield installed_source(kind, given)
        case _:
            yield _build_remote(settings)


def _build_remote(
    settings: config.ProcessSource
    | config.HttpSource
    | config.WebhookSource
    | config.MqttSource
    | config.PrometheusSource,
) -> Source:
    match settings:
        case config.ProcessSource():
            return ProcessSource(
                settings.names,
                units=settings.units,
                name=settings.name,
                every_s=settings.every_s,
                figures_s=settings.figures_every_s,
            )
        case config.HttpSource():
            return HttpSource(
                settings.url,
                name=settings.name,
                every_s=settings.every_s,
                timeout_s=settings.timeout_s,
                headers=settings.headers,
                expects=settings.expects,
                body=settings.body,
                verify=settings.verify,
                ca_file=settings.ca_file,
            )
        case config.WebhookSource(name=name, token=token):
            return WebhookSource(name, token)
        case config.MqttSource():
            return MqttSource(
                settings.url,
                settings.topics,
                name=settings.name,
                username=settings.username,
                password=settings.password,
                verify=settings.verify,
                ca_file=settings.ca_file,
            )
        case config.PrometheusSource():
            return PrometheusSource(
                settings.url,
                name=settings.name,
                metrics=settings.metrics,
                every_s=settings.every_s,
                timeout_s=settings.timeout_s,
                max_series=settings.max_series,
                headers=settings.headers,
                verify=settings.verify,
                ca_file=settings.ca_file,
            )


def _usual() -> Iterator[Source]:
    yield MetricsSource()
    if JournaldSource.available():
        yield JournaldSource()
    else:
        yield from (LogSource(path) for path in _SYSTEM_LOGS if os.access(path, os.R_OK))
    if ContainersSource.available():
        yield ContainersSource()
    if LMStudioSource.available():
        yield LMStudioSource()


def _watch(what: str) -> Source:
    """A file, a folder, `-` for standard input, a web address, an exporter (…/metrics), or mqtt://broker/topic."""
    if what == "-":
        return StdinSource()
    if what.startswith(("http://", "https://")):
        exporter = what.partition("?")[0].rstrip("/").endswith("/metrics")
        return PrometheusSource(what) if exporter else HttpSource(what)
    if what.startswith(("mqtt://", "mqtts://")):
        scheme, _, rest = what.partition("://")
        broker, _, topic = rest.partition("/")
        return MqttSource(f"{scheme}://{broker}", [topic or "#"])
    return FilesSource(what) if Path(what).expanduser().is_dir() else LogSource(what)
