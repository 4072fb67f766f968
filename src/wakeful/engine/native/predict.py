"""Answers while they are written: the channels `predict` and `completeRawText`."""

from contextlib import aclosing
from typing import Any

import msgspec

from wakeful.engine.life.instance import Instance
from wakeful.engine.native import failures, history, infos, prediction_config
from wakeful.engine.native.channel import Channel
from wakeful.engine.native.config import Stack, as_config, load_fields
from wakeful.engine.native.history import History
from wakeful.engine.native.office import Office
from wakeful.engine.native.specifier import Specifier
from wakeful.engine.native.spoken import Spoken
from wakeful.engine.runner.request import Generation

HEARTBEAT_S = 10.0
"""While a request waits or its prompt is read; the Python SDK gives up after 60 seconds without a message."""


class _Asked(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    model_specifier: Specifier
    prediction_config_stack: Stack = Stack()
    fuzzy_preset_identifier: str | None = None
    ignore_server_session_config: bool | None = None


class Predict(_Asked, frozen=True, rename="camel", kw_only=True):
    """An answer to a conversation."""

    history: History


class CompleteRawText(_Asked, frozen=True, rename="camel", kw_only=True):
    """What follows on a text."""

    raw_prompt: str


async def predict(office: Office, asked: Predict, channel: Channel) -> None:
    """Write an answer. Raises EngineError."""
    instance = _instance(office, asked)
    stack = asked.prediction_config_stack
    if stack.has("completeModeFormatting"):
        # So the Python SDK asks for a completion: one message, and a template that prints it as it is.
        generation = prediction_config.raw(asked.history.text(), stack)
    else:
        turns = history.messages(asked.history, office.uploads.data_url)
        if not instance.model.vision:
            history.no_images(turns)
        generation = prediction_config.chat(turns, stack)
    await _write(office, instance, generation, stack, channel)


async def complete_raw_text(office: Office, asked: CompleteRawText, channel: Channel) -> None:
    """Go on with a text. Raises EngineError."""
    instance = _instance(office, asked)
    stack = asked.prediction_config_stack
    await _write(office, instance, prediction_config.raw(asked.raw_prompt, stack), stack, channel)


def _instance(office: Office, asked: _Asked) -> Instance:
    if asked.fuzzy_preset_identifier:
        raise failures.no_preset(asked.fuzzy_preset_identifier)
    return infos.find(office.models, asked.model_specifier, "llm")


async def _write(office: Office, instance: Instance, generation: Generation, stack: Stack, channel: Channel) -> None:
    spoken = Spoken()
    if office.logs.watched:
        await _log_input(office, instance, generation)
    async with channel.kept_alive(HEARTBEAT_S, spoken.heartbeat), channel.stoppable():
        async with office.models.use(instance.reference, "llm") as used:
            await _speak(used, generation, spoken, channel)
    for message in spoken.broken_off():
        await channel.send(message)
    stats = spoken.stats()
    if office.logs.watched:
        said = {"type": "llm.prediction.output", "output": spoken.text(), "stats": stats}
        office.logs.add(said | {"modelIdentifier": instance.identifier})
    await channel.send(_success(instance, stats, stack))


async def _speak(instance: Instance, generation: Generation, spoken: Spoken, channel: Channel) -> None:
    async with aclosing(instance.runner.generate(generation)) as pieces:
        async for piece in pieces:
            for message in spoken.messages(piece):
                await channel.send(message)


def _success(instance: Instance, stats: dict[str, Any], stack: Stack) -> dict[str, Any]:
    """All four fields, or the Python SDK raises an error at the end of an answer that went well."""
    return {
        "type": "success",
        "stats": stats,
        "modelInfo": infos.loaded(instance),
        "loadModelConfig": load_fields(instance),
        "predictionConfig": as_config(prediction_config.used(stack)),
    }


async def _log_input(office: Office, instance: Instance, generation: Generation) -> None:
    prompt = generation.prompt
    if prompt is None:
        prompt = await instance.runner.render(generation.messages, generation.tools)
    line = {"type": "llm.prediction.input", "input": prompt, "modelPath": instance.model.path}
    office.logs.add(line | {"modelIdentifier": instance.identifier})
