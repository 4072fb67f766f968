"""REST v1: models to be had from the place that this server was given, and how far that is."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from wakeful.engine.files.downloads import Job, NoSuchJob
from wakeful.engine.files.names import DownloadRefused
from wakeful.engine.rest import strict
from wakeful.engine.server import answers
from wakeful.engine.server.keys import DOWNLOADS
from wakeful.engine.server.refusals import Refused

_PREFIX = "job_"


class Download(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model by `publisher/repository`, or by an address on a hub. quantization: such as `Q4_K_M`."""

    model: str
    quantization: str | None = None


async def start(request: web.Request) -> web.StreamResponse:
    """POST /api/v1/models/download"""
    asked = await strict.read(request, Download)
    downloads = request.app.get(DOWNLOADS)
    if downloads is None:
        text = "No place is configured from which models can be downloaded."
        raise Refused(text, kind="not_implemented", status=501, param="model")
    try:
        job = await downloads.start(asked.model, asked.quantization)
    except DownloadRefused as error:
        raise Refused(
            error.message, kind="model_not_found", status=404, code="model_not_found", param="model"
        ) from error
    if job.status == "already_downloaded":
        return await answers.whole(request, {"status": job.status})
    told: dict[str, Any] = {"job_id": _PREFIX + job.id, "status": job.status}
    return await answers.whole(request, told | _times(job) | _total(job))


async def status(request: web.Request) -> web.StreamResponse:
    """GET /api/v1/models/download/status/{job_id}"""
    job_id = request.match_info["job_id"]
    downloads = request.app.get(DOWNLOADS)
    try:
        if downloads is None or not job_id.startswith(_PREFIX):
            raise NoSuchJob(job_id)
        job = downloads.job(job_id.removeprefix(_PREFIX))
    except NoSuchJob as error:
        text = f"Download job '{job_id}' not found."
        raise Refused(text, kind="job_not_found", code="job_not_found", param="job_id") from error
    told: dict[str, Any] = {"job_id": job_id, "status": job.status, "downloaded_bytes": job.downloaded_bytes}
    if job.status == "downloading":
        told["bytes_per_second"] = job.bytes_per_second
        if job.remaining_s is not None:
            told["estimated_completion"] = _iso(datetime.now(UTC).timestamp() + job.remaining_s)
    return await answers.whole(request, told | _times(job) | _total(job))


def _times(job: Job) -> dict[str, Any]:
    told = {"started_at": _iso(job.started_ns / 1e9)}
    return told if job.completed_ns is None else told | {"completed_at": _iso(job.completed_ns / 1e9)}


def _total(job: Job) -> dict[str, Any]:
    return {} if job.total_bytes < 0 else {"total_size_bytes": job.total_bytes}


def _iso(seconds: float) -> str:
    """As JavaScript writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
