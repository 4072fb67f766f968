"""Other people's clients, each used as its documentation shows."""

import os
from array import array
from base64 import b64decode
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from bench.lmstudio_contestants import MESSAGES, OnText

_KEY = "not-needed"


class _HoldsNothing:
    """For clients that are not closed."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class OpenAI:
    """The official client of the OpenAI API."""

    title = "openai, async"
    imports = "openai"

    def __init__(self, url: str) -> None:
        import openai

        self._client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=_KEY, max_retries=0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def chat(self, model: str) -> str:
        messages: Any = MESSAGES
        answer = await self._client.chat.completions.create(model=model, messages=messages, max_tokens=1024)
        return answer.choices[0].message.content or ""

    async def stream(self, model: str, on_text: OnText) -> None:
        messages: Any = MESSAGES
        chunks = await self._client.chat.completions.create(
            model=model, messages=messages, max_tokens=1024, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in chunks:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                on_text(text)

    async def embed(self, model: str, texts: list[str]) -> Sequence[Sequence[float]]:
        form = "base64" if model == "base64" else "float"
        if form == "base64":  # it asks for base64 and decodes it only when nothing is said
            answer = await self._client.embeddings.create(model=model, input=texts)
        else:
            answer = await self._client.embeddings.create(model=model, input=texts, encoding_format=form)
        return [each.embedding for each in answer.data]


class LangChain(_HoldsNothing):
    """LangChain's models for the OpenAI API."""

    title = "langchain-openai"
    imports = "langchain_openai"

    def __init__(self, url: str) -> None:
        import langchain_openai
        from pydantic import SecretStr

        self._lib = langchain_openai
        self._url, self._key = f"{url}/v1", SecretStr(_KEY)
        self._models: dict[str, Any] = {}

    def _chat(self, model: str) -> Any:
        if model not in self._models:
            self._models[model] = self._lib.ChatOpenAI(
                model=model, base_url=self._url, api_key=self._key, max_retries=0, stream_usage=True
            )
        return self._models[model]

    async def chat(self, model: str) -> str:
        return str((await self._chat(model).ainvoke(MESSAGES)).content)

    async def stream(self, model: str, on_text: OnText) -> None:
        async for chunk in self._chat(model).astream(MESSAGES):
            if chunk.content:
                on_text(chunk.content)

    async def embed(self, model: str, texts: list[str]) -> Sequence[Sequence[float]]:
        if model not in self._models:
            self._models[model] = self._lib.OpenAIEmbeddings(
                model=model,
                base_url=self._url,
                api_key=self._key,
                max_retries=0,
                check_embedding_ctx_length=False,
                model_kwargs={} if model == "base64" else {"encoding_format": "float"},
            )
        return await self._models[model].aembed_documents(texts)


class PydanticAI(_HoldsNothing):
    """pydantic-ai's agents and embedders over the OpenAI API."""

    title = "pydantic-ai"
    imports = "pydantic_ai, pydantic_ai.models.openai, pydantic_ai.providers.openai"

    def __init__(self, url: str) -> None:
        from openai import AsyncOpenAI
        from pydantic_ai.providers.openai import OpenAIProvider

        self._provider = OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{url}/v1", api_key=_KEY, max_retries=0))
        self._made: dict[str, Any] = {}

    def _agent(self, model: str) -> Any:
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel

        if model not in self._made:
            self._made[model] = Agent(
                OpenAIChatModel(model, provider=self._provider), instructions=MESSAGES[0]["content"]
            )
        return self._made[model]

    async def chat(self, model: str) -> str:
        return str((await self._agent(model).run(MESSAGES[1]["content"])).output)

    async def stream(self, model: str, on_text: OnText) -> None:
        async with self._agent(model).run_stream(MESSAGES[1]["content"]) as run:
            async for text in run.stream_text(delta=True, debounce_by=None):
                on_text(text)

    async def embed(self, model: str, texts: list[str]) -> Sequence[Sequence[float]]:
        from pydantic_ai import Embedder
        from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel

        if model not in self._made:
            self._made[model] = Embedder(OpenAIEmbeddingModel(model, provider=self._provider))
        return (await self._made[model].embed_documents(texts)).embeddings


