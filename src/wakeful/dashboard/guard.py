"""Who may look: this machine's own pages, and elsewhere whoever has the token."""

import hmac
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from wakeful.dashboard.hooks import HOOKS

COOKIE = "wakeful_token"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine itself."""
    if host.casefold() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks every request before anything is done for it.

    A name other than this machine's own in `Host` is refused: it is how a page elsewhere reaches a local server by
    rebinding its name. So is an `Origin` that is not the page itself. With a token, any name may be used, and every
    request has to show the token, in `Authorization`, in a cookie, or once as `?token=`. Hooks ask for tokens of their
    own instead: programs elsewhere post to them, and see nothing of the page.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware."""
        refusal = self._refusal(request)
        response = refusal if refusal is not None else await _answer(request, handler)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        host = _host_name(request.headers.get("Host", ""))
        hook = request.path.startswith(HOOKS)
        if not self._token and not is_loopback(host) and not hook:
            return _refused(403, "This page answers to localhost only.")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.casefold() != request.headers.get("Host", "").casefold():
            return _refused(403, "A page elsewhere may not read this one.")
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and not _is_navigation(request):
            return _refused(403, "A page elsewhere may not read this one.")
        if self._token and not hook and not self._shown(request):
            if self._same(request.query.get("token", "")):
                return self._let_in(request)
            return _refused(401, "A token is needed: open /?token=… once, or send Authorization: Bearer ….")
        return None

    def _shown(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() == "bearer" and self._same(token.strip()):
            return True
        return self._same(request.cookies.get(COOKIE, ""))

    def _same(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token.encode())

    def _let_in(self, request: web.Request) -> web.Response:
        """Puts the token into a cookie and takes it out of the address."""
        response = web.Response(status=303, headers={"Location": request.path})
        response.set_cookie(COOKIE, self._token, httponly=True, samesite="Strict", path="/", secure=request.secure)
        return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _refused(error.status, error.text or error.reason)


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _is_navigation(request: web.Request) -> bool:
    """A person who follows a link or types the address, which shows them the page and tells nobody else."""
    return request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
