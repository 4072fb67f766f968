"""Where models can be downloaded from: a folder, or a mirror that speaks HTTP."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

import aiohttp
import msgspec

from wakeful.engine.files.names import DownloadRefused, Wanted

_BLOCK_BYTES = 1 << 20
_SILENCE_S = 60.0
_MOST_LISTING_BYTES = 8 * 1024 * 1024
_LINK = re.compile(r"""href=["']?([^"'<> ]+\.gguf)["'?#]""", re.IGNORECASE)
_SUM = re.compile(r"\b[0-9a-fA-F]{64}\b")


@dataclass(frozen=True, slots=True)
class Offered:
    """A file at its origin. sha256: "" where it is not told; size_bytes: -1 where it is not known."""

    name: str
    size_bytes: int
    sha256: str = ""


class OriginFailed(Exception):
    """It broke off, or said something that can't be; trying again may help."""


class Origin(Protocol):
    """A place that has repositories of models. Raises OriginFailed, DownloadRefused and OSError."""

    async def repositories(self) -> list[str]:
        """All that it has, as `publisher/repository`; empty where that can't be told."""
        ...

    async def names(self, wanted: Wanted) -> list[str]:
        """The files of a repository."""
        ...

    async def offer(self, wanted: Wanted, file: str) -> Offered:
        """How large a file is, and its checksum where a file `.sha256` beside it tells one."""
        ...

    def read(self, wanted: Wanted, file: str, start: int) -> AsyncGenerator[bytes]:
        """The bytes of a file from one on; the first block is empty where it can only be read from the beginning."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


def origin_of(base: str) -> Origin:
    """The origin at a folder, or at a URL of the scheme file, http or https."""
    scheme = urlsplit(base).scheme
    if scheme in ("http", "https"):
        return Mirror(base)
    if scheme == "file":
        return Folder(Path(url2pathname(unquote(urlsplit(base).path))))
    return Folder(Path(base))


class Folder:
    """`publisher/repository/file.gguf` below a folder: another disk, a share, a copy of LM Studio's own."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def repositories(self) -> list[str]:
        """See `Origin`."""
        return await asyncio.to_thread(self._repositories)

    async def names(self, wanted: Wanted) -> list[str]:
        """See `Origin`."""
        return await asyncio.to_thread(self._names, wanted)

    async def offer(self, wanted: Wanted, file: str) -> Offered:
        """See `Origin`."""
        return await asyncio.to_thread(self._offer, self._path(wanted, file))

    async def read(self, wanted: Wanted, file: str, start: int) -> AsyncGenerator[bytes]:
        """See `Origin`."""
        opened = await asyncio.to_thread(self._path(wanted, file).open, "rb")
        try:
            await asyncio.to_thread(opened.seek, start)
            while block := await asyncio.to_thread(opened.read, _BLOCK_BYTES):
                yield block
        finally:
            opened.close()

    async def close(self) -> None:
        """See `Origin`."""

    def _path(self, wanted: Wanted, file: str) -> Path:
        return self._root / wanted.publisher / wanted.repository / file

    def _repositories(self) -> list[str]:
        files = self._root.glob("*/*/*.gguf")
        return sorted({file.parent.relative_to(self._root).as_posix() for file in files})

    def _names(self, wanted: Wanted) -> list[str]:
        try:
            return os.listdir(self._path(wanted, ""))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DownloadRefused(f"There is no {wanted.publisher}/{wanted.repository} to be downloaded.") from error

    def _offer(self, path: Path) -> Offered:
        try:
            told = path.with_name(f"{path.name}.sha256").read_text("ascii", "replace")
        except OSError:
            told = ""
        try:
            return Offered(path.name, path.stat().st_size, checksum_in(told))
        except FileNotFoundError as error:
            raise DownloadRefused(f"There is no {path.name} to be downloaded.") from error


class Mirror:
    """The same below a URL. A repository is listed by its `index.json` (a list of names), else by links on its page."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def repositories(self) -> list[str]:
        """See `Origin`; a mirror has no list of them."""
        return []

    async def names(self, wanted: Wanted) -> list[str]:
        """See `Origin`."""
        listed = await self._text(self._url(wanted, "index.json"))
        if listed is not None:
            try:
                return msgspec.json.decode(listed, type=list[str])
            except msgspec.DecodeError as error:
                raise OriginFailed(f"The index of {wanted.name} can't be read: {error}") from error
        page = await self._text(self._url(wanted, ""))
        if page is None:
            raise DownloadRefused(f"There is no {wanted.publisher}/{wanted.repository} to be downloaded.")
        return [unquote(link).rpartition("/")[2] for link in _LINK.findall(page)]

    async def offer(self, wanted: Wanted, file: str) -> Offered:
        """See `Origin`."""
        url = self._url(wanted, file)
        async with self._asked("HEAD", url) as head:
            if head.status == 404:
                raise DownloadRefused(f"There is no {file} to be downloaded.")
            size = head.headers.get("Content-Length", "") if head.status == 200 else ""
        told = await self._text(f"{url}.sha256") or ""
        return Offered(file, int(size) if size.isdigit() else -1, checksum_in(told))

    async def read(self, wanted: Wanted, file: str, start: int) -> AsyncGenerator[bytes]:
        """See `Origin`."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self._asked("GET", self._url(wanted, file), headers) as answer:
            if answer.status == 416:
                return  # all of it is there already
            if answer.status not in (200, 206):
                raise OriginFailed(f"The mirror answers {answer.status} for {file}.")
            if start and answer.status == 200:
                yield b""  # it starts again
            elif start and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                raise OriginFailed(f"The mirror gives another part of {file} than was asked for.")
            try:
                async for block in answer.content.iter_chunked(_BLOCK_BYTES):
                    yield block
            except (aiohttp.ClientError, TimeoutError) as error:
                raise OriginFailed(f"The mirror broke off: {error}") from error

    async def close(self) -> None:
        """See `Origin`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _url(self, wanted: Wanted, file: str) -> str:
        return f"{self._base}/{quote(wanted.publisher)}/{quote(wanted.repository)}/{quote(file)}"

    async def _text(self, url: str) -> str | None:
        """A small page; None where there is none."""
        async with self._asked("GET", url) as answer:
            if answer.status != 200:
                return None
            try:
                return (await answer.content.read(_MOST_LISTING_BYTES)).decode("utf-8", "replace")
            except (aiohttp.ClientError, TimeoutError) as error:
                raise OriginFailed(f"The mirror broke off: {error}") from error

    @asynccontextmanager
    async def _asked(
        self, method: str, url: str, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=15.0, sock_read=_SILENCE_S)
            # compressed on the way, a size and a part would mean something else
            self._session = aiohttp.ClientSession(timeout=timeout, headers={"Accept-Encoding": "identity"})
        try:
            answer = await self._session.request(method, url, headers=headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OriginFailed(f"The mirror can't be reached: {error}") from error
        try:
            yield answer
        finally:
            answer.close()


def checksum_in(text: str) -> str:
    """The SHA-256 that a file of `sha256sum` tells, "" for none."""
    found = _SUM.search(text)
    return found[0].lower() if found is not None else ""
