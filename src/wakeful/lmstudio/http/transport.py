"""One request and its answer over HTTP: connections, deadlines, and foreign errors mapped to ours."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn

import aiohttp
import msgspec

from wakeful.lmstudio.errors import (
    AnswerTooLarge,
    ClientClosed,
    LMStudioError,
    MalformedAnswer,
    NotLMStudio,
    ServerTooSlow,
    ServerUnreachable,
    Stage,
    StreamBroken,
)
from wakeful.lmstudio.http.breaker import CircuitBreaker
from wakeful.lmstudio.http.classify import classify_response, shorten
from wakeful.lmstudio.http.retry import NO_RETRY, RetryConfig
from wakeful.lmstudio.http.watch import Watch
from wakeful.lmstudio.settings import Timeouts

OnRetry = Callable[[LMStudioError, float], object]

IDLE_EXPIRY_S = 4.0
"""How long an unused connection is kept: LM Studio closes it after 5 s; a request sent just then is lost."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""The longest whole answer that we hold in memory."""

_DRAIN_S = 0.2
"""How long we wait for the end of a finished stream, so that its connection can be used again."""


@dataclass(slots=True)
class Attempt:
    """What is known of a request on its way; the connection's tracing fills it in."""

    method: str
    url: str
    started_s: float
    attempts: int = 1
    reused: bool = False

    @property
    def waited_s(self) -> float:
        """Seconds since the request was first sent."""
        return asyncio.get_running_loop().time() - self.started_s


class Reply:
    """An answer whose head has come; `read` gives its body piece by piece."""

    def __init__(self, response: aiohttp.ClientResponse, attempt: Attempt, watch: Watch) -> None:
        self.attempt = attempt
        self._response = response
        self._watch = watch
        self.status = response.status
        self.content_type = response.headers.get("Content-Type", "").lower()
        self.retry_after = response.headers.get("Retry-After", "")

    async def read(self, deadline_s: float, stage: Stage) -> bytes:
        """The next bytes of the body, b"" at its end. deadline_s: of the loop's clock.

        Raises ServerTooSlow, StreamBroken.
        """
        try:
            with self._watch.until(deadline_s):
                return await self._response.content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._failure(error, stage) from error

    def _failure(self, error: TimeoutError | aiohttp.ClientError | OSError, stage: Stage) -> LMStudioError:
        """A failure of reading as an error of ours."""
        if isinstance(error, TimeoutError):
            return too_slow(self.attempt, stage)
        return StreamBroken(
            f"The connection broke while the answer was coming ({_words(error)}).",
            status_code=self.status,
            stage=stage,
            waited_s=self.attempt.waited_s,
            attempts=self.attempt.attempts,
        )

    async def read_all(self, deadline_s: float, stage: Stage) -> bytes:
        """The whole body. Raises as `read` does, and AnswerTooLarge."""
        content = self._response.content
        if content.is_eof() and content.exception() is None and content.total_bytes <= MAX_BODY_BYTES:
            return content.read_nowait()  # it came with the head: no need for a deadline, which costs some
        body = bytearray()
        while piece := await self.read(deadline_s, stage):
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise AnswerTooLarge(f"The answer is longer than {MAX_BODY_BYTES:,} bytes.", status_code=self.status)
        return bytes(body)

    async def drain(self) -> None:
        """Wait a moment for the body's end after its last event, so that the connection can be reused."""
        loop = asyncio.get_running_loop()
        try:
            while await self.read(loop.time() + _DRAIN_S, "between_tokens"):
                pass
        except LMStudioError:
            self.close()  # the answer was complete; only this connection is of no more use

    def close(self) -> None:
        """Drop the connection, which makes the server stop generating; after a complete answer, keep it."""
        self._watch.stop()
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


_on_its_way: ContextVar[Attempt] = ContextVar("_on_its_way")


