"""Incidents on this machine as a new user would try them: `python -m bench.trials [disk mount cpu log process idle]`.

Each trial starts `wakeful run` in an empty home with default settings and the pilot model, lets it get used to the
machine for a while, does something to the machine, and prints what was said, how many seconds after, and whether the
page shows the raw lines behind it. `idle` does nothing for ten minutes. `disk` and `mount` need Linux and root.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

WARM_S, FIRST_S, WITHIN_S, IDLE_S = 90.0, 15.0, 30.0, 600.0
DISK_MB = 256
KINDS = ("thought", "notification", "thought_failed", "set_aside", "quiet", "health")

Cause = Callable[[], "contextlib.AbstractContextManager[None]"]


def say(text: str) -> None:
    print(text, flush=True)


# --- what is done to the machine ---


@contextmanager
def disk(folder: Path) -> Generator[Path]:
    """A disk image with a file system of its own, mounted."""
    image, mount = folder / "disk.img", folder / "disk"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_MB * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def fill(mount: Path) -> None:
    """Leaves next to no space on it."""
    with (mount / "filler").open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 2**20)
            file.flush()


@contextmanager
def burn() -> Generator[None]:
    """Keeps every core busy."""
    program = "while True: pass"
    burners = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for each in burners:
            each.kill()
            each.wait()


@contextmanager
def flood(path: Path) -> Generator[None]:
    """Twenty thousand errors in a log that said one line a second."""
    with path.open("a") as file:
        for number in range(20_000):
            file.write(
                f"{time.strftime('%H:%M:%S')} ERROR worker {number % 7}: cannot reach database db.internal:5432\n"
            )
    yield


@contextmanager
def chatter(path: Path) -> Generator[None]:
    """A log with its usual lines."""
    text = (
        "import time, itertools\n"
        f"f = open({str(path)!r}, 'a', 1)\n"
        "for n in itertools.count():\n"
        "    print(time.strftime('%H:%M:%S'), f'INFO request {n} served in {20 + n % 17} ms', file=f)\n"
        "    time.sleep(1)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", text])
    try:
        yield
    finally:
        child.kill()
        child.wait()


# --- the trials ---


@dataclass
class Trial:
    """What is done to the machine, which words have to be in what is said of it, and how `wakeful run` is started.

    first: what is done a little before, when Wakeful runs already
    """

    cause: Cause = contextlib.nullcontext
    words: tuple[str, ...] = ()
    watch: list[str] = field(default_factory=list[str])
    settings: str = ""
    first: Callable[[], object] | None = None


def prepared(name: str, folder: Path, stack: contextlib.ExitStack) -> Trial:
    """A trial, with all that it needs in place."""
    match name:
        case "disk":
            mount = stack.enter_context(disk(folder))
            return Trial(lambda: _done(lambda: fill(mount)), (str(mount),))
        case "mount":
            mount = folder / "disk"
            return Trial(
                lambda: _done(lambda: fill(mount)), (str(mount),), first=lambda: stack.enter_context(disk(folder))
            )
        case "cpu":
            return Trial(burn, ("cpu", "load", "busiest"))
        case "log":
            log = folder / "app.log"
            log.touch()
            stack.enter_context(chatter(log))
            return Trial(lambda: flood(log), ("database", "db.internal", "app.log"), [str(log)])
        case "process":
            program = folder / "trialserver"
            shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
            server = subprocess.Popen([program, "3600"])
            stack.callback(server.wait)
            stack.callback(server.kill)
            settings = 'default_sources = true\n[[source]]\nkind = "process"\nnames = ["trialserver"]\n'
            return Trial(lambda: _done(server.kill), ("trialserver",), settings=settings)
        case "idle":
            return Trial()
        case _:
            sys.exit(f"there is no trial {name}")


async def tried(name: str, warm_s: float) -> None:
    """One trial, from an empty home to what was said."""
    say(f"\n== {name} ==")
    with tempfile.TemporaryDirectory(prefix="trial-") as made, contextlib.ExitStack() as stack:
        folder = Path(made)
        trial = prepared(name, folder, stack)
        async with mind(folder, trial) as (page, told):
            await asyncio.sleep(warm_s)
            if trial.first is not None:
                trial.first()
                await asyncio.sleep(FIRST_S)
            before = len(told)
            for at_s, line in told:
                say(f"  before  {at_s - told[0][0]:6.1f} s  {line}")
            begun_s = time.time()
            with trial.cause():
                took_s = time.time() - begun_s
                within_s = IDLE_S if name == "idle" else WITHIN_S
                await _until(lambda: any(_names(line, trial.words) for _, line in told[before:]), within_s)
                await asyncio.sleep(0 if name == "idle" else 5)
            for at_s, line in told[before:]:
                say(f"  {'SAID' if _names(line, trial.words) else 'said'}    {at_s - begun_s:6.1f} s  {line}")
            if not told[before:]:
                say("  nothing was said")
            say(f"  (the cause took {took_s:.1f} s)")
            await shown(page, begun_s)


def _names(line: str, words: tuple[str, ...]) -> bool:
    return any(word in line.casefold() for word in words)


@contextmanager
def _done(act: Callable[[], object]) -> Generator[None]:
    act()
    yield


async def _until(met: Callable[[], bool], within_s: float) -> None:
    end_s = time.time() + within_s
    while time.time() < end_s and not met():
        await asyncio.sleep(0.1)


@asynccontextmanager
async def mind(folder: Path, trial: Trial) -> AsyncGenerator[tuple[str, list[tuple[float, str]]]]:
    """`wakeful run` as a person starts it; gives its page, and each line that it says with its time."""
    (folder / "wakeful.toml").write_text(trial.settings)
    command = [sys.executable, "-m", "wakeful.cli", "run", "--home", str(folder / "home"), "--port", "0"]
    command += [part for each in trial.watch for part in ("--watch", each)]
    environment = os.environ | {"COLUMNS": "240", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    child = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told: list[tuple[float, str]] = []
    stdout = child.stdout
    assert stdout is not None

    async def listen() -> None:
        async for line in stdout:
            if text := line.decode(errors="replace").strip():
                told.append((time.time(), text))

    listening = asyncio.create_task(listen())
    try:
        await _until(lambda: any("model  " in line for _, line in told), 60)
        note = json.loads((folder / "home" / "running.json").read_text())
        yield note["page"], told
    finally:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), 10)
        listening.cancel()


async def shown(page: str, since_s: float) -> None:
    """What the page has on it since then, and the raw lines behind it."""
    async with aiohttp.ClientSession() as http:

        async def asked(address: str) -> list[Any]:
            async with http.get(f"{page}/api/{address}") as answer:
                return await answer.json()

        entries = await asked(f"events?limit=50&kinds={','.join(KINDS)}")
        for event in (each["event"] for each in reversed(entries)):
            after_s = event["at_ns"] / 1e9 - since_s
            if after_s < 0:
                continue
            text = event.get("assessment") or event.get("text") or event.get("error") or ""
            head = f"{event['kind']} {event.get('severity', '')} {event.get('focus', '')}"
            say(f"  page    {after_s:6.1f} s  {head}: {text}"[:400])
            if event["kind"] == "thought":
                for each in await asked(f"entries?seq={','.join(map(str, event['evidence']))}"):
                    line = f"#{each['seq']} {each['event'].get('source')}: {each['event'].get('text', '')}"
                    say(f"            because {line}"[:300])
                say(f"            took {event['duration_s']:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["disk", "mount", "cpu", "log", "process"])
    parser.add_argument("--warm", type=float, default=WARM_S, help="seconds to get used to the machine")
    given = parser.parse_args()
    for name in given.names:
        asyncio.run(tried(name, given.warm if name != "idle" else 1.0))


if __name__ == "__main__":
    main()
