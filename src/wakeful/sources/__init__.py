"""What is there to observe? Sources are endless streams of observations; `run_sources` keeps them running."""

from wakeful.sources.command import CommandSource
from wakeful.sources.containers import ContainersSource
from wakeful.sources.errors import SourceBroken, SourceError, SourceForbidden, SourceMissing, SourceRefused
from wakeful.sources.files import FilesSource
from wakeful.sources.health import SourceHealth
from wakeful.sources.http import HttpSource
from wakeful.sources.installed import installed_source
from wakeful.sources.journald import JournaldSource
from wakeful.sources.lmstudio import LMStudioSource
from wakeful.sources.log import LogSource
from wakeful.sources.metrics import MetricsSource
from wakeful.sources.mqtt import MqttSource
from wakeful.sources.process import ProcessSource
from wakeful.sources.prometheus import PrometheusSource
from wakeful.sources.source import CompoundSource, ConfirmedSource, Emit, Source, resume_for
from wakeful.sources.stdin import StdinSource
from wakeful.sources.supervise import Backoff, run_sources, supervise
from wakeful.sources.webhook import WebhookSource

__all__ = [
    "Backoff",
    "CommandSource",
    "CompoundSource",
    "ConfirmedSource",
    "ContainersSource",
    "Emit",
    "FilesSource",
    "HttpSource",
    "JournaldSource",
    "LMStudioSource",
    "LogSource",
    "MetricsSource",
    "MqttSource",
    "ProcessSource",
    "PrometheusSource",
    "Source",
    "SourceBroken",
    "SourceError",
    "SourceForbidden",
    "SourceHealth",
    "SourceMissing",
    "SourceRefused",
    "StdinSource",
    "WebhookSource",
    "installed_source",
    "resume_for",
    "run_sources",
    "supervise",
]
