"""The engine as its user sees it: a model server that is there, and comes back when it dies."""

import asyncio
import importlib.util
import logging
import os
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

import msgspec
import psutil

from wakeful.engine.errors import EngineError, EngineMissing, EngineStopped, ModelFileError
from wakeful.engine.files.catalog import parts_of, pilot_model
from wakeful.engine.files.gguf import read_header
from wakeful.engine.llama.child import ChildSettings, Options
from wakeful.engine.llama.memory import check_memory, estimate, prompt_cache_mib
from wakeful.engine.llama.process import PORT_TAKEN, EngineProcess, exit_words
from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient, Timeouts

_log = logging.getLogger(__name__)

EngineState = Literal["stopped", "starting", "ready", "restarting", "failing"]

_CRASH_WINDOW_S = 60.0
_CRASHES_TO_FAIL = 5
"""So many deaths within the window are no accident: from then on it is tried slowly, and called failing."""

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
_SMALL_BYTES = 64 * 1024 * 1024
"""Up to here one thread is quick enough."""


@dataclass(frozen=True, slots=True)
class EngineStarting:
    """A process is about to be started. size_bytes: of the model's file."""

    model: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class EngineLoading:
    """Still loading after so many seconds; comes about once a second. share: in memory, an estimate in [0, 1)."""

    elapsed_s: float
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class EngineReady:
    """It listens. base_url: the same as before wherever that is possible."""

    base_url: str
    took_s: float


@dataclass(frozen=True, slots=True)
class EngineDied:
    """It ended without being asked to, or could not be started again. crashes: within the last minute."""

    reason: str
    crashes: int
    restart_in_s: float


EngineEvent = EngineStarting | EngineLoading | EngineReady | EngineDied


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """How the engine is.

    state: `restarting` after a death, `failing` when it keeps dying; both go on trying
    restarts: since the start; last_error: why it died last, "" for never
    exit_code: of its last death, None for none
    """

    state: EngineState
    base_url: str
    pid: int | None
    restarts: int
    last_error: str
    exit_code: int | None = None


