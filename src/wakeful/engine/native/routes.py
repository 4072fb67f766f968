"""The sockets of LM Studio's own SDKs, one for each namespace."""

import asyncio
from collections.abc import Awaitable, Sequence

import aiohttp
from aiohttp import web

from wakeful.engine.native.admission import Admission
from wakeful.engine.native.conversation import Conversation
from wakeful.engine.native.frames import Authentication
from wakeful.engine.native.namespaces import namespaces
from wakeful.engine.native.office import Office
from wakeful.engine.native.session import Session
from wakeful.engine.server.guard import SOCKET_PATHS
from wakeful.engine.server.keys import DOWNLOADS, MODELS, SETTINGS
from wakeful.engine.server.refusals import Refused

AUTHENTICATION_S = 10.0
"""As with LM Studio: who has not said who it is by then is left."""

STALLED_S = 60.0
"""A client that reads nothing for so long, while we have something to say, is left."""

GOODBYE_S = 1.0
"""For clients to answer when the server stops."""

_SPACES = namespaces()
_OFFICE: web.AppKey[Office] = web.AppKey("native_office", Office)
_ADMISSION: web.AppKey[Admission] = web.AppKey("native_admission", Admission)
_SESSIONS: web.AppKey[dict[web.WebSocketResponse, Session]] = web.AppKey("native_sessions", dict)


def routes() -> list[web.RouteDef]:
    """A route for each namespace."""
    return [web.get(path, _talk) for path in SOCKET_PATHS]


def prepare(app: web.Application) -> None:
    """Give an application what the routes share."""
    app[_OFFICE] = Office(app[MODELS], app.get(DOWNLOADS))
    app[_ADMISSION] = Admission(app[SETTINGS].tokens)
    app[_SESSIONS] = {}
    app.on_shutdown.append(_close_all)


class _Outlet:
    """A socket's way out, which knows how long it has been blocked."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._since_s: float | None = None

    async def say(self, frame: bytes) -> None:
        if self._since_s is None:
            self._since_s = self._loop.time()
        await self._socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
        self._since_s = None

    def is_stalled(self) -> bool:
        """Whether the client has read nothing for too long."""
        return self._since_s is not None and self._loop.time() - self._since_s > STALLED_S


async def _talk(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse(
        max_msg_size=request.app[SETTINGS].limits.socket_bytes,
        compress=False,  # small frames, mostly to the same machine
    )
    if not socket.can_prepare(request):
        raise Refused(f"Unexpected endpoint or method. ({request.method} {request.path})", kind="not_found")
    await socket.prepare(request)
    admission = request.app[_ADMISSION]
    admitted: list[str] = []

    def admit(shown: Authentication) -> str:
        why = admission.admit(shown)
        if not why:
            admitted.append(shown.client_identifier)
        return why

    space = _SPACES[request.path.removeprefix("/")]
    outlet = _Outlet(socket)
    conversation = Conversation(space, admit, exact=request.app[SETTINGS].exact)
    watch = asyncio.create_task(_watch(request, conversation, outlet))
    try:
        async with Session(space, request.app[_OFFICE], conversation, outlet) as session:
            request.app[_SESSIONS][socket] = session
            await _listen(socket, session)
    finally:
        watch.cancel()
        request.app[_SESSIONS].pop(socket, None)
        for identifier in admitted:
            admission.release(identifier)
    return socket


async def _listen(socket: web.WebSocketResponse, session: Session) -> None:
    async for message in socket:
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            break
        try:
            if not await session.receive(message.data):
                await socket.close()
                break
        except ConnectionError:
            break


async def _watch(request: web.Request, conversation: Conversation, outlet: _Outlet) -> None:
    """Break the connection off when the client does not say who it is, or does not read."""
    await asyncio.sleep(AUTHENTICATION_S)
    while conversation.client and not outlet.is_stalled():
        await asyncio.sleep(STALLED_S / 4)
    if request.transport is not None:
        request.transport.abort()


async def _close_all(app: web.Application) -> None:
    """Let answers come to their end for a while, then say goodbye to all at once; who does not answer is left.

    aiohttp reads nothing more from its sockets by now.
    """
    sessions = app[_SESSIONS]
    await _at_most(app[SETTINGS].stop_wait_s, [session.settle() for session in sessions.values()])
    going_away = aiohttp.WSCloseCode.GOING_AWAY
    await _at_most(
        GOODBYE_S, [socket.close(code=going_away, message=b"The server stops.") for socket in list(sessions)]
    )


async def _at_most(seconds: float, works: Sequence[Awaitable[object]]) -> None:
    """Do all this at the same time, and leave what takes longer."""
    tasks = [asyncio.ensure_future(work) for work in works]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
