"""What can go wrong with the built-in engine.

LMStudioError
└── EngineError             the engine can't do its work
    ├── EngineMissing       the package that runs models is not installed
    ├── ModelFileError      the model's file is missing, no GGUF, damaged, or of a kind that it can't run
    ├── NotEnoughMemory     the model with this context does not fit into memory
    ├── EngineStartFailed   it did not start; `log` holds its last words
    ├── EngineStopped       it was used before it was started or after it was closed
    ├── GenerationFailed    a request to a model failed
    │   ├── ProcessDied     its process ended while it worked on it
    │   ├── UnloadedMeanwhile  it was taken out of memory meanwhile
    │   ├── DoesNotFit      prompt and answer do not fit into the context
    │   └── NotPossible     it asks for what this model can't do
    └── LoadRefused         a model can't be had
        ├── NoSuchModel     none has this name
        ├── NoModelInMemory none is loaded, and none may be loaded for a request
        └── QueueFull       too many requests wait for it
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


class GenerationFailed(EngineError):
    """A request to a model failed."""


class ProcessDied(GenerationFailed):
    """The model's process ended while it worked on the request. exit_code: as the system tells it, None if unknown."""

    retry_helps = True

    def __init__(self, message: str, *, exit_code: int | None = None, log: str = "") -> None:
        super().__init__(message, log=log)
        self.exit_code = exit_code


class UnloadedMeanwhile(GenerationFailed):
    """The model was taken out of memory while it worked on the request."""


class DoesNotFit(GenerationFailed):
    """Prompt and answer do not fit into the context. prompt_tokens, context_tokens: 0 where not known."""

    error_type = ErrorType.CLIENT_ERROR

    def __init__(self, message: str, *, prompt_tokens: int = 0, context_tokens: int = 0) -> None:
        super().__init__(message)
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


class NotPossible(GenerationFailed):
    """It asks for what this model can't do, such as a template that refuses the order of its roles."""

    error_type = ErrorType.CLIENT_ERROR


class LoadRefused(EngineError):
    """A model can't be had."""

    error_type = ErrorType.CLIENT_ERROR


class NoSuchModel(LoadRefused):
    """None has this name. name: as it was asked for; known: the names that there are."""

    def __init__(self, message: str, *, name: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.name = name
        self.known = known


class NoModelInMemory(LoadRefused):
    """None is loaded, and none may be loaded for a request."""


class QueueFull(LoadRefused):
    """Too many requests wait for this model."""

    error_type = ErrorType.RATE_LIMIT_ERROR
    retry_helps = True
