"""What is wrong with the settings."""

from collections.abc import Sequence

from wakeful.events import WakefulError


class ConfigError(WakefulError):
    """The settings can't be used. `problems` holds one line for each mistake: where, which key, what is allowed."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(map(_printable, problems))
        super().__init__("\n         ".join(self.problems))


def _printable(text: str) -> str:
    """Names and values come from a file; what is in them must not steer the terminal that they are printed on."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
