"""Which models are there on this machine: the pilot model, and what LM Studio has already downloaded."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import psutil

from wakeful.engine.errors import ModelFileError
from wakeful.engine.files.gguf import GGUFHeader, read_header

PROJECTOR = re.compile(r"(^|[-_.])(mmproj|clip)([-_.]|$)", re.IGNORECASE)
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)
_MAX_DEPTH = 6
_SHARE_OF_MEMORY = 0.6
"""A model may take so much of the memory that is free; the rest is for its context, its owner and us."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A GGUF file on this machine. path: its first part; size_bytes: of all its parts."""

    path: Path
    size_bytes: int
    header: GGUFHeader


def pilot_model() -> Path:
    """The small model that ships with Wakeful. Raises ModelFileError when it is not installed."""
    path = Path(str(files("wakeful.engine") / "models" / "pilot.gguf"))
    if not path.is_file():
        raise ModelFileError(
            "The pilot model is not part of this installation.",
            hint="Install Wakeful again, or name a model with --model FILE.gguf.",
        )
    return path


def choose_model(explicit: Path | None = None, *, auto: bool = False) -> Path:
    """The file to think with: `explicit`, else the pilot model.

    auto: instead of the pilot model, the largest one of LM Studio's that takes at most 60 % of the memory
        that is free now, if there is one. It is off unless the user says `engine.model = "auto"`: a large
        model on a processor takes the whole machine, which nobody expects of a first try.
    Raises ModelFileError.
    """
    if explicit is not None:
        return explicit
    if auto and (best := best_model(find_models(), available_bytes())) is not None:
        return best.path
    return pilot_model()


def best_model(models: list[LocalModel], memory_bytes: int) -> LocalModel | None:
    """The largest of those that can hold a conversation and fit into the memory that is free."""
    fitting = [model for model in models if model.header.thinks and model.size_bytes <= memory_bytes * _SHARE_OF_MEMORY]
    return max(fitting, key=lambda model: model.size_bytes, default=None)


def available_bytes() -> int:
    """Memory that programs can have now without pushing others out."""
    return psutil.virtual_memory().available


def find_models(home: Path | None = None) -> list[LocalModel]:
    """The usable GGUF files that LM Studio has downloaded, by path; blocking, reads the head of each.

    Vision projectors, later parts of split files, partial downloads and what can't be read are left out.
    home: the user's home folder
    """
    return [model for path in gguf_files(models_folder(home)) if (model := _look_at(path)) is not None]


def models_folder(home: Path | None = None) -> Path:
    """Where LM Studio keeps its models, whether or not the folder exists."""
    root = lmstudio_home(home)
    try:
        settings: Any = json.loads((root / "settings.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        settings = None  # LM Studio was never started here, or is just writing it
    if isinstance(settings, dict):
        folder = cast("dict[str, Any]", settings).get("downloadsFolder")
        if isinstance(folder, str) and folder and "\0" not in folder:
            return Path(folder)
    return root / "models"


def lmstudio_home(home: Path | None = None) -> Path:
    """LM Studio's own folder: where its pointer file says, else the older place, else the usual one."""
    home = home or Path.home()
    try:
        pointed = (home / ".lmstudio-home-pointer").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        pointed = ""
    if pointed and "\0" not in pointed:
        return Path(pointed)
    older = home / ".cache" / "lm-studio"
    return older if older.is_dir() else home / ".lmstudio"


def gguf_files(folder: Path) -> Iterator[Path]:
    """The files below a folder that may be models, by path; links are followed."""
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen or len(Path(root).relative_to(folder).parts) >= _MAX_DEPTH:
            folders.clear()  # a link back up, or no folder of LM Studio's any more
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(root, name) for name in sorted(names) if is_candidate(name))


def is_candidate(name: str) -> bool:
    """Whether a file of this name may be a model: no vision projector, no later part of one, no partial download."""
    if not name.lower().endswith(".gguf") or name.startswith((".", "downloading_")):
        return False
    shard = _SHARD.search(name)
    return not PROJECTOR.search(name) and (shard is None or int(shard[1]) == 1)


def _look_at(path: Path) -> LocalModel | None:
    try:
        sizes = [part.stat().st_size for part in parts_of(path)]
        return LocalModel(path, sum(sizes), read_header(path))
    except (OSError, ModelFileError):
        return None  # a dangling link, a part that is still to come, or no GGUF: not usable, so not listed


def parts_of(path: Path) -> list[Path]:
    """All files of a model, whether or not they exist, given the first."""
    shard = _SHARD.search(path.name)
    if shard is None:
        return [path]
    stem, count = path.name[: shard.start()], int(shard[2])
    return [path.with_name(f"{stem}-{number:05}-of-{shard[2]}.gguf") for number in range(1, count + 1)]
