"""What did the user ask for? One typed tree: defaults, then `wakeful.toml`, then the environment, then flags."""

from wakeful.config.errors import ConfigError
from wakeful.config.load import Loaded, Row, load
from wakeful.config.settings import (
    AttentionSection,
    CommandSource,
    ContainersSource,
    FilesSource,
    JournaldSource,
    JournalSection,
    LogSource,
    MetricsSource,
    ModelSection,
    NotifySection,
    PageSection,
    Settings,
    SourceSettings,
    StdinSource,
    ThinkingSection,
)

__all__ = [
    "AttentionSection",
    "CommandSource",
    "ConfigError",
    "ContainersSource",
    "FilesSource",
    "JournalSection",
    "JournaldSource",
    "Loaded",
    "LogSource",
    "MetricsSource",
    "ModelSection",
    "NotifySection",
    "PageSection",
    "Row",
    "Settings",
    "SourceSettings",
    "StdinSource",
    "ThinkingSection",
    "load",
]
