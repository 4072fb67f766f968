"""The namespace `repository`: models to be had from the place that this server was given."""

from contextlib import aclosing
from typing import Annotated, Any, Literal

import msgspec

from wakeful.engine.errors import EngineError
from wakeful.engine.files.downloads import Downloads, Job
from wakeful.engine.files.names import DownloadRefused, wanted
from wakeful.engine.files.origins import Offered
from wakeful.engine.files.quantization import quantization_of
from wakeful.engine.native.channel import Channel
from wakeful.engine.native.office import Office, Space, call, exchange


class _Terms(msgspec.Struct, frozen=True, rename="camel"):
    search_term: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=25)] | None = None
    compatibility_types: tuple[str, ...] | None = None


class Search(msgspec.Struct, frozen=True):
    """What is looked for."""

    opts: _Terms = _Terms()


class _Identifier(msgspec.Struct, frozen=True):
    type: Literal["catalog", "hf"]
    identifier: str


class DownloadOptions(msgspec.Struct, frozen=True, rename="camel"):
    """The files of something that was found."""

    model_search_result_identifier: _Identifier


class Download(msgspec.Struct, frozen=True, rename="camel"):
    """One of these files."""

    download_identifier: str


def repository() -> Space:
    """Its endpoints. What has to do with an account at LM Studio, or with plugins, is not offered."""
    return Space(
        "repository",
        {"searchModels": call(Search, _search), "getModelDownloadOptions": call(DownloadOptions, _options)},
        {"downloadModel": exchange(Download, _download)},
    )


def _place(office: Office) -> Downloads:
    if office.downloads is None:
        raise DownloadRefused("No place is configured from which models can be downloaded.")
    return office.downloads


async def _search(office: Office, asked: Search) -> Any:
    terms = asked.opts
    if office.downloads is None or (terms.compatibility_types is not None and "gguf" not in terms.compatibility_types):
        return {"results": list[Any]()}
    found = await office.downloads.search(terms.search_term)
    results = [
        {"name": name, "identifier": {"type": "hf", "identifier": name}, "exact": name == terms.search_term}
        for name in found[: terms.limit or 25]
    ]
    return {"results": results}


async def _options(office: Office, asked: DownloadOptions) -> Any:
    name = asked.model_search_result_identifier.identifier
    place = wanted(name)
    offers = await _place(office).offers(name)
    quantizations = [quantization_of(each.name.removesuffix(".gguf"), None) for each in offers]
    best = quantizations.index("Q4_K_M") if "Q4_K_M" in quantizations else 0
    results = [
        _option(f"{place.publisher}/{place.repository}/{each.name}", each, quantization, recommended=at == best)
        for at, (each, quantization) in enumerate(zip(offers, quantizations, strict=True))
    ]
    return {"results": results}


def _option(path: str, offer: Offered, quantization: str, *, recommended: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": offer.name,
        "sizeBytes": max(offer.size_bytes, 0),
        "fitEstimation": "fitWithoutGPU",
        "recommended": recommended,
        "downloadIdentifier": path,
        "indexedModelIdentifier": path,
        "compatibilityType": "gguf",
    }
    return told | ({"quantization": quantization} if quantization else {})


async def _download(office: Office, asked: Download, channel: Channel) -> None:
    downloads = _place(office)
    job = await downloads.start(asked.download_identifier)
    if job.id:
        async with channel.stoppable():
            await _follow(downloads, job, channel)
        if channel.stopped:
            await downloads.cancel(job.id)
            return
    if job.status == "failed":
        raise _Broken(job.error)
    if job.is_over:
        await channel.send({"type": "success", "defaultIdentifier": await _identifier(office, job)})


async def _follow(downloads: Downloads, job: Job, channel: Channel) -> None:
    finalizing = False
    async with aclosing(downloads.follow(job.id)) as stages:
        async for stage in stages:
            if stage.finalizing and not finalizing:
                finalizing = True
                await channel.send({"type": "startFinalizing"})
            elif not finalizing and stage.total_bytes >= 0:
                await channel.send({"type": "downloadProgress", "update": _update(stage)})


def _update(job: Job) -> dict[str, Any]:
    return {
        "downloadedBytes": job.downloaded_bytes,
        "totalBytes": job.total_bytes,
        "speedBytesPerSecond": job.bytes_per_second,
    }


async def _identifier(office: Office, job: Job) -> str:
    """The key by which the new model is loaded; its path where it is not found on this machine's list."""
    path = f"{job.wanted.publisher}/{job.wanted.repository}/{job.files[0].name}"
    known = [each.key for each in await office.models.known() if each.path.casefold() == path.casefold()]
    return known[0] if known else path


class _Broken(EngineError):
    """A download that failed."""
