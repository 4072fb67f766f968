"""Files that clients hand over for later use in a conversation: so many, so large, and for so long."""

import base64
import binascii
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import PurePath

import msgspec

from wakeful.engine.native import failures

_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"BM": "image/bmp",
}
_PDF = b"%PDF-"
_WORD = (".doc", ".docx")
_PLAIN = (".txt", ".text", "")


class Upload(msgspec.Struct, frozen=True):
    """A file. type: LM Studio's own word; media_type: of an image, "" for all else; base64: as it came."""

    identifier: str
    name: str
    type: str
    media_type: str
    size_bytes: int
    base64: str
    until_s: float


class Uploads:
    """The files of all clients. The oldest go first when there are too many.

    most: files kept; most_bytes: of all together, encoded; file_bytes: of one; keep_s: seconds
    """

    def __init__(
        self,
        *,
        most: int = 256,
        most_bytes: int = 256 * 1024 * 1024,
        file_bytes: int = 24 * 1024 * 1024,
        keep_s: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._file_bytes = file_bytes
        self._keep_s = keep_s
        self._clock = clock
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._bytes = 0

    def add(self, name: str, content: str) -> Upload:
        """Keep a file. content: in base64. Raises Failed when it is none, or too large."""
        self._expire()
        if len(content) > self._file_bytes * 4 // 3 + 4:
            raise failures.Failed(failures.plain(f"A file may have {self._file_bytes} bytes at most."))
        try:
            raw = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise failures.Failed(failures.plain("The content is no base64.", cause=str(error))) from error
        kind, media_type = file_type(name, raw)
        identifier = f"{secrets.token_hex(16)}{PurePath(name).suffix[:16]}"
        made = Upload(identifier, name, kind, media_type, len(raw), content, self._clock() + self._keep_s)
        self._kept[identifier] = made
        self._bytes += len(content)
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            self._drop_oldest()
        return made

    def data_url(self, identifier: str) -> str:
        """An image as a model is shown it. Raises Failed when there is none of this name any more."""
        self._expire()
        found = self._kept.get(identifier)
        if found is None:
            told = failures.plain(f"No file is known as {identifier[:100]!r}.", suggestion="Upload it again.")
            raise failures.Failed(told)
        if not found.media_type:
            raise failures.Failed(failures.plain(f"The file {found.name!r} is no image that can be read."))
        return f"data:{found.media_type};base64,{found.base64}"

    def _expire(self) -> None:
        now_s = self._clock()
        while self._kept and next(iter(self._kept.values())).until_s <= now_s:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, dropped = self._kept.popitem(last=False)
        self._bytes -= len(dropped.base64)


def file_type(name: str, raw: bytes) -> tuple[str, str]:
    """LM Studio's word for what a file is, and the media type where it is an image."""
    for magic, media_type in _IMAGES.items():
        if raw.startswith(magic):
            return "image", media_type
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "image", "image/webp"
    if raw.startswith(_PDF):
        return "application/pdf", ""
    suffix = PurePath(name).suffix.casefold()
    if suffix in _WORD:
        return "application/word", ""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown", ""
    return ("text/plain" if suffix in _PLAIN else "text/other"), ""
