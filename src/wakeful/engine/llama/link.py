"""The connection to the child process that runs a model: requests, and what it means when they break off."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import msgspec

from wakeful.engine.errors import EngineError, GenerationFailed, ProcessDied, UnloadedMeanwhile
from wakeful.engine.llama.supervisor import Engine
from wakeful.engine.llama.wire import FAULT, raised

T = TypeVar("T")

_CONNECT_S = 10.0
_RELOAD_S = 120.0
"""How long a request waits for a model that died before and is being loaded again."""

_NOTICE_S = 2.0
"""How long after its connections a process may be seen to live before it counts as alive."""

_READ_BYTES = 1 << 18
_KEPT_S = 3.0
"""How long a connection is kept without use: the child closes it after five."""


class Link:
    """Speaks to one engine.

    Answers have a connection each, to be closed in their midst; small questions share two that are kept: more idle
    ones would keep threads of the child's from those who have something to ask.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._unloaded = False
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def get(self, path: str, kind: type[T]) -> T:
        """Ask, and understand the answer. Raises EngineError."""
        return await self._whole("GET", path, None, kind)

    async def post(self, path: str, body: dict[str, Any], kind: type[T], *, long: bool = False) -> T:
        """Ask, and understand the answer. long: it may take its time. Raises EngineError."""
        return await self._whole("POST", path, body, kind, kept=not long)

    @asynccontextmanager
    async def opened(self, path: str, body: dict[str, Any]) -> AsyncGenerator[aiohttp.ClientResponse]:
        """An answer that is being written. Leaving the block closes the connection, which stops the model."""
        response = await self._send("POST", path, body)
        try:
            yield response
        finally:
            response.close()

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """What has come since; waits for some. Raises EngineError at the end, which must not come before `Done`."""
        try:
            data = await response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise await self._why(error) from error
        if not data:
            raise await self._why(None)
        return data

    def unload(self) -> None:
        """From now on whatever breaks off does so because the model was unloaded."""
        self._unloaded = True

    async def close(self) -> None:
        """Close what is open."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.close()

    async def _whole(
        self, method: str, path: str, body: dict[str, Any] | None, kind: type[T], *, kept: bool = True
    ) -> T:
        response = await self._send(method, path, body, kept=kept)
        try:
            data = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            response.close()
            raise await self._why(error) from error
        response.release()
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as error:
            raise EngineError(f"The model's process gave an answer to {path} that can't be read: {error}.") from error

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None, *, kept: bool = False
    ) -> aiohttp.ClientResponse:
        await self._ready()
        data = None if body is None else msgspec.json.encode(body)
        try:
            try:
                response = await self._request(method, path, data, kept=kept)
            except (aiohttp.ServerDisconnectedError, ConnectionError):
                if not kept:
                    raise
                # it may have been closed for idleness just now: a new one tells
                response = await self._request(method, path, data, kept=False)
        except (aiohttp.ClientError, OSError) as error:
            raise await self._why(error) from error
        if response.status == 200:
            return response
        try:
            said = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise await self._why(error) from error
        finally:
            response.close()
        try:
            raise raised(FAULT.decode(said).error)
        except msgspec.DecodeError as error:
            raise GenerationFailed(f"The model's process answered {response.status}: {said[:200]!r}") from error

    async def _ready(self) -> None:
        if self._engine.health.state != "ready":
            try:
                await self._engine.wait_ready(_RELOAD_S)
            except EngineError as error:
                raise self._end() from error
        if self._unloaded:
            raise self._end()

    async def _request(self, method: str, path: str, data: bytes | None, *, kept: bool) -> aiohttp.ClientResponse:
        return await self._session(kept=kept).request(
            method,
            self._engine.base_url + path,
            data=data,
            headers={"Authorization": f"Bearer {self._engine.api_token}", "Content-Type": "application/json"},
        )

    def _session(self, *, kept: bool) -> aiohttp.ClientSession:
        if (session := self._sessions.get(kept)) is None:
            connector = (
                aiohttp.TCPConnector(limit=2, keepalive_timeout=_KEPT_S)
                if kept
                else aiohttp.TCPConnector(limit=0, force_close=True)
            )
            session = self._sessions[kept] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                read_bufsize=_READ_BYTES,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            )
        return session

    async def _why(self, error: Exception | None) -> EngineError:
        """What a broken connection means: an unloaded model, a dead process, or neither."""
        pid = self._engine.health.pid
        waited_s = 0.0
        while not self._unloaded and self._engine.health.state == "ready" and self._engine.health.pid == pid:
            if waited_s >= _NOTICE_S:
                return GenerationFailed(f"The model's process broke off its answer: {error or 'it ended too early'}.")
            await asyncio.sleep(0.01)
            waited_s += 0.01
        return self._end()

    def _end(self) -> EngineError:
        if self._unloaded:
            return UnloadedMeanwhile("Model unloaded.")
        health = self._engine.health
        code = "null" if health.exit_code is None else health.exit_code
        return ProcessDied(
            f"The model has crashed without additional information. (Exit code: {code})",
            exit_code=health.exit_code,
            log=health.last_error,
        )
