"""The memory of LM Studio's processes, and of the built-in engine's. Everything here blocks."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

Server = Literal["LM Studio", "built-in engine"]
SERVERS: tuple[Server, ...] = ("LM Studio", "built-in engine")

_NAMES = re.compile(r"lm[ -]?studio|llmster", re.IGNORECASE)
_PLACES = re.compile(r"[/\\](\.lmstudio|lm[ -]studio|\.mount_lm-stu\w*|lm studio\.app)[/\\]", re.IGNORECASE)
_ENGINE = re.compile(r"[/\\]wakeful[/\\]engine[/\\]|^wakeful\.engine\b")
_SWAP = re.compile(rb"^VmSwap:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Held:
    """What the processes of one server hold.

    processes: their ids and when they began, so that another set is known for another
    memory_bytes: resident, all in all
    own_bytes: without what is mapped from files, such as a model's weights, and with what was swapped out: it is
        here that a leak shows
    """

    processes: frozenset[tuple[int, float]] = frozenset()
    memory_bytes: int = 0
    own_bytes: int = 0


class ServerProcesses:
    """Looks for the servers' processes; each process is judged once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, float], Server | None] = {}

    def look(self) -> dict[Server, Held]:
        """What each server holds. Takes some 10 µs for each process there is, and 100 for each of theirs."""
        known: dict[tuple[int, float], Server | None] = {}
        found: dict[Server, list[tuple[tuple[int, float], int, int]]] = {server: [] for server in SERVERS}
        for process in psutil.process_iter():
            try:
                key = (process.pid, process.create_time())
                server = self._known[key] if key in self._known else server_of(process)
                known[key] = server
                if server is not None:
                    found[server].append((key, *_sizes(process)))
            except (psutil.Error, OSError):  # ended meanwhile, or not ours to look at
                continue
        self._known = known
        return {
            server: Held(
                frozenset(key for key, _, _ in each), sum(size for _, size, _ in each), sum(own for _, _, own in each)
            )
            for server, each in found.items()
        }


def server_of(process: psutil.Process) -> Server | None:
    """Whose process it is, by its name and its program's place; what is merely said in its arguments does not count.

    LM Studio: the app and its helpers, llmster, and the node and llama.cpp processes that live in its folders.
    """
    name = process.name()
    if _NAMES.match(name):
        return "LM Studio"
    try:
        if _PLACES.search(process.exe()):
            return "LM Studio"
    except psutil.AccessDenied:  # another user's: its name has to do
        return None
    if name.casefold().startswith(("python", "wakeful")) and _is_engine(process.cmdline()):
        return "built-in engine"
    return None


def home() -> Path:
    """LM Studio's folder, as its own tools find it."""
    user = Path.home()
    try:
        pointed = (user / ".lmstudio-home-pointer").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        pointed = ""
    if pointed:
        return Path(pointed)
    old = user / ".cache" / "lm-studio"
    return old if old.is_dir() else user / ".lmstudio"


def _is_engine(command: Sequence[str]) -> bool:
    """Whether Python runs the engine's file or module: it stands first among the arguments that are no options."""
    first = next((each for each in command[1:] if not each.startswith("-")), "")
    return bool(_ENGINE.search(first))


def _sizes(process: psutil.Process) -> tuple[int, int]:
    memory = process.memory_info()
    if not sys.platform.startswith("linux"):
        return memory.rss, memory.rss
    with open(f"/proc/{process.pid}/status", "rb") as file:
        swapped = _SWAP.search(file.read())
    own = memory.rss - memory.shared + (int(swapped[1]) * 1024 if swapped else 0)
    return memory.rss, max(0, own)


def left_bytes() -> int:
    """Memory that is left on this machine, without swap."""
    return psutil.virtual_memory().available
