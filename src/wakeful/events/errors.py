"""The root of Wakeful's own errors.

WakefulError
├── ConfigError          (wakeful.config)    the user's settings are wrong
├── JournalError         (wakeful.journal)   the journal can't do what was asked
├── SourceError          (wakeful.sources)   a source can't be read
└── …                    each room names its own below this root

`wakeful.lmstudio` stands alone and has its own root, `LMStudioError`.
"""


class WakefulError(Exception):
    """Something went wrong, said for the person who can mend it.

    message: what happened and where, in one sentence
    hint: what to do about it, or "" where nothing can be advised
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message
