"""What is in a folder, and what changed there since the last look. Blocks; `files` runs it in threads."""

import fnmatch
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from wakeful.sources.contents import Contents

MAX_ENTRIES = 50_000
"""Files of which size and time are remembered; of others, changes are told as they are reported."""

# fmt: off
_IGNORED = (
    ".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", ".mypy_cache", ".pytest_cache",
    ".ruff_cache", ".cache", ".Trash-*", ".DS_Store", "Thumbs.db", "*.pyc", "*.swp", "*.swo", "*.swx",
    "*.swpx", "4913", "*~", ".#*", "#*#", "*.tmp", "*.temp", "*.part", "*.crdownload", ".goutputstream-*",
    ".~lock.*", "~$*", "*.kate-swp", ".nfs*", "*.lock",
)
# fmt: on

Verb = Literal["created", "modified", "moved", "deleted"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one path. size: in bytes, -1 for a folder or what is gone; to: where it was moved."""

    verb: Verb
    path: str
    size: int = -1
    to: str = ""
    diff: str = ""


@dataclass(frozen=True, slots=True)
class _About:
    inode: tuple[int, int]
    size: int
    mtime_ns: int
    mode: int


class Tree:
    """The files below `root`, as they were at the last look.

    ignore: patterns of names that are left out wherever in the path they occur, with the usual ones
    """

    def __init__(self, root: str, *, recursive: bool, ignore: Collection[str] = (), diffs: bool = True) -> None:
        self.root = root
        self._recursive = recursive
        self._ignored = re.compile("|".join(map(fnmatch.translate, (*_IGNORED, *ignore))))
        self._known: dict[str, _About] = {}
        self._contents = Contents() if diffs else None
        learning = diffs
        for path, about in self._walk(root):
            self._known[path] = about
            if learning and self._contents and stat.S_ISREG(about.mode):
                learning = self._contents.learn(path, about.size, about.mode)

    def ignores(self, path: str) -> bool:
        """Whether some part of the path below the root has an ignored name."""
        return any(map(self._ignored.match, os.path.relpath(path, self.root).split(os.sep)))

    def changes(self, touched: Iterable[str]) -> list[Change]:
        """What happened to these paths since the last look; nothing for those that are as they were.

        The root itself stands for everything.
        """
        gone: dict[str, _About] = {}
        new: dict[str, _About] = {}
        told: list[Change] = []
        for path in self._with_below(touched):
            before, after = self._known.get(path), _about(path)
            if after is None:
                if before is not None:
                    gone[path] = before
            elif before is None:
                new[path] = after
            elif after != before and not stat.S_ISDIR(after.mode):
                told.append(Change("modified", path, after.size, diff=self._diff(path, after)))
                self._known[path] = after
        return [*self._moves(gone, new), *told]

    def _moves(self, gone: dict[str, _About], new: dict[str, _About]) -> Iterator[Change]:
        """Pairs what is gone with what is new under the same number: it was moved."""
        by_inode = {about.inode: path for path, about in gone.items()}
        for path, about in new.items():
            if len(self._known) < MAX_ENTRIES:
                self._known[path] = about
            old = by_inode.pop(about.inode, None)
            if old is None or stat.S_IFMT(gone[old].mode) != stat.S_IFMT(about.mode):
                if self._contents and stat.S_ISREG(about.mode):
                    self._contents.diff(path, about.size, about.mode)
                yield Change("created", path, -1 if stat.S_ISDIR(about.mode) else about.size)
                continue
            del gone[old]
            del self._known[old]
            if self._contents:
                self._contents.moved(old, path)
            yield Change("moved", old, about.size, to=path)
        for path in gone:
            del self._known[path]
            if self._contents:
                self._contents.deleted(path)
            yield Change("deleted", path)

    def _diff(self, path: str, about: _About) -> str:
        return self._contents.diff(path, about.size, about.mode) if self._contents else ""

    def _with_below(self, touched: Iterable[str]) -> Iterator[str]:
        """The paths, and what is below those that are folders: it may have come before they were watched."""
        done: set[str] = set()
        touched = set(touched)
        if self.root in touched:
            touched |= {path for path, _ in self._walk(self.root)} | set(self._known)
        for path in sorted(touched - {self.root}):
            if path in done or self.ignores(path):
                continue
            done.add(path)
            yield path
            below = [each for each in self._below(path) if each not in done]
            done.update(below)
            yield from below

    def _below(self, path: str) -> list[str]:
        """What a folder that came or went took with it."""
        before, after = self._known.get(path), _about(path)
        if before is not None and after is None and stat.S_ISDIR(before.mode):
            return [each for each in self._known if each.startswith(path + os.sep)]
        if before is None and after is not None and stat.S_ISDIR(after.mode) and self._recursive:
            return [each for each, _ in self._walk(path)]
        return []

    def _walk(self, folder: str) -> Iterator[tuple[str, _About]]:
        pending = [folder]
        count = 0
        while pending:
            try:
                with os.scandir(pending.pop()) as entries:
                    found = [entry.path for entry in entries if not self._ignored.match(entry.name)]
            except OSError:  # no folder, not ours to read, or gone again
                continue
            for path in found:
                about = _about(path)
                if about is None or count >= MAX_ENTRIES:
                    continue
                count += 1
                yield path, about
                if self._recursive and stat.S_ISDIR(about.mode):
                    pending.append(path)


def _about(path: str) -> _About | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return _About((found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns, found.st_mode)
