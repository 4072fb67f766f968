"""Our errors as the SDK's error objects: a title, and a code by which its exceptions are chosen."""

from collections.abc import Mapping, Sequence
from typing import Any

from wakeful.engine.errors import (
    DoesNotFit,
    EngineError,
    EngineMissing,
    EngineStartFailed,
    ModelFileError,
    NoModelInMemory,
    NoSuchModel,
    NotEnoughMemory,
    ProcessDied,
    UnloadedMeanwhile,
)
from wakeful.engine.life.instance import Instance

_SAMPLE = 5


class Failed(EngineError):
    """A call or channel that ends with an error object of its own."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(str(told["title"]))
        self.told = dict(told)


def plain(
    title: str, *, cause: str = "", suggestion: str = "", shown: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """An error object. shown: its `displayData`."""
    told: dict[str, Any] = {"title": title, "rootTitle": title}
    if cause:
        told["cause"] = cause
    if suggestion:
        told["suggestion"] = suggestion
    if shown:
        told["displayData"] = dict(shown)
    return told


def unknown_endpoint(endpoint: str, namespace: str) -> dict[str, Any]:
    """There is no such endpoint, or none that this server offers."""
    return plain(f"{endpoint[:100]!r} of {namespace!r} is not offered by this server.")


def bad_parameter(endpoint: str, error: Exception) -> dict[str, Any]:
    """A parameter that does not have the form it should have."""
    cause = str(error)[:300].encode("utf-8", "backslashreplace").decode()
    return plain(f"Invalid parameter for {endpoint!r}.", cause=cause)


def none_matches(query: Mapping[str, Any], loaded: Sequence[Instance]) -> Failed:
    """No loaded model is the one that is meant; becomes `LMStudioModelNotFoundError`."""
    wanted = query.get("identifier") or query.get("path")
    title = f"No loaded model is called {wanted!r}." if wanted else "No loaded model matches the query."
    shown = {
        "code": "generic.noModelMatchingQuery",
        "query": dict(query),
        "loadedModelsSample": [each.identifier for each in loaded[:_SAMPLE]],
        "totalLoadedModels": len(loaded),
    }
    return Failed(plain(title, suggestion="Load it first, or ask for one that is loaded.", shown=shown))


def no_such_file(name: str, known: Sequence[str]) -> Failed:
    """No model on this machine is the one that is meant; becomes `LMStudioModelNotFoundError`."""
    shown = {
        "code": "generic.pathNotFound",
        "path": name,
        "availablePathsSample": list(known[:_SAMPLE]),
        "totalModels": len(known),
    }
    return Failed(plain(f"No model is called {name!r}.", shown=shown))


def other_kind(name: str, actual: str, expected: str) -> Failed:
    """The model is there, but is asked for in the wrong namespace."""
    shown = {"code": "generic.domainMismatch", "path": name, "actualDomain": actual, "expectedDomain": expected}
    return Failed(plain(f"{name!r} is of the kind {actual!r}, not {expected!r}.", shown=shown))


def no_preset(name: str) -> Failed:
    """There are no presets here; becomes `LMStudioPresetNotFoundError`."""
    shown = {
        "code": "generic.presetNotFound",
        "specifiedFuzzyPresetIdentifier": name,
        "availablePresetsSample": list[str](),
        "totalAvailablePresets": 0,
    }
    return Failed(plain(f"No preset is called {name!r}.", shown=shown))


def told(error: EngineError, loaded: Sequence[Instance] = ()) -> dict[str, Any]:
    """What LM Studio would say where our engine says `error`."""
    match error:
        case Failed():
            return error.told
        case NoSuchModel():
            return no_such_file(error.name, error.known).told
        case NoModelInMemory():
            return none_matches({}, loaded).told
        case ProcessDied():
            code = "null" if error.exit_code is None else error.exit_code
            return plain(f"The model has crashed without additional information. (Exit code: {code})")
        case UnloadedMeanwhile():
            return plain("Model unloaded.", shown={"code": "generic.specificModelUnloaded"})
        case DoesNotFit():
            return _does_not_fit(error)
        case NotEnoughMemory() | ModelFileError() | EngineStartFailed() | EngineMissing():
            return plain("Failed to load model.", cause=error.message, suggestion=error.hint)
        case _:
            return plain(error.message, suggestion=error.hint)


def _does_not_fit(error: DoesNotFit) -> dict[str, Any]:
    """LM Studio's own text, with its slip, because programs look for it."""
    title = (
        f"Trying to keep the first {error.prompt_tokens} tokens when context the overflows. However, the model is "
        f"loaded with context length of only {error.context_tokens} tokens, which is not enough. Try to load the model "
        "with a larger context length, or provide a shorter input"
    )
    told = plain(title if error.context_tokens else error.message)
    told["errorData"] = {"n_prompt_tokens": error.prompt_tokens, "n_ctx": error.context_tokens}
    return told
