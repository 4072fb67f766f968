"""Which sources there are: the user's settings made into sources."""

import os
from collections.abc import Sequence
from pathlib import Path

from wakeful import config, sources
from wakeful.sources import Source

_SYSTEM_LOGS = ("/var/log/syslog", "/var/log/messages", "/var/log/auth.log", "/var/log/secure", "/var/log/kern.log")


def build_sources(settings: config.Settings, watch: Sequence[str]) -> list[Source]:
    """The sources that the settings name, those of `--watch`, and without either the defaults.

    What a default needs and this machine lacks (a journal, a container engine) is left out silently.
    """
    built = [_build(each) for each in settings.sources] if settings.sources else _defaults()
    names = {source.name for source in built}
    return built + [source for source in map(_watch, watch) if source.name not in names]