class Engine:
    """llama.cpp in a supervised child process, on a loopback port: `async with Engine(path) as engine`.

    model: a GGUF file; None for the pilot model
    context_tokens: at most what the model was trained for is used
    threads: None for what suits its size, see `default_threads`
    prompt_cache_mib: memory for what was read of other prompts; None for two contexts, at most a tenth of what is
        free, so that a question in between does not cost the mind its prefix
    port: 0 for any; a restarted engine keeps its port where that is possible, else `base_url` changes
    on_event: called in the event loop with whatever happens to it
    start_limit_s: how long loading the model may take
    options: how else it is run; `embedding` for a model that gives vectors instead of texts
    Entering it raises EngineError when the first start fails; later deaths are mended; `on_event` is told.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        context_tokens: int = 8192,
        threads: int | None = None,
        port: int = 0,
        gpu_layers: int = -1,
        prompt_cache_mib: int | None = None,
        start_limit_s: float = 900.0,
        on_event: Callable[[EngineEvent], None] | None = None,
        options: Options | None = None,
    ) -> None:
        self._options = options or Options()
        self._exit_code: int | None = None
        self._model_given = model
        self._context_wanted = context_tokens
        self._threads = threads
        self._port = port
        self._gpu_layers = gpu_layers
        self._prompt_cache_mib = prompt_cache_mib
        self._start_limit_s = start_limit_s
        self._on_event = on_event
        self._settings: ChildSettings | None = None
        self._size_bytes = 0
        self._process: EngineProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._deaths: deque[float] = deque(maxlen=_CRASHES_TO_FAIL)
        self._state: EngineState = "stopped"
        self._base_url = ""
        self._restarts = 0
        self._last_error = ""
        self._restart_reason = ""

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise EngineStopped("The engine is already running.", hint="Make a second one.")
        self._settings = await asyncio.to_thread(self._prepare)
        self._state = "starting"
        try:
            process = await self._start(self._settings)
        except BaseException:
            self._state = "stopped"
            raise
        self._task = asyncio.create_task(self._supervise(self._settings, process), name="engine")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the engine, within two seconds; calling it again does nothing."""
        task, self._task = self._task, None
        self._state = "stopped"
        self._ready.set()  # who waits for it is told that it was closed
        if task is None:
            return
        task.cancel()
        try:
            await asyncio.wait({task})
        finally:  # not the task's own duty: cancelled before its first step, it never runs
            process, self._process = self._process, None
            if process is not None:
                await process.end()

    @property
    def base_url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:39215`. Raises EngineStopped before the start."""
        if not self._base_url:
            raise EngineStopped("The engine was not started.")
        return self._base_url

    @property
    def api_token(self) -> str:
        """What requests must carry, so that no web page in a browser can use the engine."""
        return self._running().api_token

    @property
    def model(self) -> Path:
        """The file that it runs."""
        return Path(self._running().model)

    @property
    def context_tokens(self) -> int:
        """Tokens that its context holds."""
        return self._running().context_tokens

    @property
    def health(self) -> EngineHealth:
        """How it is; costs nothing."""
        pid = self._process.pid if self._process is not None else None
        return EngineHealth(self._state, self._base_url, pid, self._restarts, self._last_error, self._exit_code)

    def client(self, *, timeouts: Timeouts | None = None) -> AsyncLMStudioClient:
        """A client for it, to be closed by the caller."""
        return AsyncLMStudioClient(self.base_url, api_token=self.api_token, timeouts=timeouts, retry=NO_RETRY)

    async def wait_ready(self, limit_s: float | None = None) -> None:
        """Return once it listens. Raises EngineError after `limit_s` seconds; None waits for ever."""
        self._running()
        try:
            async with asyncio.timeout(limit_s):
                await self._ready.wait()
        except TimeoutError as error:
            raise EngineError(
                f"The engine is not ready after {limit_s:.1f} s ({self._last_error or self._state})."
            ) from error
        if self._state == "stopped":
            raise EngineStopped("The engine was closed.")

    async def restart(self, reason: str) -> None:
        """End its process because it hangs, say; a new one is then started, see `wait_ready`."""
        self._running()
        process = self._process
        if process is not None:
            self._ready.clear()
            self._restart_reason = reason
            await process.end()

    def _running(self) -> ChildSettings:
        if self._settings is None:
            raise EngineStopped("The engine was not started.")
        return self._settings

    def _prepare(self) -> ChildSettings:
        """Check all that can be checked before a process is started; blocking."""
        if importlib.util.find_spec("xllamacpp") is None:
            raise EngineMissing("The built-in engine is not installed.")
        model = pilot_model() if self._model_given is None else self._model_given
        header = read_header(model)
        if not header.thinks and not self._options.embedding:
            raise ModelFileError(f"{model.name} ({header.architecture}) can't hold a conversation.")
        self._size_bytes = sum(part.stat().st_size for part in parts_of(model) if part.exists())
        context_tokens = self._context_wanted
        if header.context_tokens:
            context_tokens = min(context_tokens, header.context_tokens)
        needed = estimate(header, self._size_bytes, context_tokens, self._options)
        check_memory(model, needed, context_tokens)
        cache_mib = self._prompt_cache_mib
        if cache_mib is None:
            cache_mib = prompt_cache_mib(needed.context_bytes)
        return ChildSettings(
            model=str(model),
            name=model.stem,
            context_tokens=context_tokens,
            threads=self._threads or default_threads(self._size_bytes),
            port=self._port,
            api_token=secrets.token_urlsafe(24),
            gpu_layers=self._gpu_layers,
            prompt_cache_mib=cache_mib,
            parent_pid=os.getpid(),
            options=self._options,
        )

    async def _start(self, settings: ChildSettings) -> EngineProcess:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        self._tell(EngineStarting(Path(settings.model), self._size_bytes))
        process, address = await EngineProcess.started(
            settings,
            limit_s=self._start_limit_s,
            on_loading=lambda elapsed_s, share: self._tell(EngineLoading(elapsed_s, share)),
        )
        self._process = process
        self._base_url = address
        self._port = urlsplit(address).port or 0
        self._state = "ready"
        self._ready.set()
        self._tell(EngineReady(address, loop.time() - started_s))
        return process

    async def _supervise(self, settings: ChildSettings, process: EngineProcess | None) -> None:
        while True:
            if process is not None:
                code = self._exit_code = await process.wait()
                self._ready.clear()
                await process.end()
                reason = self._restart_reason or f"it ended ({exit_words(code)})"
                self._restart_reason = ""
            else:
                reason = self._last_error
            self._process = process = None
            await self._pause(reason)
            self._restarts += 1
            process = await self._start_again(settings)

    async def _start_again(self, settings: ChildSettings) -> EngineProcess | None:
        """A new process, on the old port if it is free; None, and the error kept, when it does not start."""
        same_port = msgspec.structs.replace(settings, port=self._port)
        try:
            return await self._start(same_port)
        except EngineError as error:
            if PORT_TAKEN not in error.log:
                self._last_error = str(error)
                return None
        try:
            return await self._start(msgspec.structs.replace(settings, port=0))
        except EngineError as error:
            self._last_error = str(error)
            return None

    async def _pause(self, reason: str) -> None:
        """Tell of a death and wait, longer with each one within a minute."""
        self._ready.clear()
        now_s = asyncio.get_running_loop().time()
        self._deaths.append(now_s)
        crashes = sum(1 for death_s in self._deaths if now_s - death_s <= _CRASH_WINDOW_S)
        failing = crashes >= _CRASHES_TO_FAIL
        self._state = "failing" if failing else "restarting"
        self._last_error = reason
        pause_s = _LONGEST_PAUSE_S if failing else _FIRST_PAUSE_S * 2 ** (crashes - 1)
        self._tell(EngineDied(reason, crashes, pause_s))
        await asyncio.sleep(pause_s)

    def _tell(self, event: EngineEvent) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:  # a subscriber's fault must not end the supervision
            _log.exception("A subscriber of the engine failed at %r", event)


def default_threads(size_bytes: int) -> int:
    """Threads for a model of that size: one for a small one, else one fewer than there are cores, at most 8.

    llama.cpp's threads wait for each other by spinning, so that on a busy machine, which is when a mind is wanted,
    each waits for whichever the system lets run last. Measured with the pilot model on two cores that 17 others
    wanted: 0.2 to 0.4 s for an answer with one thread, 23 to 32 s with two.
    """
    if size_bytes < _SMALL_BYTES:
        return 1
    return max(1, min(8, (psutil.cpu_count(logical=False) or os.cpu_count() or 1) - 1))
