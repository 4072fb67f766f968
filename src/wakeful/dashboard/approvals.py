"""What waits for a person's yes, and their word on it, over the page."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web

from wakeful.dashboard.person import said
from wakeful.events import ApprovalRequested, WakefulError


class Approvals(Protocol):
    """Knows what waits, and takes a person's word."""

    async def waiting(self) -> Sequence[Any]:
        """What waits, each with a `request`."""
        ...

    async def decide(self, code: str, *, approve: bool, by: str) -> ApprovalRequested:
        """Journals the word on a whole digest; raises a WakefulError where nothing of it waits."""
        ...


class _Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    digest: str
    approve: bool


class ApprovalRoutes:
    """`GET /api/approvals`, and `POST /api/approvals` with `{"digest": …, "approve": …}`."""

    def __init__(self, approvals: Approvals, token: str) -> None:
        self._approvals = approvals
        self._token = token

    def add_to(self, app: web.Application) -> None:
        """Adds the addresses."""
        app.router.add_get("/api/approvals", self.list)
        app.router.add_post("/api/approvals", self.decide)

    async def list(self, _: web.Request) -> web.Response:
        """What waits."""
        waiting = [each.request for each in await self._approvals.waiting()]
        return web.Response(body=msgspec.json.encode(waiting), content_type="application/json")

    async def decide(self, request: web.Request) -> web.Response:
        """A person's word."""
        example = '{"digest": "…", "approve": true}'
        word = await said(request, self._token, _Word, example=example, instead="wakeful approve")
        if len(word.digest) != 64:  # a code of a few letters is for a terminal
            raise web.HTTPBadRequest(text="The page decides by the whole digest.")
        try:
            decided = await self._approvals.decide(word.digest, approve=word.approve, by="page")
        except WakefulError as error:
            raise web.HTTPConflict(text=str(error)) from error
        return web.Response(body=msgspec.json.encode(decided), content_type="application/json")
