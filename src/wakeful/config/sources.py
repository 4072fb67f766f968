"""The settings of sources, one kind of `[[source]]` each."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from wakeful.config.kinds import Seconds, Text, Texts


class _Source(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """One `[[source]]`."""


class MetricsSource(_Source, frozen=True, tag="metrics"):
    """CPU, memory, disks, network, temperatures, and the busiest processes of this machine."""

    interval_s: Seconds = 10.0


class LogSource(_Source, frozen=True, tag="log"):
    """Log files, or patterns such as `/var/log/*.log`; from_start reads what is there already."""

    paths: Texts
    from_start: bool = False


class JournaldSource(_Source, frozen=True, tag="journald"):
    """The systemd journal, where there is one."""


class ContainersSource(_Source, frozen=True, tag="containers"):
    """Docker's or Podman's containers; socket "" is looked for in the usual places."""

    socket: str = ""
    stats_every_s: Seconds = 30.0


class FilesSource(_Source, frozen=True, tag="files"):
    """Files below folders: created, modified, moved, deleted. ignore: patterns of names that don't matter."""

    paths: Texts
    recursive: bool = True
    ignore: list[str] = field(default_factory=list[str])


class CommandSource(_Source, frozen=True, tag="command"):
    """A command run again and again: its exit status, its output, and what changed. A string is run by the shell."""

    name: Text
    run: Text | Texts
    every_s: Seconds = 300.0
    timeout_s: Seconds = 60.0


class StdinSource(_Source, frozen=True, tag="stdin"):
    """Lines on standard input."""


class ProcessSource(_Source, frozen=True, tag="process"):
    """Programs by their name (`postgres*`), and units of systemd: up, down, restarted, and what they take."""

    names: list[Text] = field(default_factory=list[str])
    units: list[Text] = field(default_factory=list[str])
    name: Text = "process"
    every_s: Seconds = 10.0
    figures_every_s: Seconds = 30.0


class HttpSource(_Source, frozen=True, tag="http"):
    """A web address asked again and again. expects: what its body has to contain; body: whether its changes are told.

    headers: sent along; verify, ca_file: whether its certificate has to be valid, and who vouches for it
    """

    url: Text
    name: str = ""
    every_s: Seconds = 60.0
    timeout_s: Seconds = 10.0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    expects: str = ""
    body: bool = True
    verify: bool = True
    ca_file: str = ""


class WebhookSource(_Source, frozen=True, tag="webhook"):
    """What other programs post to `/hook/NAME` of the page, with this token."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$")]
    token: Annotated[str, Meta(min_length=16)]


class MqttSource(_Source, frozen=True, tag="mqtt"):
    """Topics of an MQTT broker, mqtt:// or mqtts://; it needs the extra `mqtt`."""

    url: Text
    topics: Texts
    name: str = ""
    username: str = ""
    password: str = ""
    verify: bool = True
    ca_file: str = ""


class PrometheusSource(_Source, frozen=True, tag="prometheus"):
    """An exporter of Prometheus. metrics: patterns such as `node_load*`, with `!` before those that are not wanted."""

    url: Text
    name: str = ""
    metrics: list[Text] = field(default_factory=list[str])
    every_s: Seconds = 30.0
    timeout_s: Seconds = 10.0
    max_series: Annotated[int, Meta(ge=1, le=5000)] = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    verify: bool = True
    ca_file: str = ""


class LMStudioSource(_Source, frozen=True, tag="lmstudio"):
    """LM Studio on this machine, from outside: memory, speed, failures. folder: its own, "" for where it says it is."""

    folder: str = ""
    every_s: Seconds = 30.0


class InstalledSource(_Source, frozen=True, tag="installed"):
    """A source of an installed package. of: its kind; settings: what its table holds besides, checked by itself."""

    of: Text
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


SourceSettings = (
    MetricsSource
    | LogSource
    | JournaldSource
    | ContainersSource
    | FilesSource
    | CommandSource
    | StdinSource
    | ProcessSource
    | HttpSource
    | WebhookSource
    | MqttSource
    | PrometheusSource
    | LMStudioSource
    | InstalledSource
)
