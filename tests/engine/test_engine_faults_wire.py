"""Each fault as a client meets it: read from a raw socket, where it can be seen byte by byte."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import lmstudio
import msgspec
import pytest

from wakeful.engine.faults.model import WORDINGS
from wakeful.engine.testing import (
    ClockJump,
    Close,
    ContentType,
    Crash,
    Duplicate,
    Endless,
    ErrorEvent,
    Garble,
    HangUp,
    LMStudioServer,
    Offline,
    Overflow,
    Refuse,
    Reset,
    Slow,
    Stall,
    Status,
    Truncate,
    Unload,
)

TEXT = "one two three four five"
LIMIT_S = 5.0


@dataclass
class Heard:
    """What came over one connection. ended: `end` of the answer, `closed`, `reset`, or `silence`."""

    raw: bytes = b""
    ended: str = ""
    head: str = ""
    body: bytes = b""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def events(self) -> list[str]:
        return [each.removeprefix("data: ") for each in self.body.decode().split("\n\n") if each]

    @property
    def text(self) -> str:
        parts = [json.loads(each) for each in self.events if each.startswith("{") and '"delta"' in each]
        return "".join(each["choices"][0]["delta"].get("content", "") for each in parts)

    @property
    def error(self) -> str:
        error: Any = json.loads(self.body)["error"]
        return error if isinstance(error, str) else error["message"]


Ask = Callable[..., Heard]


class Caller:
    """One kept connection."""

    def __init__(self, server: LMStudioServer) -> None:
        self.sock = socket.create_connection(("127.0.0.1", server.port), LIMIT_S)

    def ask(self, path: str = "/v1/chat/completions", *, quiet_s: float = LIMIT_S, **more: Any) -> Heard:
        body: dict[str, Any] = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}], **more}
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        heard = Heard()
        try:
            self.sock.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            self.sock.settimeout(quiet_s)
            while heard.ended != "end":
                piece = self.sock.recv(65536)
                if not piece:
                    heard.ended = "closed"
                    break
                heard.raw += piece
                _read(heard)
        except TimeoutError:
            heard.ended = "silence"
        except ConnectionError:
            heard.ended = "reset"
        return heard


def _read(heard: Heard) -> None:
    head, found, rest = heard.raw.partition(b"\r\n\r\n")
    if not found:
        return
    heard.head = head.decode()
    heard.status = int(heard.head.split(" ")[1])
    lines = heard.head.split("\r\n")[1:]
    heard.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if "content-length" in heard.headers:
        heard.body = rest
        heard.ended = "end" if len(rest) == int(heard.headers["content-length"]) else ""
        return
    heard.body = b""
    while (size := rest.partition(b"\r\n")[0]) and rest.count(b"\r\n"):
        try:
            length = int(size, 16)
        except ValueError:
            heard.ended = "end"
            heard.body += rest
            return
        piece = rest[len(size) + 2 :]
        heard.body += piece[:length]
        if length == 0 or len(piece) < length:
            heard.ended = "end" if length == 0 else ""
            return
        rest = piece[length + 2 :]


@pytest.fixture
def server(lmstudio_server: LMStudioServer) -> LMStudioServer:
    lmstudio_server.script(TEXT)
    return lmstudio_server


@pytest.fixture
def ask(server: LMStudioServer) -> Ask:
    """Ask once, over a connection of its own."""

    def asked(path: str = "/v1/chat/completions", **more: Any) -> Heard:
        try:
            caller = Caller(server)
        except ConnectionResetError:  # refused so soon that connecting itself fails
            return Heard(ended="reset")
        with closing(caller.sock):
            return caller.ask(path, **more)

    return asked


def test_without_a_fault_all_is_well(ask: Ask) -> None:
    whole, stream = ask(), ask(stream=True)
    assert (whole.ended, whole.status, json.loads(whole.body)["choices"][0]["message"]["content"]) == ("end", 200, TEXT)
    assert (stream.ended, stream.status, stream.text, stream.events[-1]) == ("end", 200, TEXT, "[DONE]")


def test_refuse(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Refuse(nth=2))
    assert [ask().ended for _ in range(3)] == ["end", "reset", "end"]
    assert [type(each.fault) for each in server.fired] == [Refuse]


def test_offline(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Offline(0.3, nth=1))
    assert ask().ended == "reset"
    with pytest.raises(ConnectionRefusedError):
        ask()
    give_up_s = time.monotonic() + LIMIT_S
    while True:
        try:
            assert ask().ended == "end"
            break
        except ConnectionRefusedError:
            assert time.monotonic() < give_up_s
            time.sleep(0.02)


@pytest.mark.parametrize("stream", [False, True])
def test_reset_before_anything(server: LMStudioServer, ask: Ask, stream: bool) -> None:
    server.fault("reset")
    heard = ask(stream=stream)
    assert (heard.raw, heard.ended) == (b"", "reset")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("at", [1, 2, 100, 300])
def test_reset_at_a_byte_of_the_body(server: LMStudioServer, ask: Ask, stream: bool, at: int) -> None:
    server.fault(Close(at))  # what was sent before a reset may be lost on the way, before a close it is not
    heard = ask(stream=stream)
    assert (heard.status, len(heard.body), heard.ended) == (200, at, "closed")
    server.clear_faults()
    server.fault(Reset(at))
    assert ask(stream=stream).ended == "reset"


def test_close_after_an_event(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Close(at_event=2))
    heard = ask(stream=True)
    assert (heard.text, len(heard.events), heard.ended) == ("one two", 2, "closed")
    assert ask().ended == "closed", "an answer that is no stream is cut half-way"


def test_close_without_end(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Close())
    stream = ask(stream=True)
    assert (stream.text, stream.ended) == (TEXT, "closed")
    assert "[DONE]" not in stream.events
    whole = ask()
    assert whole.ended == "closed"
    assert len(whole.body) == int(whole.headers["content-length"]) - 1


@pytest.mark.parametrize("stream", [False, True])
def test_stall_for_ever(server: LMStudioServer, ask: Ask, stream: bool) -> None:
    server.fault("stall")
    heard = ask(stream=stream, quiet_s=0.2)
    assert (heard.raw, heard.ended) == (b"", "silence")
    assert server.wait_until_gone(server.requests[-1])


def test_stall_for_a_while_before_and_after_the_first_token(server: LMStudioServer, ask: Ask) -> None:
    for fault in (Stall(for_s=0.15), Stall(1, for_s=0.15), Stall(at_byte=3, for_s=0.15)):
        server.clear_faults()
        server.fault(fault)
        began_s = time.monotonic()
        assert ask(stream=True).text == TEXT
        assert time.monotonic() - began_s >= 0.15
    server.clear_faults()
    server.fault(Stall(2))
    heard = ask(stream=True, quiet_s=0.2)
    assert (heard.text, heard.ended) == ("one two", "silence")


def test_slow(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Slow(0.05))
    began_s = time.monotonic()
    assert ask(stream=True).text == TEXT
    assert time.monotonic() - began_s >= 0.25


def test_status(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Status(429, {"error": "busy"}, {"Retry-After": "2"}, nth=1), Status(502, "<html>bad gateway", nth=2))
    busy, gateway = ask(stream=True), ask()
    assert (busy.status, json.loads(busy.body), busy.headers["retry-after"]) == (429, {"error": "busy"}, "2")
    assert (gateway.status, gateway.body) == (502, b"<html>bad gateway")
    server.fault("503,route=/v1/messages", "500,route=/api/v1/*")
    assert json.loads(ask("/v1/messages").body)["error"]["type"] == "api_error"
    assert json.loads(ask("/api/v1/chat").body)["error"]["type"] == "internal_error"
    assert server.requests[-1].status == 500


@pytest.mark.parametrize("what", ["json", "utf8", "framing"])
def test_garble(server: LMStudioServer, ask: Ask, what: Any) -> None:
    server.fault(Garble(2, what))
    stream, whole = ask(stream=True), ask()
    assert stream.status == whole.status == 200
    if what == "framing":
        assert b"this is no chunk" in stream.raw
        assert stream.body.index(b"zz\r\n") > stream.body.index(b"\n\n")
        assert b"this is no chunk" in whole.raw
        return
    events = stream.body.split(b"\n\n")
    for data in (events[1].removeprefix(b"data: "), whole.body):
        with pytest.raises(ValueError):  # noqa: PT011
            json.loads(data)
    assert whole.ended == stream.ended == "end"
    assert json.loads(events[0].removeprefix(b"data: "))
    assert json.loads(events[2].removeprefix(b"data: "))


def test_error_in_a_stream_and_in_a_whole_answer(server: LMStudioServer, ask: Ask) -> None:
    server.fault(ErrorEvent(2, "The GPU is on fire."))
    stream, whole = ask(stream=True), ask()
    assert (stream.status, stream.text) == (200, "one two")
    assert "event: error\ndata: " in stream.body.decode()
    assert "The GPU is on fire." in stream.events[-1] + stream.events[-2]
    assert whole.status >= 400
    assert whole.error == "The GPU is on fire."


def test_content_type(server: LMStudioServer, ask: Ask) -> None:
    server.fault(ContentType("text/html"))
    for stream in (False, True):
        heard = ask(stream=stream)
        assert (heard.status, heard.headers["content-type"]) == (200, "text/html")


def test_crash_is_told_in_lm_studios_words_and_passes(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Crash(exit_code=11, times=1))
    heard = ask()
    assert (heard.status, heard.error) == (
        400,
        "The model has crashed without additional information. (Exit code: 11)",
    )
    assert ask().status == 200


def test_unload_in_the_middle(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Unload(2))
    heard = ask(stream=True)
    assert heard.text == "one two"
    assert "Model unloaded" in heard.body.decode()
    assert server.models.loaded == ["scripted-embedding"]


def test_the_connection_is_closed_under_the_next_request(server: LMStudioServer) -> None:
    server.fault(HangUp(nth=1))
    caller = Caller(server)
    with closing(caller.sock):
        first = caller.ask()
        assert (first.ended, first.headers.get("connection", "keep-alive")) == ("end", "keep-alive")
        assert caller.ask().ended == "reset"
    again = Caller(server)
    with closing(again.sock):
        assert [again.ask().ended, again.ask().ended] == ["end", "end"]


@pytest.mark.parametrize("wording", WORDINGS)
def test_overflow_in_each_wording(server: LMStudioServer, ask: Ask, wording: Any) -> None:
    server.fault(Overflow(wording, prompt_tokens=5000, context_tokens=2048))
    whole, stream = ask(), ask(stream=True)
    if wording == "silent":
        assert json.loads(whole.body)["choices"][0]["message"]["content"] == ""
        assert (stream.status, stream.text) == (200, "")
        return
    said = WORDINGS[wording].format(prompt=5000, context=2048)
    assert (whole.status, whole.error) == (400, said)
    assert json.dumps(said)[1:-1] in stream.body.decode()


def test_truncate(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Truncate(2))
    choice = json.loads(ask().body)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two", "length")


def test_endless(server: LMStudioServer) -> None:
    server.fault(Endless(0.0))
    caller = Caller(server)
    with closing(caller.sock):
        caller.sock.settimeout(LIMIT_S)
        body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True, "max_tokens": 3}).encode()
        caller.sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n")
        caller.sock.sendall(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        heard = b""
        while heard.count(b"one") < 3:
            heard += caller.sock.recv(65536)
    assert server.wait_until_gone(server.wait_for_request())


def test_duplicate(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Duplicate(times=1))
    assert ask().status == 200
    assert server.models.loaded == ["scripted", "scripted-embedding", "scripted:2"]


def test_the_clock_jumps(server: LMStudioServer, ask: Ask) -> None:
    server.fault(ClockJump(-86400, nth=2))
    today, yesterday, still = (json.loads(ask().body)["created"] for _ in range(3))
    assert 86_300 < today - yesterday < 86_500
    assert 86_300 < today - still < 86_500


def respond(server: LMStudioServer) -> str:
    """What LM Studio's own SDK hears at the WebSocket."""
    with lmstudio.Client(server.url.removeprefix("http://")) as client:
        return client.llm.model("scripted").respond("hi").content


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Crash(2, exit_code=11), "crashed"),
        (ErrorEvent(2, "The GPU is on fire."), "The GPU is on fire."),
        (Unload(2), "unloaded"),
        (Overflow(), "context"),
    ],
)
def test_lm_studios_sdk_meets_the_faults_of_models_too(server: LMStudioServer, fault: Any, said: str) -> None:
    assert respond(server) == TEXT
    server.fault(msgspec.structs.replace(fault, route="/llm", model="scripted"))
    with pytest.raises(lmstudio.LMStudioError, match=said):
        respond(server)


