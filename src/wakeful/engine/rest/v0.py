"""REST v0: OpenAI's routes with more in their answers, and the list of models with their states."""

import platform
import sys
from collections.abc import Callable
from functools import cache
from importlib import metadata
from typing import Any

from aiohttp import web

import wakeful
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.instance import Instance
from wakeful.engine.openai import answer, chat, completions, embeddings
from wakeful.engine.openai.answer import Said
from wakeful.engine.server import answers, bodies
from wakeful.engine.server.keys import CLOCK, MODELS, SETTINGS
from wakeful.engine.server.refusals import Refused


async def list_models(request: web.Request) -> web.StreamResponse:
    """GET /api/v0/models"""
    return await answers.whole(request, {"object": "list", "data": await _listed(request)})


async def show_model(request: web.Request) -> web.StreamResponse:
    """GET /api/v0/models/{id}"""
    name = request.match_info["id"].casefold()
    for each in await _listed(request):
        if each["id"].casefold() == name:
            return await answers.whole(request, each)
    raise Refused(f'Model "{request.match_info["id"]}" not found', kind="not_found", code="model_not_found")


async def create_chat(request: web.Request) -> web.StreamResponse:
    """POST /api/v0/chat/completions"""
    asked = bodies.convert(await bodies.read(request), chat.ChatRequest)
    if asked.stream:
        return await chat.create(request)
    tags, now_s = request.app[SETTINGS].think_tags, request.app[CLOCK]
    generation = asked.generation(request.app[SETTINGS].limits)

    def body(instance: Instance, said: Said) -> dict[str, Any]:
        return chat.completion(instance, said, now_s(), think_tags=tags)

    return await answer.whole(request, asked.model or "", generation, with_statistics(body), ttl_s=asked.ttl_s)


async def create_completion(request: web.Request) -> web.StreamResponse:
    """POST /api/v0/completions"""
    asked = bodies.convert(await bodies.read(request), completions.CompletionRequest)
    if asked.stream:
        return await completions.create(request)
    generation = asked.generation(request.app[SETTINGS].limits)
    now_s = request.app[CLOCK]

    def body(instance: Instance, said: Said) -> dict[str, Any]:
        return completions.completion(instance, said, now_s())

    return await answer.whole(request, asked.model or "", generation, with_statistics(body), ttl_s=asked.ttl_s)


async def create_embeddings(request: web.Request) -> web.StreamResponse:
    """POST /api/v0/embeddings"""
    return await embeddings.create(request)


def with_statistics(
    body: Callable[[Instance, Said], dict[str, Any]],
) -> Callable[[Instance, Said], dict[str, Any]]:
    """OpenAI's answer with what v0 adds."""

    def more(instance: Instance, said: Said) -> dict[str, Any]:
        done, model = said.done, instance.model
        stats = {
            "tokens_per_second": done.stats.tokens_per_second,
            "time_to_first_token": done.stats.first_token_s,
            "generation_time": done.stats.generation_s,
            "stop_reason": done.stop_reason,
        }
        info = {
            "arch": model.architecture,
            "quant": model.quantization,
            "format": model.format,
            "context_length": instance.context_length,
        }
        return body(instance, said) | {"stats": stats, "model_info": info, "runtime": _runtime()}

    return more


async def _listed(request: web.Request) -> list[dict[str, Any]]:
    """Every model by its key, and those that are loaded under another name by that one too."""
    models = request.app[MODELS]
    known, loaded = await models.known(), models.loaded()
    listed: list[dict[str, Any]] = []
    for model in known:
        instances = [each for each in loaded if each.model.key == model.key]
        by_key = next((each for each in instances if each.identifier == model.key), None)
        listed.append(_item(model, model.key, by_key or next(iter(instances), None)))
        listed += [_item(model, each.identifier, each) for each in instances if each.identifier != model.key]
    return listed


def _item(model: Descriptor, name: str, instance: Instance | None) -> dict[str, Any]:
    kind = "embeddings" if model.kind == "embedding" else ("vlm" if model.vision else "llm")
    item: dict[str, Any] = {
        "id": name,
        "object": "model",
        "type": kind,
        "publisher": model.publisher,
        "arch": model.architecture,
        "compatibility_type": model.format,
        "quantization": model.quantization,
        "state": "not-loaded" if instance is None else "loaded",
        "max_context_length": model.max_context_tokens,
    }
    if instance is not None:
        item["loaded_context_length"] = instance.context_length
    if model.tools:
        item["capabilities"] = ["tool_use"]
    return item


@cache
def _runtime() -> dict[str, Any]:
    try:
        version = metadata.version("xllamacpp")
    except metadata.PackageNotFoundError:
        version = wakeful.__version__
    name = f"llama.cpp-{sys.platform}-{platform.machine().lower()}"
    return {"name": name, "version": version, "supported_formats": ["gguf"]}
