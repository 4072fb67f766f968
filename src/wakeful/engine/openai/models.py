"""`/v1/models`: what a request may name."""

from typing import Any

from aiohttp import web

from wakeful.engine.server import answers
from wakeful.engine.server.keys import MODELS


async def show(request: web.Request) -> web.StreamResponse:
    """GET /v1/models: with just-in-time loading all that is on this machine, else what is loaded."""
    models = request.app[MODELS]
    names = [instance.identifier for instance in models.loaded()]
    if models.settings.jit:
        names = [model.key for model in await models.known()] + names
    listed: list[dict[str, Any]] = [
        {"id": name, "object": "model", "owned_by": "organization_owner"} for name in dict.fromkeys(names)
    ]
    return await answers.whole(request, {"data": listed, "object": "list"})
