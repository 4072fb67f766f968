"""What it costs to be on: CPU and memory of `wakeful run` while it does not think, with default sources and with all.

All: besides the usual ones a log, a folder, a command, programs, a web page, a web hook, an exporter, LM Studio, and a
broker where Debian's mosquitto is installed. The page, the exporter and what is written come from the bench itself.
"""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil

SETTLE_S, MEASURE_S = 25.0, 60.0
SERIES = 60
"""Series of the exporter."""


def main() -> None:
    measured("default sources")
    with tempfile.TemporaryDirectory() as folder, everything(Path(folder)) as config:
        measured("all sources", config)


def measured(name: str, config: Path | None = None) -> None:
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"WAKEFUL_HOME": home, "BENCH_HOOK_TOKEN": "a token of the bench, 32 letters"}
        command = [sys.executable, "-m", "wakeful.cli", "run", "--port", "0"]
        command += ["--config", str(config)] if config else []
        log = Path(home) / "output.txt"
        with log.open("wb") as output:
            child = subprocess.Popen(command, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            time.sleep(SETTLE_S)
            if child.poll() is not None:
                raise RuntimeError(log.read_text(encoding="utf-8", errors="replace"))
            mind = psutil.Process(child.pid)
            before, begun_s = mind.cpu_times(), time.monotonic()
            peak = 0
            while time.monotonic() - begun_s < MEASURE_S:
                peak = max(peak, mind.memory_info().rss)
                time.sleep(1.0)
            after, span_s = mind.cpu_times(), time.monotonic() - begun_s
            busy_s = after.user + after.system - before.user - before.system
            engine = sum(each.memory_info().rss for each in mind.children(recursive=True))
        finally:
            child.terminate()
            child.wait(10)
        printed = log.read_text(encoding="utf-8", errors="replace")
    watching = next((line.strip() for line in printed.splitlines() if line.startswith("watching")), "")
    print(f"{name}, over {span_s:.0f} s ({printed.count('expects:')} thoughts printed in all)\n  {watching}")
    print(f"  CPU of the mind     {busy_s / span_s:>8.2%} of one core  (must be under 2 %)")
    print(f"  memory of the mind  {peak / 1e6:>8.1f} MB resident  (must be under 150 MB)")
    print(f"  memory of engine    {engine / 1e6:>8.1f} MB resident", flush=True)


@contextlib.contextmanager
def everything(folder: Path) -> Generator[Path]:
    """A configuration with a source of every kind, and the things that they watch, which say something each second."""
    log, watched = folder / "app.log", folder / "watched"
    log.touch()
    watched.mkdir()
    sources = [
        f'kind = "log"\npaths = ["{log}"]',
        f'kind = "files"\npaths = ["{watched}"]',
        'kind = "command"\nname = "uptime"\nrun = ["uptime"]\nevery_s = 60',
        'kind = "process"\nnames = ["python*", "sshd"]',
        'kind = "webhook"\nname = "hook"\ntoken = "env:BENCH_HOOK_TOKEN"',
        'kind = "lmstudio"',
    ]
    ended = threading.Event()
    with contextlib.ExitStack() as stack:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        sources += [f'kind = "http"\nurl = "{address}/"', f'kind = "prometheus"\nurl = "{address}/metrics"']
        if (mosquitto := shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")) is not None:
            port = stack.enter_context(broker(mosquitto, folder))
            sources.append(f'kind = "mqtt"\nurl = "mqtt://127.0.0.1:{port}"\ntopics = ["$SYS/broker/#"]')
        stack.callback(ended.set)
        threading.Thread(target=chatter, args=(log, watched, ended), daemon=True).start()
        config = folder / "wakeful.toml"
        tables = "\n\n".join(f"[[source]]\n{source}" for source in sources)
        config.write_text(f"default_sources = true\n\n{tables}\n", encoding="utf-8")
        yield config


def chatter(log: Path, watched: Path, ended: threading.Event) -> None:
    """One line a second, and a file every ten."""
    number = 0
    while not ended.wait(1.0):
        number += 1
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} INFO request {number} served in {random.randint(9, 20)} ms\n")
        if number % 10 == 0:
            (watched / f"{number % 50}.txt").write_text(f"{number}\n", encoding="utf-8")


@contextlib.contextmanager
def broker(mosquitto: str, folder: Path) -> Generator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nsys_interval 10\n", encoding="utf-8")
    child = subprocess.Popen([mosquitto, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        child.terminate()
        child.wait(10)


class Exporter(BaseHTTPRequestHandler):
    """A page, and an exporter whose gauges wander."""

    def do_GET(self) -> None:
        if self.path == "/metrics":
            lines = [f'bench_gauge{{series="{each}"}} {50 + 5 * random.random():.3f}' for each in range(SERIES)]
            body = "# TYPE bench_gauge gauge\n" + "\n".join(lines) + "\n"
        else:
            body = "all is well\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library's name)
        """Says nothing: the figures are the output."""


if __name__ == "__main__":
    main()
