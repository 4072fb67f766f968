"""Where a plan meets the server: every request passes here first."""

import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from aiohttp import web

from wakeful.engine.faults import wire
from wakeful.engine.faults.check import BadPlan, plan_of
from wakeful.engine.faults.door import Listener
from wakeful.engine.faults.injector import MET, WIRE_KINDS, Injector
from wakeful.engine.faults.model import ROUTE
from wakeful.engine.faults.plan import HangUp, Status
from wakeful.engine.native.discovery import announce
from wakeful.engine.server import answers, refusals
from wakeful.engine.server.keys import CLOCK
from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import ServerSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ADMIN_PATH = "/__faults"


def install(app: web.Application, injector: Injector, *, admin_token: str = "") -> None:
    """Let a plan reach all that an application answers. admin_token: "" for no admin endpoint."""
    app[answers.WIRE] = wire.FaultyWire
    app[CLOCK] = injector.now_s

    @web.middleware
    async def meet(request: web.Request, handler: Handler) -> web.StreamResponse:
        if admin_token and request.path == ADMIN_PATH:
            return await _admin(request, injector, admin_token)
        return await _meet(request, handler, injector)

    app.middlewares.insert(0, meet)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. found_at: also at this port, one of those where LM Studio's SDKs look by themselves."""

    url: str
    found_at: int | None = None


@asynccontextmanager
async def listening(app: web.Application, settings: ServerSettings, injector: Injector) -> AsyncGenerator[Address]:
    """Serve an application with `injector` installed. Raises OSError where the port is taken."""
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=settings.keepalive_s,
        shutdown_timeout=settings.stop_wait_s,
        handler_cancellation=True,
    )
    await runner.setup()
    listener = Listener(runner, injector, settings.host, settings.port)
    try:
        await listener.start()
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield Address(f"http://{host}:{listener.port}", await _announced(runner) if settings.discoverable else None)
    finally:
        await listener.stop()
        await runner.cleanup()


async def _announced(runner: web.AppRunner) -> int | None:
    """Where SDKs find it by themselves; None where LM Studio and others have all ports for that."""
    try:
        return await announce(runner)
    except OSError:
        return None


async def _meet(request: web.Request, handler: Handler, injector: Injector) -> web.StreamResponse:
    socket = request.headers.get("Upgrade", "").casefold() == "websocket"
    if socket:  # it carries many requests: each meets its own faults, where a model runs it
        met = injector.meet(request.path, "", WIRE_KINDS)
        ROUTE.set(request.path)
        MET.set(None)
    else:
        met = injector.meet(request.path, await _model(request) if injector.wants_model() else "")
        MET.set(met)
    await wire.act(request, *wire.before(met))
    status = next((each for each in met if isinstance(each, Status)), None)
    try:
        return await _answer(request, status) if status is not None else await handler(request)
    finally:
        transport = request.transport
        if transport is not None and any(isinstance(each, HangUp) for each in met):
            injector.hanging.add(transport)


async def _answer(request: web.Request, status: Status) -> web.StreamResponse:
    dialect = refusals.dialect_of(request.path)
    body: Any = status.body
    if body is None:
        kind = "rate_limit" if status.status == 429 else "internal_error" if status.status >= 500 else "invalid_request"
        body = refusals.body(Refused(f"Fault on command: {status.status}.", kind=kind, status=status.status), dialect)
    data = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    headers = {"Content-Type": status.content_type, **status.headers}
    return await answers.wire_of(request).whole(status.status, headers, data)


async def _model(request: web.Request) -> str:
    """The model that the body names, "" for none."""
    try:
        asked: Any = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, web.HTTPException, RecursionError):
        return ""
    name = cast("dict[str, Any]", asked).get("model") if isinstance(asked, dict) else None
    return name if isinstance(name, str) else ""


async def _admin(request: web.Request, injector: Injector, token: str) -> web.StreamResponse:
    """GET tells the plan and what has happened; PUT sets another plan, POST adds to it, DELETE ends all faults."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.casefold() != "bearer" or not hmac.compare_digest(shown.strip().encode(), token.encode()):
        return _tell({"error": "The admin token is missing or wrong."}, 401)
    if request.method in ("PUT", "POST"):
        try:
            plan = plan_of(_table(await request.read()), "body")
        except BadPlan as error:
            return _tell({"error": str(error), "problems": error.problems}, 400)
        if request.method == "PUT":
            injector.plan = plan
        else:
            injector.add(*plan.fault)
    elif request.method == "DELETE":
        injector.plan = type(injector.plan)()
    return _tell({"plan": injector.plan, "fired": list(injector.fired)})


def _table(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadPlan([f"body: no JSON object: {error}."]) from error


def _tell(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
