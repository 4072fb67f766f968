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


class Link:
    """Speaks to one engine. Each request has a connection of its own: an idle one keeps a thread of the child's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._unloaded = False
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, kind: type[T]) -> T:
        """Ask, and understand the answer. Raises EngineError."""
        return await self._whole("GET", path, None, kind)

    async def post(self, path: str, body: dict[str, Any], kind: type[T]) -> T:
        """Ask, and understand the answer. Raises EngineError."""
        return await self._whole("POST", path, body, kind)

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
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _whole(self, method: str, path: str, body: dict[str, Any] | None, kind: type[T]) -> T:
        response = await self._send(method, path, body)
        try:
            data = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise await self._why(error) from error
        finally:
            response.close()
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as error:
            raise EngineError(f"The model's process gave an answer to {path} that can't be read: {error}.") from error

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> aiohttp.ClientResponse:
        await self._ready()
        try:
            response = await self._open_session().request(
                method,
                self._engine.base_url + path,
                data=None if body is None else msgspec.json.encode(body),
                headers={"Authorization": f"Bearer {self._engine.api_token}", "Content-Type": "application/json"},
            )
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

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                read_bufsize=_READ_BYTES,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            )
        return self._session

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
