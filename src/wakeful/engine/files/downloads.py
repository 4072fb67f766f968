"""Downloads of models: jobs that tell how far they are, can be paused, and go on after a restart."""

import asyncio
import hashlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from wakeful.engine.errors import EngineError
from wakeful.engine.files.catalog import is_candidate
from wakeful.engine.files.names import DownloadRefused, Wanted, chosen, is_plain, partial, target, wanted
from wakeful.engine.files.origins import Offered, Origin, OriginFailed, origin_of

_log = logging.getLogger(__name__)

JobStatus = Literal["downloading", "paused", "completed", "failed", "already_downloaded"]
"""LM Studio's own words."""

_TRIES = 5
_MOST_OFFERS = 50
_FIRST_PAUSE_S = 0.5
_SPEED_OVER_S = 3.0
_TOLD_EVERY_S = 0.25


class NoSuchJob(EngineError):
    """There is no download of this number."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One download. total_bytes: -1 until it is known; error: why it failed; files: where its files come to lie."""

    id: str
    wanted: Wanted
    status: JobStatus = "downloading"
    total_bytes: int = -1
    downloaded_bytes: int = 0
    bytes_per_second: float = 0.0
    finalizing: bool = False
    error: str = ""
    files: tuple[Path, ...] = ()
    started_ns: int = field(default_factory=time.time_ns)
    completed_ns: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing happens to it any more."""
        return self.status in ("completed", "failed", "already_downloaded")

    @property
    def remaining_s(self) -> float | None:
        """How long it will take at this speed; None where that can't be said."""
        if self.status != "downloading" or self.bytes_per_second <= 0 or self.total_bytes < 0:
            return None
        return max(0, self.total_bytes - self.downloaded_bytes) / self.bytes_per_second


