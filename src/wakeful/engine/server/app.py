"""The server put together: guard, routes of all interfaces, and its start and stop."""

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from wakeful.engine.errors import EngineError
from wakeful.engine.files.downloads import Downloads
from wakeful.engine.life.models import Models
from wakeful.engine.native import discovery
from wakeful.engine.native import routes as native
from wakeful.engine.openai import routes as openai
from wakeful.engine.rest import routes as rest
from wakeful.engine.server import answers, greeting, refusals
from wakeful.engine.server.conversations import CONVERSATIONS, Conversations
from wakeful.engine.server.guard import Guard
from wakeful.engine.server.keys import CLOCK, DOWNLOADS, GUARD, MODELS, SETTINGS
from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import ServerSettings

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"


def create_app(
    models: Models, settings: ServerSettings | None = None, downloads: Downloads | None = None
) -> web.Application:
    """The whole server as an application of aiohttp. Raises Unguarded.

    downloads: brings further models; None for none. It is the caller's to close, as the models are
    """
    settings = settings or ServerSettings()
    app = web.Application(middlewares=[_answer], client_max_size=settings.limits.body_bytes)
    app[MODELS] = models
    app[SETTINGS] = settings
    app[GUARD] = Guard(settings)
    if downloads is not None:
        app[DOWNLOADS] = downloads
    app[CLOCK] = time.time
    app[CONVERSATIONS] = Conversations(settings.keep, lambda: app[CLOCK]())
    app[answers.WIRE] = answers.Wire
    app.on_response_prepare.append(_say_who)
    native.prepare(app)
    for routes in _interfaces():
        app.add_routes(routes())
    app.router.add_route("*", "/{path:.*}", _unknown)
    return app


@asynccontextmanager
async def serving(
    models: Models, settings: ServerSettings | None = None, downloads: Downloads | None = None
) -> AsyncGenerator[str]:
    """A server that listens, by its address such as `http://127.0.0.1:1234`; it is gone after the block.

    The models are the caller's to close.
    """
    settings = settings or ServerSettings()
    async with listening(create_app(models, settings, downloads), settings) as url:
        yield url


@asynccontextmanager
async def listening(app: web.Application, settings: ServerSettings) -> AsyncGenerator[str]:
    """The same for an application that is made already. Raises OSError where the port is taken."""
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=settings.keepalive_s,
        shutdown_timeout=settings.stop_wait_s,
        handler_cancellation=True,  # a client that goes away stops what is written for it
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        host, port = runner.addresses[0][:2]
        if settings.discoverable:
            await discovery.announce(runner)
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def _interfaces() -> list[Callable[[], list[web.RouteDef]]]:
    """One line for each: `openai/routes.py`, `rest/routes.py`, `native/routes.py` bring their own."""
    return [greeting.routes, openai.routes, rest.routes, native.routes]


@web.middleware
async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        request.app[GUARD].check(request)
        return await handler(request)
    except EngineError as error:
        dialect = refusals.dialect_of(request.path)
        refused = refusals.refusal(error, dialect)
        return await answers.whole(request, refusals.body(refused, dialect), status=refused.status)
    except web.HTTPException as error:
        refused = Refused(error.text or error.reason, kind="too_large" if error.status == 413 else "invalid_request")
        said = refusals.body(refused, refusals.dialect_of(request.path))
        return await answers.whole(request, said, status=error.status)
    except Exception:
        if request.writer.output_size:  # in the middle of an answer nothing can be said any more
            raise
        _log.exception("%s %s failed; this is a bug, please report it", request.method, request.path)
        said = refusals.body(Refused("Internal error", kind="internal_error"), refusals.dialect_of(request.path))
        return await answers.whole(request, said, status=500)


async def _unknown(request: web.Request) -> web.StreamResponse:
    settings = request.app[SETTINGS]
    if request.method == "OPTIONS" and settings.cors:
        # `*` would not stand for `Authorization`.
        wanted = request.headers.get("Access-Control-Request-Headers", "*")
        allowed = {"Access-Control-Allow-Methods": _METHODS, "Access-Control-Allow-Headers": wanted}
        return await answers.wire_of(request).whole(204, allowed, b"")
    said = {"error": f"Unexpected endpoint or method. ({request.method} {request.path})"}
    return await answers.whole(request, said, status=200 if settings.exact else 404)


async def _say_who(request: web.Request, response: web.StreamResponse) -> None:
    settings = request.app[SETTINGS]
    response.headers["Keep-Alive"] = f"timeout={settings.keepalive_s:g}"
    if settings.cors:
        response.headers["Access-Control-Allow-Origin"] = "*"
    if settings.exact:
        response.headers["X-Powered-By"] = "Express"
