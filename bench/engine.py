"""What our server adds to llama.cpp: tokens a second and time to the first token, beside its own bare listener.

The same GGUF, the same settings, in the same run, in turn, round after round, so that a busy moment of the machine
falls on both: the pilot model, which is so small that a server's own cost shows most, and a model of random weights
of a realistic size, written for the occasion. Then how long the server takes to start.

    python -m bench.engine [--quick] [--threads N] [--only pilot|random]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bench.random_gguf import write_random_gguf
from wakeful.engine.files.catalog import pilot_model

_ROOT = Path(__file__).parents[1]
_STREAMS = (1, 8)
_CONTEXT = 2048
_LEAST_RATIO = 0.9
_MOST_ADDED_MS = 5.0
_SERVERS = ("bare", "ours")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    tokens: of each stream's answer, where there are several; a single one gets twice as many
    first_asks: requests of one token, for the time to the first
    """

    rounds: int
    tokens: int
    first_asks: int
    threads: int


@dataclass(frozen=True, slots=True)
class Server:
    """took_s: from its process's start until it told its URL."""

    url: str
    took_s: float
    process: psutil.Process

    def cpu_s(self) -> float:
        """Seconds of CPU that its own process has had, without those of the model's."""
        times = self.process.cpu_times()
        return times.user + times.system


@contextmanager
def started(*arguments: str) -> Generator[Server]:
    """A server in a process of its own."""
    begun_s = time.monotonic()
    command = [sys.executable, "-m", "bench.engine_server", *arguments]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        took_s = time.monotonic() - begun_s
        try:
            yield Server(url, took_s, psutil.Process(server.pid))
        finally:
            server.stdin.close()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


