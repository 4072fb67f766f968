"""Files below the folders that the user allowed to be read, wherever links lead."""

import asyncio
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from wakeful.actions.clean import masked
from wakeful.actions.errors import ToolFailed
from wakeful.actions.tool import Call, Tool

MAX_BYTES = 16 * 1024
"""Of a file, its end is read: the newest lines of a log."""

MAX_NAMES = 200
_PATH = {"type": "string", "minLength": 1, "maxLength": 1024}
_PRIVATE = (
    ".ssh", ".gnupg", ".aws", ".kube", ".docker", ".netrc", ".pgpass", ".git-credentials", ".env", ".env.*", "*.pem",
    "*.key", "*.p12", "*.pfx", "*.kdbx", "*.keytab", "id_rsa*", "id_ed25519*", "id_ecdsa*", "id_dsa*", "shadow*",
    "gshadow*", "*credentials*", "*secret*", "*password*", "*.ovpn", "wallet.dat", "*history",
)  # fmt: skip
"""Names that usually hold secrets: not read, also below an allowed folder."""


def file_tools(roots: Sequence[str]) -> list[Tool]:
    """Reading and listing below `roots`; no tools where there are none."""
    if not roots:
        return []
    places = Places(roots)
    told = ", ".join(roots)
    parameters = {
        "type": "object",
        "properties": {"path": _PATH},
        "required": ["path"],
        "additionalProperties": False,
    }

    async def read(call: Call) -> str:
        return await asyncio.to_thread(places.read, str(call.arguments["path"]))

    async def names(call: Call) -> str:
        return await asyncio.to_thread(places.names, str(call.arguments["path"]))

    return [
        Tool("read_file", f"the end of a text file below {told}", read, parameters, check=places.wrong),
        Tool("list_folder", f"names, sizes and times in a folder below {told}", names, parameters, check=places.wrong),
    ]


class Places:
    """Folders below which may be read."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = [Path(os.path.realpath(os.path.expanduser(root))) for root in roots]

    def wrong(self, arguments: Mapping[str, Any]) -> str:
        """Why the path is outside of what is allowed, "" where it is not."""
        try:
            self._real(str(arguments["path"]))
        except ToolFailed as error:
            return error.message
        return ""

    def read(self, path: str) -> str:
        """The end of a text file. Raises ToolFailed where it may not or can't be read."""
        real = self._real(path)
        descriptor = self._open(real, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ToolFailed(f"{path} is no ordinary file.")
            file.seek(max(status.st_size - MAX_BYTES, 0))
            data = file.read(MAX_BYTES)
        if b"\0" in data:
            raise ToolFailed(f"{path} is no text.")
        cut = f"(the last {MAX_BYTES:,} of {status.st_size:,} bytes)\n" if status.st_size > MAX_BYTES else ""
        return cut + masked(data.decode("utf-8", "replace"))

    def names(self, path: str) -> str:
        """What is in a folder, newest first. Raises ToolFailed where it may not or can't be listed."""
        real = self._real(path)
        lines: list[tuple[float, str]] = []
        try:
            with os.scandir(real) as found:
                for each in found:
                    status = each.stat(follow_symlinks=False)
                    kind = "folder" if each.is_dir(follow_symlinks=False) else f"{status.st_size:,} bytes"
                    lines.append((status.st_mtime, f"{each.name} ({kind})"))
        except OSError as error:
            raise ToolFailed(f"{path} can't be listed: {error.strerror}.") from error
        lines.sort(reverse=True)
        more = [f"and {len(lines) - MAX_NAMES:,} older ones"] if len(lines) > MAX_NAMES else []
        return "\n".join([line for _, line in lines[:MAX_NAMES]] + more) or "it is empty"

    def _real(self, path: str) -> Path:
        """Where the path leads, all links followed."""
        if "\0" in path or not os.path.isabs(path):
            raise ToolFailed("A path begins at the root folder.")
        given = Path(os.path.realpath(path))
        if not any(given.is_relative_to(root) for root in self._roots):
            raise ToolFailed(f"{path} is not below a folder that may be read.")
        if any(_is_private(part) for part in [*given.parts, os.path.basename(path)]):
            raise ToolFailed(f"{path} has a name that usually holds secrets.")
        return given

    def _open(self, real: Path, flags: int) -> int:
        """Opens what is there now, and makes sure that it is what was looked at: no link was put in its way."""
        try:
            # not blocking: a named pipe would be waited for
            descriptor = os.open(real, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise ToolFailed(f"{real} can't be read: {error.strerror}.") from error
        try:
            self._real(_path_of(descriptor) or str(real))
            if not os.path.samestat(os.stat(real, follow_symlinks=False), os.fstat(descriptor)):
                raise ToolFailed(f"{real} changed while it was opened.")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _path_of(descriptor: int) -> str:
    """Where the file that was opened really is, "" where the system does not say."""
    if sys.platform == "linux":
        return os.readlink(f"/proc/self/fd/{descriptor}")
    if sys.platform == "darwin":
        import fcntl

        return fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0").decode()
    return ""


def _is_private(name: str) -> bool:
    return any(fnmatchcase(name.casefold(), pattern) for pattern in _PRIVATE)
