"""A real LM Studio server on a real port, in a thread of its own, whose model says what a test wants."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from wakeful.engine.errors import EngineError, GenerationFailed
from wakeful.engine.faults.injector import Fired, Injector
from wakeful.engine.faults.plan import Fault, FaultPlan
from wakeful.engine.faults.read import as_plan
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.settings import LifeSettings
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Reply, Script
from wakeful.engine.testing.models import ServerModels
from wakeful.engine.testing.sample import plain_reply
from wakeful.engine.testing.script import Answer, Answers, as_script

if TYPE_CHECKING:
    from wakeful.engine.server.settings import ServerSettings
    from wakeful.engine.testing.received import Received

T = TypeVar("T")

_START_S = 10.0
_STOP_S = 5.0


class NothingReceived(EngineError):
    """The server was not asked in time."""


class LMStudioServer:
    """LM Studio, as far as a program can tell: `with LMStudioServer() as server: … server.url`.

    It runs in a thread of its own with its own event loop, so that code under test may block or not. All methods may be
    called from any thread. A model `scripted` and an embedding model `scripted-embedding` are loaded; until a script is
    given, the former says what it was asked, or a valid value of the schema that it is held to.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        tokens: Sequence[str] = (),
        context_length: int = 8192,
        jit: bool = True,
        parallel: int = 4,
        exact: bool = False,
    ) -> None:
        """port: 0 for any that is free; tokens: of which every request has to show one, () for none.

        context_length, parallel: of models whose load does not say
        jit: whether a request loads the model that it names
        exact: routes that do not exist get LM Studio's 200 in place of 404
        """
        self.url = ""
        self.models = ServerModels(
            self.in_loop,
            self.script_of,
            LifeSettings(jit=jit, parallel=parallel, context_length=context_length),
        )
        self.script_errors: list[BaseException] = []
        self._wanted = (port, tuple(tokens), exact)
        self._injector = Injector()
        self._scripts: dict[str, Script] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failed: BaseException | None = None
        # aiohttp's server takes a tenth of a second to import, which whoever only names this class should not wait for.
        from wakeful.engine.testing.received import Recorder

        self._recorder = Recorder()

    # --- life ---

    def start(self) -> Self:
        """Listen. Raises OSError where the port is taken."""
        up = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(up)), name="lmstudio-server", daemon=True
        )
        self._thread.start()
        if not up.wait(_START_S):
            raise TimeoutError("The server did not start.")
        if self._failed is not None:
            raise self._failed
        return self

    def close(self) -> None:
        """Listen no more; requests under way are broken off."""
        if self._loop is not None and self._stop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    @property
    def base_url(self) -> str:
        """What OpenAI's clients want to know: the address with `/v1`."""
        return f"{self.url}/v1"

    # --- what it says ---

    def script(self, answers: Answers, *more: Answer, model: str = "") -> None:
        """From now on the model gives these answers, one for each request, the last one again and again.

        answers: a text, a `Reply`, a `Call`, a list of those, or a function that gets the `Generation` and gives one
        model: the key of the model that says it; "" for all that have no script of their own
        """
        self._scripts[model] = as_script(answers, *more)

    def fault(self, *faults: str | Fault | FaultPlan, seed: int | None = None) -> None:
        """Let requests fail from now on: `"reset@500"`, `"503,nth=2"`, `Stall(for_s=1)`, or a whole plan.

        seed: of what happens by chance. Raises BadPlan.
        """
        for each in faults:
            plan = as_plan(each)
            self._in_loop(lambda plan=plan: self._add(plan, seed))

    def clear_faults(self) -> None:
        """Let nothing fail any more."""
        self._in_loop(lambda: setattr(self._injector, "plan", FaultPlan()))

    @property
    def fired(self) -> list[Fired]:
        """The faults that happened."""
        return self._in_loop(lambda: list(self._injector.fired))

    # --- what it was asked ---

    @property
    def requests(self) -> "list[Received]":
        """All requests so far, in the order in which they came."""
        return self._recorder.requests

    def wait_for_request(self, number: int = 1, *, path: str = "*", timeout_s: float = 5.0) -> "Received":
        """The request of this number, from 1, among those to a path, as soon as it is there. Blocks.

        path: `*` stands for any characters. Raises NothingReceived.
        """
        from wakeful.engine.testing.received import matching

        if not self._recorder.wait(lambda all_: len(matching(all_, path)) >= number, timeout_s):
            seen = ", ".join(f"{each.method} {each.path}" for each in self.requests) or "none"
            raise NothingReceived(f"No request number {number} to {path} within {timeout_s:g} s. There were: {seen}.")
        return matching(self.requests, path)[number - 1]

    def wait_until_gone(self, request: "Received", *, timeout_s: float = 5.0) -> bool:
        """Whether the client of a request went away before it had the whole answer, once it is over. Blocks."""
        self._recorder.wait(lambda _: request.duration_s is not None, timeout_s)
        return request.gone

    def forget_requests(self) -> None:
        """As if nobody had asked yet."""
        self._recorder.clear()

    # --- inside ---

    def in_loop(self, action: Callable[[], Awaitable[T]]) -> T:
        """Await something in the server's own loop, and give its result."""
        assert self._loop is not None, "the server was not started"

        async def run() -> T:
            return await action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_START_S)

    def script_of(self, model: Descriptor) -> Script:
        """The script of a model, whichever is in force when it is asked."""

        async def said(generation: Generation) -> Reply:
            script = self._scripts.get(model.key) or self._scripts.get("") or plain_reply
            try:
                answer = script(generation)
                return _as_reply(await answer if isinstance(answer, Awaitable) else answer)
            except EngineError:
                raise  # a script may fail as a model does
            except Exception as error:  # such as an assertion of the test: it is told where the test ends
                self.script_errors.append(error)
                raise GenerationFailed(f"The script raised {type(error).__name__}: {error}") from error

        return said

    def _add(self, plan: FaultPlan, seed: int | None) -> None:
        self._injector.add(*plan.fault)
        if plan.seed or seed is not None:
            self._injector.reseed(plan.seed if seed is None else seed)

    def _in_loop(self, action: Callable[[], T]) -> T:
        async def run() -> T:
            return action()

        return self.in_loop(run)

    async def _serve(self, up: threading.Event) -> None:
        from wakeful.engine.faults.middleware import install, listening
        from wakeful.engine.server.app import create_app

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            models = await self.models.begin(self._injector)
            settings = self._settings()
            app = create_app(models, settings)
            install(app, self._injector)
            self._recorder.install(app)
            async with listening(app, settings, self._injector) as address:
                self.url = address.url
                up.set()
                await self._stop.wait()
            await models.close()
        except BaseException as error:
            self._failed = error
            if up.is_set():
                raise
        finally:
            up.set()

    def _settings(self) -> "ServerSettings":
        from wakeful.engine.server.settings import ServerSettings

        port, tokens, exact = self._wanted
        return ServerSettings(port=port, tokens=tokens, exact=exact, stop_wait_s=0.0)


def _as_reply(answer: Reply | str) -> Reply:
    return Reply(text=answer) if isinstance(answer, str) else answer
