"""One life of the engine's process: start it, learn its address, keep its last words, end it."""

import asyncio
import logging
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from wakeful.engine.errors import (
    EngineError,
    EngineMissing,
    EngineStartFailed,
    ModelFileError,
    NotEnoughMemory,
)
from wakeful.engine.llama import child
from wakeful.engine.llama.child import ChildReady, ChildSettings

_log = logging.getLogger(__name__)

_LAST_LINES = 40
_MAX_LINE_CHARS = 500
_EMPTY_BYTES = 60 * 1024 * 1024
"""What the process takes, and reads, before it has anything of the model."""

_GRACE_S = 0.7
"""How long each step of ending may take: closed input, then SIGTERM, then SIGKILL; below 2 s in all."""

PORT_TAKEN = "couldn't bind"
_NO_MODEL = ("invalid magic", "failed to load model", "error loading model")
_NO_MEMORY = ("failed to allocate", "failed to create_context", "failed to create context", "out of memory")


class EngineProcess:
    """A running child. `started` makes one."""

    def __init__(self, process: asyncio.subprocess.Process, model: Path) -> None:
        self._process = process
        self._model = model
        self._size_bytes = model.stat().st_size
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._reader = asyncio.create_task(self._read_log(), name="engine-log")

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self._lines)

    @classmethod
    async def started(
        cls, settings: ChildSettings, *, limit_s: float, on_loading: Callable[[float, float], None]
    ) -> tuple["EngineProcess", str]:
        """Start a child; it and its address once it listens.

        limit_s: how long loading may take; on_loading: called each second with the seconds so far,
            and with an estimate of the share of the model that is in memory, in [0, 1)
        Raises EngineError.
        """
        engine = cls(await _spawn(), Path(settings.model))
        try:
            address = await engine._address(settings, limit_s, on_loading)
        except BaseException:
            await engine.end()
            raise
        return engine, address

    async def wait(self) -> int:
        """The exit code, once it has ended by itself."""
        return await self._process.wait()

    async def end(self) -> None:
        """End it: by closing its input, then by asking, then by force; nothing of it is left."""
        process = self._process
        try:
            await self._end_gently()
        finally:  # being cancelled meanwhile only makes it less gentle
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            await process.wait()
            await self._reader

    async def _end_gently(self) -> None:
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        for ask in (None, process.terminate):
            if process.returncode is not None:
                return
            if ask is not None:
                with suppress(ProcessLookupError):
                    ask()
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_S):
                    await process.wait()

    async def _address(
        self, settings: ChildSettings, limit_s: float, on_loading: Callable[[float, float], None]
    ) -> str:
        process, loop = self._process, asyncio.get_running_loop()
        assert process.stdin is not None
        assert process.stdout is not None
        started_s = loop.time()
        with suppress(BrokenPipeError, ConnectionResetError):  # it died at once: its exit tells why
            process.stdin.write(msgspec.json.encode(settings) + b"\n")
            await process.stdin.drain()
        first_line = asyncio.create_task(process.stdout.readline(), name="engine-address")
        try:
            waited_s = 0.0
            while not (await asyncio.wait({first_line}, timeout=min(1.0, limit_s - waited_s)))[0]:
                waited_s = loop.time() - started_s
                if waited_s >= limit_s:
                    raise EngineStartFailed(f"The engine was not ready after {waited_s:.1f} s.", log=self.log)
                on_loading(waited_s, loaded_share(process.pid, self._size_bytes))
            line = first_line.result()
        finally:
            first_line.cancel()
        try:
            return msgspec.json.decode(line, type=ChildReady).address
        except msgspec.DecodeError as error:
            code = await process.wait()
            await self._reader
            raise self._why(code, settings) from error

    def _why(self, code: int, settings: ChildSettings) -> EngineError:
        """The error that its last words mean."""
        said = self.log.lower()
        if "no module named 'xllamacpp'" in said:
            return EngineMissing("The built-in engine is not installed.", log=self.log)
        if PORT_TAKEN in said:
            return EngineStartFailed(
                f"Port {settings.port} is taken.", hint="Choose another one, or 0 for any.", log=self.log
            )
        if any(words in said for words in _NO_MEMORY):
            return NotEnoughMemory(
                f"{self._model.name} with a context of {settings.context_tokens:,} tokens does not fit into memory.",
                log=self.log,
            )
        if any(words in said for words in _NO_MODEL):
            return ModelFileError(
                f"The engine can't load {self._model}: {_reason(self._lines)}.",
                hint="The file may be damaged, incomplete, or newer than the engine.",
                log=self.log,
            )
        return EngineStartFailed(f"The engine ended while starting ({exit_words(code)}).", log=self.log)

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        rest = ""
        while data := await self._process.stderr.read(4096):
            *lines, rest = (rest + data.decode("utf-8", "replace")).split("\n")
            rest = rest[-_MAX_LINE_CHARS:]
            for line in lines:
                self._keep(line)
        self._keep(rest)

    def _keep(self, line: str) -> None:
        line = line.strip()[:_MAX_LINE_CHARS]
        if line:
            self._lines.append(line)
            _log.debug("engine: %s", line)


async def _spawn() -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # our folder's file names must not hide other people's modules
            child.__file__,  # not `-m`: the child needs none of the package, which would cost it 40 MB
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C in a terminal goes to the whole group: the parent must be the one to end its child.
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    except OSError as error:  # out of memory, or of processes
        raise EngineStartFailed(f"The system does not start a process: {error.strerror or error}.") from error


def loaded_share(pid: int, size_bytes: int) -> float:
    """How much of a model of so many bytes a process has read, as far as the system tells: an estimate in [0, 1)."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            got_bytes = process.memory_info().rss - _EMPTY_BYTES
            if psutil.LINUX:  # what goes to a GPU is read but does not stay
                got_bytes = max(got_bytes, int(getattr(process.io_counters(), "read_chars", 0)) - _EMPTY_BYTES)
    except psutil.Error:
        return 0.0
    return min(0.99, max(0.0, got_bytes / max(1, size_bytes)))


def exit_words(code: int) -> str:
    """How a process ended, in words."""
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _reason(lines: deque[str]) -> str:
    """The first line in which the engine says what is wrong, without its time stamps."""
    for line in lines:
        for marker in ("error loading model: ", "gguf_init_from_reader: "):
            if marker in line:
                return line.partition(marker)[2].rstrip(".")
    return lines[-1] if lines else "it says nothing"
