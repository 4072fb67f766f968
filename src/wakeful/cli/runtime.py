"""The note that a running mind leaves for other commands: where its page and its model are."""

import os
from pathlib import Path

import msgspec
import psutil

FILE = "running.json"


class Runtime(msgspec.Struct, frozen=True):
    """A running mind: its process, when it started (seconds since the epoch), its page, its model and server.

    model_token: of the built-in engine, which answers to nobody else; "" where LM Studio thinks
    approve_token: with which the page lets approvals be given, known only to who may read this file
    """

    pid: int
    started_s: float
    page: str = ""
    model: str = ""
    model_url: str = ""
    model_token: str = ""
    pilot: bool = False
    approve_token: str = ""


def leave(home: Path, runtime: Runtime) -> None:
    """Writes the note, readable by its owner only."""
    new = home / f"{FILE}.new"
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(runtime))
    os.replace(new, home / FILE)


def remove(home: Path) -> None:
    """Takes the note away."""
    (home / FILE).unlink(missing_ok=True)


def find(home: Path) -> Runtime | None:
    """The note of a mind that still runs, None where there is none."""
    try:
        runtime = msgspec.json.decode((home / FILE).read_bytes(), type=Runtime)
    except (OSError, msgspec.DecodeError):
        return None
    return runtime if psutil.pid_exists(runtime.pid) else None
