"""Folders: what is created, modified, moved and deleted in them."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence

from watchfiles import awatch

from wakeful.events import Observation
from wakeful.sources.errors import SourceBroken, SourceForbidden, SourceMissing, translate
from wakeful.sources.produce import Put, produced_by
from wakeful.sources.report import failed, works_again
from wakeful.sources.source import Clock
from wakeful.sources.tree import Change, Tree

WAIT_S = 2.0
"""How often a missing folder is looked for."""

BURST = 50
"""More changes than this at once are told as one observation (of up to 500 changes)."""

MAX_BURST = 500
DEBOUNCE_MS = 400
CHECK_MS = 5000
"""How often it is checked that the folder is still the one that is watched."""


class FilesSource:
    """What happens to the files in a folder.

    path: the folder; it may come later
    recursive: whether folders below are watched too
    ignore: patterns of names that are left out, besides those of version control, caches and editors
    diffs: whether a change of a small text file tells the changed lines. Files that only their owner may
        read, or whose names sound of keys and passwords, are never read.

    What happens while Wakeful is off is not noticed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str = "",
        recursive: bool = True,
        ignore: Collection[str] = (),
        diffs: bool = True,
        now_ns: Clock = time.time_ns,
    ) -> None:
        self._root = os.path.abspath(os.path.expanduser(path))
        self.name = name or f"files:{self._root}"
        self._recursive = recursive
        self._ignore = tuple(ignore)
        self._diffs = diffs
        self._now_ns = now_ns

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """One observation for each change, or for each burst of them; never ends."""
        stream = produced_by(self._work)
        try:
            async for observation in stream:
                yield observation
        finally:
            await stream.aclose()

    async def _work(self, put: Put) -> None:
        said = False
        while True:
            problem = await asyncio.to_thread(self._problem)
            if problem is None:
                if said:
                    await put(works_again(self.name, at_ns=self._now_ns()))
                said = False
                await self._watch(put)
                continue
            if not said:
                await put(failed(self.name, problem, next_try_s=WAIT_S, at_ns=self._now_ns()))
            said = True
            await asyncio.sleep(WAIT_S)

    def _problem(self) -> SourceMissing | SourceForbidden | SourceBroken | None:
        try:
            with os.scandir(self._root):
                return None
        except NotADirectoryError:
            return SourceForbidden("not a folder", hint="Name a folder; `log` is the source for a file's lines.")
        except FileNotFoundError:
            return SourceMissing("no such folder", hint=f"{self._root} is watched as soon as it is there.")
        except OSError as error:
            problem = translate(error, what=self._root)
            assert isinstance(problem, SourceMissing | SourceForbidden | SourceBroken)
            return problem

    async def _watch(self, put: Put) -> None:
        """Until the folder is gone, or another one is in its place."""
        root = await asyncio.to_thread(_identity, self._root)
        if root is None:
            return
        tree = await asyncio.to_thread(
            Tree, self._root, recursive=self._recursive, ignore=self._ignore, diffs=self._diffs
        )
        looked_again = False
        try:
            async for batch in awatch(
                self._root,
                watch_filter=None,
                debounce=DEBOUNCE_MS,
                rust_timeout=CHECK_MS,
                yield_on_timeout=True,
                recursive=self._recursive,
                ignore_permission_denied=True,
            ):
                touched = {path for _, path in batch}
                if not looked_again:  # once: for what happened between the first look and the watch
                    touched.add(self._root)
                    looked_again = True
                changes = await asyncio.to_thread(tree.changes, touched)
                for observation in self._observations(changes):
                    await put(observation)
                if await asyncio.to_thread(_identity, self._root) != root:
                    return
        except OSError as error:
            raise translate(error, what=f"{self._root} (or raise fs.inotify.max_user_watches)") from error

    def _observations(self, changes: Sequence[Change]) -> Iterator[Observation]:
        at_ns = self._now_ns()
        if len(changes) <= BURST:
            for change in changes:
                yield Observation(
                    at_ns=at_ns,
                    source=self.name,
                    form="change",
                    text=text_of(change),
                    values={"size_bytes": float(change.size)} if change.size >= 0 else {},
                    attrs={"path": change.path, "verb": change.verb} | ({"to": change.to} if change.to else {}),
                    subject=change.path,
                )
            return
        for begin in range(0, len(changes), MAX_BURST):
            block = changes[begin : begin + MAX_BURST]
            text = "\n".join(text_of(change) for change in block)
            yield Observation(at_ns=at_ns, source=self.name, form="change", text=text, count=len(block))


def text_of(change: Change) -> str:
    """`modified /etc/ssh/sshd_config (3.2 kB): -PermitRootLogin no; +PermitRootLogin yes`."""
    if change.verb == "moved":
        return f"moved {change.path} to {change.to}"
    size = f" ({size_of(change.size)})" if change.size >= 0 else ""
    return f"{change.verb} {change.path}{size}{f': {change.diff}' if change.diff else ''}"


def size_of(size_bytes: int) -> str:
    """A size in words: `512 B`, `3.2 kB`, `1.2 MB`, `4.0 GB`."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    size = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def _identity(path: str) -> tuple[int, int] | None:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_dev, about.st_ino
