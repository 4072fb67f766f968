"""What a source can't do.

SourceError
├── SourceMissing      what should be watched is not there (a file, a folder, a socket, a program)
├── SourceForbidden    it is there, and Wakeful may not read it
├── SourceRefused      it answers, and says no
└── SourceBroken       it could be read and then failed: a connection was lost, a program ended
"""

import errno

from wakeful.events import WakefulError

_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED}
_FORBIDDEN = {errno.EACCES, errno.EPERM}


class SourceError(WakefulError):
    """A source can't be read; the message is a short reason, such as `permission denied`."""


class SourceMissing(SourceError):
    """What should be watched is not there; it may come."""


class SourceForbidden(SourceError):
    """Wakeful may not read it."""


class SourceRefused(SourceError):
    """What was asked is there and answers, but not what was asked for."""


class SourceBroken(SourceError):
    """It could be read, and then it failed."""


def reason(error: BaseException) -> str:
    """Why something failed, in a few words and one line, as failure observations say it."""
    if isinstance(error, WakefulError):
        text = error.message
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror.lower()
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(text.split())[:200]


def translate(error: OSError, *, what: str) -> SourceError:
    """The operating system's error as one of ours; `what` is what was being read, for the hint."""
    if error.errno in _FORBIDDEN:
        return SourceForbidden(
            reason(error), hint=f"Run Wakeful as a user that may read {what}, or let it (groups adm, docker)."
        )
    if error.errno in _MISSING:
        return SourceMissing(reason(error), hint=f"{what} is not there; it is watched as soon as it is.")
    return SourceBroken(reason(error), hint=f"Check {what} and the disk or service behind it.")
