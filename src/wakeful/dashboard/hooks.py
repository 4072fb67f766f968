"""Where other programs post what they have to say. Each hook has a token of its own, which is not the page's."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec
from aiohttp import web

HOOKS = "/hook/"
MAX_BODY_BYTES = 256 * 1024
BODY_S = 10.0
"""How long a body may take to arrive."""

MAX_BODIES = 32
"""Bodies that are read at a time, over all hooks: 8 MB at most."""

COME_AGAIN_S = "5"
_SECRET = ("authorization", "x-wakeful-token", "cookie")


class Hook(Protocol):
    """Takes what is posted to `/hook/NAME`."""

    @property
    def hook(self) -> str:
        """Its name, as it stands in the address."""
        ...

    @property
    def full(self) -> bool:
        """Whether it takes no more at the moment."""
        ...

    def allows(self, token: str) -> bool:
        """Whether it is the hook's token, in constant time."""
        ...

    def signed(self, body: bytes, signature: str) -> bool:
        """Whether the body was signed with the token."""
        ...

    async def deliver(self, body: bytes, headers: Mapping[str, str]) -> Literal["kept", "full", "late", "unreadable"]:
        """Returns when the journal holds the post, or why it does not. headers: names in lower case."""
        ...


class Hooks:
    """Answers posts: 200 once one is in the journal, and otherwise why it is not, and when to come again."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = {hook.hook: hook for hook in hooks}
        self._reading = asyncio.Semaphore(MAX_BODIES)

    def add_to(self, app: web.Application) -> None:
        """Adds the address."""
        app.router.add_post(HOOKS + "{name}", self.answer)
        app.router.add_put(HOOKS + "{name}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        """One post."""
        hook = self._hooks.get(request.match_info["name"])
        if hook is None:
            return _said(404, "There is no webhook of this name: add a [[source]] of kind webhook.")
        token, signature = _token(request), request.headers.get("X-Hub-Signature-256", "")
        if not (hook.allows(token) if token else signature):
            return _said(401, "Show the webhook's token: Authorization: Bearer …, X-Wakeful-Token: …, or ?token=….")
        if hook.full:
            return _said(429, "Too many posts wait: come again.", again=True)
        if self._reading.locked():
            return _said(503, "Too many posts come at once: come again.", again=True)
        async with self._reading:
            body = await _body(request)
        if isinstance(body, web.Response):
            return body
        if not token and not hook.signed(body, signature):
            return _said(401, "The signature does not fit the webhook's token.")
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in _SECRET}
        match await hook.deliver(body, headers):
            case "kept":
                return web.json_response({"kept": True})
            case "full":
                return _said(429, "Too many posts wait: come again.", again=True)
            case "late":
                return _said(503, "The journal did not take it in time: come again.", again=True)
            case "unreadable":
                return _said(400, "It is neither JSON nor, with Content-Type: text/plain, text.")


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.casefold() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("X-Wakeful-Token", "") or request.query.get("token", "")


async def _body(request: web.Request) -> bytes | web.Response:
    """The body, or why it is not read."""
    too_long = _said(413, f"A post may be {MAX_BODY_BYTES // 1024} KB long.")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return too_long
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return too_long
    except TimeoutError:
        return _said(408, f"The post did not arrive within {BODY_S:g} s.")
    return bytes(body)


def _said(status: int, text: str, *, again: bool = False) -> web.Response:
    headers = {"Retry-After": COME_AGAIN_S} if again else None
    body = msgspec.json.encode({"error": text})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
