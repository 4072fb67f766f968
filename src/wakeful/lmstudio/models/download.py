"""Getting a model onto the server's disk, over LM Studio's REST API v1."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import msgspec

from wakeful.lmstudio.errors import LoadFailed, MalformedAnswer, ServerTooSlow, ServerUnreachable
from wakeful.lmstudio.http.classify import shorten
from wakeful.lmstudio.http.wire import as_object

if TYPE_CHECKING:
    from wakeful.lmstudio.client import AsyncLMStudioClient

POLL_S = 2.0
_LONGEST_POLL_S = 15.0
_MISSES = 20
"""Looks in a row that may fail before we give up: the server may be restarted under a download."""


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A download, as far as it is.

    job_id: "" where there was nothing to do
    bytes_per_second: lately; estimated_completion: a time as ISO 8601
    extra: fields that we do not know
    """

    job_id: str = ""
    status: Literal["downloading", "paused", "completed", "failed", "already_downloaded"] | str = ""
    total_size_bytes: int = 0
    downloaded_bytes: int = 0
    bytes_per_second: float = 0.0
    started_at: str = ""
    completed_at: str = ""
    estimated_completion: str = ""
    extra: dict[str, Any] = {}

    @property
    def share(self) -> float:
        """How much of it is there, in [0, 1]."""
        if self.status in ("completed", "already_downloaded"):
            return 1.0
        return min(1.0, self.downloaded_bytes / self.total_size_bytes) if self.total_size_bytes else 0.0


async def start_download(client: "AsyncLMStudioClient", model: str, *, quantization: str = "") -> Download:
    """Start it and return at once. model: a name in LM Studio's catalogue, or a Hugging Face URL."""
    payload = {"model": model, **({"quantization": quantization} if quantization else {})}
    return _read(await client.transport.json("POST", "/api/v1/models/download", payload))


async def download_status(client: "AsyncLMStudioClient", job_id: str) -> Download:
    """How far a download is. Raises ModelNotFound or BadRequest for a job that is not known."""
    return _read(await client.transport.json("GET", f"/api/v1/models/download/status/{quote(job_id, safe='')}"))


async def download_model(
    client: "AsyncLMStudioClient",
    model: str,
    *,
    quantization: str = "",
    on_progress: Callable[[Download], object] | None = None,
    poll_s: float = POLL_S,
    limit_s: float | None = None,
) -> Download:
    """Download a model and return once it is there.

    It goes on at the server when this is cancelled or gives up: LM Studio has no way to stop it from outside.
    on_progress: called with each state that differs from the one before
    poll_s: seconds between looks, more while nothing moves; limit_s: give up after so long, None for never
    Raises LoadFailed when it fails, ServerTooSlow after `limit_s`, and what the transport raises.
    """
    loop = asyncio.get_running_loop()
    give_up_s = None if limit_s is None else loop.time() + limit_s
    state = await start_download(client, model, quantization=quantization)
    wait_s, misses = poll_s, 0
    while True:
        if on_progress is not None:
            on_progress(state)
        if state.status in ("completed", "already_downloaded"):
            return state
        if state.status == "failed" or not state.job_id:
            raise LoadFailed(f"The download of {model!r} failed.", detail=shorten(str(state.extra)))
        before = state
        while state == before:
            if give_up_s is not None and loop.time() + wait_s > give_up_s:
                raise ServerTooSlow(
                    f"The download of {model!r} is at {state.share:.0%}; it goes on at the server.", stage="whole"
                )
            await asyncio.sleep(wait_s)
            try:
                state = await download_status(client, state.job_id)
            except (ServerUnreachable, ServerTooSlow):
                misses += 1
                if misses >= _MISSES:
                    raise
            else:
                misses = 0
            wait_s = min(wait_s * 1.5, _LONGEST_POLL_S) if state == before else poll_s


def _read(data: Any) -> Download:
    fields = as_object(data)
    if not isinstance(fields.get("status"), str):
        raise MalformedAnswer("The answer about the download has no status.", detail=shorten(str(data)))
    known = {
        name: fields.pop(name) for name in Download.__struct_fields__ if name in fields and fields[name] is not None
    }
    try:
        return msgspec.convert({**known, "extra": fields}, Download, strict=False)
    except msgspec.ValidationError as error:
        raise MalformedAnswer(f"The answer about the download can't be read: {error}.") from error
