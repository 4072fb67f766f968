"""The pytest plugin, as other people's tests use it: in a process of its own."""

import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wakeful.engine.errors import GenerationFailed, NoSuchModel
from wakeful.engine.runner.request import Generation
from wakeful.engine.testing import Call, LMStudioServer, Reply
from wakeful.engine.testing.script import BadScript
from wakeful.engine.testing.server import NothingReceived
from wakeful.lmstudio import (
    AsyncLMStudioClient,
    AuthError,
    LMStudioClient,
    ModelNotFound,
    NoModelLoaded,
    RetryConfig,
    ServerError,
    ServerUnreachable,
    StreamBroken,
)

ROOT = Path(__file__).parents[2]
ONCE = RetryConfig(max_retries=0)

ASK = """
import json, urllib.request

def ask(url, text="hi", **more):
    body = {"messages": [{"role": "user", "content": text}], **more}
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]
"""


@pytest.fixture
def run_tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], pytest.RunResult]:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # of other packages, which take seconds to load

    def run(code: str) -> pytest.RunResult:
        pytester.makepyfile(ASK + code)
        return pytester.runpytest_subprocess("-p", "wakeful.pytest_plugin", "-p", "no:cacheprovider", "-q")

    return run


def test_a_test_of_somebody_elses(run_tests: Callable[[str], pytest.RunResult]) -> None:
    result = run_tests("""
def test_one(lmstudio_server):
    lmstudio_server.script("Hello from the script.")
    assert ask(lmstudio_server.url) == "Hello from the script."
    assert lmstudio_server.requests[0].json["messages"][0]["content"] == "hi"

def test_another_begins_afresh(lmstudio_server):
    assert lmstudio_server.requests == []
    assert ask(lmstudio_server.url, "knock") == "You said: knock"

def test_two_servers(make_lmstudio_server):
    one, other = make_lmstudio_server(), make_lmstudio_server(context_length=2048)
    one.script("one")
    assert (ask(one.url), ask(other.url)) == ("one", "You said: hi")
""")
    result.assert_outcomes(passed=3)


