"""What clients ask first: is this LM Studio, and which?"""

from aiohttp import web

import wakeful
from wakeful.engine.server import answers


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/lmstudio-greeting", _greeting), web.get("/lms-status", _status)]


async def _greeting(request: web.Request) -> web.StreamResponse:
    return await answers.whole(request, {"lmstudio": True})


async def _status(request: web.Request) -> web.StreamResponse:
    return await answers.whole(request, {"package": "wakeful", "version": wakeful.__version__})
