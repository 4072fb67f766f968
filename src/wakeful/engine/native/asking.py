"""What is asked of models, loaded or not, other than answers: the calls of `llm` and `embedding`."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from wakeful.engine.errors import NoSuchModel, NotPossible
from wakeful.engine.files.catalog import available_bytes
from wakeful.engine.life.descriptor import Kind
from wakeful.engine.llama import memory
from wakeful.engine.native import failures, history, infos
from wakeful.engine.native.config import Stack, base_prediction, load_config, load_fields
from wakeful.engine.native.history import History
from wakeful.engine.native.office import Call, Office, call, void_call
from wakeful.engine.native.specifier import Specifier


class OfModel(msgspec.Struct, frozen=True, rename="camel"):
    """Something about a loaded model."""

    specifier: Specifier
    throw_if_not_found: bool = True
    ignore_server_session_config: bool | None = None


class OfText(msgspec.Struct, frozen=True, rename="camel"):
    """Something about a text, as a model reads it."""

    specifier: Specifier
    input_string: str


class ToEmbed(msgspec.Struct, frozen=True, rename="camel"):
    """A text to be made a vector; here, and only here, the specifier has another name."""

    model_specifier: Specifier
    input_string: str


class Unload(msgspec.Struct, frozen=True, rename="camel"):
    """A model to be taken out of memory."""

    identifier: str
    device_identifier: str | None = None


class Estimate(msgspec.Struct, frozen=True, rename="camel"):
    """A model that may be loaded so."""

    model_key: str
    load_config_stack: Stack = Stack()
    device_identifier: str | None = None


class Draft(msgspec.Struct, frozen=True, rename="camel"):
    """A model that is to draft for another."""

    specifier: Specifier
    draft_model_key: str


class _TemplateOptions(msgspec.Struct, frozen=True, rename="camel"):
    omit_bos_token: bool | None = None
    omit_eos_token: bool | None = None
    tool_definitions: tuple[dict[str, Any], ...] = ()


class Template(msgspec.Struct, frozen=True, rename="camel"):
    """A conversation to be laid out as the model gets to read it."""

    specifier: Specifier
    history: History
    prediction_config_stack: Stack = Stack()
    opts: _TemplateOptions = _TemplateOptions()


def shared(kind: Kind) -> dict[str, Call]:
    """The calls that both kinds of models have."""
    return {
        "listLoaded": void_call(_list_loaded(kind)),
        "getModelInfo": call(OfModel, _model_info(kind)),
        "getLoadConfig": call(OfModel, _load_config(kind)),
        "getBasePredictionConfig": call(OfModel, _base_prediction(kind)),
        "getInstanceProcessingState": call(OfModel, _processing_state(kind)),
        "unloadModel": call(Unload, _unload(kind)),
        "estimateModelUsage": call(Estimate, _estimate(kind)),
        "tokenize": call(OfText, _tokenize(kind)),
        "countTokens": call(OfText, _count_tokens(kind)),
    }


async def apply_template(office: Office, asked: Template) -> Any:
    """The prompt that a conversation becomes."""
    instance = infos.find(office.models, asked.specifier, "llm")
    turns = history.messages(asked.history, office.uploads.data_url)
    return {"formatted": await instance.runner.render(turns, asked.opts.tool_definitions)}


async def preload_draft(office: Office, asked: Draft) -> Any:
    """Refused: no model drafts for another here."""
    infos.find(office.models, asked.specifier, "llm")
    raise NotPossible("This server has no speculative decoding; leave the draft model out.")


async def embed(office: Office, asked: ToEmbed) -> Any:
    """A vector. Few at a time: clients ask for a thousand texts in a thousand calls at once."""
    instance = infos.find(office.models, asked.model_specifier, "embedding")
    async with office.embedding, office.models.use(instance.reference, "embedding") as used:
        vectors = await used.runner.embed([asked.input_string])
    return {"embedding": vectors[0]}


def _list_loaded(kind: Kind) -> Callable[[Office], Awaitable[Any]]:
    async def answer(office: Office) -> Any:
        return [infos.loaded(each) for each in office.models.loaded(kind)]

    return answer


def _model_info(kind: Kind) -> Callable[[Office, OfModel], Awaitable[Any]]:
    async def answer(office: Office, asked: OfModel) -> Any:
        try:
            return infos.loaded(infos.find(office.models, asked.specifier, kind))
        except failures.Failed:
            if asked.throw_if_not_found:
                raise
            return None

    return answer


def _load_config(kind: Kind) -> Callable[[Office, OfModel], Awaitable[Any]]:
    async def answer(office: Office, asked: OfModel) -> Any:
        return load_fields(infos.find(office.models, asked.specifier, kind))

    return answer


def _base_prediction(kind: Kind) -> Callable[[Office, OfModel], Awaitable[Any]]:
    async def answer(office: Office, asked: OfModel) -> Any:
        infos.find(office.models, asked.specifier, kind)
        return base_prediction()

    return answer


def _processing_state(kind: Kind) -> Callable[[Office, OfModel], Awaitable[Any]]:
    async def answer(office: Office, asked: OfModel) -> Any:
        try:
            instance = infos.find(office.models, asked.specifier, kind)
        except failures.Failed:
            if asked.throw_if_not_found:
                raise
            return {"status": "idle", "queued": 0}
        return {"status": instance.status, "queued": instance.waiting}

    return answer


def _unload(kind: Kind) -> Callable[[Office, Unload], Awaitable[Any]]:
    async def answer(office: Office, asked: Unload) -> Any:
        loaded = office.models.loaded(kind)
        if all(each.identifier != asked.identifier for each in loaded):
            raise failures.none_matches({"identifier": asked.identifier}, loaded)
        await office.models.unload(asked.identifier)

    return answer


def _estimate(kind: Kind) -> Callable[[Office, Estimate], Awaitable[Any]]:
    async def answer(office: Office, asked: Estimate) -> Any:
        try:
            model = await office.models.resolve(asked.model_key, kind)
        except NoSuchModel as error:
            raise failures.no_such_file(asked.model_key, error.known) from error
        config = load_config(asked.load_config_stack, kind)
        if model.file is None:  # a scripted model takes no more than it says
            needed = memory.Estimate(model.size_bytes, 0, 0)
        else:
            needed = await memory.estimate_load(model, config)
        context = needed.context_bytes + needed.overhead_bytes
        on_gpu = 1.0 if config.gpu is None else config.gpu
        told = {
            "confidence": "low" if model.file is None else "high",
            "modelVramBytes": round(needed.model_bytes * on_gpu),
            "contextVramBytes": round(context * on_gpu),
            "totalVramBytes": round(needed.total_bytes * on_gpu),
            "modelBytes": needed.model_bytes,
            "contextBytes": context,
            "totalBytes": needed.total_bytes,
        }
        return {"memory": told, "passesGuardrails": needed.total_bytes <= available_bytes()}

    return answer


def _tokenize(kind: Kind) -> Callable[[Office, OfText], Awaitable[Any]]:
    async def answer(office: Office, asked: OfText) -> Any:
        instance = infos.find(office.models, asked.specifier, kind)
        return {"tokens": await instance.runner.tokenize(asked.input_string)}

    return answer


def _count_tokens(kind: Kind) -> Callable[[Office, OfText], Awaitable[Any]]:
    async def answer(office: Office, asked: OfText) -> Any:
        instance = infos.find(office.models, asked.specifier, kind)
        return {"tokenCount": len(await instance.runner.tokenize(asked.input_string))}

    return answer
