"""How do requests of httpx2, which `openai` speaks, travel over our transport? Imported only where it is installed."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import msgspec

from wakeful.lmstudio.errors import (
    AuthError,
    ClientClosed,
    ContextOverflow,
    LMStudioError,
    ModelNotFound,
    ModelStateError,
    RequestRefused,
    RouteMissing,
    ServerBusy,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)
from wakeful.lmstudio.http.attempts import Attempts
from wakeful.lmstudio.http.transport import Reply, Transport, check

_NOT_OURS_TO_SEND = frozenset({"host", "content-length", "connection", "accept-encoding", "authorization"})
"""What belongs to a connection, which is ours; the token too."""

_STATUS_AND_CODE: tuple[tuple[type[LMStudioError], int, str], ...] = (
    (ContextOverflow, 400, "context_length_exceeded"),
    (AuthError, 401, "invalid_api_key"),
    (ModelNotFound, 404, "model_not_found"),
    (RouteMissing, 404, "route_missing"),
    (ServerBusy, 429, "rate_limit_exceeded"),
    (RequestRefused, 400, "invalid_request_error"),
    (ModelStateError, 503, "model_not_ready"),
    (LMStudioError, 502, "bad_answer"),
)
"""What `openai` is told when the server's own status does not say it; OpenAI's codes where it has one."""

_SAYS_LITTLE = frozenset({"invalid_request_error", "bad_answer"})

_DONE = re.compile(rb"[\r\n]data: ?\[DONE\]")
_PROPER_END = re.compile(
    _DONE.pattern
    + rb'|"finish_reason"\s*:\s*"[^"]'  # some servers send an empty one with every chunk
    + rb'|"type"\s*:\s*"response\.(?:completed|incomplete|failed)"'
    + rb'|"error"\s*:\s*["{]'  # which openai raises; null, as in `response.created`, is none
)
_TAIL_BYTES = 64
"""How much of the last piece is looked at again with the next, for what was split between them."""


class OurTransport(httpx2.AsyncBaseTransport):
    """Carries the requests of an `httpx2.AsyncClient`; retries and deadlines are those of `transport`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._root = str(httpx2.URL(transport.base_url)).rstrip("/")  # as httpx2 writes it: without a default port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, its body still to come where it is an event stream. Raises httpx2.TransportError."""
        url = str(request.url)
        if not url.startswith(self._root + "/"):
            raise httpx2.UnsupportedProtocol(f"{url} is not on {self._root}", request=request)
        body = await request.aread()
        attempts = Attempts(self._transport, idempotent=request.method == "GET")
        while True:
            try:
                return await self._answer(request, url.removeprefix(self._root), body)
            except LMStudioError as error:
                if not await attempts.again(error):
                    if error.status_code is not None and not isinstance(error, StreamBroken | ServerTooSlow):
                        return refusal(error)
                    raise as_transport_error(error, request) from error

    async def _answer(self, request: httpx2.Request, path: str, body: bytes) -> httpx2.Response:
        limits = self._transport.timeouts
        asked_s = request.extensions.get("timeout", {}).get("read")
        shortest = float("inf") if asked_s is None else float(asked_s)
        whole_s = min(shortest, limits.whole_s if body else limits.other_s)
        first_s = min(shortest, limits.first_token_s) if wants_stream(body) else whole_s
        started_s = asyncio.get_running_loop().time()
        async with AsyncExitStack() as stack:
            reply = await stack.enter_async_context(
                self._transport.open(
                    request.method, path, body or None, head_s=first_s, headers=sent_along(request.headers)
                )
            )
            if reply.status == 200 and "text/event-stream" in reply.content_type:
                pieces = _Pieces(
                    reply,
                    stack.pop_all(),
                    request,
                    first_at_s=started_s + first_s,
                    between_s=min(shortest, limits.between_tokens_s),
                )
                return httpx2.Response(200, headers={"Content-Type": reply.content_type}, stream=pieces)
            raw = await reply.read_all(started_s + whole_s, "whole")
            check(reply, raw)
            return httpx2.Response(reply.status, headers={"Content-Type": reply.content_type}, content=raw)


class _Pieces(httpx2.AsyncByteStream):
    """The body of an event stream as it comes; ends at its `[DONE]`, and never without a proper end."""

    def __init__(
        self, reply: Reply, opened: AsyncExitStack, request: httpx2.Request, *, first_at_s: float, between_s: float
    ) -> None:
        self._reply = reply
        self._opened = opened
        self._request = request
        self._deadline_s = first_at_s
        self._between_s = between_s
        self._began = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            ended, tail = False, b"\n"
            while piece := await self._reply.read(self._deadline_s, "between_tokens" if self._began else "first_token"):
                seen = tail + piece
                ended = ended or _PROPER_END.search(seen) is not None
                tail = seen[-_TAIL_BYTES:]
                if not only_comments(piece):
                    self._began = True
                    self._deadline_s = asyncio.get_running_loop().time() + self._between_s
                yield piece
                if _DONE.search(seen) is not None:
                    await self._reply.drain()
                    return
            if not ended:
                raise StreamBroken("The stream ended before the answer did.", status_code=self._reply.status)
        except LMStudioError as error:
            await self._opened.__aexit__(type(error), error, error.__traceback__)  # the circuit breaker is told
            raise as_transport_error(error, self._request) from error

    async def aclose(self) -> None:
        """Drop the connection unless all was read, which makes the server stop generating."""
        await self._opened.aclose()


class _Asked(msgspec.Struct):
    stream: bool | None = None


def wants_stream(body: bytes) -> bool:
    """Whether a request's body asks for an event stream."""
    try:
        return bool(msgspec.json.decode(body, type=_Asked).stream)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # no JSON: an upload


def only_comments(piece: bytes) -> bool:
    """Whether a piece of an event stream holds nothing but comments, such as pings: they are no progress."""
    return all(not line or line.startswith(b":") for line in piece.splitlines())


def sent_along(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that go to the server: the caller's, without those of the connection and of openai's statistics."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in _NOT_OURS_TO_SEND and not name.lower().startswith("x-stainless-")
    }


def refusal(error: LMStudioError) -> httpx2.Response:
    """The response from which `openai` makes the APIStatusError that the error means, even if the status was 200."""
    status, code = next((status, code) for cls, status, code in _STATUS_AND_CODE if isinstance(error, cls))
    told = error.status_code or 0
    headers: dict[str, str] = {}
    if isinstance(error, ServerBusy) and error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    said: dict[str, Any] = {"message": str(error), "type": error.error_type.value, "param": None, "code": code}
    # LM Studio answers 400 to a crashed model: only where a class says nothing of its own, the status counts
    return httpx2.Response(
        told if told >= 400 and code in _SAYS_LITTLE else status, headers=headers, json={"error": said}
    )


def as_transport_error(error: LMStudioError, request: httpx2.Request) -> httpx2.TransportError:
    """The error of httpx2 from which `openai` makes its APITimeoutError or APIConnectionError."""
    message = str(error)
    match error:
        case ServerTooSlow(stage="connect"):
            return httpx2.ConnectTimeout(message, request=request)
        case ServerTooSlow():
            return httpx2.ReadTimeout(message, request=request)
        case ServerUnreachable() | ClientClosed():
            return httpx2.ConnectError(message, request=request)
        case StreamBroken():
            return httpx2.RemoteProtocolError(message, request=request)
        case _:
            return httpx2.TransportError(message, request=request)
