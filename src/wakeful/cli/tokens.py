"""API tokens in LM Studio's form: made, kept in a file, read from it."""

import os
import re
import secrets
import string
from pathlib import Path

from wakeful.config import ConfigError

_LETTERS = string.ascii_letters + string.digits
_FORM = re.compile(r"sk-lm-[A-Za-z0-9]{8}:[A-Za-z0-9]{20}")


def new_token() -> str:
    """A token as LM Studio makes them: `sk-lm-`, eight letters that name it, and twenty that are secret."""
    name, secret = ("".join(secrets.choice(_LETTERS) for _ in range(count)) for count in (8, 20))
    return f"sk-lm-{name}:{secret}"


def keep_token(token: str, file: Path) -> None:
    """Add a token to a file that only its owner can read. Raises ConfigError."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as opened:
            opened.write(f"{token}\n")
    except OSError as error:
        raise ConfigError([f"{file} can't be written: {error.strerror}."]) from error


def read_tokens(file: Path) -> tuple[str, ...]:
    """The tokens of a file, one a line; what follows on `#` is a remark. Raises ConfigError."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file} can't be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}."]) from error
    tokens = tuple(token for line in lines if (token := line.partition("#")[0].strip()))
    if not tokens:
        raise ConfigError([f"{file} holds no token; `wakeful token --file {file}` adds one."])
    return tokens


def checked(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The tokens, if LM Studio's own clients will take them. Raises ConfigError."""
    problems = [
        f"--api-token {token[:9]}… is no token: LM Studio's SDKs only take sk-lm-12345678:12345678901234567890; "
        "`wakeful token` makes one."
        for token in tokens
        if not _FORM.fullmatch(token)
    ]
    if problems:
        raise ConfigError(problems)
    return tokens
