"""`wakeful serve` as a person types it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from wakeful.cli.app import app
from wakeful.engine import pilot_model
from wakeful.engine.native.discovery import PORTS

WITHIN_S = 60
TOKEN = "sk-lm-abcdefgh:abcdefghijklmnopqrst"

SCRIPT = """
seen = 0

def script(generation):
    global seen
    seen += 1
    return f"answer {seen} to {generation.messages[-1]['content']}"
"""


class Served:
    """A running `wakeful serve --json`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.errors = folder / "errors.txt"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wakeful.cli", "serve", "--port", "0", "--json", *arguments],
                cwd=folder,
                env=os.environ | {"HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.told = self.until("listening")
        self.url: str = self.told["url"]

    def until(self, event: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told: dict[str, Any] = json.loads(line)
            if told["event"] == event:
                return told
        raise AssertionError(f"ended before it said {event}: {self.errors.read_text()}")

    def ask(self, path: str, body: Any = None, *, method: str = "", token: str = "") -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method or None)
        try:
            with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def chat(self, text: str = "hi", **more: Any) -> tuple[int, Any]:
        return self.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": text}], **more})

    def stop(self) -> float:
        """Seconds that it took to end."""
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(WITHIN_S) == 0
        return time.monotonic() - began_s


Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Served] = []

    def started(*arguments: str) -> Served:
        running.append(Served(tmp_path, *arguments))
        return running[-1]

    yield started
    for served in running:
        served.process.kill()
        served.process.wait(WITHIN_S)
        if served.process.stdout is not None:
            served.process.stdout.close()


def wakeful(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wakeful.cli", *arguments],
        cwd=folder,
        env=os.environ | {"HOME": str(folder), "NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def test_a_script_with_faults_tokens_and_an_admin(start: Start, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "tokens.txt").write_text(f"# for the tests\n{TOKEN}  # mine\n")
    served = start(
        *("--script", "script.py", "--token-file", "tokens.txt", "--admin", "--discoverable", "--log-requests"),
        *("--fault", "503,route=/v1/models,nth=2"),
    )
    assert served.told["loaded"] == ["scripted", "scripted-embedding"]
    assert served.told["discoverable_port"] in (*PORTS, None)
    assert served.chat()[0] == 401
    status, answer = served.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}, token=TOKEN)
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "answer 1 to hi")
    assert [served.ask("/v1/models", token=TOKEN)[0] for _ in range(3)] == [200, 503, 200]
    log = [served.until("request") for _ in range(5)]
    assert [(each["path"], each["status"]) for each in log[:2]] == [
        ("/v1/chat/completions", 401),
        ("/v1/chat/completions", 200),
    ]
    assert [each["status"] for each in log[2:]] == [200, 503, 200]

    admin: str = served.told["admin_token"]
    assert served.ask("/__faults")[0] == 401
    assert served.ask("/__faults", token=TOKEN)[0] == 401
    status, told = served.ask("/__faults", token=admin)
    assert told["plan"]["fault"] == [{"kind": "status", "status": 503, "route": "/v1/models", "nth": 2}]
    assert [each["request"] for each in told["fired"]] == [4]
    plan = {"fault": [{"kind": "status", "status": 418}], "seed": 3}
    assert served.ask("/__faults", plan, method="PUT", token=admin)[0] == 200
    assert served.ask("/v1/models", token=TOKEN)[0] == 418
    status, told = served.ask("/__faults", {"fault": [{"kind": "sttall"}]}, method="POST", token=admin)
    assert (status, "Did you mean stall?" in told["error"]) == (400, True)
    assert served.ask("/__faults", {"fault": [{"kind": "slow"}]}, method="POST", token=admin)[0] == 200
    assert served.ask("/__faults", method="DELETE", token=admin)[1]["plan"]["fault"] == []
    assert served.ask("/v1/models", token=TOKEN)[0] == 200


def test_the_pilot_model_answers_and_nothing_is_left_of_it(start: Start) -> None:
    served = start()
    assert served.told["loaded"] == ["pilot"]
    children = psutil.Process(served.process.pid).children(recursive=True)
    assert len(children) == 1
    status, answer = served.chat(max_tokens=5)
    assert (status, answer["model"]) == (200, "pilot")
    assert served.ask("/__faults")[0] == 404, "there is no admin unless it is asked for"
    assert served.stop() < 2
    assert not any(child.is_running() for child in children)


def test_a_crash_of_a_real_model_is_an_error_and_passes(start: Start) -> None:
    served = start("--fault", "crash@2,times=1")
    [child] = psutil.Process(served.process.pid).children(recursive=True)
    status, answer = served.chat(max_tokens=50)
    assert (status, "The model has crashed" in json.dumps(answer)) == (400, True)
    child.wait(WITHIN_S)
    give_up_s = time.monotonic() + WITHIN_S
    while (status := served.chat(max_tokens=5)[0]) != 200 and time.monotonic() < give_up_s:
        time.sleep(0.1)
    assert status == 200


def test_it_ends_while_answers_are_under_way(start: Start, tmp_path: Path) -> None:
    (tmp_path / "script.toml").write_text('[[reply]]\ntext = "one two three"\ntoken_s = 60\n')
    served = start("--script", "script.toml")
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as sock:
        body = b'{"messages": [{"role": "user", "content": "hi"}], "stream": true}'
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        sock.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        heard = b""
        while b"one" not in heard:
            heard += sock.recv(65536)
        assert served.stop() < 2


