"""What did the user ask for? One typed tree: defaults, then `wakeful.toml`, then the environment, then flags."""

from wakeful.config.acting import ActionsSection, CommandSettings, McpSettings, NotifySection, SpecialistSettings
from wakeful.config.errors import ConfigError
from wakeful.config.load import Loaded, Row, load
from wakeful.config.settings import (
    AttentionSection,
    JournalSection,
    ModelSection,
    PageSection,
    Settings,
    ThinkingSection,
)
from wakeful.config.sources import (
    CommandSource,
    ContainersSource,
    FilesSource,
    HttpSource,
    InstalledSource,
    JournaldSource,
    LMStudioSource,
    LogSource,
    MetricsSource,
    MqttSource,
    ProcessSource,
    PrometheusSource,
    SourceSettings,
    StdinSource,
    WebhookSource,
)

__all__ = [
    "ActionsSection",
    "AttentionSection",
    "CommandSettings",
    "CommandSource",
    "ConfigError",
    "ContainersSource",
    "FilesSource",
    "HttpSource",
    "InstalledSource",
    "JournalSection",
    "JournaldSource",
    "LMStudioSource",
    "Loaded",
    "LogSource",
    "McpSettings",
    "MetricsSource",
    "ModelSection",
    "MqttSource",
    "NotifySection",
    "PageSection",
    "ProcessSource",
    "PrometheusSource",
    "Row",
    "Settings",
    "SourceSettings",
    "SpecialistSettings",
    "StdinSource",
    "ThinkingSection",
    "WebhookSource",
    "load",
]
