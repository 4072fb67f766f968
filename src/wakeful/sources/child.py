"""Child processes that leave nothing behind: each has its own process group, which ends with it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from subprocess import DEVNULL, PIPE, STDOUT

from wakeful.sources.errors import SourceForbidden, SourceMissing, translate

END_S = 1.0
"""How long a process may take to end when asked, before it is killed."""


class Child:
    """A running program whose output is read; use `spawn`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdout is not None
        self.output = process.stdout

    @classmethod
    async def spawn(
        cls,
        command: Sequence[str] | str,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        merge_stderr: bool = True,
    ) -> "Child":
        """Starts a program (a list), or a line of the shell (a string); its standard input is empty.

        env: added to Wakeful's own environment
        merge_stderr: errors are part of the output; otherwise they are at `process.stderr`
        Raises SourceMissing where there is no such program, SourceForbidden where it may not be run.
        """
        start = asyncio.create_subprocess_shell if isinstance(command, str) else asyncio.create_subprocess_exec
        arguments = [command] if isinstance(command, str) else command
        starting = asyncio.ensure_future(
            start(
                *arguments,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT if merge_stderr else PIPE,
                cwd=cwd,
                env={**os.environ, **env} if env else None,
                start_new_session=os.name == "posix",
            )
        )
        try:
            return cls(await asyncio.shield(starting))
        except asyncio.CancelledError:
            # Cancelled itself, asyncio would end the program, but not what that has started by now.
            with contextlib.suppress(OSError):
                await cls(await starting).end()
            raise
        except FileNotFoundError as error:
            missing = error.filename or arguments[0]  # the program, or the folder it should run in
            hint = f"Install {missing}, or name its full path."
            raise SourceMissing(f"no such program or folder: {missing}", hint=hint) from error
        except PermissionError as error:
            raise SourceForbidden(f"may not be run: {arguments[0]}", hint="Check its rights.") from error
        except OSError as error:
            raise translate(error, what=str(command)) from error

    def kill(self) -> None:
        """Kills the process and all that it started."""
        if os.name == "posix":
            # The group outlives its leader while a grandchild runs: it is killed even when the leader ended.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        elif self.process.returncode is None:
            _kill_tree(self.process.pid)

    async def end(self) -> None:
        """Kills what is left, and waits until it is gone, also when cancelled meanwhile."""
        self.kill()
        waiting = asyncio.ensure_future(self._gone())
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            await waiting
            raise

    async def _gone(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self.process.wait()
        # A process that left its group may still hold the pipe; our end is closed whoever holds the other.
        transport = getattr(self.process, "_transport", None)
        if transport is not None:
            transport.close()


def _kill_tree(pid: int) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [*parent.children(recursive=True), parent]:
            with contextlib.suppress(psutil.Error):
                process.kill()