def test_lm_studios_sdk_may_be_cut_short_or_refused(server: LMStudioServer) -> None:
    server.fault(Truncate(2, route="/llm", times=1))
    assert respond(server) == "one two"
    server.fault(Status(503, route="/llm", times=1))
    with pytest.raises(lmstudio.LMStudioError):
        respond(server)


def test_a_fault_of_one_model_leaves_the_others_alone(server: LMStudioServer, ask: Ask) -> None:
    server.models.add("other", loaded=True)
    server.fault("503,model=oth*")
    assert [ask(model="scripted").status, ask(model="other").status] == [200, 503]


def test_what_broke_off_on_command_is_not_taken_for_a_client_that_left(server: LMStudioServer, ask: Ask) -> None:
    server.fault(Reset(5, nth=1))
    ask(stream=True)
    assert not server.wait_until_gone(server.requests[0])


async def test_the_same_plan_does_the_same_to_the_same_requests(server: LMStudioServer, ask: Ask) -> None:
    ends: list[list[str]] = []
    for _ in range(2):
        server.clear_faults()
        server.fault("reset,probability=0.3", "503,probability=0.3", seed=5)
        ends.append([f"{(heard := ask()).ended} {heard.status}" for _ in range(30)])
    assert ends[0] == ends[1]
    assert len(set(ends[0])) == 3
    await asyncio.sleep(0)
