"""What was said under which id, so that a client can go on from there; shared by `/v1/responses` and `/api/v1/chat`.

Each answer stands on the one before it, and any of them can be gone on from, more than once. Using one uses all below
it, so that what goes first, when there are too many, is never below one that stays.
"""

import asyncio
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from wakeful.engine.errors import EngineError
from wakeful.engine.runner.request import Message
from wakeful.engine.server.refusals import UnknownResponse
from wakeful.engine.server.settings import KeepSettings


class NotKept(EngineError):
    """The folder for conversations can't be used: the disk is full, or it is not ours to write."""


@dataclass(slots=True)
class _Kept:
    """One answer. previous: the id of the one before it, "" for none; messages: None while they are on disk alone."""

    previous: str
    size_bytes: int
    used_s: float
    messages: tuple[Message, ...] | None = None


class Conversations:
    """Keeps conversations, in memory or in a folder, until there are too many or they are too old."""

    def __init__(self, settings: KeepSettings | None = None, now_s: Callable[[], float] = time.time) -> None:
        self._settings = settings or KeepSettings()
        self._now_s = now_s
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size_bytes = 0
        self._lock = asyncio.Lock()
        self._opened = self._settings.folder is None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        """All that is kept, as JSON."""
        return self._size_bytes

    async def keep(self, new: Sequence[Message], *, response_id: str, previous: str = "") -> None:
        """Keep what was said: the caller's new messages and the answer, on top of `previous`. Raises NotKept."""
        encoded = msgspec.json.encode(list(new))
        async with self._working():
            if (folder := self._settings.folder) is not None:
                await asyncio.to_thread(_write, folder / _name(response_id, previous), encoded)
            messages = tuple(new) if folder is None else None
            self._kept[response_id] = _Kept(previous, len(encoded), self._now_s(), messages)
            self._size_bytes += len(encoded)
            await self._use(response_id)
            await self._tidy()

    async def recall(self, response_id: str) -> tuple[Message, ...]:
        """All that was said up to this answer, oldest first. Raises UnknownResponse, NotKept."""
        async with self._working():
            await self._tidy()
            chain = self._chain(response_id)
            if not chain or self._kept[chain[-1]].previous:  # something below it is gone
                raise UnknownResponse(response_id)
            await self._use(response_id)
            messages: list[Message] = []
            for each in reversed(chain):
                messages += await self._messages(each)
            return tuple(messages)

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        async with self._lock:
            try:
                await self._open()
                yield
            except OSError as error:
                raise NotKept(f"Conversations can't be kept in {self._settings.folder}: {error.strerror}.") from error

    def _chain(self, response_id: str) -> list[str]:
        """This answer and those below it, as far as they are kept."""
        chain: list[str] = []
        while response_id in self._kept and len(chain) <= len(self._kept):
            chain.append(response_id)
            response_id = self._kept[response_id].previous
        return chain

    async def _use(self, response_id: str) -> None:
        now_s = self._now_s()
        chain = self._chain(response_id)
        for each in chain:
            self._kept[each].used_s = now_s
            self._kept.move_to_end(each)
        if (folder := self._settings.folder) is not None:
            paths = [folder / _name(each, self._kept[each].previous) for each in chain]
            await asyncio.to_thread(_touch, paths, now_s)

    async def _messages(self, response_id: str) -> Sequence[Message]:
        kept = self._kept[response_id]
        if kept.messages is not None:
            return kept.messages
        assert self._settings.folder is not None
        path = self._settings.folder / _name(response_id, kept.previous)
        try:
            return msgspec.json.decode(await asyncio.to_thread(path.read_bytes), type=list[dict[str, Any]])
        except (OSError, msgspec.DecodeError) as error:  # somebody took it away, or the disk lost it
            raise UnknownResponse(response_id) from error

    async def _tidy(self) -> None:
        settings, gone = self._settings, list[Path]()
        oldest_s = self._now_s() - settings.age_s
        while self._kept:
            response_id, kept = next(iter(self._kept.items()))
            few = len(self._kept) <= settings.count and self._size_bytes <= settings.size_bytes
            if few and kept.used_s >= oldest_s:
                break
            del self._kept[response_id]
            self._size_bytes -= kept.size_bytes
            if settings.folder is not None:
                gone.append(settings.folder / _name(response_id, kept.previous))
        if gone:
            await asyncio.to_thread(_remove, gone)

    async def _open(self) -> None:
        """Learn what an earlier server kept."""
        if self._opened or self._settings.folder is None:
            return
        for response_id, kept in await asyncio.to_thread(_list, self._settings.folder):
            self._kept[response_id] = kept
            self._size_bytes += kept.size_bytes
        for response_id in list(self._kept):
            for each in self._chain(response_id):
                self._kept.move_to_end(each)
        self._opened = True


def new_id() -> str:
    """An id for an answer, in LM Studio's form."""
    return f"resp_{secrets.token_hex(24)}"


CONVERSATIONS: web.AppKey[Conversations] = web.AppKey("conversations", Conversations)


def _name(response_id: str, previous: str) -> str:
    """The file's name tells what is below, so that no file need be read at the start."""
    return f"{response_id}.{previous}.json"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what people say to a model is theirs
    beside = path.with_suffix(".part")
    beside.write_bytes(data)
    beside.replace(path)


def _touch(paths: Sequence[Path], now_s: float) -> None:
    for path in paths:
        try:
            os.utime(path, (now_s, now_s))
        except FileNotFoundError:
            continue


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _list(folder: Path) -> list[tuple[str, _Kept]]:
    """Oldest first."""
    found: list[tuple[str, _Kept]] = []
    if not folder.is_dir():
        return found
    for entry in os.scandir(folder):
        parts = entry.name.split(".")
        if len(parts) == 3 and parts[2] == "json" and parts[0].startswith("resp_"):
            status = entry.stat()
            found.append((parts[0], _Kept(parts[1], status.st_size, status.st_mtime)))
    return sorted(found, key=lambda each: each[1].used_s)