def test_models_of_a_folder_are_offered_and_loaded_when_asked_for(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "somebody" / "tiny"
    folder.mkdir(parents=True)
    shutil.copy(pilot_model(), folder / "tiny-model.gguf")
    served = start("--model", "models", "--ttl", "0")
    assert (served.told["loaded"], served.told["models"]) == ([], ["pilot", "tiny-model"])
    status, answer = served.chat(model="tiny-model", max_tokens=3)
    assert (status, answer["model"]) == (200, "tiny-model")


def test_models_are_downloaded_from_a_place_that_was_named(start: Start, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror" / "somebody" / "small"
    mirror.mkdir(parents=True)
    shutil.copy(pilot_model(), mirror / "small.gguf")
    (tmp_path / "models").mkdir()
    (tmp_path / "script.py").write_text("script = 'hi'")
    served = start("--script", "script.py", "--models-folder", "models", "--downloads-from", str(tmp_path / "mirror"))
    status, job = served.ask("/api/v1/models/download", {"model": "somebody/small"})
    assert status == 200
    while job["status"] == "downloading":
        job = served.ask(f"/api/v1/models/download/status/{job['job_id']}")[1]
    assert job["status"] == "completed"
    assert "small" in [each["key"] for each in served.ask("/api/v1/models")[1]["models"]]


def test_a_script_in_toml(start: Start, tmp_path: Path) -> None:
    (tmp_path / "script.toml").write_text("""
[[reply]]
when = "weather"
calls = [{ name = "weather", arguments = { city = "Lyon" } }]

[[reply]]
text = "first"

[[reply]]
json = { severity = "warning" }
reasoning = "hm"
""")
    served = start("--script", "script.toml")
    assert [served.chat()[1]["choices"][0]["message"]["content"] for _ in range(3)] == [
        "first",
        '{"severity": "warning"}',
        '{"severity": "warning"}',
    ]
    [call] = served.chat("How is the Weather?")[1]["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "weather", "arguments": '{"city": "Lyon"}'}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--script", "none.py"), 3, "none.py does not exist"),
        (("--script", "broken.py"), 3, "broken.py can't be run: ZeroDivisionError"),
        (("--script", "empty.py"), 3, "empty.py defines no `script`. Write a function"),
        (("--script", "wrong.toml"), 3, "A [[reply]] has: when, text, json"),
        (("--fault", "rest@5"), 3, "Did you mean reset?"),
        (("--fault-plan", "plan.toml"), 3, "plan.toml:2: there is no fault of kind 'sttall'. Did you mean stall?"),
        (("--host", "0.0.0.0"), 3, "give at least one token"),
        (("--host", "192.0.2.1", "--api-token", TOKEN), 6, "Can't listen at 192.0.2.1"),
        (("--api-token", "secret-secret"), 3, "`wakeful token` makes one"),
        (("--token-file", "empty.py"), 3, "holds no token"),
        (("--model", "qwen3"), 4, "No model on this machine is called 'qwen3'. There are: pilot."),
        (("--model", "./none.gguf"), 4, "./none.gguf does not exist"),
        (("--model", "empty.py"), 4, "empty.py"),
        (("--models-folder", "none"), 4, "none is no folder"),
        (("--port", "70000"), 2, "--port"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "wrong.toml").write_text('[[reply]]\ntekst = "x"\n')
    (tmp_path / "plan.toml").write_text('[[fault]]\nkind = "sttall"\n')
    port = () if "--port" in arguments else ("--port", "0")
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["serve", *port, *arguments])
    assert done.exit_code == code, done.output
    assert said in " ".join(done.output.split())


def test_a_taken_port_is_said_with_who_has_it(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("script = 'hi'")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        done = wakeful(tmp_path, "serve", "--script", "script.py", "--port", str(port))
    assert done.returncode == 6
    assert f"Port {port} is taken by {psutil.Process().name()} (process {os.getpid()})." in done.stderr


def test_a_person_is_told_in_a_few_lines(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("script = 'hi'")
    with subprocess.Popen(
        [sys.executable, "-m", "wakeful.cli", "serve", "--script", "script.py", "--port", "0", "--fault", "stall"],
        cwd=tmp_path,
        env=os.environ | {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(WITHIN_S) == 0
    assert re.match(r"Wakeful [\d.]+   http://127\.0\.0\.1:\d+ ", lines[0])
    assert lines[1].startswith("loaded    scripted (8,192 tokens of context), scripted-embedding (embeddings, ")
    assert [line.split()[0] for line in lines[2:]] == ["faults", "Ctrl-C"]
    assert rest == "Stopped.\n"


def test_tokens_are_made_and_kept_for_their_owner_only(tmp_path: Path) -> None:
    made = [wakeful(tmp_path, "token", "--file", "tokens.txt").stdout.strip() for _ in range(2)]
    assert all(re.fullmatch(r"sk-lm-[A-Za-z0-9]{8}:[A-Za-z0-9]{20}", token) for token in made)
    file = tmp_path / "tokens.txt"
    assert file.read_text().split() == made
    assert file.stat().st_mode & 0o077 == 0


def test_the_help_names_every_option_with_what_it_does(tmp_path: Path) -> None:
    shown = wakeful(tmp_path, "serve", "--help").stdout
    for option in ("--model", "--script", "--fault", "--fault-plan", "--admin", "--discoverable", "--token-file"):
        assert option in shown
    assert "Exit codes" in wakeful(tmp_path, "--help").stdout
