"""What is wrong with the settings."""

from collections.abc import Sequence

from wakeful.events import WakefulError


class ConfigError(WakefulError):
    """The settings can't be used. `problems` holds one line for each mistake: where, which key, what is allowed."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n         ".join(problems))
        self.problems = tuple(problems)
