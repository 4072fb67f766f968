"""The `openai` package against our server, its helpers included."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.responses import FunctionToolParam, ResponseInputParam
from pydantic import BaseModel
from served import PieceRunner, Server, say, served, text

from wakeful.engine.errors import DoesNotFit, EngineError, ProcessDied
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply, Script, ScriptedRunner
from wakeful.engine.server.settings import ServerSettings

HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
LOOK: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}
LOOK_FLAT: FunctionToolParam = {
    "type": "function",
    "name": "look",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"at": {"type": "string"}},
        "required": ["at"],
        "additionalProperties": False,
    },
}


class Sky(BaseModel):
    colour: str
    clouds: int


SKY = '{"colour": "blue", "clouds": 3}'


def looking(generation: Generation) -> Reply | str:
    """Calls the tool, and tells what it gave."""
    last = generation.messages[-1]
    if last["role"] == "tool":
        return f"It is {last['content']}."
    return Reply(reasoning="I must look.", calls=(Call("look", {"at": "sky"}),))


@asynccontextmanager
async def opened(
    script: Script | None = None, *, runner: ScriptedRunner | None = None, settings: ServerSettings | None = None
) -> AsyncGenerator[tuple[openai.AsyncOpenAI, Server]]:
    async with served(script, runner=runner, settings=settings) as server:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="lm-studio", max_retries=0) as client:
            yield client, server


async def test_models() -> None:
    async with opened() as (client, _):
        assert [model.id async for model in client.models.list()] == ["m", "other", "e"]


async def test_chat() -> None:
    async with opened(say(reasoning="Hm")) as (client, _):
        whole = await client.chat.completions.create(model="m", messages=HI, temperature=0, seed=1, max_tokens=50)
    message = whole.choices[0].message
    assert (message.content, message.tool_calls, whole.choices[0].finish_reason) == ("Hello, world!", [], "stop")
    assert message.model_dump()["reasoning_content"] == "Hm"
    assert whole.usage is not None
    assert whole.usage.completion_tokens_details is not None
    assert whole.usage.completion_tokens_details.reasoning_tokens == 1


async def test_chat_streamed() -> None:
    async with opened() as (client, _):
        stream = await client.chat.completions.create(
            model="m", messages=HI, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello, world!"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4


async def test_the_streaming_helper_assembles_tool_calls() -> None:
    async with opened(looking) as (client, _):
        async with client.chat.completions.stream(model="m", messages=HI, tools=[LOOK]) as stream:
            kinds = {event.type async for event in stream}
            final = await stream.get_final_completion()
    [call] = final.choices[0].message.tool_calls or []
    assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"at": "sky"})
    assert {"chunk", "tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds


async def test_a_turn_with_a_tool() -> None:
    async with opened(looking) as (client, server):
        first = await client.chat.completions.create(model="m", messages=HI, tools=[LOOK], tool_choice="auto")
        assert first.choices[0].finish_reason == "tool_calls"
        [call] = first.choices[0].message.tool_calls or []
        said: Any = first.choices[0].message.model_dump(exclude_none=True)
        result: ChatCompletionMessageParam = {"role": "tool", "tool_call_id": call.id, "content": "blue"}
        second = await client.chat.completions.create(model="m", messages=[*HI, said, result], tools=[LOOK])
        called, told = server.last.messages[1:]
    assert second.choices[0].message.content == "It is blue."
    assert called["tool_calls"][0]["id"] == told["tool_call_id"] == call.id


async def test_structured_answers() -> None:
    async with opened(say(SKY)) as (client, server):
        parsed = await client.chat.completions.parse(model="m", messages=HI, response_format=Sky)
        assert server.last.schema is not None
        assert set(server.last.schema["properties"]) == {"colour", "clouds"}
        async with client.chat.completions.stream(model="m", messages=HI, response_format=Sky) as stream:
            streamed = await stream.get_final_completion()
    for completion in (parsed, streamed):
        assert completion.choices[0].message.parsed == Sky(colour="blue", clouds=3)


async def test_completions() -> None:
    async with opened(say("there was")) as (client, _):
        whole = await client.completions.create(model="m", prompt="Once")
        stream = await client.completions.create(model="m", prompt="Once", stream=True)
        streamed = "".join([chunk.choices[0].text async for chunk in stream])
    assert whole.choices[0].text == streamed == "there was"


async def test_embeddings_which_it_asks_for_as_base64() -> None:
    async with opened() as (client, _):
        packed = await client.embeddings.create(model="e", input=["a fox", "a dog"])
        plain = await client.embeddings.create(model="e", input="a fox", encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)
    assert [each.index for each in packed.data] == [0, 1]


async def test_responses() -> None:
    async with opened(say(reasoning="Hm")) as (client, server):
        first = await client.responses.create(model="m", input="Hi", instructions="Be kind.")
        second = await client.responses.create(model="m", input="And?", previous_response_id=first.id)
        assert [turn["content"] for turn in server.last.messages] == ["Hi", "Hello, world!", "And?"]
    assert (first.output_text, first.status, second.previous_response_id) == ("Hello, world!", "completed", first.id)
    assert [item.type for item in first.output] == ["reasoning", "message"]
    assert first.usage is not None
    assert first.usage.output_tokens_details.reasoning_tokens == 1


async def test_the_helper_for_streamed_responses() -> None:
    async with opened(looking) as (client, _):
        async with client.responses.stream(model="m", input="Hi", tools=[LOOK_FLAT]) as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
        [call] = [item for item in final.output if item.type == "function_call"]
        answers: ResponseInputParam = [{"type": "function_call_output", "call_id": call.call_id, "output": "blue"}]
        async with client.responses.stream(model="m", input=answers, previous_response_id=final.id) as stream:
            deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            second = await stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.reasoning_text.delta" in kinds
    assert "response.function_call_arguments.done" in kinds
    assert json.loads(call.arguments) == {"at": "sky"}
    assert "".join(deltas) == second.output_text == "It is blue."


async def test_structured_responses() -> None:
    async with opened(say(SKY)) as (client, server):
        parsed = await client.responses.parse(model="m", input="Hi", text_format=Sky)
        assert server.last.schema is not None
    assert parsed.output_parsed == Sky(colour="blue", clouds=3)


async def test_errors_before_an_answer() -> None:
    async with opened() as (client, _):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="m", messages=HI, response_format={"type": "json_object"})
        with pytest.raises(openai.BadRequestError) as unknown:
            await client.chat.completions.create(model="gpt-5", messages=HI, stream=True)
        with pytest.raises(openai.NotFoundError) as missing:
            await client.models.retrieve("m")
        with pytest.raises(openai.BadRequestError) as gone:
            await client.responses.create(model="m", input="x", previous_response_id="resp_x")
    assert refused.value.body == "'response_format.type' must be 'json_schema' or 'text'"
    assert missing.value.body == "Unexpected endpoint or method. (GET /v1/models/m)"
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert gone.value.code == "previous_response_not_found"


async def test_a_missing_token() -> None:
    async with opened(settings=ServerSettings(port=0, tokens=("sk-lm-a:b",))) as (client, _):
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.models.list()
    assert refused.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DoesNotFit("x", prompt_tokens=9, context_tokens=5), "Trying to keep the first 9 tokens"),
        (ProcessDied("x", exit_code=1), "The model has crashed"),
    ],
)
async def test_errors_in_the_middle_of_a_stream(error: EngineError, message: str) -> None:
    async with opened(runner=PieceRunner([*text("a"), error])) as (client, _):
        stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
        assert (await anext(stream)).choices[0].delta.content == "a"
        with pytest.raises(openai.APIError, match=message):
            await anext(stream)
        async with client.responses.stream(model="m", input="Hi") as events:
            last = [event async for event in events][-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert message in last.response.error.message


async def test_leaving_a_stream_stops_the_model() -> None:
    async with opened(say("a " * 1000, token_s=0.01)) as (client, server):
        stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
        async for _ in stream:
            break
        await stream.close()
        [instance] = server.models.loaded()
        answer = await client.chat.completions.create(model="m", messages=HI, max_tokens=1)
        assert answer.choices[0].finish_reason == "length"
        async with asyncio.timeout(5):
            while instance.users:
                await asyncio.sleep(0.01)