def test_a_script_that_raises_fails_the_test_where_it_ends(run_tests: Callable[[str], pytest.RunResult]) -> None:
    result = run_tests("""
import urllib.error

def test_asserts_in_its_script(lmstudio_server):
    def script(generation):
        assert generation.tools, "no tools were offered"
        return "fine"
    lmstudio_server.script(script)
    try:
        ask(lmstudio_server.url)
    except urllib.error.HTTPError as error:
        assert b"no tools were offered" in error.read()
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*no tools were offered*"])


def test_a_test_that_leaves_its_client_hanging_ends_all_the_same(run_tests: Callable[[str], pytest.RunResult]) -> None:
    result = run_tests("""
import socket

def test_stalled(lmstudio_server):
    lmstudio_server.fault("stall")
    sock = socket.create_connection(("127.0.0.1", lmstudio_server.port))
    sock.sendall(b"GET /v1/models HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    lmstudio_server.wait_for_request()
""")
    result.assert_outcomes(passed=1)


def test_the_plugin_is_announced_and_costs_a_run_that_does_not_use_it_nothing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"wakeful.pytest_plugin": "wakeful.pytest_plugin"}
    assert [each.partition(">")[0] for each in project["optional-dependencies"]["testing"]] == ["pytest"]
    code = (
        "import sys, wakeful.pytest_plugin as p; print([m for m in sys.modules if m.startswith(('wakeful.', 'aio'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['wakeful.pytest_plugin']\n"


# --- what a script may be ---


def said(server: LMStudioServer, text: str = "hi", count: int = 1) -> list[str]:
    with LMStudioClient(server.url, retry=ONCE) as client:
        return [client.chat([{"role": "user", "content": text}]).text for _ in range(count)]


def test_a_script_is_a_text_a_list_or_a_function(lmstudio_server: LMStudioServer) -> None:
    lmstudio_server.script("one", "two")
    assert said(lmstudio_server, count=3) == ["one", "two", "two"]
    lmstudio_server.script(["three", Reply(text="four")])
    assert said(lmstudio_server, count=2) == ["three", "four"]
    lmstudio_server.script(lambda: "no parameters")
    assert said(lmstudio_server) == ["no parameters"]
    lmstudio_server.script(lambda generation: str(len(generation.messages)))
    assert said(lmstudio_server) == ["1"]


async def test_a_script_may_be_a_coroutine_and_code_under_test_too(lmstudio_server: LMStudioServer) -> None:
    async def script(generation: Generation) -> Reply:
        return Reply(text="from a coroutine", reasoning="hm")

    lmstudio_server.script(script)
    async with AsyncLMStudioClient(lmstudio_server.url) as client:
        answer = await client.chat([{"role": "user", "content": "hi"}])
    assert (answer.text, answer.reasoning) == ("from a coroutine", "hm")


def test_a_call_is_an_answer(lmstudio_server: LMStudioServer) -> None:
    def weather(city: str) -> str:
        """The weather."""
        return f"It rains in {city}."

    lmstudio_server.script(Call("weather", {"city": "Lyon"}), "It rains.")
    with LMStudioClient(lmstudio_server.url) as client:
        assert client.act("How is the weather?", [weather]).text == "It rains."
    assert lmstudio_server.requests[-1].text == "It rains in Lyon."
    assert [each.path for each in lmstudio_server.requests if each.method == "POST"] == ["/v1/chat/completions"] * 2


def test_each_model_may_have_a_script_of_its_own(lmstudio_server: LMStudioServer) -> None:
    lmstudio_server.models.add("other", loaded=True)
    lmstudio_server.script("I am any model.")
    lmstudio_server.script("I am the other.", model="other")
    with LMStudioClient(lmstudio_server.url) as client:
        assert client.chat("who?", model="other").text == "I am the other."
        assert client.chat("who?", model="scripted").text == "I am any model."


def test_a_script_may_fail_as_a_model_does(lmstudio_server: LMStudioServer) -> None:
    def script() -> str:
        raise GenerationFailed("out of luck")

    lmstudio_server.script(script)
    with pytest.raises(Exception, match="out of luck"):
        said(lmstudio_server)
    assert lmstudio_server.script_errors == []


def test_what_is_no_script_is_told_so(lmstudio_server: LMStudioServer) -> None:
    with pytest.raises(BadScript, match="at least one answer"):
        lmstudio_server.script([])
    nonsense: Any = [3]
    with pytest.raises(BadScript, match="3 is no answer"):
        lmstudio_server.script(nonsense)


# --- what it was asked ---


def test_requests_are_told_whole(lmstudio_server: LMStudioServer) -> None:
    with LMStudioClient(lmstudio_server.url, api_token="sk-lm-aaaaaaaa:bbbbbbbbbbbbbbbbbbbb") as client:
        client.chat("How are you?", temperature=0.5)
    asked = lmstudio_server.wait_for_request(path="/v1/chat/*")
    assert (asked.method, asked.path, asked.text) == ("POST", "/v1/chat/completions", "How are you?")
    assert asked.headers["authorization"] == "Bearer sk-lm-aaaaaaaa:bbbbbbbbbbbbbbbbbbbb"
    assert asked.json["temperature"] == 0.5
    assert not lmstudio_server.wait_until_gone(asked)
    assert asked.status == 200
    lmstudio_server.forget_requests()
    assert lmstudio_server.requests == []


def test_waiting_for_a_request_that_never_comes_says_what_came(lmstudio_server: LMStudioServer) -> None:
    said(lmstudio_server)
    with pytest.raises(NothingReceived, match=r"No request number 1 to /v1/embeddings .* POST /v1/chat/completions"):
        lmstudio_server.wait_for_request(path="/v1/embeddings", timeout_s=0.01)


def test_waiting_is_over_when_the_request_is_there(lmstudio_server: LMStudioServer) -> None:
    thread = threading.Thread(target=said, args=(lmstudio_server, "from elsewhere"))
    thread.start()
    assert lmstudio_server.wait_for_request(path="/v1/chat/completions").text == "from elsewhere"
    thread.join()


def test_a_client_that_goes_away_is_seen(lmstudio_server: LMStudioServer) -> None:
    lmstudio_server.script(Reply(text="one two three " * 50, token_s=0.02))
    with LMStudioClient(lmstudio_server.url) as client, client.stream("go on") as stream:
        next(iter(stream))
    assert lmstudio_server.wait_until_gone(lmstudio_server.wait_for_request(path="/v1/chat/completions"))


# --- models and faults ---


def test_models_come_and_go(make_lmstudio_server: Callable[..., LMStudioServer]) -> None:
    server = make_lmstudio_server(jit=False)
    server.models.add("qwen", max_context_length=32768, vision=True)
    assert server.models.keys == ["scripted", "scripted-embedding", "qwen"]
    assert server.models.loaded == ["scripted", "scripted-embedding"]
    assert server.models.load("qwen", identifier="mine", context_length=4096) == "mine"
    assert server.models.instances[-1].context_length == 4096
    assert server.models.load("qwen") == "qwen"
    assert server.models.load("qwen") == "qwen:2"
    server.models.unload("mine")
    server.models.unload_all()
    assert server.models.loaded == []
    with pytest.raises(NoModelLoaded):
        said(server)
    server.models.remove("qwen")
    with pytest.raises(NoSuchModel):
        server.models.load("qwen")


def test_a_model_that_is_not_there(lmstudio_server: LMStudioServer) -> None:
    lmstudio_server.models.add("other", loaded=True)
    with LMStudioClient(lmstudio_server.url, retry=ONCE) as client, pytest.raises(ModelNotFound):
        client.chat("hi", model="nobody")


def test_tokens_are_asked_for(make_lmstudio_server: Callable[..., LMStudioServer]) -> None:
    server = make_lmstudio_server(tokens=["sk-lm-aaaaaaaa:bbbbbbbbbbbbbbbbbbbb"])
    with pytest.raises(AuthError):
        said(server)
    with LMStudioClient(server.url, api_token="sk-lm-aaaaaaaa:bbbbbbbbbbbbbbbbbbbb") as client:
        assert client.chat("hi").text == "You said: hi"


def test_faults_by_word_and_by_object(lmstudio_server: LMStudioServer) -> None:
    lmstudio_server.fault("503,route=/v1/chat/*,times=1", "close,at_event=1,route=/v1/chat/*,after=1")
    with LMStudioClient(lmstudio_server.url, retry=ONCE) as client:
        with pytest.raises(ServerError):
            client.chat("hi")
        with pytest.raises(StreamBroken):
            client.stream("hi").collect()
        lmstudio_server.clear_faults()
        assert client.stream("hi").collect().text == "You said: hi"
    assert lmstudio_server.fired == []


def test_a_port_that_is_taken_is_said(lmstudio_server: LMStudioServer) -> None:
    with pytest.raises(OSError, match="in use"):
        LMStudioServer(port=lmstudio_server.port).start()


def test_it_can_be_used_without_pytest() -> None:
    with LMStudioServer() as server:
        assert said(server) == ["You said: hi"]
        assert server.base_url == f"{server.url}/v1"
    with pytest.raises(ServerUnreachable):
        said(server)
