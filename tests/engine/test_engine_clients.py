"""Other people's clients, unchanged: litellm, llm, LangChain, pydantic-ai, openai for JavaScript."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wakeful.engine.runner.request import Generation
from wakeful.engine.testing import Call, LMStudioServer, Reply

HERE = Path(__file__).parent / "js"
INSTALL_S = 100
CALL_S = 60
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def script(generation: Generation) -> Reply | Call:
    """Calls a tool where it is offered one and has no result yet; keeps to a schema; else says hello."""
    last = generation.messages[-1] if generation.messages else {"role": "user"}
    if generation.schema is not None:
        return Reply(text='{"good": true}')
    if generation.tools and last["role"] != "tool":
        return Call("weather", {"city": "Lyon"})
    if last["role"] == "tool":
        return Reply(text=f"They say: {last['content']}")
    return Reply(text="Hello there.")


@pytest.fixture
def server(lmstudio_server: LMStudioServer) -> LMStudioServer:
    lmstudio_server.script(script)
    return lmstudio_server


# --- litellm, in a process of its own: it leaves its sockets open ---

LITELLM = """
import json, sys
import litellm

where = {"api_base": sys.argv[1], "api_key": "none", "max_retries": 0}
chat, hi = "lm_studio/scripted", [{"role": "user", "content": "hi"}]
weather = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
got = {}

got["whole"] = litellm.completion(model=chat, messages=hi, **where).choices[0].message.content
stream = litellm.completion(model=chat, messages=hi, stream=True, **where)
got["stream"] = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
vectors = litellm.embedding(model="lm_studio/scripted-embedding", input=["a", "b"], **where)
got["vectors"] = [len(each["embedding"]) for each in vectors.data]
[call] = litellm.completion(model=chat, messages=hi, tools=[weather], **where).choices[0].message.tool_calls
got["call"] = [call.function.name, json.loads(call.function.arguments)]
held = litellm.completion(model=chat, messages=hi, response_format=schema, **where)
got["held"] = json.loads(held.choices[0].message.content)
got["errors"] = []
for model in ("lm_studio/busy", "lm_studio/wrong"):
    try:
        litellm.completion(model=model, messages=hi, **where)
    except Exception as error:
        got["errors"].append(type(error).__name__)
print(json.dumps(got))
"""


def test_litellm(server: LMStudioServer) -> None:
    server.fault("503,model=busy", "400,model=wrong")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LITELLM, server.base_url],
        # else it asks the internet for prices when it is imported
        env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        capture_output=True,
        text=True,
        timeout=2 * CALL_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "whole": "Hello there.",
        "stream": "Hello there.",
        "vectors": [32, 32],
        "call": ["weather", {"city": "Lyon"}],
        "held": {"good": True},
        "errors": ["ServiceUnavailableError", "BadRequestError"],
    }


# --- llm, the command line by Simon Willison ---


def llm(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "llm", *arguments],
        env=os.environ | {"LLM_USER_PATH": str(folder), "OPENAI_API_KEY": "none"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CALL_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_llm_by_its_file_of_extra_models(server: LMStudioServer, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: local\n  model_name: scripted\n  api_base: {server.base_url}\n"
        "  supports_tools: true\n  supports_schema: true\n"
    )
    assert llm(tmp_path, "-m", "local", "hi") == "Hello there.\n"
    assert llm(tmp_path, "-m", "local", "--no-stream", "hi") == "Hello there.\n"
    assert json.loads(llm(tmp_path, "-m", "local", "--schema", "good bool", "hi")) == {"good": True}
    code = "def weather(city: str) -> str:\n    'The weather.'\n    return 'rain in ' + city\n"
    assert "They say: rain in Lyon" in llm(tmp_path, "-m", "local", "--functions", code, "hi")
    assert [each.json["stream"] for each in server.requests[:2]] == [True, False]


# --- LangChain and pydantic-ai ---


async def test_langchain(server: LMStudioServer) -> None:
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings
    from pydantic import SecretStr

    key = SecretStr("none")
    model: Any = ChatOpenAI(model="scripted", base_url=server.base_url, api_key=key)
    assert (await model.ainvoke("hi")).content == "Hello there."
    assert "".join([str(chunk.content) async for chunk in model.astream("hi")]) == "Hello there."
    called = await model.bind_tools([WEATHER]).ainvoke("hi")
    assert [(each["name"], each["args"]) for each in called.tool_calls] == [("weather", {"city": "Lyon"})]
    schema = {"title": "Answer", "type": "object", "properties": {"good": {"type": "boolean"}}, "required": ["good"]}
    assert await model.with_structured_output(schema, method="json_schema").ainvoke("hi") == {"good": True}
    embeddings: Any = OpenAIEmbeddings(
        model="scripted-embedding", base_url=server.base_url, api_key=key, check_embedding_ctx_length=False
    )
    assert [len(each) for each in await embeddings.aembed_documents(["a", "b"])] == [32, 32]
    for client in (model.root_async_client, embeddings.async_client._client):  # it never closes them itself
        await client.close()


async def test_pydantic_ai(server: LMStudioServer) -> None:
    from openai import AsyncOpenAI
    from pydantic import BaseModel
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    class Answer(BaseModel):
        good: bool

    def weather(city: str) -> str:
        """The weather."""
        return f"It rains in {city}."

    async with AsyncOpenAI(base_url=server.base_url, api_key="none") as client:
        model = OpenAIChatModel("scripted", provider=OpenAIProvider(openai_client=client))
        assert (await Agent(model).run("hi")).output == "Hello there."
        assert (await Agent(model, tools=[weather]).run("hi")).output == "They say: It rains in Lyon."
        assert (await Agent(model, output_type=NativeOutput(Answer)).run("hi")).output == Answer(good=True)
        async with Agent(model).run_stream("hi") as stream:
            assert await stream.get_output() == "Hello there."


# --- OpenAI's own package for JavaScript ---


@pytest.fixture(scope="session")
def openai_js() -> Path:
    """The folder in which the package is installed, the first time from npm."""
    if not shutil.which("npm"):
        pytest.skip("there is no npm on this machine")
    if not (HERE / "node_modules" / "openai").is_dir():
        install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(install, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if done.returncode:
            pytest.skip(f"npm can't be reached: {done.stderr[-300:]}")
    return HERE


async def test_openai_in_javascript(server: LMStudioServer, openai_js: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "node", "openai_calls.mjs", server.base_url, cwd=openai_js, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(CALL_S):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    got = json.loads(out)
    assert got["models"] == ["scripted", "scripted-embedding"]
    assert got["whole"] == got["stream"] == "Hello there."
    assert got["usage"]["total_tokens"] > 0
    assert got["tools"] == "They say: It rains in Lyon."
    assert got["parsed"] == {"good": True}
    assert got["completion"] == "Hello there."
    assert got["vector"] == [32, 32]
    assert got["responses"] == ["Hello there.", "Hello there.", True]
    status, kind, message = got["refused"]
    assert (status, kind) == (400, "BadRequestError")
    assert "'response_format.type' must be 'json_schema' or 'text'" in message
