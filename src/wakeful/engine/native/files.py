"""The namespace `files`: what clients hand over for use in a conversation."""

from typing import Any

import msgspec

from wakeful.engine.native.office import Office, Space, call


class ToUpload(msgspec.Struct, frozen=True, rename="camel"):
    """A file."""

    name: str
    content_base64: str


def files() -> Space:
    """Its endpoints."""
    return Space("files", {"uploadFileBase64": call(ToUpload, _upload)})


async def _upload(office: Office, asked: ToUpload) -> Any:
    made = office.uploads.add(asked.name, asked.content_base64)
    return {"identifier": made.identifier, "fileType": made.type, "sizeBytes": made.size_bytes}
