"""Sources as a person names them: in settings, with --watch, and what the doctor says of them."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from wakeful.cli.watching import build_sources, hooks_of, observers_of
from wakeful.config import ConfigError, Settings, load
from wakeful.lmstudio import CallRecord, Usage
from wakeful.sources import LMStudioSource

TOKEN = "0123456789abcdef"


def settings(folder: Path, text: str) -> Settings:
    file = folder / "wakeful.toml"
    file.write_text(text)
    return load(file, env={}).settings


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("https://cloud.example/status", "http:cloud.example/status"),
        ("http://box:9100/metrics", "prometheus:box:9100"),
        ("mqtt://broker/home/#", "mqtt:broker"),
        ("mqtts://user:pass@broker:8883", "mqtt:broker"),
        ("-", "stdin"),
    ],
)
def test_what_is_watched_by_its_address(what: str, name: str) -> None:
    assert [source.name for source in build_sources(Settings(default_sources=False), [what])] == [name]


@pytest.mark.parametrize("what", ["http://", "mqtt://", "https://user:hunter2@:99999/?key=sesame"])
def test_an_address_that_is_none_is_said_without_its_secrets(what: str) -> None:
    with pytest.raises(ConfigError, match="--watch") as caught:
        build_sources(Settings(default_sources=False), [what])
    assert "hunter2" not in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_all_sources_that_can_not_be_made_are_said_at_once(tmp_path: Path) -> None:
    text = """
        [page]
        enabled = false
        [[source]]
        kind = "process"
        [[source]]
        kind = "http"
        url = "ftp://x"
        [[source]]
        kind = "mqtt"
        url = "mqtt://x"
        topics = ["a#"]
        [[source]]
        kind = "webhook"
        name = "kuma"
        token = "0123456789abcdef"
        [[source]]
        kind = "webhook"
        name = "kuma"
        token = "0123456789abcdef"
    """
    with pytest.raises(ConfigError) as caught:
        build_sources(settings(tmp_path, text), ())
    said = caught.value.problems
    assert [each.partition(":")[0] for each in said] == [
        "source.0",
        "source.1",
        "source.2",
        "source.4",
        "page.enabled",
    ]
    assert "another source is called webhook:kuma" in said[3]
    assert "the webhook kuma needs the page's server" in said[4]


def test_settings_reach_their_sources(tmp_path: Path) -> None:
    text = f"""
        [[source]]
        kind = "process"
        names = ["nginx"]
        [[source]]
        kind = "webhook"
        name = "kuma"
        token = "{TOKEN}"
        [[source]]
        kind = "prometheus"
        url = "http://box:9100/metrics"
        name = "box"
        [[source]]
        kind = "lmstudio"
    """
    built = build_sources(settings(tmp_path, text), ())
    assert [source.name for source in built] == ["process", "webhook:kuma", "prometheus:box", "lmstudio"]
    [hook] = hooks_of(built)
    assert hook.allows(TOKEN)


async def test_answers_of_the_client_tell_the_speed(tmp_path: Path) -> None:
    source = LMStudioSource(folder=str(tmp_path), every_s=0.01)
    [tell] = observers_of([source])
    tell(CallRecord("chat", "m", 0.0, 3.0, first_token_s=1.0, usage=Usage(completion_tokens=41)))
    tell(CallRecord("chat", "m", 0.0, 3.0))
    stream = source.observe("")
    assert (await anext(stream)).values["tokens_per_s"] == 20.0
    await stream.aclose()


def wakeful(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    env = {"WAKEFUL_HOME": str(home), "XDG_CONFIG_HOME": str(home), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "wakeful.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=home,
        check=False,
        env=os.environ | env,
    )


def test_the_doctor_asks_what_is_watched(tmp_path: Path) -> None:
    (tmp_path / "wakeful.toml").write_text(
        f"""
        [model]
        use = "builtin"
        [[source]]
        kind = "http"
        url = "http://127.0.0.1:9"
        name = "away"
        [[source]]
        kind = "prometheus"
        url = "http://127.0.0.1:9/metrics"
        [[source]]
        kind = "mqtt"
        url = "mqtt://127.0.0.1:9"
        topics = ["#"]
        [[source]]
        kind = "webhook"
        name = "kuma"
        token = "{TOKEN}"
        """
    )
    text = wakeful("doctor", home=tmp_path).stdout
    assert "note source: away is down: " in text
    assert "note source: prometheus:127.0.0.1:9: " in text
    assert "note source: mqtt:127.0.0.1: the broker can't be reached" in text
    assert "ok   source: webhook at http://127.0.0.1:8765/hook/kuma" in text
    assert TOKEN not in text


def post(url: str, token: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps({"msg": "backup failed: disk full"}).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_running_mind_takes_posts_into_its_journal(tmp_path: Path) -> None:
    (tmp_path / "wakeful.toml").write_text(
        f"[model]\nuse = 'builtin'\n[page]\nport = 0\n[[source]]\nkind = 'webhook'\nname = 'kuma'\ntoken = '{TOKEN}'\n"
    )
    output = tmp_path / "output.txt"
    with output.open("wb") as opened:
        process = subprocess.Popen(
            [sys.executable, "-m", "wakeful.cli", "run"],
            cwd=tmp_path,
            env=os.environ | {"WAKEFUL_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
            stdout=opened,
            stderr=opened,
            stdin=subprocess.DEVNULL,
        )
    try:
        give_up_s = time.monotonic() + 40
        while not (found := re.search(r"webhook +(http://\S+/hook/kuma)", output.read_text())):
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < give_up_s, output.read_text()
            time.sleep(0.05)
        assert post(found[1], "wrong-token-wrong")[0] == 401
        assert post(found[1], TOKEN) == (200, '{"kept": true}')
        lines = wakeful("journal", "--json", "-s", "webhook:kuma", home=tmp_path).stdout.splitlines()
    finally:
        process.terminate()
        process.wait(10)
    assert [json.loads(line)["text"] for line in lines if '"observation"' in line] == ["backup failed: disk full"]
    assert TOKEN not in output.read_text()
    assert TOKEN.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))