class _Connector(aiohttp.TCPConnector):
    """Tells each attempt whether its connection was used before (aiohttp's tracing would cost 20 µs a request)."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        protocol: Any = connection.protocol
        _on_its_way.get().reused = getattr(protocol, "wakeful_used", False)
        protocol.wakeful_used = True
        return connection


class Transport:
    """Connections to one server, and the rules under which requests go there.

    retry, on_retry: what is sent again, and who is told of it, with the error and the seconds until then
    breaker: None lets every request through
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_token: str = "",
        timeouts: Timeouts,
        retry: RetryConfig = NO_RETRY,
        on_retry: OnRetry | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self.base_url = base_url
        self.timeouts = timeouts
        self.retry = retry
        self.on_retry = on_retry
        self.breaker = breaker
        self._headers = {"Authorization": f"Bearer {api_token}"} if api_token else {}
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def close(self) -> None:
        """Close all connections; calling it again does nothing."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        head_s: float,
        guarded: bool = True,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> AsyncGenerator[Reply, None]:
        """Send a request and give its answer once its head is there, whatever its status.

        However the block is left, the connection is dropped unless the answer was read to its end.
        head_s: how long the head may take; guarded: whether the circuit breaker has a say
        headers: further ones
        Raises ServerUnreachable, ServerTooSlow, NotLMStudio, ClientClosed, CircuitOpen.
        """
        loop = asyncio.get_running_loop()
        with self.breaker.guard(loop.time) if guarded and self.breaker is not None else nullcontext():
            attempt = Attempt(method, self.base_url + path, loop.time())
            reply = await self._send(attempt, body, head_s, headers)
            try:
                yield reply
            finally:
                reply.close()

    async def json(
        self, method: str, path: str, payload: Any = None, *, limit_s: float | None = None, guarded: bool = True
    ) -> Any:
        """A short request with a JSON answer, sent once. limit_s: `Timeouts.other_s` unless given.

        Raises LMStudioError.
        """
        limit_s = self.timeouts.other_s if limit_s is None else limit_s
        body = None if payload is None else msgspec.json.encode(payload)
        async with self.open(method, path, body, head_s=limit_s, guarded=guarded) as reply:
            raw = await reply.read_all(asyncio.get_running_loop().time() + limit_s, "whole")
        check(reply, raw)
        try:
            return msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise unreadable(reply, raw) from error

    async def _send(self, attempt: Attempt, body: bytes | None, head_s: float, headers: Mapping[str, str]) -> Reply:
        """Send once more only if a reused connection turned out to be closed before a byte of the answer.

        Such a request met the server's idle expiry: it was not read, so that it can't be acted on twice.
        """
        try:
            return await self._send_once(attempt, body, head_s, headers)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if not attempt.reused or isinstance(error, aiohttp.ClientConnectorError):
                _raise_unreachable(attempt, error)
        attempt.attempts += 1
        try:
            return await self._send_once(attempt, body, head_s, headers)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            _raise_unreachable(attempt, error)

    async def _send_once(
        self, attempt: Attempt, body: bytes | None, head_s: float, headers: Mapping[str, str]
    ) -> Reply:
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
        _on_its_way.set(attempt)
        attempt.reused = False
        watch = Watch()
        try:
            with watch.until(asyncio.get_running_loop().time() + head_s):
                response = await self._open_session().request(
                    attempt.method,
                    attempt.url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise too_slow(attempt, "connect") from error
        except TimeoutError as error:
            raise too_slow(attempt, "first_token") from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            raise  # _send decides
        except aiohttp.ClientError as error:
            raise NotLMStudio(
                f"What answers at {self.base_url} does not speak HTTP ({_words(error)}).",
                waited_s=attempt.waited_s,
                attempts=attempt.attempts,
            ) from error
        finally:
            watch.stop()
        return Reply(response, attempt, watch)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ClientClosed("The client is closed.")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=0, keepalive_timeout=IDLE_EXPIRY_S),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect_s),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def check(reply: Reply, body: bytes) -> None:
    """Raise the error that a whole answer is, if it is one."""
    failure = classify_response(reply.status, reply.content_type, body, retry_after=reply.retry_after)
    if failure is not None:
        failure.waited_s, failure.attempts = reply.attempt.waited_s, reply.attempt.attempts
        raise failure


def unreadable(reply: Reply, body: bytes) -> LMStudioError:
    """The error for a success that is no JSON: a broken server's if it says JSON, else no model server's."""
    said = shorten(body.decode("utf-8", "replace"))
    if "json" in reply.content_type:
        return MalformedAnswer("The server's answer is no JSON.", status_code=reply.status, detail=said)
    kind = reply.content_type or "something without a type"
    return NotLMStudio(
        f"What answers at {reply.attempt.url} is no model server: it sent {kind}.",
        status_code=reply.status,
        detail=said,
    )


def too_slow(attempt: Attempt, stage: Stage) -> ServerTooSlow:
    """The error for a wait that ran out."""
    what = {
        "connect": "No connection came about",
        "first_token": "The server did not begin to answer",
        "between_tokens": "The answer stalled",
        "whole": "The answer did not come",
    }[stage]
    waited_s = attempt.waited_s
    return ServerTooSlow(
        f"{what} (waited {waited_s:.1f} s in all).", stage=stage, waited_s=waited_s, attempts=attempt.attempts
    )


def _raise_unreachable(attempt: Attempt, error: aiohttp.ClientError) -> NoReturn:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        message, hint = "The server's host is unknown", "Check the host's name in the server's address."
    elif isinstance(error, aiohttp.ClientConnectorError):
        message, hint = "No connection to the server", ""
    else:
        message, hint = "The server closed the connection before it answered", ""
    raise ServerUnreachable(
        f"{message}: {attempt.url} ({_words(error)}).",
        hint=hint,
        stage="connect" if isinstance(error, aiohttp.ClientConnectorError) else "first_token",
        waited_s=attempt.waited_s,
        attempts=attempt.attempts,
    ) from error


def _words(error: BaseException) -> str:
    """What the system says, without the words of the libraries in between."""
    said = str(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        number, words = error.os_error.errno, error.os_error.strerror or str(error.os_error)
        said = os.strerror(number) if number is not None and number > 0 else words
    elif isinstance(error, aiohttp.ClientResponseError):
        said = error.message
    return shorten(said, 160) or type(error).__name__
