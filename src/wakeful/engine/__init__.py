"""How do we run a model when there is no server? llama.cpp in a supervised child process."""

from wakeful.engine.errors import (
    EngineError,
    EngineMissing,
    EngineStartFailed,
    EngineStopped,
    ModelFileError,
    NotEnoughMemory,
)
from wakeful.engine.files.catalog import (
    LocalModel,
    best_model,
    choose_model,
    find_models,
    lmstudio_home,
    models_folder,
    pilot_model,
)
from wakeful.engine.files.gguf import GGUFHeader, read_header
from wakeful.engine.llama.supervisor import (
    Engine,
    EngineDied,
    EngineEvent,
    EngineHealth,
    EngineLoading,
    EngineReady,
    EngineStarting,
    EngineState,
)

__all__ = [
    "Engine",
    "EngineDied",
    "EngineError",
    "EngineEvent",
    "EngineHealth",
    "EngineLoading",
    "EngineMissing",
    "EngineReady",
    "EngineStartFailed",
    "EngineStarting",
    "EngineState",
    "EngineStopped",
    "GGUFHeader",
    "LocalModel",
    "ModelFileError",
    "NotEnoughMemory",
    "best_model",
    "choose_model",
    "find_models",
    "lmstudio_home",
    "models_folder",
    "pilot_model",
    "read_header",
]
