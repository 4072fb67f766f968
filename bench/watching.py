"""What it costs to watch everything at once on a quiet day: CPU and memory with all kinds of sources on.

The world that is watched stands beside it: a web site, an exporter of 1,000 series, an MQTT broker with 20 sensors,
posts to a hook, a log, a folder, a command, processes, and a stand-in for LM Studio with its log.
"""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from wakeful.cli.watching import build_sources
from wakeful.config import load
from wakeful.events import Observation
from wakeful.sources import run_sources

SETTLE_S, MEASURE_S = 25.0, 60.0
TOKEN = "0123456789abcdef"
SENSORS, SENSORS_S, SERIES = 20, 10.0, 1000
_ALONE = "alone"


def main() -> None:
    if sys.argv[1:2] == [_ALONE]:
        asyncio.run(_alone(Path(sys.argv[2])))
        return
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure_all(Path(folder)))


async def _measure_all(folder: Path) -> None:
    async with _world(folder) as settings:
        file = folder / "wakeful.toml"
        file.write_text(settings)
        run = [sys.executable, "-m", "wakeful.cli", "run", "--port", "0"]
        await _measure("wakeful run, the usual sources", run, folder / "usual")
        await _measure("wakeful run, all sources", [*run, "--config", str(file)], folder / "all", posts=True)
        alone = [sys.executable, "-m", "bench.watching", _ALONE, str(file)]
        await _measure("sources and their supervision alone", alone, folder / "alone")


async def _alone(file: Path) -> None:
    """All sources, and a journal that keeps nothing."""

    async def emit(batch: Sequence[Observation]) -> None:
        print(f"took {len(batch)}", flush=True)

    await run_sources(build_sources(load(file).settings, ()), {}, emit)


async def _measure(what: str, command: list[str], home: Path, *, posts: bool = False) -> None:
    await asyncio.to_thread(home.mkdir)
    output = home / "output.txt"
    with output.open("wb") as opened:
        env = os.environ | {"WAKEFUL_HOME": str(home)}
        child = subprocess.Popen(command, env=env, stdout=opened, stderr=opened, stdin=subprocess.DEVNULL)  # noqa: ASYNC220
    posting = asyncio.create_task(_post(output)) if posts else None
    try:
        await asyncio.sleep(SETTLE_S)
        mind = psutil.Process(child.pid)
        before, begun_s, peak = mind.cpu_times(), time.monotonic(), 0
        while time.monotonic() - begun_s < MEASURE_S:
            peak = max(peak, mind.memory_info().rss)
            await asyncio.sleep(1.0)
        after, span_s = mind.cpu_times(), time.monotonic() - begun_s
    finally:
        if posting:
            posting.cancel()
        child.terminate()
        child.wait(10)
    busy_s = after.user + after.system - before.user - before.system
    ended_s = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{what}, over {span_s:.0f} s")
    print(
        f"  CPU       {busy_s / span_s:>8.2%} of one core  (must be under 2 %), programs it ran {ended_s / span_s:.2%}"
    )
    print(f"  memory    {peak / 1e6:>8.1f} MB resident  (must be under 150 MB)", flush=True)


async def _post(output: Path) -> None:
    """A post each 10 seconds, once it is known where to."""
    async with aiohttp.ClientSession() as http:
        while True:
            await asyncio.sleep(10)
            if found := re.search(r"webhook +(\S+)", await asyncio.to_thread(output.read_text)):
                headers = {"Authorization": f"Bearer {TOKEN}"}
                body = {"heartbeat": {"status": 1, "ping": 30, "msg": "200 - OK"}, "monitor": {"name": "cloud"}}
                async with http.post(found[1], json=body, headers=headers) as response:
                    if response.status != 200:
                        print(f"  a post was answered {response.status}")


# The world


@contextlib.asynccontextmanager
async def _world(folder: Path) -> AsyncGenerator[str]:
    """Runs it, and gives the settings that watch all of it."""
    async with contextlib.AsyncExitStack() as stack:
        site = await stack.enter_async_context(_site())
        broker = await stack.enter_async_context(_broker(folder))
        watched = folder / "watched"
        watched.mkdir()
        home = folder / "lmstudio"
        stack.enter_context(_lmstudio(folder))
        writing = asyncio.create_task(_write(watched, home))
        stack.callback(writing.cancel)
        yield f"""
            default_sources = true
            [[source]]
            kind = "log"
            paths = ["{watched}/*.log"]
            [[source]]
            kind = "files"
            paths = ["{watched}"]
            [[source]]
            kind = "command"
            name = "uptime"
            run = ["uptime"]
            every_s = 30
            [[source]]
            kind = "process"
            names = ["python*", "bash", "sshd"]
            units = ["cron.service", "ssh.service"]
            [[source]]
            kind = "http"
            url = "{site}/page"
            [[source]]
            kind = "prometheus"
            url = "{site}/metrics"
            [[source]]
            kind = "lmstudio"
            folder = "{home}"
            [[source]]
            kind = "webhook"
            name = "kuma"
            token = "{TOKEN}"
            {broker}
        """


@contextlib.asynccontextmanager
async def _site() -> AsyncGenerator[str]:
    begun_s = time.monotonic()

    async def metrics(_: web.Request) -> web.Response:
        total = time.monotonic() - begun_s
        lines = [f'requests_total{{path="/p{number}"}} {total * number:.1f}' for number in range(SERIES)]
        return web.Response(text="# TYPE requests_total counter\n" + "\n".join(lines) + "\n")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="all is well\n" * 200)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/page", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _broker(folder: Path) -> AsyncGenerator[str]:
    """mosquitto, and its sensors; "" where it is not installed."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    if not shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        print("(without MQTT: mosquitto is not installed)")
        yield ""
        return
    from sources.broker import broker_at

    async with broker_at(folder) as broker:
        publishing = asyncio.create_task(_for_ever(SENSORS_S, lambda: broker.publish(*_sensors())))
        yield f'[[source]]\nkind = "mqtt"\nurl = "{broker.url}"\ntopics = ["home/#"]\n'
        publishing.cancel()


def _sensors() -> list[tuple[str, str]]:
    return [(f"home/room{number}/temperature", f"{20 + time.time() % 3:.2f}") for number in range(SENSORS)]


async def _for_ever(every_s: float, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await act()
        await asyncio.sleep(every_s)


async def _write(watched: Path, home: Path) -> None:
    """A line each two seconds in a log, a file each ten, and now and then what LM Studio writes of an answer."""
    log = home / "server-logs" / "2026-11" / "2026-11-26.1.log"
    log.parent.mkdir(parents=True)
    number = 0
    while True:
        number += 1
        with (watched / "app.log").open("a") as file:
            file.write(f"worker[{number % 7}]: job {number} done in {number % 90} ms\n")
        if number % 5 == 0:
            (watched / f"report-{number % 20}.txt").write_text(f"report {number}\n")
        if number % 10 == 0:
            with log.open("a") as file:
                file.write(f"[2026-11-26 03:12:{number % 60:02d}][INFO][m] Running chat completion on 1 messages.\n")
                file.write('  "tokens_per_second": 17.9289,\n')
        await asyncio.sleep(2.0)


@contextlib.contextmanager
def _lmstudio(folder: Path) -> Generator[None]:
    """A process of its name."""
    program = Path(shutil.copy(shutil.which("sleep") or "/bin/sleep", folder / "llmster"))
    process = subprocess.Popen([str(program), "100000"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
