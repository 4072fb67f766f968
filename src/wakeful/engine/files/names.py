"""What a model to be downloaded is called, and where it may go: never outside the folder of models. No network."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wakeful.engine.errors import EngineError
from wakeful.engine.files.catalog import PROJECTOR, is_candidate
from wakeful.engine.files.quantization import quantization_of
from wakeful.lmstudio import ErrorType

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,199}")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf$)", re.IGNORECASE)

PARTIAL_PREFIX, PARTIAL_SUFFIX = "downloading_", ".part"
"""Around the name of a file that is not yet whole, as LM Studio does it; the lists pass over such files."""


class DownloadRefused(EngineError):
    """There is nothing of this name to be downloaded, or it may not be."""

    error_type = ErrorType.CLIENT_ERROR


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: a repository, and in it a file or a quantisation; "" where that is left open."""

    publisher: str
    repository: str
    file: str = ""
    quantization: str = ""

    @property
    def name(self) -> str:
        """As LM Studio writes it."""
        return f"{self.publisher}/{self.repository}" + (f"/{self.file}" if self.file else "")


def wanted(name: str, quantization: str | None = None) -> Wanted:
    """Understand `publisher/repository`, also with a file or `@quantization`, or the address of a page on a hub.

    Of an address only the path is used: the server asks nobody but the place that it was given. Raises DownloadRefused.
    """
    path = name
    if "://" in name:
        path = unquote(urlsplit(name).path)
        path = re.sub(r"/(?:resolve|blob|tree)/[^/]+", "", path)
    plain, _, variant = path.strip("/").partition("@")
    parts = plain.split("/")
    if len(parts) not in (2, 3) or not all(map(is_plain, parts)):
        raise DownloadRefused(f"{name!r} names no model: it should be publisher/repository.")
    file = parts[2] if len(parts) == 3 else ""
    if file and not file.lower().endswith(".gguf"):
        raise DownloadRefused(f"{file!r} is no GGUF file.")
    return Wanted(parts[0], parts[1], file, (quantization or variant).upper())


def is_plain(part: str) -> bool:
    """Whether a name is one that leads nowhere else."""
    return _PART.fullmatch(part) is not None and ".." not in part


def target(folder: Path, publisher: str, repository: str, file: str) -> Path:
    """Where a file goes. Raises DownloadRefused where that would be outside of the folder, links included."""
    path = folder / publisher / repository / file
    if not all(map(is_plain, (publisher, repository, file))) or not path.parent.resolve().is_relative_to(
        folder.resolve()
    ):
        raise DownloadRefused(f"{publisher}/{repository}/{file} would lie outside of the folder of models.")
    return path


def partial(path: Path) -> Path:
    """Where a file is kept until it is whole."""
    return path.with_name(f"{PARTIAL_PREFIX}{path.name}{PARTIAL_SUFFIX}")


def chosen(names: list[str], asked: Wanted) -> list[str]:
    """The files of a repository that make up the model that is asked for: its parts, and its vision projector.

    Without a quantisation, Q4_K_M is taken, else the first by name. Raises DownloadRefused where there is none.
    """
    plain = sorted(name for name in names if is_plain(name) and name.lower().endswith(".gguf"))
    models = [name for name in plain if is_candidate(name)]
    if asked.file:
        models = [name for name in models if name == asked.file]
    elif asked.quantization:
        models = [name for name in models if _quantization(name) == asked.quantization]
    else:
        models = [name for name in models if _quantization(name) == "Q4_K_M"] or models
    if not models:
        what = asked.file or asked.quantization or "GGUF file"
        raise DownloadRefused(f"{asked.publisher}/{asked.repository} has no {what}.")
    projectors = [name for name in plain if PROJECTOR.search(name)]
    return _all_parts(models[0]) + projectors[:1]


def _quantization(name: str) -> str:
    return quantization_of(_SHARD.sub("", name)[: -len(".gguf")], None)


def _all_parts(name: str) -> list[str]:
    shard = _SHARD.search(name)
    if shard is None:
        return [name]
    return [_SHARD.sub(f"-{number:05}-of-{shard[2]}", name) for number in range(1, int(shard[2]) + 1)]
