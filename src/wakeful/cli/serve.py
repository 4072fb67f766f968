"""`wakeful serve`: puts models, faults and the server together, and ends them within two seconds."""

import asyncio
import contextlib
import importlib.util
import logging
import os
import secrets
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from wakeful.cli.ports import port_error
from wakeful.cli.serving import Said
from wakeful.cli.tokens import checked, read_tokens
from wakeful.config import ConfigError
from wakeful.engine.errors import LoadRefused, ModelFileError, NoSuchModel
from wakeful.engine.faults.check import BadPlan
from wakeful.engine.faults.injector import Injector
from wakeful.engine.faults.middleware import install, listening
from wakeful.engine.faults.model import faulty
from wakeful.engine.faults.plan import FaultPlan
from wakeful.engine.faults.read import read_plan, short_fault
from wakeful.engine.files.catalog import models_folder
from wakeful.engine.files.downloads import Downloads
from wakeful.engine.files.library import PILOT_PATH, Library, describe
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.models import Loader, Models, OnProgress
from wakeful.engine.life.settings import LifeSettings, LoadConfig
from wakeful.engine.runner.runner import Runner
from wakeful.engine.runner.scripted import ScriptedRunner
from wakeful.engine.server.app import create_app
from wakeful.engine.server.guard import Unguarded
from wakeful.engine.server.settings import ServerSettings
from wakeful.engine.testing.models import SCRIPTED
from wakeful.engine.testing.received import Recorder
from wakeful.engine.testing.script import BadScript, read_script

_STOP_S = 0.3
"""How long a stopping server waits for the answers under way: whoever presses Ctrl-C means now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What was asked for on the command line; see `wakeful serve --help`."""

    host: str = "127.0.0.1"
    port: int = 1234
    models: Sequence[str] = ()
    folders: Sequence[Path] = ()
    script: Path | None = None
    context_length: int = 8192
    parallel: int = 4
    ttl_s: float = 3600.0
    jit: bool = True
    tokens: Sequence[str] = ()
    token_file: Path | None = None
    faults: Sequence[str] = ()
    fault_plan: Path | None = None
    admin: bool = False
    downloads_from: str = ""
    discoverable: bool = False
    cors: bool = False
    exact: bool = False
    log_requests: bool = False
    as_json: bool = False


def serve(options: ServeOptions) -> int:
    """Serves until Ctrl-C or a signal; returns the exit code."""
    try:
        _run(_until_stopped(_Serving(options)))
    except BadPlan as error:
        raise ConfigError(error.problems) from error
    except (BadScript, Unguarded) as error:
        raise ConfigError([str(error)]) from error
    return 0


def _quiet(record: logging.LogRecord) -> bool:
    """Whether a line of aiohttp's is worth a person's while: what is no HTTP is answered with 400 and no more said."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _run(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop where it is there: tokens that come one by one cost half as much."""
    logging.getLogger("aiohttp.server").addFilter(_quiet)
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if importlib.util.find_spec("uvloop") is not None:
        factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


async def _until_stopped(serving: "_Serving") -> None:
    task = asyncio.create_task(serving.run())
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            os._exit(1)
        asked = True
        task.cancel()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C comes as KeyboardInterrupt
                asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
        serving.said.stopped()


