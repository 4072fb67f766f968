"""Programs that are run again and again, for their exit status and what they say."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from wakeful.events import Observation
from wakeful.sources.child import Child
from wakeful.sources.errors import SourceError
from wakeful.sources.source import Clock

EXIT_POLL_S = 0.05
KEEP_BYTES = 64 * 1024
"""The end of the output that is kept."""

LAST_LINES = 20
LAST_CHARS = 4000
"""The end of the output that an observation tells."""


class _Last(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the run before came to; status None: it timed out."""

    status: int | None = None
    digest: str = ""


@dataclass(slots=True)
class _Run:
    status: int | None
    tail: bytes
    total: int
    digest: str
    duration_s: float


class CommandSource:
    """What a command says, on an interval.

    name: the command's name; its observations are named `command:NAME`
    command: a program and its arguments, or, as one string, a line of the shell
    every_s: from the begin of one run to the begin of the next; a run that takes longer delays the next
    timeout_s: after so long the command and all that it started are killed
    cwd, env: its folder, and variables added to the environment

    Its input is empty. What it writes is compared with the run before, also across a restart of Wakeful; its
    end is told.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str] | str,
        *,
        every_s: float = 300.0,
        timeout_s: float = 60.0,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        now_ns: Clock = time.time_ns,
    ) -> None:
        if not command:
            raise SourceError(f"the command {name} is empty", hint="Give a program and its arguments.")
        self.name = f"command:{name}"
        self._title = name
        self._command = command
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._cwd = os.path.expanduser(cwd) if cwd else None
        self._env = env
        self._now_ns = now_ns

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """One observation for each run, the first at once."""
        last = _decode(resume)
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            run = await self._run()
            yield self._observation(run, last)
            last = _Last(run.status, run.digest)
            await asyncio.sleep(max(0.0, begun + self._every_s - loop.time()))

    async def _run(self) -> _Run:
        begun = time.monotonic()
        output = _Output()
        child = await Child.spawn(self._command, cwd=self._cwd, env=self._env)
        status: int | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.gather(output.read(child), self._wait(child))
                status = child.process.returncode
        except TimeoutError:
            child.kill()
        finally:
            await child.end()
        if status is not None and status < 0:
            status = 128 - status  # ended by a signal, told as shells do
        return _Run(status, bytes(output.tail), output.total, output.digest(), time.monotonic() - begun)

    async def _wait(self, child: Child) -> None:
        # Process.wait() waits for the end of the output too, which a process left behind may hold open.
        while child.process.returncode is None:
            await asyncio.sleep(EXIT_POLL_S)
        if not child.output.at_eof():
            await asyncio.sleep(EXIT_POLL_S)  # for what is still in the pipe
            child.kill()

    def _observation(self, run: _Run, last: _Last | None) -> Observation:
        said = _last_lines(run)
        attrs = {"command": self._title}
        if run.status is None:
            text = f"{self._title} timed out after {self._timeout_s:g} s"
            attrs["output"] = said[-500:]
        else:
            text = f"{self._title} exited {run.status}{_told(run, last, said)}"
            attrs["exit_status"] = str(run.status)
        values = {"duration_s": round(run.duration_s, 3), "output_bytes": float(run.total)}
        if run.status is not None:
            values["exit_status"] = float(run.status)
        return Observation(
            at_ns=self._now_ns(),
            source=self.name,
            form="output",
            text=text,
            values=values,
            attrs=attrs,
            resume=msgspec.json.encode(_Last(run.status, run.digest)).decode(),
        )


def _told(run: _Run, last: _Last | None, said: str) -> str:
    ending = f": {said}" if said else ""
    if last is None:
        return ending
    if last.status != run.status:
        return (f" (was {last.status})" if last.status is not None else " (was timed out)") + ending
    return ", output unchanged" if last.digest == run.digest else f", output changed{ending}"


def _last_lines(run: _Run) -> str:
    text = run.tail.decode("utf-8", "replace").strip()
    return "\n".join(text.splitlines()[-LAST_LINES:])[-LAST_CHARS:]


def _decode(resume: str) -> _Last | None:
    try:
        return msgspec.json.decode(resume, type=_Last) if resume else None
    except msgspec.DecodeError:
        return None


class _Output:
    """The end of an output, its length, and a digest of all of it."""

    def __init__(self) -> None:
        self.tail = bytearray()
        self.total = 0
        self._hash = hashlib.blake2b(digest_size=8)

    async def read(self, child: Child) -> None:
        while data := await child.output.read(65536):
            self.total += len(data)
            self._hash.update(data)
            self.tail += data
            del self.tail[:-KEEP_BYTES]

    def digest(self) -> str:
        return self._hash.hexdigest()
