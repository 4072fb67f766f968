"""Who may speak as the person: whoever has the token of this start, from the page itself.

Besides what guards the whole page, a word that counts as the person's needs the approval token, which is new at each
start and which only who may read the mind's folder can know (`wakeful approvals` prints the address with it). Without
that, any program of this machine, an action of the mind's own included, could speak in the user's place.
"""

import hmac
from typing import TypeVar

import msgspec
from aiohttp import web

T = TypeVar("T")

HEADER = "X-Wakeful-Approve"
_MAX_BODY_BYTES = 1024


async def said(request: web.Request, token: str, shape: type[T], *, example: str, instead: str) -> T:
    """What a person said over the page, as `shape`; example: of it; instead: the command that does the same.

    Raises HTTPForbidden and HTTPBadRequest.
    """
    shown = request.headers.get(HEADER, "").encode("utf-8", "surrogatepass")
    if not token or not hmac.compare_digest(shown, token.encode()):
        raise web.HTTPForbidden(text=f"Open the address that `wakeful approvals` prints, or use `{instead}`.")
    if request.headers.get("Origin") is None:  # a browser always sends it here; the guard has compared it
        raise web.HTTPForbidden(text="Only the page itself may say this.")
    if request.content_type != "application/json" or (request.content_length or _MAX_BODY_BYTES + 1) > _MAX_BODY_BYTES:
        raise web.HTTPBadRequest(text=f"Say {example} as JSON.")
    try:
        return msgspec.json.decode(await request.read(), type=shape)
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
