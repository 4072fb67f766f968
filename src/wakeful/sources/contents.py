"""What small text files hold, so that a change can be told as a diff; never files that look like secrets."""

import difflib
import fnmatch
import os
import re
import stat
from collections import OrderedDict
from itertools import islice

MAX_FILE_BYTES = 64 * 1024
MAX_TOTAL_BYTES = 8 * 1024 * 1024
MAX_DIFF_CHARS = 2000
MAX_DIFF_LINES = 40

# fmt: off
_SECRET_NAMES = (
    "shadow", "shadow-", "gshadow", "gshadow-", "id_*", "*.key", "*.pem", "*.p12", "*.pfx", "*.jks",
    "*.kdbx", "*.gpg", "*.asc", "*.ovpn", ".env", ".env.*", "*.env", ".netrc", ".pgpass", ".htpasswd",
    ".git-credentials", "credentials*", "*secret*", "*password*", "*token*", "known_hosts",
    "authorized_keys", "*_history", "wg*.conf",
)
# fmt: on
_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".kube", "private", "secrets", "secret"})
_SECRET_VALUE = re.compile(
    r"(?i)((?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|private[_-]?key|credential)[\w\"'-]*\s*[:=]\s*)\S.*"
)


def is_secret(path: str, mode: int) -> bool:
    """Whether a file's contents must not be told: only its owner may read it, or its name says so."""
    folder, name = os.path.split(path.lower())
    if os.name == "posix" and not stat.S_IMODE(mode) & 0o077:
        return True
    named = any(fnmatch.fnmatchcase(name, pattern) for pattern in _SECRET_NAMES)
    return named or not _SECRET_FOLDERS.isdisjoint(folder.split(os.sep))


class Contents:
    """The last contents of small text files; the longest unchanged is forgotten first. Reading blocks."""

    def __init__(self, *, max_file_bytes: int = MAX_FILE_BYTES, max_total_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._max_file = max_file_bytes
        self._max_total = max_total_bytes
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._total = 0

    def diff(self, path: str, size: int, mode: int) -> str:
        """What changed since the last call: `-old; +new`; "" where that isn't known or must not be told."""
        before = self._forget(path)
        after = self._read(path, size, mode)
        if after is None:
            return ""
        self._keep(path, after)
        return "" if before is None else changed_lines(before, after)

    def learn(self, path: str, size: int, mode: int) -> bool:
        """Remembers what the file holds now; False when there is no room for more."""
        if self._total + size > self._max_total:
            return False
        self.diff(path, size, mode)
        return True

    def moved(self, old: str, new: str) -> None:
        """The file bears another name now."""
        text = self._forget(old)
        if text is not None:
            self._keep(new, text)

    def deleted(self, path: str) -> None:
        """The file is gone."""
        self._forget(path)

    def _read(self, path: str, size: int, mode: int) -> str | None:
        if size > self._max_file or not stat.S_ISREG(mode) or is_secret(path, mode):
            return None
        try:
            # Never wait for a file that became a pipe meanwhile, never follow a link to somewhere else.
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
            with open(os.open(path, flags), "rb") as file:
                data = file.read(self._max_file + 1)
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError):  # no longer there, not ours to read, or no text
            return None
        return None if len(data) > self._max_file or "\0" in text else text

    def _keep(self, path: str, text: str) -> None:
        self._texts[path] = text
        self._total += len(text)
        while self._total > self._max_total:
            self._total -= len(self._texts.popitem(last=False)[1])

    def _forget(self, path: str) -> str | None:
        text = self._texts.pop(path, None)
        self._total -= len(text or "")
        return text


def changed_lines(before: str, after: str) -> str:
    """The lines that differ, `-old; +new`, shortened; the values of what sounds like a secret are hidden."""
    changes: list[str] = []
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    for line in islice(diff, 2, None):  # after the two lines that name the files
        text = line[1:].strip()
        if text and not line.startswith("@@"):
            changes.append(line[0] + _SECRET_VALUE.sub(r"\1…", text))
    shown, chars = 0, 0
    while shown < min(len(changes), MAX_DIFF_LINES) and chars + len(changes[shown]) <= MAX_DIFF_CHARS:
        chars += len(changes[shown]) + 2
        shown += 1
    text = "; ".join(changes[:shown])
    if shown == len(changes):
        return text
    left = f"… {len(changes) - shown} more changed lines"
    return f"{text}; {left}" if text else f"{changes[0][:MAX_DIFF_CHARS]}; {left}"
