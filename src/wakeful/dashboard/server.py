"""The page's server: files, three questions to the journal, the user's word, and one stream of what happens."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Any, Self

import msgspec
from aiohttp import web

from wakeful.dashboard.approvals import ApprovalRoutes
from wakeful.dashboard.errors import DashboardError, PortInUse, TokenNeeded
from wakeful.dashboard.feedback import Judging
from wakeful.dashboard.guard import HEADERS, Guard, is_loopback
from wakeful.dashboard.hooks import Hook, Hooks
from wakeful.dashboard.intentions import IntentionRoutes
from wakeful.dashboard.live import Live
from wakeful.events import Cursor, Entry, encode
from wakeful.journal import Journal, JournalError

HEARTBEAT_S = 15.0
MAX_ENTRIES = 500
SHOWN_KINDS = (
    "thought",
    "thought_failed",
    "notification",
    "health",
    "quiet",
    "set_aside",
    "session",
    "action_result",
    "question",
    "answer",
    "feedback",
    "prediction_resolved",
    "approval_requested",
    "approval_decided",
    "approval_expired",
    "brake",
    "intention",
    "intention_met",
)
"""Kinds of entries that the page is sent; raw observations it asks for when a person wants to see them."""

Report = Callable[[], Awaitable[object]]
"""Gives what a page may ask for besides the journal, as anything that can be written as JSON."""

_FILES = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/approvals.js": ("approvals.js", "text/javascript"),
    "/draw.js": ("draw.js", "text/javascript"),
    "/feedback.js": ("feedback.js", "text/javascript"),
    "/intentions.js": ("intentions.js", "text/javascript"),
    "/predictions.js": ("predictions.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}


class Dashboard:
    """Serves the page while its `async with` is open.

    host, port: where it listens; port 0 takes any free one. token: needed unless host is this machine itself
    hooks: what takes the posts of other programs
    reports: what the page may ask for by name, at `/api/NAME`, such as how good predictions are
    approvals: what waits for the person's yes, and the token with which the page may say it
    intentions: what is kept in mind for the person, changed with the same token
    Entering raises PortInUse, TokenNeeded or DashboardError.
    """

    def __init__(
        self,
        journal: Journal,
        live: Live,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        token: str = "",
        hooks: Sequence[Hook] = (),
        reports: Mapping[str, Report] = MappingProxyType({}),
        approvals: ApprovalRoutes | None = None,
        intentions: IntentionRoutes | None = None,
    ) -> None:
        self._journal = journal
        self._live = live
        self._host = host
        self._port = port
        self._token = token
        self._hooks = Hooks(hooks)
        self._reports = reports
        self._routes = {"approvals": approvals, "intentions": intentions}
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        if not self._token and not is_loopback(self._host):
            raise TokenNeeded(
                f"The page would be open to every machine that reaches {self._host}.",
                hint="Set page.token (WAKEFUL_PAGE_TOKEN) to a long random text, or page.host to 127.0.0.1.",
            )
        app = web.Application(middlewares=[Guard(self._token).check], client_max_size=64 * 1024)
        for path in _FILES:
            app.router.add_get(path, self._file)
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/api/entries", self._entries)
        app.router.add_get("/api/events", self._events)
        app.router.add_get("/api/stream", self._stream)
        Judging(self._journal).add_to(app)
        for name in self._reports:
            app.router.add_get(f"/api/{name}", self._report)
        self._hooks.add_to(app)
        for name, routes in self._routes.items():
            if routes is not None:
                routes.add_to(app)
            else:
                app.router.add_get(f"/api/{name}", _none)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise PortInUse(
                    f"Port {self._port} on {self._host} is taken.",
                    hint="Choose another one with --port or page.port, or 0 for any free one.",
                ) from error
            raise DashboardError(f"The page can't be served on {self._host}: {error.strerror}.") from error
        self._runner = runner
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _file(self, request: web.Request) -> web.Response:
        name, kind = _FILES[request.path]
        text = (resources.files("wakeful.dashboard") / "page" / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind, charset="utf-8")

    async def _status(self, _: web.Request) -> web.Response:
        return _json(msgspec.json.encode(self._live.status))

    async def _report(self, request: web.Request) -> web.Response:
        report = self._reports[request.path.removeprefix("/api/")]
        return _json(msgspec.json.encode(await report()))

    async def _entries(self, request: web.Request) -> web.Response:
        """The entries with the numbers in `seq`, for the evidence behind a thought."""
        given = [part for part in request.query.get("seq", "").split(",") if part]
        if len(given) > MAX_ENTRIES or not all(part.isascii() and part.isdigit() for part in given):
            raise web.HTTPBadRequest(text=f"seq takes up to {MAX_ENTRIES} whole numbers, parted by commas.")
        numbers = [int(part) for part in given if len(part) < 19]
        return _json(_list(await self._journal.get(numbers)))

    async def _events(self, request: web.Request) -> web.Response:
        """The newest entries of the kinds in `kinds`, newest first."""
        kinds = tuple(part for part in request.query.get("kinds", "").split(",") if part) or SHOWN_KINDS
        limit = request.query.get("limit", "100")
        if not (limit.isascii() and limit.isdigit() and int(limit) <= MAX_ENTRIES):
            raise web.HTTPBadRequest(text=f"limit takes a whole number up to {MAX_ENTRIES}.")
        entries = await self._journal.read(kinds=kinds, limit=int(limit), newest_first=True)
        return _json(_list(entries))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """What happens from now on, or from `Last-Event-ID` on, as server-sent events."""
        response = web.StreamResponse(headers=HEADERS | {"Content-Type": "text/event-stream"})
        given = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        after = Cursor(given) if given else await self._journal.end()
        await response.prepare(request)
        sending = asyncio.Lock()

        async def send(event: str, data: bytes, cursor: str = "") -> None:
            async with sending:
                number = f"id: {cursor}\n" if cursor else ""
                await response.write(f"{number}event: {event}\ndata: ".encode() + data + b"\n\n")

        async def entries() -> None:
            async for batch in self._journal.tail(after, kinds=SHOWN_KINDS):
                for entry in batch:
                    await send("entry", _entry(entry), entry.cursor)

        async def live() -> None:
            with self._live.reading() as queue:
                while True:
                    try:
                        async with asyncio.timeout(HEARTBEAT_S):
                            kind, data = await queue.get()
                    except TimeoutError:
                        async with sending:
                            await response.write(b": alive\n\n")
                        continue
                    await send(kind, data)

        tasks = [asyncio.create_task(work) for work in (entries(), live(), self._closing.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if isinstance(error, JournalError | ValueError):
                    await send("problem", msgspec.json.encode(str(error)))
                elif error is not None and not isinstance(error, ConnectionError):
                    raise error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return response


async def _none(_: web.Request) -> web.Response:
    return _json(b"[]")


def _entry(entry: Entry) -> bytes:
    return b'{"seq":%d,"event":%b}' % (entry.seq, encode(entry.event))


def _list(entries: list[Entry]) -> bytes:
    return b"[" + b",".join(map(_entry, entries)) + b"]"


def _json(body: Any) -> web.Response:
    return web.Response(body=body, content_type="application/json")
