"""Settings of sources: what is taken, what is refused and how, and that no secret is shown."""

from pathlib import Path
from typing import get_args

import pytest

from wakeful.config import ConfigError, HttpSource, MqttSource, SourceSettings, WebhookSource, load
from wakeful.config.secrets import is_secret, masked

ALL = """
[[source]]
kind = "process"
names = ["nginx", "postgres*"]
units = ["backup.service"]

[[source]]
kind = "http"
url = "https://user:hunter2@cloud.example/status?key=sesame"
headers = { Authorization = "Bearer sesame" }
expects = "ok"

[[source]]
kind = "webhook"
name = "kuma"
token = "0123456789abcdef"

[[source]]
kind = "mqtt"
url = "mqtt://broker"
topics = ["home/+/temperature", "alarm/#"]
username = "wakeful"
password = "env:MQTT_PASSWORD"

[[source]]
kind = "prometheus"
url = "http://box:9100/metrics"
metrics = ["node_load*", "!node_load15"]
headers = { X-Scope = "env:SCOPE" }

[[source]]
kind = "lmstudio"
"""
ENV = {"MQTT_PASSWORD": "swordfish", "SCOPE": "tenant-7"}


def written(folder: Path, text: str) -> Path:
    file = folder / "wakeful.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), env={})
    return "\n".join(caught.value.problems)


def test_all_kinds_are_taken(tmp_path: Path) -> None:
    sources = load(written(tmp_path, ALL), env=ENV).settings.sources
    assert [type(each).__struct_config__.tag for each in sources] == [
        "process",
        "http",
        "webhook",
        "mqtt",
        "prometheus",
        "lmstudio",
    ]
    assert isinstance(sources[1], HttpSource)
    assert sources[1].headers == {"Authorization": "Bearer sesame"}
    assert isinstance(sources[2], WebhookSource)
    assert isinstance(sources[3], MqttSource)
    assert sources[3].password == "swordfish"


def test_no_secret_is_shown(tmp_path: Path) -> None:
    rows = {row.key: row.value for row in load(written(tmp_path, ALL), env=ENV).rows()}
    for secret in ("hunter2", "sesame", "0123456789abcdef", "swordfish", "tenant-7"):
        assert secret not in str(rows)
    assert rows["source.1"]["url"] == "https://********@cloud.example/status?********"
    assert rows["source.1"]["headers"] == {"Authorization": "********"}
    assert rows["source.2"]["token"] == "********"
    assert rows["source.3"]["password"] == "env:MQTT_PASSWORD"
    assert rows["source.3"]["username"] == "wakeful"
    assert rows["source.4"]["headers"] == {"X-Scope": "env:SCOPE"}


def test_a_variable_that_is_not_set_is_said_with_its_line(tmp_path: Path) -> None:
    said = problems(tmp_path, ALL)
    assert "wakeful.toml:23: source.3.password = env:MQTT_PASSWORD, and no such variable is set." in said
    assert "source.4.headers.X-Scope = env:SCOPE, and no such variable is set." in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = 'http'", "wakeful.toml:1: source.0.url is missing"),
        ("kind = 'htp'\nurl = 'x'", "there is no source of kind 'htp'. Did you mean http?"),
        (
            "kind = 'http'\nurl = 'https://x'\nevery = 5",
            "source.0.every is not a setting. Did you mean source.0.every_s?",
        ),
        ("kind = 'http'\nurl = 'https://x'\nverify = 'no'", "(one of: true, false)"),
        ("kind = 'webhook'\nname = 'a/b'\ntoken = '0123456789abcdef'", "source.0.name = 'a/b' can't be"),
        ("kind = 'mqtt'\nurl = 'mqtt://b'\ntopics = []", "source.0.topics = [] can't be"),
        ("kind = 'prometheus'\nurl = 'http://x'\nmax_series = 0", "source.0.max_series = 0 can't be"),
        ("kind = 'installed'\nof = 'x'", "there is no source of kind 'installed'"),
        ("kind = 'process'\nnames = 'nginx'", "source.0.names = 'nginx' can't be"),
    ],
)
def test_a_mistake_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, f"[[source]]\n{text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "kind = 'webhook'\nname = 'x'\ntoken = 'short-secret'",
        "kind = 'mqtt'\nurl = 'mqtt://x'\ntopics = ['#']\npassword = ['short-secret']",
        "kind = 'http'\nurl = 'http://x'\nheaders = ['short-secret']",
        "kind = 'http'\nurl = ['http://u:short-secret@x']",
        "kind = 'http'\nurl = 'http://x'\nheaders = { Authorization = ['short-secret'] }",
    ],
)
def test_a_wrong_secret_is_not_repeated(tmp_path: Path, text: str) -> None:
    assert "short-secret" not in problems(tmp_path, f"[[source]]\n{text}\n")


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("source.0.token", True),
        ("source.0.api_key", True),
        ("source.0.dbPassword", True),
        ("source.0.headers.X-Any", True),
        ("page.token", True),
        ("attention.tokens_per_hour", False),
        ("model.context_tokens", False),
        ("source.0.name", False),
    ],
)
def test_which_settings_are_secrets(key: str, secret: bool) -> None:
    assert is_secret(key) is secret


def test_masking_leaves_what_is_no_secret() -> None:
    assert masked("source.0.url", "mqtt://broker:1883") == "mqtt://broker:1883"
    assert masked("source.0.url", "mqtt://u:p@broker") == "mqtt://********@broker"
    assert masked("source.0.token", "") == ""
    assert masked("source.0.paths", ["/var/log/*.log"]) == ["/var/log/*.log"]


def test_every_kind_says_what_it_is() -> None:
    assert all(each.__doc__ for each in get_args(SourceSettings))