class LMStudioSDK:
    """LM Studio's own package, which speaks a protocol of its own and has a server of its own here."""

    title = "lmstudio SDK, async (own protocol)"
    imports = "lmstudio"
    server = "bench.lmstudio_native"

    def __init__(self, url: str) -> None:
        import importlib

        lib: Any = importlib.import_module("lmstudio")  # the checker takes our tests' folder of this name for it
        self._client: Any = lib.AsyncClient(url.removeprefix("http://"))
        self._models: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def _model(self, name: str) -> Any:
        if name not in self._models:
            self._models[name] = await self._client.llm.model(name)
        return self._models[name]

    async def chat(self, model: str) -> str:
        return (await (await self._model(model)).respond({"messages": MESSAGES})).content

    async def stream(self, model: str, on_text: OnText) -> None:
        async for fragment in await (await self._model(model)).respond_stream({"messages": MESSAGES}):
            on_text(fragment.content)

    async def embed(self, model: str, texts: list[str]) -> Sequence[Sequence[float]]:
        if model == "base64":
            raise NotImplementedError("sends numbers only")
        if "embedding" not in self._models:
            self._models["embedding"] = await self._client.embedding.model("embedding")
        return await self._models["embedding"].embed(texts)


class LiteLLM(_HoldsNothing):
    """litellm's functions for any provider."""

    title = "litellm"
    imports = "litellm"

    def __init__(self, url: str) -> None:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for prices
        import importlib

        self._lib: Any = importlib.import_module("litellm")  # its types are not known to the checker
        self._to = {"api_base": f"{url}/v1", "api_key": _KEY, "max_retries": 0}

    async def chat(self, model: str) -> str:
        answer = await self._lib.acompletion(model=f"openai/{model}", messages=MESSAGES, max_tokens=1024, **self._to)
        return answer.choices[0].message.content

    async def stream(self, model: str, on_text: OnText) -> None:
        chunks = await self._lib.acompletion(
            model=f"openai/{model}",
            messages=MESSAGES,
            max_tokens=1024,
            stream=True,
            stream_options={"include_usage": True},
            **self._to,
        )
        async for chunk in chunks:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                on_text(text)

    async def embed(self, model: str, texts: list[str]) -> Sequence[Sequence[float]]:
        form = {} if model == "base64" else {"encoding_format": "float"}
        answer = await self._lib.aembedding(model=f"openai/{model}", input=texts, **form, **self._to)
        return [each["embedding"] for each in answer.data]


class Httpx(_HoldsNothing):
    """httpx with msgspec: what most hand-written clients are."""

    title = "httpx + msgspec"
    imports = "httpx, msgspec"

    def __init__(self, url: str) -> None:
        import httpx
        import msgspec

        self._client = httpx.AsyncClient(base_url=url, timeout=None, limits=httpx.Limits(max_connections=None))
        self._decode = msgspec.json.decode

    async def chat(self, model: str) -> str:
        reply = await self._client.post("/v1/chat/completions", json={"model": model, "messages": MESSAGES})
        return self._decode(reply.content)["choices"][0]["message"]["content"]

    async def stream(self, model: str, on_text: OnText) -> None:
        body = {"model": model, "messages": MESSAGES, "stream": True}
        async with self._client.stream("POST", "/v1/chat/completions", json=body) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    choices = self._decode(line[6:])["choices"]
                    if choices and (text := choices[0]["delta"].get("content")):
                        on_text(text)

    async def embed(self, model: str, texts: list[str]) -> Sequence[Sequence[float]]:
        form = "base64" if model == "base64" else "float"
        body = {"model": model, "input": texts, "encoding_format": form}
        answer = self._decode((await self._client.post("/v1/embeddings", json=body)).content)
        return [_numbers(each["embedding"]) for each in answer["data"]]


def _numbers(vector: str | list[float]) -> Sequence[float]:
    return array("f", b64decode(vector)) if isinstance(vector, str) else vector
