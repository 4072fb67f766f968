"""Other people's programs on our transport: the calls of OpenManus, pydantic-ai, LangChain."""

import json
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from raw_server import DONE, Exchange, delta, serving

from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.lmstudio.interop.openai import openai_client

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def answer(message: dict[str, Any], finish: str) -> dict[str, Any]:
    choice = {"index": 0, "logprobs": None, "finish_reason": finish, "message": {"role": "assistant", **message}}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "m",
        "choices": [choice],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
        "stats": {},
        "system_fingerprint": "m",
    }


async def lmstudio(exchange: Exchange) -> None:
    """Calls the tool once, when there is one, and answers then; in the shape that a schema asks for."""
    asked = json.loads(exchange.body)
    used = any(message["role"] == "tool" for message in asked["messages"])
    text = '{"city": "Wien", "celsius": 21}' if "response_format" in asked else "Grüße, Welt"
    if asked.get("tools") and not used:
        call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Wien"}'}}
        await exchange.answer(200, answer({"content": "", "tool_calls": [call]}, "tool_calls"))
    elif not asked.get("stream"):
        await exchange.answer(200, answer({"content": text, "tool_calls": []}, "stop"))
    else:
        common: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        await exchange.head()
        for piece in ("Grüße, ", "Welt"):
            await exchange.chunk(delta(piece, **common))
        await exchange.chunk(delta(finish="stop", **common))
        if asked.get("stream_options"):
            usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
            await exchange.chunk(b"data: " + json.dumps({**common, "choices": [], "usage": usage}).encode() + b"\n\n")
        await exchange.chunk(DONE)
        await exchange.end()


async def test_the_calls_of_openmanus() -> None:
    """`LLM.ask`, whole and streamed, `ask_with_images` and `ask_tool` of app/llm.py."""
    messages: list[Any] = [{"role": "system", "content": "s"}, {"role": "user", "content": "x"}]
    image: Any = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AA=="}}
    common: dict[str, Any] = {"model": "m", "max_tokens": 4096, "temperature": 0.0}
    async with serving(lmstudio) as server, AsyncLMStudioClient(server.url) as client:
        llm = openai_client(client)
        whole = await llm.chat.completions.create(**common, messages=messages, stream=False)
        text = ""
        async for chunk in await llm.chat.completions.create(**common, messages=messages, stream=True):
            text += chunk.choices[0].delta.content or ""  # it takes the first choice of every chunk
        seen = await llm.chat.completions.create(
            **common, messages=[{"role": "user", "content": [{"type": "text", "text": "x"}, image]}], stream=False
        )
        tool = await llm.chat.completions.create(
            **common, messages=messages, tools=[TOOL], tool_choice="auto", timeout=300, stream=False
        )
    assert whole.choices[0].message.content == text == seen.choices[0].message.content == "Grüße, Welt"
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (7, 2)
    calls = tool.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert json.loads(calls[0].function.arguments) == {"city": "Wien"}


async def test_openmanus_tells_errors_by_openai_s_classes() -> None:
    async def unauthorised(exchange: Exchange) -> None:
        await exchange.answer(401, {"error": {"message": "invalid", "code": "invalid_api_key"}})

    async with serving(unauthorised) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(openai.AuthenticationError):
            await openai_client(client).chat.completions.create(model="m", messages=[])


class Weather(BaseModel):
    city: str
    celsius: int


async def test_pydantic_ai_with_a_tool_and_structured_output() -> None:
    asked: list[str] = []
    async with serving(lmstudio) as server, AsyncLMStudioClient(server.url) as client:
        model = OpenAIChatModel("m", provider=OpenAIProvider(openai_client=openai_client(client)))
        agent = Agent(model, output_type=NativeOutput(Weather))

        @agent.tool_plain
        def weather(city: str) -> str:
            """The weather in a city."""
            asked.append(city)
            return "21 degrees"

        run = await agent.run("How is the weather in Vienna?")
    assert (run.output, asked, len(server.requests)) == (Weather(city="Wien", celsius=21), ["Wien"], 2)


async def test_langchain_whole_and_streamed() -> None:
    async with serving(lmstudio) as server, AsyncLMStudioClient(server.url) as client:
        theirs = openai_client(client)
        chat = ChatOpenAI(
            model="m",
            api_key=SecretStr("unused"),
            async_client=theirs.chat.completions,
            root_async_client=theirs,
            stream_usage=True,
        )
        whole = await chat.ainvoke("x")
        pieces = [piece async for piece in chat.astream("x")]
        bound = await chat.bind_tools([TOOL]).ainvoke("x")
    assert whole.content == "".join(str(piece.content) for piece in pieces) == "Grüße, Welt"
    assert sum((piece.usage_metadata or {}).get("output_tokens", 0) for piece in pieces) == 2
    assert bound.tool_calls[0]["args"] == {"city": "Wien"}