class _Stream(asyncio.Protocol):
    """Sends one request and keeps what comes; as cheap as can be, since it shares the machine with the server."""

    def __init__(self, request: bytes, ended: "asyncio.Future[None]") -> None:
        self._request = request
        self._ended = ended
        self.began_s = 0.0
        self.first_s = 0.0
        self.parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.began_s = time.monotonic()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.first_s and b'"content":"' in data:
            self.first_s = time.monotonic()
        self.parts.append(data)
        if data.endswith(b"0\r\n\r\n") and not self._ended.done():
            self._ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def asked(url: str, tokens: int, banned: int, number: int) -> bytes:
    """A streamed chat completion of exactly so many tokens; `number` makes prompts differ."""
    body = json.dumps(
        {
            "model": "measured",
            "messages": [{"role": "user", "content": f"Tell me about number {number} and what follows on it."}],
            "max_tokens": tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "seed": number,
            "logit_bias": {str(banned): -100},
        }
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nConnection: close\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def stream(url: str, request: bytes) -> _Stream:
    """One answer, read to its end."""
    loop = asyncio.get_running_loop()
    there = urlsplit(url)
    ended = loop.create_future()
    host, port = there.hostname or "", there.port or 0
    transport, protocol = await loop.create_connection(lambda: _Stream(request, ended), host, port)
    await ended
    transport.close()
    return protocol


def told_tokens(heard: _Stream) -> int:
    """How many tokens the server says that the answer has."""
    body = b"".join(heard.parts)
    at = body.rfind(b'"completion_tokens":')
    assert at > 0, body[-500:]
    return int(body[at + 20 :].split(b",")[0].split(b"}")[0])


async def tokens_per_s(url: str, streams: int, tokens: int, banned: int) -> float:
    """Of all streams together."""
    began_s = time.monotonic()
    heard = await asyncio.gather(*(stream(url, asked(url, tokens, banned, number)) for number in range(streams)))
    took_s = time.monotonic() - began_s
    return sum(map(told_tokens, heard)) / took_s


async def first_ms(url: str, asks: int, banned: int) -> list[float]:
    """Milliseconds from connection to the first text, one request after the other."""
    heard = [await stream(url, asked(url, 1, banned, number)) for number in range(asks)]
    return [(each.first_s - each.began_s) * 1e3 for each in heard]


async def end_token(url: str) -> int:
    """The token that would end an answer, as llama.cpp's own server tells it."""
    body = b'{"content":"<|im_end|>"}'
    head = f"POST /tokenize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    heard = await stream(url, head.encode() + body)
    return int(b"".join(heard.parts).split(b"[")[1].split(b"]")[0])


async def measure(servers: dict[str, Server], plan: Plan) -> dict[str, dict[str, list[float]]]:
    """By what is measured, then by server."""
    banned = await end_token(servers["bare"].url)
    figures: dict[str, dict[str, list[float]]] = {}

    def keep(what: str, name: str, values: list[float]) -> None:
        figures.setdefault(what, {}).setdefault(name, []).extend(values)

    for number in range(plan.rounds + 1):  # the first one warms up
        for name in _SERVERS if number % 2 else reversed(_SERVERS):
            url = servers[name].url
            for streams in _STREAMS:
                tokens = plan.tokens if streams > 1 else 2 * plan.tokens
                before_s = servers[name].cpu_s()
                rate = await tokens_per_s(url, streams, tokens, banned)
                cost_us = (servers[name].cpu_s() - before_s) / (streams * tokens) * 1e6
                if number:
                    keep(f"{streams} streams: tokens/s", name, [rate])
                    keep(f"{streams} streams: CPU, µs/token", name, [cost_us])
            if number:
                keep("first token: ms", name, await first_ms(url, plan.first_asks, banned))
    return figures


def report(title: str, figures: dict[str, dict[str, list[float]]]) -> None:
    """Medians, and how ours compares."""
    print(f"{title}")
    for what, by_server in sorted(figures.items()):
        bare, ours = (statistics.median(by_server[name]) for name in _SERVERS)
        if "CPU" in what:
            print(
                f"  {what:<26} ours without the model's process {ours:>7.1f}; bare, all of it {bare:>9.1f}", flush=True
            )
            continue
        if what.startswith("first"):
            compared = f"{ours - bare:+.2f} ms (limit {_MOST_ADDED_MS:+.0f})"
        else:
            pairs = sorted(mine / theirs for mine, theirs in zip(by_server["ours"], by_server["bare"], strict=True))
            quarter, middle = pairs[len(pairs) // 4], statistics.median(pairs)
            compared = f"ratio {ours / bare:.2f}; of the rounds {middle:.2f}, a quarter below {quarter:.2f}"
            compared += f" (limit {_LEAST_RATIO})"
        print(f"  {what:<26} bare {bare:>9.2f}   ours {ours:>9.2f}   {compared}", flush=True)


def compare(title: str, file: Path, plan: Plan) -> None:
    """Measure one model on both servers."""
    settings = (str(file), str(plan.threads), str(max(_STREAMS)), str(_CONTEXT))
    with started("bare", *settings) as bare, started("ours", *settings) as ours:
        report(title, asyncio.run(measure({"bare": bare, "ours": ours}, plan)))


def starts(rounds: int) -> None:
    """How long `wakeful serve` takes from its process's start until it listens."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text("def script(request):\n    return 'hello'\n")
        kinds = (("scripted", ("--script", str(script)), 1.0), ("pilot", (), 2.0))
        took: dict[str, list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for title, more, _ in kinds:
                took.setdefault(title, []).append(_start_s(more))
    for title, _, limit_s in kinds:
        all_s, cpu_s = ([each[at] for each in took[title]] for at in (0, 1))
        median_s, best_s = statistics.median(all_s), min(all_s)
        print(f"  start with the {title} model: {median_s:.2f} s, at best {best_s:.2f} s (limit {limit_s}); ", end="")
        print(f"CPU of its own process {statistics.median(cpu_s):.2f} s", flush=True)


def _start_s(more: tuple[str, ...]) -> tuple[float, float]:
    """Seconds until it listens, and how much CPU its own process had until then."""
    command = [sys.executable, "-m", "wakeful.cli", "serve", "--json", "--port", "0", *more]
    begun_s = time.monotonic()
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            while '"listening"' not in (line := server.stdout.readline()):
                assert line, "the server ended by itself"
            times = psutil.Process(server.pid).cpu_times()
            return time.monotonic() - begun_s, times.user + times.system
        finally:
            server.terminate()


def main(arguments: list[str] | None = None) -> None:
    """Measure all; takes some three minutes."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="llama.cpp's")
    parser.add_argument("--only", choices=("pilot", "random", "starts"))
    given = parser.parse_args(arguments if arguments is not None else [])
    rounds = 3 if given.quick else 9
    print(f"{given.threads} threads for the model, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if given.only in (None, "pilot"):
        compare("pilot model", pilot_model(), Plan(3 * rounds, 180, 9, given.threads))
    if given.only in (None, "random"):
        with tempfile.TemporaryDirectory() as folder:
            file = write_random_gguf(Path(folder) / "random.gguf")
            compare(f"random weights, {file.stat().st_size / 1e6:.0f} MB", file, Plan(rounds, 48, 6, given.threads))
    if given.only in (None, "starts"):
        starts(3 if given.quick else 7)


if __name__ == "__main__":
    main(sys.argv[1:])
