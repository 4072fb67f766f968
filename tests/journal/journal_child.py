"""A process of its own that uses a journal: what the tests kill, starve and watch."""

import asyncio
import contextlib
import sys
import time
from pathlib import Path

from wakeful.events import Cursor, Observation
from wakeful.journal import Journal, JournalFull


def observation(text: str) -> Observation:
    return Observation(at_ns=time.time_ns(), source="log:/a", form="lines", text=text, resume=text)


def say(*words: object) -> None:
    print(*words, flush=True)


async def write(path: Path, run: str) -> None:
    """Appends for ever from several tasks and says which texts are acknowledged."""
    async with await Journal.open(path) as journal:
        say("open")

        async def one(name: int) -> None:
            for number in range(10**9):
                texts = [f"{run}.{name}.{number}.{at}" for at in range(1 + number % 4)]
                await journal.append([observation(text) for text in texts])
                say(*texts)

        async with asyncio.TaskGroup() as group:
            for name in range(8):
                group.create_task(one(name))


async def hold(path: Path) -> None:
    async with await Journal.open(path):
        say("open")
        await asyncio.Event().wait()


async def follow(path: Path) -> None:
    """Says each text of the journal as it comes."""
    async with await Journal.open(path, read_only=True) as journal:
        async for entries in journal.tail(Cursor("")):
            for entry in entries:
                say(entry.event.body)


async def starve(path: Path) -> None:
    """Appends until the file may not grow, and again when it may."""
    import resource  # not on Windows
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with await Journal.open(path) as journal:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        number = 0
        for _ in range(3):
            with contextlib.suppress(JournalFull):
                while True:
                    await journal.append([observation(f"{number}" + " " * 5000)])
                    say(f"{number}")
                    number += 1
            say("full")
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await journal.append([observation(f"{number}" + " " * 5000)])
        say(f"{number}")


def main() -> None:
    what, path, *rest = sys.argv[1:]
    work = {"write": write, "hold": hold, "follow": follow, "starve": starve}[what]
    asyncio.run(work(Path(path), *rest))  # type: ignore[operator]


if __name__ == "__main__":
    main()
