"""What the server was asked, as it came in."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast

import msgspec
from aiohttp import web

from wakeful.engine.faults.wire import BROKEN_OFF
from wakeful.engine.server import answers, refusals
from wakeful.engine.server.refusals import Refused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True, eq=False)
class Received:
    """One request.

    path: without the query, query: as it came; headers: names in lower case; body: as it came
    at_s: when, on the clock of `time.monotonic`; duration_s: how long it took, None while it is not over
    status: of the answer, None before there is one
    gone: whether the client went away before it had the whole answer
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    at_s: float = field(default_factory=time.monotonic)
    duration_s: float | None = None
    status: int | None = None
    gone: bool = False

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return msgspec.json.decode(self.body)

    @property
    def text(self) -> str:
        """The text of the last message, or the prompt or input, of a request to a model; "" where there is none."""
        try:
            asked: Any = self.json
        except ValueError:
            return ""
        table = cast("dict[str, Any]", asked) if isinstance(asked, dict) else {}
        return next((said for key in ("messages", "input", "prompt") if (said := _text(table.get(key)))), "")


class Recorder:
    """Keeps what was asked, the latest last; safe to read from any thread.

    keep: how many at most; with 0 nobody will ask for bodies, and they are left to whoever handles the request
    on_answer: called with each request that is over, in the server's loop
    """

    def __init__(self, *, keep: int = 10_000, on_answer: Callable[[Received], None] | None = None) -> None:
        self._kept: deque[Received] = deque(maxlen=keep)
        self._reads = keep > 0
        self._changed = threading.Condition()
        self._on_answer = on_answer

    @property
    def requests(self) -> list[Received]:
        """All so far."""
        with self._changed:
            return list(self._kept)

    def wait(self, met: Callable[[list[Received]], bool], timeout_s: float) -> bool:
        """Wait until what was received is as wanted; False where it is not in time. Blocks its thread."""
        with self._changed:
            return self._changed.wait_for(lambda: met(list(self._kept)), timeout_s)

    def clear(self) -> None:
        """Forget all."""
        with self._changed:
            self._kept.clear()

    def install(self, app: web.Application) -> None:
        """See every request to an application, before anything is done with it."""

        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._record(request, handler)

        app.middlewares.insert(0, record)

    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            body = await request.read() if self._reads else b""
        except web.HTTPRequestEntityTooLarge:
            return await _too_large(request)
        received = Received(
            request.method,
            request.path,
            request.query_string,
            {name.lower(): value for name, value in request.headers.items()},
            body,
        )
        with self._changed:
            self._kept.append(received)
            self._changed.notify_all()
        status: int | None = None
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        except (asyncio.CancelledError, ConnectionError):
            received.gone = True
            raise
        finally:
            with self._changed:
                received.status = status
                received.gone = (received.gone or request.transport is None) and BROKEN_OFF not in request
                received.duration_s = time.monotonic() - received.at_s
                self._changed.notify_all()
            if self._on_answer is not None:
                self._on_answer(received)


def matching(requests: list[Received], path: str) -> list[Received]:
    """Those to a path; `*` stands for any characters."""
    return [each for each in requests if fnmatchcase(each.path, path)]


async def _too_large(request: web.Request) -> web.StreamResponse:
    refused = Refused("Maximum request body size exceeded.", kind="too_large")
    said = refusals.body(refused, refusals.dialect_of(request.path))
    return await answers.whole(request, said, status=refused.status)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next(map(_text, reversed(cast("list[Any]", value))), "")
    if isinstance(value, dict):
        part = cast("dict[str, Any]", value)
        return _text(part.get("content", part.get("text")))
    return ""
