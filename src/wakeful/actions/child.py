"""Programs that an action runs: an argument list, never a shell; a bare environment; bounded in time and output."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE, STDOUT

from wakeful.actions.errors import ToolFailed

MAX_OUTPUT_BYTES = 64 * 1024
"""Of a program's output, the end is kept: that is where it says what went wrong."""

_GRACE_S = 2.0
_READ_BYTES = 16 * 1024
_KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "LOGNAME", "SYSTEMROOT", "XDG_RUNTIME_DIR",
         "DBUS_SESSION_BUS_ADDRESS")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that came to its end."""

    status: int
    output: str


def bare_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a program needs to run and nothing else: no token or password that Wakeful itself was given."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C.UTF-8", **(more or {})}


async def run_program(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, folder: str | None = None
) -> Ended:
    """Runs a program to its end; cancelled, it and all that it started are ended, and killed after 2 s.

    env: added to the bare environment; folder: where it runs, the root folder where none is given
    Raises ToolFailed where it can't be started.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=bare_environment(env),
            cwd=folder or os.sep,
            start_new_session=os.name == "posix",
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # Cancelled itself, asyncio would end the program, but not what that has started by now.
        with contextlib.suppress(OSError, ValueError):
            await _end(await starting)
        raise
    except (OSError, ValueError) as error:
        raise ToolFailed(f"{command[0]} can't be started: {getattr(error, 'strerror', None) or error}.") from error
    try:
        output = await _read(process)
        status = await process.wait()
    except BaseException:
        await asyncio.shield(_end(process))
        raise
    _signal(process, signal.SIGTERM)  # what it left in the background ends with it
    return Ended(status, output.decode("utf-8", "replace"))


async def _read(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    kept = bytearray()
    while chunk := await process.stdout.read(_READ_BYTES):
        kept += chunk
        if len(kept) > 2 * MAX_OUTPUT_BYTES:
            del kept[:-MAX_OUTPUT_BYTES]
    return bytes(kept[-MAX_OUTPUT_BYTES:])


async def _end(process: asyncio.subprocess.Process) -> None:
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    transport = getattr(process, "_transport", None)
    if transport is not None:  # a process that left its group may still hold the pipe
        transport.close()


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, number)  # the group outlives its leader while a grandchild runs
        elif process.returncode is None:
            process.terminate()
