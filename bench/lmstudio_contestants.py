"""Who is measured? Each client's own way of doing the same four things; its library is loaded when it is made.

Every `stream` hands over each piece of text as it comes, and every client is left at its defaults but for
retries and limits on connections, which would falsify the figures.
"""

import array
import base64
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

MESSAGES = [
    {"role": "system", "content": "You watch over a server. Answer in one sentence."},
    {"role": "user", "content": "The disk holds 812 of 900 GB and grows by ten a day. What is to be expected?"},
]
OnText = Callable[[str], None]


class Contestant(Protocol):
    """One client. imports: what a program that uses it would import."""

    title: str
    imports: str

    def __init__(self, url: str) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def chat(self, model: str) -> str:
        """The text of an answer in one piece."""
        ...

    async def stream(self, model: str, on_text: OnText) -> None:
        """A streamed answer to its end."""
        ...

    async def embed(self, model: str, texts: list[str]) -> Sequence[Sequence[float]]:
        """A vector for each text. model: `floats` or `base64`, which the client may ask for."""
        ...


class Floor:
    """What the work itself costs: typed decoding of each event, the text joined, usage and finish reason kept.

    No errors, no deadlines, no statistics, nothing but LF between lines: not a client that anybody should use.
    """

    title = "aiohttp + msgspec (the floor)"
    imports = "aiohttp, msgspec"

    def __init__(self, url: str) -> None:
        import aiohttp
        import msgspec

        class Delta(msgspec.Struct):
            content: str | None = None

        class Choice(msgspec.Struct):
            delta: Delta | None = None
            message: Delta | None = None
            finish_reason: str | None = None

        class Usage(msgspec.Struct):
            prompt_tokens: int = 0
            completion_tokens: int = 0

        class Answer(msgspec.Struct):
            model: str = ""
            choices: list[Choice] = []
            usage: Usage | None = None

        class Vector(msgspec.Struct):
            embedding: list[float] | str
            index: int = 0

        class Vectors(msgspec.Struct):
            data: list[Vector]

        self._url = url
        self._encode = msgspec.json.encode
        self._answer = msgspec.json.Decoder(Answer)
        self._vectors = msgspec.json.Decoder(Vectors)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def _post(self, path: str, body: dict[str, Any]) -> bytes:
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url + path, data=self._encode(body), headers=headers) as response:
            return await response.read()

    async def chat(self, model: str) -> str:
        body = {"model": model, "messages": MESSAGES, "max_tokens": 1024, "stream": False}
        message = self._answer.decode(await self._post("/v1/chat/completions", body)).choices[0].message
        assert message is not None
        assert message.content is not None
        return message.content

    async def stream(self, model: str, on_text: OnText) -> None:
        body = {
            "model": model,
            "messages": MESSAGES,
            "max_tokens": 1024,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        headers = {"Content-Type": "application/json"}
        decode = self._answer.decode
        texts: list[str] = []
        finish_reason = usage = None
        rest = b""
        async with self._session.post(
            self._url + "/v1/chat/completions", data=self._encode(body), headers=headers
        ) as response:
            async for data in response.content.iter_any():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event == b"data: [DONE]":
                        continue
                    answer = decode(event[6:])
                    usage = answer.usage or usage
                    if not answer.choices:
                        continue
                    choice = answer.choices[0]
                    finish_reason = choice.finish_reason or finish_reason
                    if choice.delta is not None and choice.delta.content:
                        texts.append(choice.delta.content)
                        on_text(choice.delta.content)
        assert "".join(texts)
        assert finish_reason == "stop"
        assert usage is not None

    async def embed(self, model: str, texts: list[str]) -> Sequence[Sequence[float]]:
        body = {"model": model, "input": texts, "encoding_format": "base64" if model == "base64" else "float"}
        answer = self._vectors.decode(await self._post("/v1/embeddings", body))
        vectors: list[Sequence[float]] = []
        for vector in sorted(answer.data, key=lambda each: each.index):
            numbers = array.array("f")
            if isinstance(vector.embedding, str):
                numbers.frombytes(base64.b64decode(vector.embedding))
            else:
                numbers.fromlist(vector.embedding)
            vectors.append(numbers)
        return vectors


class Ours:
    """The client under test: typed events, statistics, deadlines and all."""

    title = "wakeful.lmstudio"
    imports = "wakeful.lmstudio"

    def __init__(self, url: str) -> None:
        from wakeful.lmstudio import AsyncLMStudioClient, ContentDelta

        self._client = AsyncLMStudioClient(url)
        self._content = ContentDelta

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def chat(self, model: str) -> str:
        return (await self._client.chat(MESSAGES, model=model)).text

    async def stream(self, model: str, on_text: OnText) -> None:
        content = self._content
        async for event in self._client.stream(MESSAGES, model=model):
            if type(event) is content:
                on_text(event.text)

    async def embed(self, model: str, texts: list[str]) -> Sequence[Sequence[float]]:
        return await self._client.embeddings.create(texts, model=model, base64=model == "base64")
