"""What can go wrong with the built-in engine.

LMStudioError
└── EngineError             the engine can't do its work
    ├── EngineMissing       the package that runs models is not installed
    ├── ModelFileError      the model's file is missing, no GGUF, damaged, or of a kind that it can't run
    ├── NotEnoughMemory     the model with this context does not fit into memory
    ├── EngineStartFailed   it did not start; `log` holds its last words
    └── EngineStopped       it was used before it was started or after it was closed
"""

from wakeful.lmstudio import ErrorType, LMStudioError


class EngineError(LMStudioError):
    """The built-in engine can't do its work. log: the last lines that it wrote, "" for none."""

    error_type = ErrorType.SERVER_ERROR

    def __init__(self, message: str, *, hint: str = "", log: str = "") -> None:
        super().__init__(message, hint=hint, detail=log)
        self.log = log


class EngineMissing(EngineError):
    """The package that runs models is not installed."""

    error_type = ErrorType.CLIENT_ERROR
    default_hint = "Install it with: pip install 'wakeful[engine]'"


class ModelFileError(EngineError):
    """The model's file is missing, no GGUF, damaged, or of a kind that the engine can't run."""

    error_type = ErrorType.CLIENT_ERROR
    default_hint = "Give the path of a .gguf file, or leave it out to use the pilot model."


class NotEnoughMemory(EngineError):
    """The model with this context does not fit into memory."""

    default_hint = "Use a smaller model or a smaller context."


class EngineStartFailed(EngineError):
    """The engine did not start; `log` holds its last words."""

    retry_helps = True


class EngineStopped(EngineError):
    """The engine was used before it was started or after it was closed."""

    error_type = ErrorType.CLIENT_ERROR
    default_hint = "Use it inside `async with Engine(…)`."
