"""`/v1/responses`: answers that can be gone on from."""

from aiohttp import web

from wakeful.engine.openai import answer
from wakeful.engine.openai.answer import Said
from wakeful.engine.openai.responses_input import ResponsesRequest
from wakeful.engine.openai.responses_output import Shape, output_of
from wakeful.engine.openai.responses_stream import ResponseWriter
from wakeful.engine.openai.turns import call, said_turn
from wakeful.engine.runner.request import Message
from wakeful.engine.server import bodies
from wakeful.engine.server.conversations import CONVERSATIONS, new_id
from wakeful.engine.server.keys import CLOCK, SETTINGS


async def create(request: web.Request) -> web.StreamResponse:
    """POST /v1/responses"""
    asked = bodies.convert(await bodies.read(request), ResponsesRequest)
    limits = request.app[SETTINGS].limits
    conversations, now_s = request.app[CONVERSATIONS], request.app[CLOCK]
    new = asked.turns(limits)
    previous = asked.previous_response_id or ""
    before: tuple[Message, ...] = await conversations.recall(previous) if previous else ()
    generation = asked.generation(before, new, limits)
    response_id = new_id()

    async def keep(said: Said) -> None:
        calls = [call(each.id, each.name, each.arguments) for each in said.calls]
        await conversations.keep([*new, said_turn(said.text, calls)], response_id=response_id, previous=previous)

    kept = None if asked.store is False else keep
    name = asked.model or ""
    if asked.stream:
        return await answer.streamed(
            request,
            name,
            generation,
            lambda instance: ResponseWriter(Shape(asked, response_id, instance.identifier, now_s)),
            keep=kept,
        )
    return await answer.whole(
        request,
        name,
        generation,
        lambda instance, said: Shape(asked, response_id, instance.identifier, now_s).ended(output_of(said), said.done),
        keep=kept,
    )
