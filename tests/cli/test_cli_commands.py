"""The real commands, as a person types them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from wakeful.cli.times import when

WITHIN_S = 40
CONFIG = """
[model]
use = "builtin"
[page]
port = 0
[[source]]
kind = "metrics"
interval_s = 1
"""


def wakeful(*arguments: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wakeful.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=home,
        check=False,
        env=os.environ | {"WAKEFUL_HOME": str(home), "XDG_CONFIG_HOME": str(home), "NO_COLOR": "1"} | env,
    )


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """A test that fails before it stops its mind must not leave it running."""
    yield
    while Running.started:
        process = Running.started.pop()
        process.kill()
        process.wait()


class Running:
    """A mind that was started by `wakeful run`; its output is collected."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, home: Path, *arguments: str) -> None:
        self.output = home / f"output-{time.monotonic_ns()}.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wakeful.cli", "run", *arguments],
                cwd=home,
                env=os.environ | {"WAKEFUL_HOME": str(home), "XDG_CONFIG_HOME": str(home)},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
        self.started.append(self.process)

    def says(self, pattern: str) -> str:
        """Waits until the output matches, and gives it."""
        give_up_s = time.monotonic() + WITHIN_S
        while time.monotonic() < give_up_s:
            text = self.output.read_text(encoding="utf-8")
            if re.search(pattern, text):
                return text
            assert self.process.poll() is None, text
            time.sleep(0.05)
        raise AssertionError(self.output.read_text(encoding="utf-8"))

    def stop(self) -> float:
        """Seconds from Ctrl-C to the end."""
        begun_s = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(10) == 0
        return time.monotonic() - begun_s


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    text = wakeful("--help", home=tmp_path).stdout
    for word in ("run", "ask", "status", "journal", "doctor", "config", "Exit codes"):
        assert word in text
    for command in ("run", "ask", "status", "journal", "doctor", "config"):
        done = wakeful(command, "--help", home=tmp_path)
        assert done.returncode == 0
        assert "Usage" in done.stdout


def test_run_thinks_stops_within_two_seconds_and_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "wakeful.toml").write_text(CONFIG)
    first = Running(tmp_path)
    text = first.says(r"expects: ")
    assert "pilot" in text
    assert "http://127.0.0.1:" in text
    status = wakeful("status", home=tmp_path)
    assert "awake" in status.stdout
    second_mind = wakeful("run", home=tmp_path)
    assert second_mind.returncode == 5
    assert "Another mind" in second_mind.stderr or "already" in second_mind.stderr
    answer = wakeful("ask", "--json", "what happened in the last hour?", home=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["answer"]["text"]
    assert first.stop() < 2.0
    assert "asleep" in wakeful("status", home=tmp_path).stdout
    second = Running(tmp_path)
    second.says(r"Going on where it was: \d+ events")
    second.stop()
    kinds = [
        json.loads(line)["kind"]
        for line in wakeful("journal", "--json", "-n", "1000", home=tmp_path).stdout.splitlines()
    ]
    assert kinds.count("session") == 4
    assert "answer" in kinds


def test_the_journal_can_be_filtered(tmp_path: Path) -> None:
    (tmp_path / "wakeful.toml").write_text(CONFIG)
    running = Running(tmp_path, "--no-page")
    running.says(r"expects: ")
    running.stop()
    text = wakeful("journal", "-k", "thought", home=tmp_path).stdout
    assert text.splitlines()
    assert all(" thought (" in line for line in text.splitlines())
    assert wakeful("journal", "--until", "1h", home=tmp_path).stdout == ""
    assert "metrics: cpu" in wakeful("journal", "-s", "metrics", "--since", "10m", home=tmp_path).stdout


@pytest.mark.parametrize("command", [("status",), ("journal",), ("ask", "well?")])
def test_without_a_journal_a_reader_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = wakeful(*command, home=tmp_path)
    assert done.returncode == 5
    assert "wakeful run" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "journal.db").exists()


def test_wrong_settings_are_said_in_full(tmp_path: Path) -> None:
    (tmp_path / "wakeful.toml").write_text("[page]\nprt = 1\n[[source]]\nkind = 'nope'\n")
    done = wakeful("run", home=tmp_path)
    assert done.returncode == 3
    assert "wakeful.toml:2: page.prt is not a setting. Did you mean page.port?" in done.stderr
    assert "wakeful.toml:4: there is no source of kind 'nope'" in done.stderr


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = wakeful("run", "--port", str(taken.getsockname()[1]), home=tmp_path)
    assert done.returncode == 6
    assert "is taken" in done.stderr
    assert "--port" in done.stderr


def test_a_model_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"this is no model")
    done = wakeful("run", "--no-page", "--model", "bad.gguf", home=tmp_path)
    assert done.returncode == 4
    assert "bad.gguf" in done.stderr
    assert "Traceback" not in done.stderr


def test_config_says_where_each_setting_came_from(tmp_path: Path) -> None:
    (tmp_path / "wakeful.toml").write_text("[page]\nport = 1234\n")
    done = wakeful("config", home=tmp_path, LMSTUDIO_URL="http://box:1", LM_API_TOKEN="sk-secret")
    assert re.search(r"page\.port\s+1234\s+wakeful\.toml:2", done.stdout)
    assert re.search(r"model\.url\s+\"http://box:1\"\s+environment LMSTUDIO_URL", done.stdout)
    assert "sk-secret" not in done.stdout
    rows = json.loads(wakeful("config", "--json", home=tmp_path).stdout)
    assert {"key": "page.port", "value": 1234, "origin": "wakeful.toml:2"} in rows


def test_the_doctor_says_what_to_do(tmp_path: Path) -> None:
    done = wakeful("doctor", home=tmp_path, LMSTUDIO_URL="http://127.0.0.1:9", WAKEFUL_MODEL_USE="lmstudio")
    assert done.returncode == 4
    assert "BAD  server" in done.stdout
    assert "lms server start" in done.stdout


@pytest.mark.parametrize(
    ("text", "ago_s"), [("90s", 90), ("2h", 7200), ("1.5 h", 5400), ("3d", 259200), ("15 min ago", 900)]
)
def test_times_ago(text: str, ago_s: float) -> None:
    now_ns = 1_800_000_000 * 10**9
    assert when(text.replace(" h", "h").replace("15 min", "15min"), now_ns=now_ns) == now_ns - int(ago_s * 1e9)


def test_a_word_that_is_no_time_is_typed_wrongly(tmp_path: Path) -> None:
    done = wakeful("journal", "--since", "soonish", home=tmp_path)
    assert done.returncode == 2
    assert "soonish" in done.stderr