class _Serving:
    """One run of the server. Whatever is typed wrongly is found out before anything is started."""

    def __init__(self, options: ServeOptions) -> None:
        self.said = Said(as_json=options.as_json)
        self._options = options
        given = checked(tuple(options.tokens))
        self._tokens = given + (read_tokens(options.token_file) if options.token_file else ())
        self._admin_token = secrets.token_urlsafe(18) if options.admin else ""
        self._plan = _plan(options)
        self._script = read_script(options.script) if options.script else None
        self._places, self._wanted = _places(options)
        self._pilot = not self._script and not options.models and not options.folders
        self._library = Library(self._places, lmstudio=self._script is None, pilot=self._script is None)

    async def run(self) -> None:
        """Load, listen, and go on until cancelled."""
        options = self._options
        injector = Injector(self._plan)
        settings = ServerSettings(
            host=options.host,
            port=options.port,
            tokens=self._tokens,
            cors=options.cors,
            exact=options.exact,
            discoverable=options.discoverable,
            stop_wait_s=_STOP_S,
        )
        life = LifeSettings(
            jit=options.jit,
            jit_ttl_s=options.ttl_s or None,
            parallel=options.parallel,
            context_length=options.context_length,
        )
        failing = bool(self._plan.fault or self._admin_token)
        load: Loader = faulty(self._load, injector, lambda: models) if failing else self._load
        models = Models(self._known, load, life)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(models.close)
            downloads = self._downloads()
            if downloads is not None:
                stack.push_async_callback(downloads.close)
            app = create_app(models, settings, downloads)
            if failing:
                install(app, injector, admin_token=self._admin_token)
            if options.log_requests:
                Recorder(keep=0, on_answer=self.said.request).install(app)
            serving = listening(app, settings, injector)
            try:
                address = await stack.enter_async_context(serving)
            except OSError as error:
                raise port_error(options.host, options.port, error) from error
            await self._load_all(models)
            await self._tell(models, address.url, address.found_at)
            await asyncio.Event().wait()

    def _downloads(self) -> Downloads | None:
        """Models come into the first folder that was named, else to those of LM Studio."""
        options = self._options
        folder = options.folders[0].expanduser() if options.folders else models_folder()
        return Downloads(folder, options.downloads_from) if options.downloads_from else None

    async def _load_all(self, models: Models) -> None:
        known = await self._known()
        wanted = [_key_of(each, known) for each in self._wanted]
        if self._script is not None:
            wanted = [each.key for each in SCRIPTED] + wanted
        elif self._pilot:
            wanted = [each.key for each in known if each.path == PILOT_PATH]
        for key in wanted:
            self.said.loading(key, 0.0)
            self.said.loaded(
                await models.load(key, on_progress=lambda progress, key=key: self.said.loading(key, progress))
            )

    async def _known(self) -> Sequence[Descriptor]:
        scripted = SCRIPTED if self._script is not None else ()
        return [*scripted, *await self._library.known()]

    async def _load(self, model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> Runner:
        if model.file is not None:
            from wakeful.engine.llama.load import load_llama  # llama.cpp, which a script does without

            return await load_llama(model, config, on_progress)
        if self._script is None:
            raise LoadRefused(f"{model.key} has no file.")
        on_progress(1.0)
        return ScriptedRunner(self._script, context_tokens=config.context_length or 8192)

    async def _tell(self, models: Models, url: str, found_at: int | None) -> None:
        loaded = models.loaded()
        keys = {each.model.key for each in loaded}
        self.said.listening(
            url,
            loaded=loaded,
            others=[each.key for each in await self._known() if each.key not in keys],
            faults=[msgspec.json.encode(each).decode() for each in self._plan.fault],
            admin=self._admin_token,
            tokens=len(self._tokens),
            found_at=found_at,
            jit=self._options.jit,
        )


def _key_of(wanted: str | Path, known: Sequence[Descriptor]) -> str:
    """The key of a model that was asked for by its key or by its file. Raises NoSuchModel, ModelFileError."""
    if isinstance(wanted, Path):
        key = next((each.key for each in known if each.file and each.file.resolve() == wanted), None)
        if key is None:
            describe(wanted, wanted.name, wanted.stat().st_size)  # it is left out because this raises
            raise ModelFileError(f"{wanted} can't be used.")
        return key
    for each in known:
        if wanted.casefold() in (each.key.casefold(), each.path.casefold()):
            return each.key
    names = tuple(each.key for each in known)
    there = f"There are: {', '.join(names)}." if names else "There are none."
    raise NoSuchModel(f"No model on this machine is called {wanted!r}. {there}", name=wanted, known=names)


def _plan(options: ServeOptions) -> FaultPlan:
    plan = read_plan(options.fault_plan) if options.fault_plan else FaultPlan()
    return FaultPlan((*plan.fault, *map(short_fault, options.faults)), plan.seed)


def _places(options: ServeOptions) -> tuple[list[Path], list[str | Path]]:
    """Files and folders to look for models in, and what of it is to be loaded at once. Raises ModelFileError."""
    places: list[Path] = []
    wanted: list[str | Path] = []
    for folder in options.folders:
        if not folder.expanduser().is_dir():
            raise ModelFileError(f"{folder} is no folder.", hint="Give a folder that holds .gguf files.")
        places.append(folder.expanduser())
    for name in options.models:
        path = Path(name).expanduser()
        if path.is_dir():
            places.append(path)
        elif path.is_file():
            places.append(path)
            wanted.append(path.resolve())
        elif name.lower().endswith(".gguf") and name.startswith((".", "/", "~", "\\")):
            raise ModelFileError(f"{name} does not exist.")
        else:
            wanted.append(name)
    return places, wanted
