"""What waits for a person's yes, and their word on it, over the page.

Besides what guards the whole page, a yes needs the approval token, which is new at each start and which only who may
read the mind's folder can know (`wakeful approvals` prints the address with it). Without that, any program of this
machine, an action of the mind's own included, could say yes in the user's place.
"""

import hmac
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web

from wakeful.events import ApprovalRequested, WakefulError

HEADER = "X-Wakeful-Approve"
_MAX_BODY_BYTES = 1024


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
        if not self._token or not hmac.compare_digest(
            request.headers.get(HEADER, "").encode("utf-8", "surrogatepass"), self._token.encode()
        ):
            raise web.HTTPForbidden(text="Open the address that `wakeful approvals` prints, or use `wakeful approve`.")
        if request.headers.get("Origin") is None:  # a browser always sends it here; the guard has compared it
            raise web.HTTPForbidden(text="Only the page itself may say yes.")
        if (
            request.content_type != "application/json"
            or (request.content_length or _MAX_BODY_BYTES + 1) > _MAX_BODY_BYTES
        ):
            raise web.HTTPBadRequest(text='Say {"digest": "…", "approve": true} as JSON.')
        try:
            word = msgspec.json.decode(await request.read(), type=_Word)
        except msgspec.DecodeError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        if len(word.digest) != 64:  # a code of a few letters is for a terminal
            raise web.HTTPBadRequest(text="The page decides by the whole digest.")
        try:
            decided = await self._approvals.decide(word.digest, approve=word.approve, by="page")
        except WakefulError as error:
            raise web.HTTPConflict(text=str(error)) from error
        return web.Response(body=msgspec.json.encode(decided), content_type="application/json")
