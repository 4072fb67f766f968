"""`/v1/embeddings`: texts as vectors."""

import base64
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from wakeful.engine.openai.options import ttl_seconds
from wakeful.engine.server import answers, bodies
from wakeful.engine.server.keys import MODELS, SETTINGS
from wakeful.engine.server.limits import check_count
from wakeful.engine.server.refusals import Refused

_WRONG_INPUT = "'input' field must be a string or an array of strings"


class EmbeddingsRequest(msgspec.Struct, kw_only=True):
    """What is read of a request; whatever else it holds is passed over."""

    model: str | None = None
    input: Any = None
    encoding_format: str | None = None
    ttl: Any = None


async def create(request: web.Request) -> web.StreamResponse:
    """POST /v1/embeddings"""
    asked = bodies.convert(await bodies.read(request), EmbeddingsRequest)
    texts = _texts(asked.input)
    check_count("input", texts, request.app[SETTINGS].limits.batch)
    packed = asked.encoding_format == "base64"
    if asked.encoding_format not in (None, "float", "base64"):
        raise Refused(
            "'encoding_format' must be 'float' or 'base64'", code="invalid_value", param="encoding_format", plain=True
        )
    async with request.app[MODELS].use(asked.model or "", "embedding", ttl_s=ttl_seconds(asked.ttl)) as instance:
        vectors = await instance.runner.embed(texts)
    return await answers.whole(request, embeddings(instance.identifier, vectors, packed=packed))


def embeddings(model: str, vectors: Sequence[Sequence[float]], *, packed: bool = False) -> dict[str, Any]:
    """The answer; as LM Studio's it tells no tokens. packed: as base64 of little-endian floats of 32 bits."""
    data = [
        {"object": "embedding", "embedding": _packed(vector) if packed else vector, "index": at}
        for at, vector in enumerate(vectors)
    ]
    return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": 0, "total_tokens": 0}}


def _texts(given: Any) -> list[str]:
    match given:
        case None:
            raise Refused("'input' field is required", code="missing_required_parameter", param="input", plain=True)
        case str():
            return [given]
        case list():
            texts = [each for each in bodies.as_list(given) if isinstance(each, str)]
            if texts and len(texts) == len(bodies.as_list(given)):
                return texts
        case _:
            pass
    raise Refused(_WRONG_INPUT, code="invalid_type", param="input", plain=True)


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