class Downloads:
    """Brings models from one place into a folder.

    folder: of models, sorted as LM Studio's is; base: a folder, or a URL of the scheme file, http or https; "" for
    none, so that every download is refused
    on_change: told when files have come, or of anything else that happens to a job
    """

    def __init__(self, folder: Path, base: str = "", *, on_change: Callable[[Job], None] | None = None) -> None:
        self._folder = folder
        self._origin: Origin | None = origin_of(base) if base else None
        self._on_change = on_change
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._starting = asyncio.Lock()
        self._followers: set[asyncio.Event] = set()
        self._telling: set[str] = set()

    async def start(self, model: str, quantization: str | None = None) -> Job:
        """Begin, or go on with, the download of `publisher/repository`, one of its files, or an address on a hub.

        What is there already, or on its way, is not begun a second time. Raises DownloadRefused.
        """
        asked = wanted(model, quantization)
        if self._origin is None:
            raise DownloadRefused("No place is configured from which models can be downloaded.")
        async with self._starting:
            for job in self._jobs.values():
                if job.wanted == asked and not job.is_over:
                    return self.resume(job.id)
            return await self._started(asked, self._origin)

    async def _started(self, asked: Wanted, origin: Origin) -> Job:
        try:
            names = [asked.file] if asked.file and "-of-" not in asked.file else await origin.names(asked)
            files = tuple(
                target(self._folder, asked.publisher, asked.repository, name) for name in chosen(names, asked)
            )
            sizes = [size for file in files if (size := _size(file)) is not None]
            if len(sizes) == len(files):
                done = Job(id="", wanted=asked, status="already_downloaded", total_bytes=sum(sizes), files=files)
                done.downloaded_bytes = done.total_bytes
                return done
            offered = [await origin.offer(asked, file.name) for file in files]
        except (OriginFailed, OSError) as error:
            raise DownloadRefused(f"{asked.name} can't be downloaded: {error}") from error
        job = Job(id=secrets.token_hex(8), wanted=asked, files=files)
        if all(each.size_bytes >= 0 for each in offered):
            job.total_bytes = sum(each.size_bytes for each in offered)
        self._jobs[job.id] = job
        self._begin(job, offered)
        return job

    async def search(self, term: str) -> list[str]:
        """Repositories that have this in their name, as `publisher/repository`, and the one that is called so."""
        if self._origin is None:
            return []
        try:
            found = [each for each in await self._origin.repositories() if term.casefold() in each.casefold()]
            if not found and term:
                asked = wanted(term)
                await self._origin.names(asked)
                found.append(f"{asked.publisher}/{asked.repository}")
        except (DownloadRefused, OriginFailed, OSError):
            return []
        return found

    async def offers(self, model: str) -> list[Offered]:
        """The models of a repository, one for each file or first part of one. Raises DownloadRefused."""
        asked = wanted(model)
        if self._origin is None:
            raise DownloadRefused("No place is configured from which models can be downloaded.")
        try:
            names = [name for name in await self._origin.names(asked) if is_plain(name) and is_candidate(name)]
            return [await self._origin.offer(asked, name) for name in sorted(names)[:_MOST_OFFERS]]
        except (OriginFailed, OSError) as error:
            raise DownloadRefused(f"{asked.name} can't be looked at: {error}") from error

    def job(self, job_id: str) -> Job:
        """The job of this number. Raises NoSuchJob."""
        if (job := self._jobs.get(job_id)) is None:
            raise NoSuchJob(f"There is no download {job_id!r}.")
        return job

    def jobs(self) -> list[Job]:
        """All since the start, oldest first."""
        return list(self._jobs.values())

    async def pause(self, job_id: str) -> Job:
        """Stop for now; what has come is kept."""
        job = self.job(job_id)
        if not job.is_over:
            job.status, job.bytes_per_second = "paused", 0.0
            await self._stop(job)
            self._tell(job)
        return job

    def resume(self, job_id: str) -> Job:
        """Go on with a paused job; one that runs or is over is left as it is."""
        job = self.job(job_id)
        if job.status == "paused":
            job.status = "downloading"
            self._begin(job, None)
        return job

    async def cancel(self, job_id: str) -> Job:
        """Stop for good; what has come of it is thrown away."""
        job = self.job(job_id)
        if not job.is_over:
            job.status, job.error, job.bytes_per_second = "failed", "It was cancelled.", 0.0
            await self._stop(job)
            for file in job.files:
                await asyncio.to_thread(partial(file).unlink, missing_ok=True)
            self._tell(job)
        return job

    async def follow(self, job_id: str) -> AsyncGenerator[Job]:
        """The job now, and again whenever it has come further, until it is over or paused."""
        job = self.job(job_id)
        news = asyncio.Event()
        self._followers.add(news)
        try:
            while True:
                news.clear()
                seen = (job.status, job.downloaded_bytes, job.finalizing)
                yield job
                if job.is_over or job.status == "paused":
                    return
                while seen == (job.status, job.downloaded_bytes, job.finalizing):
                    await news.wait()
                    news.clear()
        finally:
            self._followers.discard(news)

    async def close(self) -> None:
        """Pause all; the next server can go on with what has come."""
        for job in self._jobs.values():
            await self.pause(job.id)
        if self._origin is not None:
            await self._origin.close()

    def _begin(self, job: Job, offered: list[Offered] | None) -> None:
        self._tasks[job.id] = asyncio.create_task(self._run(job, offered), name=f"download {job.wanted.name}")

    async def _stop(self, job: Job) -> None:
        if (task := self._tasks.pop(job.id, None)) is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self, job: Job, offered: list[Offered] | None) -> None:
        assert self._origin is not None
        try:
            if offered is None:
                offered = [await self._origin.offer(job.wanted, file.name) for file in job.files]
            await asyncio.to_thread(_make_room, self._folder, job.files, offered)
            before = 0
            for file, each in zip(job.files, offered, strict=True):
                await self._fetch(job, file, each, before)
                before += await asyncio.to_thread(_size, file) or 0
            job.status, job.completed_ns, job.total_bytes = "completed", time.time_ns(), before
        except (OriginFailed, DownloadRefused, OSError) as error:
            job.status, job.error = "failed", str(error)
        except Exception as error:  # a fence: whoever follows the job must not wait for ever
            _log.exception("The download of %s failed; this is a bug, please report it", job.wanted.name)
            job.status, job.error = "failed", repr(error)
        job.bytes_per_second, job.finalizing = 0.0, False
        self._tell(job)

    async def _fetch(self, job: Job, file: Path, offered: Offered, before: int) -> None:
        """One file, in several tries where it breaks off."""
        if (size := await asyncio.to_thread(_size, file)) is not None:
            job.downloaded_bytes = before + size
            return
        for number in range(_TRIES):
            try:
                await self._pour(job, file, offered, before)
                break
            except OriginFailed:
                if number == _TRIES - 1:
                    raise
                await asyncio.sleep(_FIRST_PAUSE_S * 2**number)
        job.finalizing = True
        self._tell(job)
        await asyncio.to_thread(_finish, file, offered)
        job.finalizing = False

    async def _pour(self, job: Job, file: Path, offered: Offered, before: int) -> None:
        assert self._origin is not None
        part = partial(file)
        has = await asyncio.to_thread(_size, part) or 0
        if offered.size_bytes >= 0 and has > offered.size_bytes:
            has = 0  # of another file that had its name
        loop = asyncio.get_running_loop()
        began_s, began_bytes = loop.time(), has
        with await asyncio.to_thread(part.open, "r+b" if has else "wb") as out:
            out.seek(has)
            async with aclosing(self._origin.read(job.wanted, file.name, has)) as blocks:
                async for block in blocks:
                    if not block:
                        has = began_bytes = 0
                        out.seek(0)
                    await asyncio.to_thread(out.write, block)
                    has += len(block)
                    job.downloaded_bytes = before + has
                    now_s = loop.time()
                    job.bytes_per_second = (has - began_bytes) / max(1e-3, now_s - began_s)
                    if now_s - began_s > _SPEED_OVER_S:
                        began_s, began_bytes = now_s, has
                    self._tell_soon(job)
            out.truncate(has)
        if 0 <= offered.size_bytes != has:
            raise OriginFailed(f"{file.name} broke off after {has:,} of {offered.size_bytes:,} bytes.")

    def _tell_soon(self, job: Job) -> None:
        """Tell of it now and then: also of what came last before a silence."""
        if job.id not in self._telling:
            self._telling.add(job.id)
            asyncio.get_running_loop().call_later(_TOLD_EVERY_S, self._tell, job)

    def _tell(self, job: Job) -> None:
        self._telling.discard(job.id)
        if self._on_change is not None:
            self._on_change(job)
        for follower in self._followers:
            follower.set()


def _size(file: Path) -> int | None:
    """None where there is no such file."""
    return file.stat().st_size if file.is_file() else None


def _make_room(folder: Path, files: tuple[Path, ...], offered: list[Offered]) -> None:
    """The folders that are needed; refuse what does not fit on the disk."""
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        target(folder, file.parts[-3], file.parts[-2], file.name)  # a link may have been put in the way meanwhile
    has = sum(part.stat().st_size for file in files for part in (file, partial(file)) if part.is_file())
    needed = sum(max(0, each.size_bytes) for each in offered) - has
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadRefused(f"It needs {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} GB of the disk are free.")


def _finish(file: Path, offered: Offered) -> None:
    """Make a whole file of a partial one, once it is known to be right."""
    part = partial(file)
    if offered.sha256:
        with part.open("rb") as whole:
            found = hashlib.file_digest(whole, "sha256").hexdigest()
        if found != offered.sha256:
            part.unlink()
            raise DownloadRefused(f"{file.name} is damaged: its checksum is not the one that it should have.")
    with part.open("rb+") as whole:
        os.fsync(whole.fileno())
    part.replace(file)
