"""Which models can this server load? Those at given paths, those of LM Studio on this machine, and the pilot model."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wakeful.engine.errors import ModelFileError
from wakeful.engine.files.catalog import PROJECTOR, gguf_files, models_folder, parts_of, pilot_model
from wakeful.engine.files.gguf import Fact, header_of, read_facts
from wakeful.engine.files.quantization import bits_of, quantization_of, without_quantization
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.llama.facts import template_calls, template_thinks

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_LABEL = re.compile(r"\d+x\d+(\.\d+)?[BM]|\d+(\.\d+)?[BM]", re.IGNORECASE)
_EMBEDDERS = ("bert", "embed", "t5encoder")
PILOT_PATH = "wakeful/pilot/pilot.gguf"
_LOCAL = "local"
"""The publisher of files that lie in no folder of a publisher."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A file, and the path by which it is called."""

    file: Path
    path: str


class Library:
    """Finds model files; reads the head of each only when it is new or has changed.

    places: GGUF files, and folders that hold some at any depth
    lmstudio: also those that LM Studio has downloaded; pilot: also the pilot model, last
    """

    def __init__(self, places: Sequence[Path] = (), *, lmstudio: bool = True, pilot: bool = True) -> None:
        self._places = tuple(places)
        self._lmstudio = lmstudio
        self._pilot = pilot
        self._read: dict[Path, tuple[tuple[int, int], Descriptor | None]] = {}
        self._looking = asyncio.Lock()

    async def known(self) -> Sequence[Descriptor]:
        """All that can be loaded, by key; what can't be read is left out."""
        async with self._looking:
            return await asyncio.to_thread(self._look)

    def _look(self) -> Sequence[Descriptor]:
        described: dict[Path, Descriptor] = {}
        for found in self._files():
            try:
                real = found.file.resolve()
                if real not in described and (model := self._describe(found)) is not None:
                    described[real] = model
            except OSError:
                continue  # gone meanwhile
        return with_keys(list(described.values()))

    def _files(self) -> Iterator[_Found]:
        for place in self._places:
            if place.is_dir():
                yield from (_Found(file, called(file, place)) for file in gguf_files(place))
            else:
                yield _Found(place, called(place, place.parent))
        if self._lmstudio:
            folder = models_folder()
            yield from (_Found(file, called(file, folder)) for file in gguf_files(folder))
        if self._pilot:
            try:
                yield _Found(pilot_model(), PILOT_PATH)
            except ModelFileError:
                return  # an installation without it

    def _describe(self, found: _Found) -> Descriptor | None:
        parts = [part.stat() for part in parts_of(found.file)]
        stamp = (max(part.st_mtime_ns for part in parts), sum(part.st_size for part in parts))
        kept = self._read.get(found.file)
        if kept is None or kept[0] != stamp:
            try:
                model = describe(found.file, found.path, stamp[1])
            except ModelFileError:
                model = None
            kept = self._read[found.file] = (stamp, model)
        if kept[1] is None:
            return None
        # a projector may come and go without a change of the model's own file
        projector = projector_beside(found.file)
        return msgspec.structs.replace(
            kept[1], path=found.path, publisher=found.path.split("/")[0], projector=projector, vision=bool(projector)
        )


def describe(file: Path, path: str, size_bytes: int) -> Descriptor:
    """What a file's head says of the model in it; its key is not yet unique. Raises ModelFileError."""
    facts, parameters = read_facts(file)
    header = header_of(facts, file)
    if facts.get("general.type") in ("mmproj", "adapter", "imatrix") or header.architecture == "clip":
        raise ModelFileError(f"{file.name} belongs to a model, and is none.")
    stem = _SHARD.sub("", file.name[: -len(".gguf")] if file.name.lower().endswith(".gguf") else file.name)
    quantization = quantization_of(stem, facts.get("general.file_type"))
    base = without_quantization(stem)
    template = _text(facts, "tokenizer.chat_template")
    embeds = f"{header.architecture}.pooling_type" in facts or any(word in header.architecture for word in _EMBEDDERS)
    return Descriptor(
        key=base.lower(),
        kind="embedding" if embeds else "llm",
        path=path,
        file=file,
        publisher=path.split("/")[0],
        display_name=header.name or base,
        params=_text(facts, "general.size_label") or _params(base, parameters if size_bytes else 0),
        architecture=header.architecture,
        quantization=quantization,
        bits_per_weight=bits_of(quantization),
        size_bytes=size_bytes,
        max_context_tokens=header.context_tokens,
        tools=not embeds and template_calls(template),
        reasoning=not embeds and template_thinks(template),
        layers=header.layers,
        pooled=_is_pooled(facts, header.architecture),
    )


def with_keys(models: Sequence[Descriptor]) -> list[Descriptor]:
    """With keys that are unique, in order of the keys.

    Those that share one get `@quantization` behind it, else their publisher before it, else a number behind it.
    Of those that share one, the nearest to four bits comes first: it answers to the plain key.
    """
    shared = Counter(model.key for model in models)
    made: dict[str, Descriptor] = {}
    for model in sorted(models, key=_preference):
        made_key = next(key for key in _keys(model, shared[model.key] > 1) if key not in made)
        made[made_key] = msgspec.structs.replace(model, key=made_key)
    return list(made.values())


def _preference(model: Descriptor) -> tuple[str, float, str]:
    return model.key, abs(model.bits_per_weight - 4), model.path


def _keys(model: Descriptor, shared: bool) -> Iterator[str]:
    if not shared:
        yield model.key
    variant = f"{model.key}@{model.quantization.lower()}" if model.quantization else model.key
    yield variant
    yield f"{model.publisher.lower()}/{variant}"
    number = 2
    while True:
        yield f"{variant}-{number}"
        number += 1


def called(file: Path, folder: Path) -> str:
    """`publisher/repository/file.gguf`, for a file in a folder that may be sorted so or not."""
    parts = file.relative_to(folder).parts
    if len(parts) >= 3:
        return "/".join(parts)
    repository = parts[0] if len(parts) == 2 else file.parent.name or _LOCAL
    return f"{_LOCAL}/{repository}/{file.name}"


def projector_beside(file: Path) -> Path | None:
    """The vision projector that belongs to a model: in the same folder, by its name where there are several models."""
    try:
        names = sorted(each.name for each in file.parent.iterdir() if each.name.lower().endswith(".gguf"))
    except OSError:
        return None
    projectors = [name for name in names if PROJECTOR.search(name)]
    bases = {without_quantization(_SHARD.sub("", name[:-5])).lower() for name in names if name not in projectors}
    own = without_quantization(_SHARD.sub("", file.name[:-5])).lower()
    fitting = [name for name in projectors if own in name.lower()] or (projectors if len(bases) == 1 else [])
    return file.with_name(fitting[0]) if fitting else None


def _is_pooled(facts: dict[str, Fact], architecture: str) -> bool:
    pooling = facts.get(f"{architecture}.pooling_type", 0)
    return isinstance(pooling, int) and pooling > 0


def _params(stem: str, parameters: int) -> str:
    """Such as `7B`: as the name says, else as the tensors say."""
    found = [each[0] for each in _LABEL.finditer(stem)]
    if found:
        return found[-1].upper()
    for unit, size in (("B", 10**9), ("M", 10**6)):
        if parameters >= size // 2:
            count = parameters / size
            return f"{count:.0f}{unit}" if count >= 10 else f"{count:.1f}{unit}".replace(".0", "")
    return ""


def _text(facts: dict[str, Fact], key: str) -> str:
    value = facts.get(key)
    return value if isinstance(value, str) else ""
